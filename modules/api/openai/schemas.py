"""OpenAI's request bodies, with our knobs beside theirs."""

import json
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field

from modules.api.adapters import AdapterChoices
from modules.api.openai.tool_schemas import CallId, ToolChoice, Tools, WireCall, WireTool, tool_use
from modules.api.presets import PresetName
from modules.api.strict_json import Text, WireModel
from modules.errors import BadRequest
from modules.limits import LIMITS
from modules.services.gap_prompt import GapPrompt
from modules.services.prompt_requests import Prompt, RawPrompt
from modules.types.generation import Constraint
from modules.types.messages import Message, Role
from modules.types.parameters import Parameters
from modules.types.reply_params import ReplyParams, reply_params
from modules.types.sampling import SamplingParams

StopString = Annotated[Text, Field(min_length=1, max_length=LIMITS.stop_chars)]
ConstraintText = Annotated[Text, Field(min_length=1, max_length=LIMITS.constraint_chars)]
ModelName = Annotated[Text, Field(max_length=500)]
TokenId = Annotated[int, Field(ge=0, lt=2**31)]


class ContentPart(WireModel):
    type: Literal["text"]
    text: Annotated[Text, Field(max_length=LIMITS.message_chars)]


class WireMessage(WireModel):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Annotated[Text, Field(max_length=LIMITS.message_chars)] | list[ContentPart] = ""
    tool_calls: Annotated[list[WireCall], Field(max_length=LIMITS.tools)] = Field(default_factory=list[WireCall])
    tool_call_id: CallId = ""

    def message(self) -> Message:
        text = self.content if isinstance(self.content, str) else "\n".join(part.text for part in self.content)
        role: Role = "system" if self.role == "developer" else self.role
        if self.tool_calls and role != "assistant":
            raise BadRequest(f"Only an assistant's message may hold tool_calls, not the {role}'s.", field="messages")
        if role == "tool" and not self.tool_call_id:
            raise BadRequest("A message of a tool needs the tool_call_id of the call that it answers.", "messages")
        return Message(role, text, tuple(call.call() for call in self.tool_calls), self.tool_call_id)


class PromptOrMessages(WireModel):
    """Either a prompt as it is or a chat's messages."""

    model: ModelName | None = None
    prompt: Annotated[Text, Field(min_length=1, max_length=LIMITS.message_chars)] | None = None
    messages: Annotated[list[WireMessage], Field(min_length=1, max_length=LIMITS.messages)] | None = None

    def asked(self) -> str | list[Message]:
        if self.prompt is not None and self.messages is None:
            return self.prompt
        if self.prompt is None and self.messages is not None:
            return [message.message() for message in self.messages]
        raise BadRequest("Give either a prompt or messages.", field="prompt")


class StreamOptions(WireModel):
    include_usage: bool = False


class TextFormat(WireModel):
    type: Literal["text"] = "text"

    def constraint(self) -> Constraint | None:
        return None


class JsonObjectFormat(WireModel):
    type: Literal["json_object"]

    def constraint(self) -> Constraint:
        return Constraint("json_schema", '{"type": "object"}')


class NamedSchema(WireModel):
    schema_: dict[str, Any] = Field(alias="schema")
    name: Annotated[Text, Field(max_length=200)] = ""
    strict: bool | None = None


class JsonSchemaFormat(WireModel):
    type: Literal["json_schema"]
    json_schema: NamedSchema

    def constraint(self) -> Constraint:
        return Constraint("json_schema", json.dumps(self.json_schema.schema_))


class RegexFormat(WireModel):
    type: Literal["regex"]
    regex: ConstraintText

    def constraint(self) -> Constraint:
        return Constraint("regex", self.regex)


class ChoiceFormat(WireModel):
    type: Literal["choice"]
    choice: Annotated[list[ConstraintText], Field(min_length=1, max_length=LIMITS.choices)]

    def constraint(self) -> Constraint:
        return Constraint("choice", json.dumps(self.choice))


class GrammarFormat(WireModel):
    type: Literal["gbnf", "lark"]
    grammar: ConstraintText

    def constraint(self) -> Constraint:
        return Constraint(self.type, self.grammar)


# OpenAI's field; all kinds beside text and JSON are ours.
ResponseFormat = Annotated[
    TextFormat | JsonObjectFormat | JsonSchemaFormat | RegexFormat | ChoiceFormat | GrammarFormat,
    Field(discriminator="type"),
]


