"""What is asked of a model, as its engine reads it: prompts tokenized and cut, what cannot be had refused."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from modules.engines.loaded import LoadedModel
from modules.engines.tool_grammar import call_constraint
from modules.errors import BadRequest, ContextOverflow
from modules.prompts.renderer import ChatText, TemplateRenderer
from modules.prompts.window import fit
from modules.replies.channels import CLOSING, OPENING
from modules.services.knob_checks import check_knobs
from modules.types.call_formats import HERMES, CallFormat
from modules.types.generation import AS_MANY_AS_FIT, Constraint, GenerationRequest
from modules.types.messages import Message
from modules.types.reply_params import ReplyParams
from modules.types.tools import ToolSpec

# The share of the context a reply gets when neither the request nor the conversation leaves a smaller one.
REPLY_SHARE = 4


# The text that a model reads, as extensions want it to be.
FilterText = Callable[[str], str]


def as_it_is(text: str) -> str:
    return text


class Prompt(Protocol):
    """What is asked, before it is known how the model reads it."""

    def request(self, loaded: LoadedModel, params: ReplyParams) -> tuple[GenerationRequest, int]:
        """(what the engine is asked, how many messages were left out). Raises ContextOverflow for what does not fit."""
        ...


@dataclass(frozen=True)
class ChatPrompt:
    """Messages on their way through the model's chat template; the reply goes on from `begun`."""

    messages: tuple[Message, ...]
    renderer: TemplateRenderer
    filter_text: FilterText = as_it_is
    begun: str = ""

    @property
    def told(self) -> tuple[Message, ...]:
        """All that the model reads, what was begun at its end."""
        return (*self.messages, Message("assistant", self.begun)) if self.begun else self.messages

    def telling(self, told: tuple[Message, ...]) -> "ChatPrompt":
        """The same with other messages; without an end that was begun the reply goes on as it was."""
        if not self.begun or not told or told[-1].role != "assistant":
            return replace(self, messages=told)
        return replace(self, messages=told[:-1], begun=told[-1].content)

    def request(self, loaded: LoadedModel, params: ReplyParams) -> tuple[GenerationRequest, int]:
        """(what the engine is asked, how many messages were left out)."""
        if loaded.capabilities.renders_chat:
            if self.begun:
                raise BadRequest("A server begins every reply anew; it cannot continue one.", field="message_id")
            return self_counted(loaded, GenerationRequest("", (), 0, messages=self.messages), params), 0
        dropped = 0
        add_bos = params.sampling.add_bos
        tools = params.tools.tools if params.tools is not None and params.tools.may_call else ()
        text, form = self._render(loaded, self.messages, tools)
        tokens = tokens_of(loaded, text, add_bos=add_bos)
        context = loaded.capabilities.context_length
        if len(tokens) >= context and params.overflow == "drop_oldest":
            window, dropped = fit(
                self.messages,
                lambda some: len(tokens_of(loaded, self._render(loaded, some, tools).text, add_bos=add_bos)),
                budget_tokens=context - context // REPLY_SHARE,
                context_length=context,
            )
            text, form = self._render(loaded, window, tools)
            tokens = tokens_of(loaded, text, add_bos=add_bos)
        if (filtered := self.filter_text(text)) != text:
            text, tokens = filtered, tokens_of(loaded, filtered, add_bos=add_bos)
        return request_for(loaded, text, tokens, params, form), dropped

    def tokens(self, loaded: LoadedModel) -> tuple[int, ...]:
        """Of all messages, whether they fit or not."""
        if loaded.capabilities.renders_chat:
            return tuple(loaded.tokenize_chat(self.messages))
        return tokens_of(loaded, self._render(loaded, self.messages).text)

    def _render(self, loaded: LoadedModel, messages: Sequence[Message], tools: Sequence[ToolSpec] = ()) -> ChatText:
        capabilities = loaded.capabilities
        text, form = self.renderer.chat(
            messages,
            template=capabilities.chat_template,
            bos_token=capabilities.bos_token,
            eos_token=capabilities.eos_token,
            tools=tools,
        )
        # What was begun is the answer, also where the template opens the reasoning before it.
        closing = f"\n{CLOSING}\n\n" if self.begun and text.rstrip().endswith(OPENING) else ""
        return ChatText(f"{text}{closing}{self.begun}", form)


@dataclass(frozen=True)
class RawPrompt:
    """Text or token ids as they are."""

    prompt: str | tuple[int, ...]

    def request(self, loaded: LoadedModel, params: ReplyParams) -> tuple[GenerationRequest, int]:
        if loaded.capabilities.renders_chat:
            text, tokens = (self.prompt, ()) if isinstance(self.prompt, str) else ("", self.prompt)
            return self_counted(loaded, GenerationRequest(text, tokens, 0), params), 0
        if isinstance(self.prompt, str):
            tokens = tokens_of(loaded, self.prompt, add_bos=params.sampling.add_bos)
            return request_for(loaded, self.prompt, tokens, params), 0
        return request_for(loaded, "", self.prompt, params), 0


