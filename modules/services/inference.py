"""The one path from messages to a stream of events; the page, the API and the command line all enter here."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, replace
from threading import BoundedSemaphore
from typing import Literal, Protocol

from modules.engines.generation import Generation
from modules.engines.grammar_checker import GrammarChecker
from modules.engines.loaded import LoadedModel
from modules.engines.loading import Loading
from modules.errors import BadRequest, Busy, ContextOverflow, ParlorError
from modules.limits import LIMITS
from modules.prompts.renderer import TemplateRenderer
from modules.prompts.window import fit
from modules.services.embedding import embedding_tokens
from modules.services.knob_checks import check_knobs
from modules.services.models import ModelService
from modules.types.generation import (
    AS_MANY_AS_FIT,
    AdapterUse,
    Constraint,
    Failed,
    Finished,
    GenerationRequest,
    ProcessorUse,
    Progress,
)
from modules.types.local_model import LocalModel
from modules.types.messages import Message
from modules.types.parameters import Parameters
from modules.types.sampling import SamplingParams

LOADING_REPORT_SECONDS = 0.25
PREPARING_THREADS = 16
# The share of the context a reply gets when neither the request nor the conversation leaves a smaller one.
REPLY_SHARE = 4


DEFAULT_SAMPLING = SamplingParams()


@dataclass(frozen=True)
class ReplyParams:
    """What a caller may ask of a reply besides its messages.

    `overflow` says what happens to a conversation longer than the context: programs are refused, people lose
    the oldest turns. `max_tokens` None means as much as the context leaves, `adapters` None those switched on.
    With `distribution` nothing is written; see GenerationRequest.
    """

    sampling: SamplingParams = DEFAULT_SAMPLING
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    overflow: Literal["refuse", "drop_oldest"] = "refuse"
    tools: bool = False
    constraint: Constraint | None = None
    processors: tuple[ProcessorUse, ...] = ()
    prompt_logprobs: int | None = None
    distribution: int | None = None
    adapters: tuple[AdapterUse, ...] | None = None


def reply_params(parameters: Parameters) -> ReplyParams:
    """What a person, a preset or a template has set, for one reply."""
    return ReplyParams(
        knobs_of(parameters), parameters.max_tokens, tuple(parameters.stop), constraint=parameters.constraint
    )


def knobs_of(fields: SamplingParams) -> SamplingParams:
    """The knobs alone, of what has them among other fields."""
    return SamplingParams.model_validate({name: getattr(fields, name) for name in SamplingParams.model_fields})


@dataclass(frozen=True)
class TokenCount:
    """The ids of a whole prompt, and how many the model can hold."""

    tokens: tuple[int, ...]
    context_length: int


@dataclass(frozen=True)
class TokenPiece:
    """A token of a text; a character may be spread over several."""

    id: int
    piece: bytes


class Prompt(Protocol):
    """What is asked, before it is known how the model reads it."""

    def request(self, loaded: LoadedModel, params: ReplyParams) -> tuple[GenerationRequest, int]:
        """(what the engine is asked, how many messages were left out). Raises ContextOverflow for what does not fit."""
        ...


class Inference:
    """What begins a Generation returns at once with it; what goes wrong later is its last event."""

    def __init__(
        self,
        models: ModelService,
        renderer: TemplateRenderer,
        grammars: GrammarChecker,
        record_run: Callable[[LoadedModel, Finished | Failed], None] = lambda _loaded, _end: None,
    ) -> None:
        """`record_run` is told how every request to an engine has ended."""
        self._models = models
        self._renderer = renderer
        self._grammars = grammars
        self._record_run = record_run
        self._preparing = ThreadPoolExecutor(PREPARING_THREADS, thread_name_prefix="prepare")
        self._places = BoundedSemaphore(LIMITS.queued_requests)

    def chat(self, messages: Sequence[Message], params: ReplyParams, model: str | None = None) -> Generation:
        """A reply to `messages`. Raises NotFound for an unknown model, Busy when too many requests wait."""
        return self.start(ChatPrompt(tuple(messages), self._renderer), params, model)

    def complete(self, prompt: str | Sequence[int], params: ReplyParams, model: str | None = None) -> Generation:
        """A continuation of `prompt`, text or token ids, without a chat template."""
        return self.start(RawPrompt(prompt if isinstance(prompt, str) else tuple(prompt)), params, model)

    def start(self, prompt: Prompt, params: ReplyParams, model: str | None = None) -> Generation:
        """What a model makes of any kind of prompt. Raises as `chat` does."""
        chosen = self._models.chosen(model)
        self._take_place()
        generation = Generation()
        generation.put(Progress("preparing"))
        self._preparing.submit(self._prepare, generation, prompt, params, chosen)
        return generation

    def distribution(
        self, prompt: str | Sequence[Message], tokens: int, params: ReplyParams, model: str | None = None
    ) -> Generation:
        """How the next token after a text or a chat would be chosen: one Distribution, of `tokens` a step.

        A constraint is left out: what is shown is what the model and the knobs would choose freely. Raises as `chat`.
        """
        asked = replace(params, distribution=tokens, constraint=None)
        return self.complete(prompt, asked, model) if isinstance(prompt, str) else self.chat(prompt, asked, model)

    def count_tokens(self, prompt: str | Sequence[Message], model: str | None = None) -> Future[TokenCount]:
        """Of a text, or of a chat as the model would read it; loads the model if need be. Raises as `chat` does."""
        chosen = self._models.chosen(model)
        self._take_place()
        future = self._preparing.submit(self._count, prompt, chosen)
        future.add_done_callback(lambda _: self._places.release())
        return future

    def count_if_loaded(self, text: str, model: str | None = None) -> TokenCount | None:
        """Of a text, by a model that is loaded already; None when it is not, or its engine does not tell."""
        loaded = self._models.loaded(model)
        if loaded is None or not loaded.capabilities.generates:
            return None
        try:
            return TokenCount(tokens_of(loaded, text), loaded.capabilities.context_length)
        except ParlorError:
            return None

    def token_pieces(self, text: str, model: str | None = None) -> Future[tuple[TokenPiece, ...]]:
        """The tokens of a text with their bytes; loads the model if need be. Raises as `chat` does."""
        chosen = self._models.chosen(model)
        self._take_place()
        future = self._preparing.submit(self._token_pieces, text, chosen)
        future.add_done_callback(lambda _: self._places.release())
        return future

    def check_constraint(self, constraint: Constraint) -> None:
        """Raises BadRequest for one that no engine could follow; takes two seconds at most."""
        self._grammars.check(constraint)

    def close(self) -> None:
        self._preparing.shutdown(wait=False, cancel_futures=True)

    def _take_place(self) -> None:
        if not self._places.acquire(blocking=False):
            raise Busy(f"{LIMITS.queued_requests} requests are waiting already. Try again in a moment.")

    def _count(self, prompt: str | Sequence[Message], model: LocalModel) -> TokenCount:
        with self._models.in_use(model.id) as loading:
            loaded = loading.result.result()
            if not isinstance(prompt, str):
                check_writes(loaded)
                tokens = ChatPrompt(tuple(prompt), self._renderer).tokens(loaded)
            elif loaded.capabilities.generates:
                tokens = tokens_of(loaded, prompt)
            else:
                tokens = embedding_tokens(loaded, prompt)
            return TokenCount(tokens, loaded.capabilities.context_length)

    def _token_pieces(self, text: str, model: LocalModel) -> tuple[TokenPiece, ...]:
        with self._models.in_use(model.id) as loading:
            return tuple(TokenPiece(*one) for one in loading.result.result().token_pieces(text))

    def _ended(self, loaded: LoadedModel, generation: Generation) -> None:
        if generation.end is not None:
            self._record_run(loaded, generation.end)

    def _prepare(self, generation: Generation, prompt: Prompt, params: ReplyParams, model: LocalModel) -> None:
        try:
            with self._models.in_use(model.id) as loading:
                loaded = wait_for(loading, generation)
                if loaded is None:
                    generation.put(Finished("cancelled"))
                    return
                check_writes(loaded)
                request, dropped = prompt.request(loaded, params)
                # A server that runs models for us reads constraints in its own way.
                if request.constraint is not None and not loaded.capabilities.renders_chat:
                    self._grammars.check(request.constraint)
                loaded.submit(request, generation, dropped)
                generation.on_end(lambda: self._ended(loaded, generation))
        except Exception as error:  # noqa: BLE001 - the reader must get an end, whatever went wrong
            generation.put(Failed.of(error))
        finally:
            self._places.release()


def wait_for(loading: Loading, generation: Generation) -> LoadedModel | None:
    """The loaded model, telling the reader meanwhile how far it is; None when the reader cancels."""
    while not generation.cancelled:
        try:
            return loading.result.result(0 if loading.result.done() else LOADING_REPORT_SECONDS)
        except FutureTimeout:
            generation.put(Progress("loading", loading.fraction, note=loading.note))
    return None


@dataclass(frozen=True)
class ChatPrompt:
    """Messages on their way through the model's chat template."""

    messages: tuple[Message, ...]
    renderer: TemplateRenderer

    def request(self, loaded: LoadedModel, params: ReplyParams) -> tuple[GenerationRequest, int]:
        """(what the engine is asked, how many messages were left out)."""
        if loaded.capabilities.renders_chat:
            return self_counted(loaded, GenerationRequest("", (), 0, messages=self.messages), params), 0
        dropped = 0
        add_bos = params.sampling.add_bos
        text = self._render(loaded, self.messages)
        tokens = tokens_of(loaded, text, add_bos=add_bos)
        context = loaded.capabilities.context_length
        if len(tokens) >= context and params.overflow == "drop_oldest":
            window, dropped = fit(
                self.messages,
                lambda some: len(tokens_of(loaded, self._render(loaded, some), add_bos=add_bos)),
                budget_tokens=context - context // REPLY_SHARE,
                context_length=context,
            )
            text = self._render(loaded, window)
            tokens = tokens_of(loaded, text, add_bos=add_bos)
        return request_for(loaded, text, tokens, params), dropped

    def tokens(self, loaded: LoadedModel) -> tuple[int, ...]:
        """Of all messages, whether they fit or not."""
        if loaded.capabilities.renders_chat:
            return tuple(loaded.tokenize_chat(self.messages))
        return tokens_of(loaded, self._render(loaded, self.messages))

    def _render(self, loaded: LoadedModel, messages: Sequence[Message]) -> str:
        capabilities = loaded.capabilities
        return self.renderer.chat(
            messages,
            template=capabilities.chat_template,
            bos_token=capabilities.bos_token,
            eos_token=capabilities.eos_token,
        )


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
        drop_oldest=params.overflow == "drop_oldest",
    )


def request_for(loaded: LoadedModel, prompt: str, tokens: tuple[int, ...], params: ReplyParams) -> GenerationRequest:
    """Raises ContextOverflow when no token of a reply would fit."""
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
        constraint=params.constraint,
        adapters=loaded.adapters.chosen(params.adapters),
        processors=params.processors,
        prompt_logprobs=params.prompt_logprobs,
        distribution=params.distribution,
    )


def check_capabilities(loaded: LoadedModel, params: ReplyParams) -> None:
    """Raises BadRequest for what this engine would have to ignore."""
    can, engine = loaded.capabilities, loaded.engine
    if params.tools and not can.tool_calls:
        raise BadRequest("This model's engine cannot call tools yet; leave `tools` out.", field="tools")
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