class CompletionFields(WireModel, SamplingParams):
    """What chat and raw completions share."""

    model_config = WireModel.model_config

    model: ModelName | None = None
    max_tokens: int | None = Field(default=None, ge=1, le=LIMITS.context_tokens)
    stop: StopString | Annotated[list[StopString], Field(max_length=LIMITS.stop_strings)] | None = None
    stream: bool = False
    stream_options: StreamOptions = StreamOptions()
    n: Literal[1] = 1
    response_format: ResponseFormat = TextFormat()
    preset: PresetName | None = Field(
        default=None, description="A preset, for all parameters that the body does not set itself."
    )
    adapters: AdapterChoices | None = Field(
        default=None, description="Loaded adapters for this request alone; without the field, those switched on."
    )

    def params(self, preset: Parameters, *, max_tokens: int | None, n_probs: int | None) -> ReplyParams:
        """None is what the body leaves to the preset."""
        own = self.model_fields_set
        usual = reply_params(preset)
        knobs = {name: getattr(self, name) for name in SamplingParams.model_fields if name in own}
        if n_probs is not None:
            knobs["n_probs"] = n_probs
        stop = (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())
        return ReplyParams(
            usual.sampling.model_copy(update=knobs),
            usual.max_tokens if max_tokens is None else max_tokens,
            stop if "stop" in own else usual.stop,
            constraint=self.response_format.constraint() if "response_format" in own else usual.constraint,
            adapters=None if self.adapters is None else tuple(choice.use() for choice in self.adapters),
            system_prompt=usual.system_prompt,
        )


class ChatCompletionRequest(CompletionFields):
    """POST /v1/chat/completions."""

    messages: Annotated[list[WireMessage], Field(min_length=1, max_length=LIMITS.messages)]
    max_completion_tokens: int | None = Field(default=None, ge=1, le=LIMITS.context_tokens)
    logprobs: bool = False
    top_logprobs: int = Field(default=0, ge=0, le=20)
    tools: Tools = Field(default_factory=list[WireTool])
    tool_choice: ToolChoice | None = Field(default=None, description="Without it, auto where there are tools.")
    parallel_tool_calls: bool = True

    def reply_params(self, preset: Parameters) -> ReplyParams:
        if self.top_logprobs and not self.logprobs:
            raise BadRequest("top_logprobs needs logprobs to be true.", field="top_logprobs")
        params = self.params(
            preset,
            max_tokens=self.max_completion_tokens or self.max_tokens,
            n_probs=max(self.top_logprobs, 1) if self.logprobs else None,
        )
        choice = self.tool_choice or ("auto" if self.tools else "none")
        return replace(params, tools=tool_use(self.tools, choice, parallel=self.parallel_tool_calls))


class CompletionRequest(CompletionFields):
    """POST /v1/completions."""

    prompt: (
        Annotated[Text, Field(min_length=1, max_length=LIMITS.message_chars)]
        | Annotated[list[TokenId], Field(min_length=1, max_length=LIMITS.context_tokens)]
        | Annotated[list[Text], Field(min_length=1, max_length=1)]
        | Annotated[list[list[TokenId]], Field(min_length=1, max_length=1)]
    )
    logprobs: int | None = Field(default=None, ge=0, le=20)
    max_tokens: int | None = Field(default=None, ge=0, le=LIMITS.context_tokens)
    echo: bool = Field(default=False, description="Answer with the prompt in front; logprobs then cover it too.")
    suffix: Annotated[Text, Field(max_length=LIMITS.message_chars)] = Field(
        default="", description="What stands after the text to be written; only for models that fill in the middle."
    )
    best_of: Literal[1] = 1

    def asked(self) -> Prompt:
        """Raises BadRequest for a suffix beside what it does not go with."""
        prompt = self.single_prompt()
        if not self.suffix:
            return RawPrompt(prompt if isinstance(prompt, str) else tuple(prompt))
        if not isinstance(prompt, str):
            raise BadRequest("A suffix needs a prompt that is text, not token ids.", field="suffix")
        if self.echo:
            raise BadRequest("echo cannot be combined with suffix; leave one of them out.", field="echo")
        return GapPrompt(prompt, self.suffix)

    def single_prompt(self) -> str | list[int]:
        match self.prompt:
            case str():
                return self.prompt
            case [str() as text]:
                return text
            case [list() as tokens]:
                return tokens
            case _:
                return [token for token in self.prompt if isinstance(token, int)]

    def echoed(self) -> str | None:
        """The prompt to begin the answer with; None of token ids, whose text comes with their log-probabilities."""
        prompt = self.single_prompt()
        if not self.echo:
            return ""
        return prompt if isinstance(prompt, str) else None

    def reply_params(self, preset: Parameters) -> ReplyParams:
        if self.echo and self.logprobs is None and not isinstance(self.single_prompt(), str):
            raise BadRequest("Token ids can be echoed only with logprobs.", field="echo")
        if self.max_tokens == 0 and not (self.echo and self.logprobs is not None):
            raise BadRequest(
                "max_tokens may be 0 only where echo and logprobs ask about the prompt.", field="max_tokens"
            )
        n_probs = None if self.logprobs is None else max(self.logprobs, 1)
        params = self.params(preset, max_tokens=self.max_tokens, n_probs=n_probs)
        return replace(params, prompt_logprobs=self.logprobs if self.echo else None)