def reply_tokens(context_length: int, params: ReplyParams) -> int:
    """What is kept free for what will be written: a share of the context, or less where less is asked for."""
    share = context_length // REPLY_SHARE
    return share if params.max_tokens is None else min(share, params.max_tokens)


def check_writes(loaded: LoadedModel) -> None:
    if not loaded.capabilities.generates:
        raise BadRequest(
            f"{loaded.model.title} embeds texts and cannot write any; choose another model for this.", field="model"
        )


def tokens_of(loaded: LoadedModel, text: str, *, add_bos: bool = True) -> tuple[int, ...]:
    """The ids of a whole prompt: exactly one BOS in front where the model wants one, also if the template wrote it.

    Without `add_bos` none, even then.
    """
    tokens = tuple(loaded.tokenize(text))
    bos = loaded.capabilities.bos_token_id
    if bos is None:
        return tokens
    bare = tokens[1:] if tokens[:1] == (bos,) else tokens
    return (bos, *bare) if add_bos else bare


def self_counted(loaded: LoadedModel, asked: GenerationRequest, params: ReplyParams) -> GenerationRequest:
    """What an engine that counts for itself is asked: whatever does not fit, it refuses or leaves out."""
    check_capabilities(loaded, params)
    return replace(
        asked,
        max_tokens=AS_MANY_AS_FIT if params.max_tokens is None else params.max_tokens,
        stop=params.stop,
        sampling=params.sampling,
        constraint=params.constraint,
        adapters=loaded.adapters.chosen(params.adapters),
        tools=params.tools,
        drop_oldest=params.overflow == "drop_oldest",
    )


def request_for(
    loaded: LoadedModel, prompt: str, tokens: tuple[int, ...], params: ReplyParams, form: CallFormat = HERMES
) -> GenerationRequest:
    """`form` is that of calls. Raises ContextOverflow when no token of a reply would fit."""
    context = loaded.capabilities.context_length
    if not tokens:
        raise BadRequest("The prompt is empty.", field="prompt")
    if len(tokens) >= context:
        raise ContextOverflow(len(tokens), context)
    check_capabilities(loaded, params)
    room = context - len(tokens)
    return GenerationRequest(
        prompt,
        tokens,
        room if params.max_tokens is None else min(params.max_tokens, room),
        params.stop,
        params.sampling,
        constraint=constraint_of(loaded, params, prompt, form),
        adapters=loaded.adapters.chosen(params.adapters),
        tools=params.tools,
        call_format=form.name,
        processors=params.processors,
        prompt_logprobs=params.prompt_logprobs,
        distribution=params.distribution,
    )


def constraint_of(loaded: LoadedModel, params: ReplyParams, prompt: str, form: CallFormat) -> Constraint | None:
    """What the reply must match: where the engine does not call tools by itself, that its calls are calls."""
    can = loaded.capabilities
    if params.tools is None or not params.tools.tools or can.tool_calls or "lark" not in can.constraints:
        return params.constraint
    is_thinking = prompt.rstrip().endswith("<think>")
    return call_constraint(params.tools, form, answer=params.constraint, is_thinking=is_thinking)


def check_capabilities(loaded: LoadedModel, params: ReplyParams) -> None:
    """Raises BadRequest for what this engine would have to ignore."""
    can, engine = loaded.capabilities, loaded.engine
    if params.tools is not None and params.tools.may_call and not (can.tool_calls or "lark" in can.constraints):
        raise BadRequest(f"The {engine} engine cannot call tools; leave `tools` out.", field="tools")
    if params.sampling.n_probs and not can.logprobs:
        raise BadRequest(f"The {engine} engine cannot report log-probabilities.", field="logprobs")
    if params.prompt_logprobs is not None and not can.prompt_logprobs:
        raise BadRequest(f"The {engine} engine cannot report log-probabilities of the prompt.", field="echo")
    if params.constraint is not None and params.constraint.kind not in can.constraints:
        raise BadRequest(
            f"The {engine} engine cannot follow a {params.constraint.kind} constraint.", field="response_format"
        )
    if params.processors and not can.logits_processors:
        raise BadRequest(
            f"The {engine} engine takes no logits processors; logit_bias and a constraint do what it can.",
            field="processors",
        )
    if params.distribution is not None and not can.distribution:
        raise BadRequest(
            f"This model runs on {can.runs_on}, which does not tell how it chooses a token. Choose a model that runs "
            "on llama.cpp or transformers here.",
            field="distribution",
        )
    check_knobs(params.sampling, can)
