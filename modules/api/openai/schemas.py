"""OpenAI's request bodies, with our knobs beside theirs."""

from typing import Annotated, Any, Literal

from pydantic import Field

from modules.api.strict_json import Text, WireModel
from modules.errors import BadRequest
from modules.limits import LIMITS
from modules.services.inference import ReplyParams
from modules.types.messages import Message, Role
from modules.types.sampling import SamplingParams

StopString = Annotated[Text, Field(min_length=1, max_length=LIMITS.stop_chars)]
ModelName = Annotated[Text, Field(max_length=500)]
TokenId = Annotated[int, Field(ge=0, lt=2**31)]


class ContentPart(WireModel):
    type: Literal["text"]
    text: Annotated[Text, Field(max_length=LIMITS.message_chars)]


class WireMessage(WireModel):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Annotated[Text, Field(max_length=LIMITS.message_chars)] | list[ContentPart] = ""

    def message(self) -> Message:
        text = self.content if isinstance(self.content, str) else "\n".join(part.text for part in self.content)
        role: Role = "system" if self.role == "developer" else self.role
        return Message(role, text)


class StreamOptions(WireModel):
    include_usage: bool = False


class ResponseFormat(WireModel):
    type: Literal["text"] = Field(default="text", description="Only text; structured output is not served yet.")


class CompletionFields(WireModel, SamplingParams):
    """What chat and raw completions share."""

    model_config = WireModel.model_config

    model: ModelName | None = None
    max_tokens: int | None = Field(default=None, ge=1, le=LIMITS.context_tokens)
    stop: StopString | Annotated[list[StopString], Field(max_length=LIMITS.stop_strings)] | None = None
    stream: bool = False
    stream_options: StreamOptions = StreamOptions()
    n: Literal[1] = 1

    def params(self, *, max_tokens: int | None, n_probs: int, tools: bool = False) -> ReplyParams:
        knobs: dict[str, Any] = {name: getattr(self, name) for name in SamplingParams.model_fields}
        knobs["n_probs"] = n_probs
        stop = (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())
        return ReplyParams(SamplingParams.model_validate(knobs), max_tokens, stop, tools=tools)


class ChatCompletionRequest(CompletionFields):
    """POST /v1/chat/completions."""

    messages: Annotated[list[WireMessage], Field(min_length=1, max_length=LIMITS.messages)]
    max_completion_tokens: int | None = Field(default=None, ge=1, le=LIMITS.context_tokens)
    logprobs: bool = False
    top_logprobs: int = Field(default=0, ge=0, le=20)
    response_format: ResponseFormat = ResponseFormat()
    tools: Annotated[list[dict[str, Any]], Field(max_length=128)] = Field(default_factory=list[dict[str, Any]])

    def reply_params(self) -> ReplyParams:
        if self.top_logprobs and not self.logprobs:
            raise BadRequest("top_logprobs needs logprobs to be true.", field="top_logprobs")
        return self.params(
            max_tokens=self.max_completion_tokens or self.max_tokens,
            n_probs=max(self.top_logprobs, 1) if self.logprobs else self.n_probs,
            tools=bool(self.tools),
        )


class CompletionRequest(CompletionFields):
    """POST /v1/completions."""

    prompt: (
        Annotated[Text, Field(min_length=1, max_length=LIMITS.message_chars)]
        | Annotated[list[TokenId], Field(min_length=1, max_length=LIMITS.context_tokens)]
        | Annotated[list[Text], Field(min_length=1, max_length=1)]
        | Annotated[list[list[TokenId]], Field(min_length=1, max_length=1)]
    )
    logprobs: int | None = Field(default=None, ge=0, le=20)
    echo: Literal[False] = False
    best_of: Literal[1] = 1

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

    def reply_params(self) -> ReplyParams:
        n_probs = self.n_probs if self.logprobs is None else max(self.logprobs, 1)
        return self.params(max_tokens=self.max_tokens, n_probs=n_probs)
