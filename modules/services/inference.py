"""The one path from messages to a stream of events; the page, the API and the command line all enter here."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, replace
from threading import BoundedSemaphore, Thread

from modules.engines.generation import Generation
from modules.engines.grammar_checker import GrammarChecker
from modules.engines.loaded import LoadedModel
from modules.engines.loading import Loading
from modules.errors import Busy, ParlorError, WorkerDied
from modules.extensions.registry import Extensions
from modules.limits import LIMITS
from modules.prompts.renderer import TemplateRenderer
from modules.services.embedding import embedding_tokens
from modules.services.models import ModelService
from modules.services.prompt_requests import ChatPrompt, Prompt, RawPrompt, check_writes, tokens_of
from modules.services.request_hooks import RequestHooks, RequestSource
from modules.types.generation import (
    Constraint,
    Event,
    Failed,
    Finished,
    GenerationRequest,
    Progress,
    TextDelta,
)
from modules.types.local_model import LocalModel
from modules.types.messages import Message
from modules.types.reply_params import ReplyParams

LOADING_REPORT_SECONDS = 0.25
PREPARING_THREADS = 16


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


class Inference:
    """What begins a Generation returns at once with it; what goes wrong later is its last event."""

    def __init__(
        self,
        models: ModelService,
        renderer: TemplateRenderer,
        grammars: GrammarChecker,
        record_run: Callable[[LoadedModel, Finished | Failed], None] = lambda _loaded, _end: None,
        extensions: Extensions | None = None,
    ) -> None:
        """`record_run` is told how every request to an engine has ended; without `extensions` none is asked."""
        self._models = models
        self._renderer = renderer
        self._grammars = grammars
        self._record_run = record_run
        self._extensions = extensions
        self._preparing = ThreadPoolExecutor(PREPARING_THREADS, thread_name_prefix="prepare")
        self._places = BoundedSemaphore(LIMITS.queued_requests)

    def chat(
        self,
        messages: Sequence[Message],
        params: ReplyParams,
        model: str | None = None,
        *,
        asked_by: RequestSource | None = None,
        begun: str = "",
    ) -> Generation:
        """A reply to `messages`, which goes on from `begun`. Raises NotFound for an unknown model, Busy when too many
        requests wait.

        Extensions have a say where `asked_by` tells where the request comes from; the program's own questions to a
        model and those of extensions are nobody's but theirs.
        """
        told = with_system_prompt(messages, params.system_prompt)
        return self.start(ChatPrompt(told, self._renderer, begun=begun), params, model, asked_by=asked_by)

    def complete(
        self,
        prompt: str | Sequence[int],
        params: ReplyParams,
        model: str | None = None,
        *,
        asked_by: RequestSource | None = None,
    ) -> Generation:
        """A continuation of `prompt`, text or token ids, without a chat template."""
        raw = RawPrompt(prompt if isinstance(prompt, str) else tuple(prompt))
        return self.start(raw, params, model, asked_by=asked_by)

    def start(
        self,
        prompt: Prompt,
        params: ReplyParams,
        model: str | None = None,
        *,
        asked_by: RequestSource | None = None,
    ) -> Generation:
        """What a model makes of any kind of prompt. Raises as `chat` does."""
        chosen = self._models.chosen(model)
        self._take_place()
        generation = Generation()
        generation.put(Progress("preparing"))
        if isinstance(prompt, ChatPrompt) and prompt.begun:
            generation.put(TextDelta(prompt.begun))
        if asked_by is not None and asked_by.source == "extension":
            # It may be asked from within a request that is being prepared, and must not wait for that one's end.
            arguments = (generation, prompt, params, chosen, None)
            Thread(target=self._prepare, args=arguments, name="prepare", daemon=True).start()
        else:
            self._preparing.submit(self._prepare, generation, prompt, params, chosen, asked_by)
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

    def context_if_loaded(self, model: str | None = None) -> int:
        """How many tokens a model that is loaded already can hold; 0 when it is not, or its engine does not tell."""
        loaded = self._models.loaded(model)
        return loaded.capabilities.context_length if loaded is not None and loaded.capabilities.generates else 0

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

    def _prepare(
        self,
        generation: Generation,
        prompt: Prompt,
        params: ReplyParams,
        model: LocalModel,
        asked_by: RequestSource | None,
    ) -> None:
        deliver: Callable[[Event], None] = generation.put
        try:
            with self._models.in_use(model.id) as loading:
                loaded = wait_for(loading, generation)
                if loaded is None:
                    generation.put(Finished("cancelled"))
                    return
                check_writes(loaded)
                if self._extensions is None or asked_by is None:
                    request, dropped = self._request(loaded, prompt, params)
                    loaded.submit(request, generation, dropped)
                else:
                    hooks = RequestHooks(self._extensions, asked_by, generation, loaded, params)
                    request, dropped = self._hooked(hooks, loaded, prompt, params)
                    deliver = hooks.delivery()
                    if hooks.write_instead(request, deliver):
                        return
                    loaded.submit(request, generation, dropped, deliver)
                    hooks.asked()
                generation.on_end(lambda: self._ended(loaded, generation))
        except Exception as error:  # noqa: BLE001 - the reader must get an end, whatever went wrong
            deliver(Failed.of(error))
        finally:
            self._places.release()

    def _request(self, loaded: LoadedModel, prompt: Prompt, params: ReplyParams) -> tuple[GenerationRequest, int]:
        """(what the engine is asked, how many messages were left out). Raises what forbids it."""
        request, dropped = prompt.request(loaded, params)
        # A server that runs models for us reads constraints in its own way.
        if request.constraint is not None and not loaded.capabilities.renders_chat:
            self._grammars.check(request.constraint)
        return request, dropped

    def _hooked(
        self, hooks: RequestHooks, loaded: LoadedModel, prompt: Prompt, params: ReplyParams
    ) -> tuple[GenerationRequest, int]:
        """The same as extensions want it; as it was, when what they made of it cannot be asked."""
        try:
            return self._request(loaded, *hooks.applied(prompt, params))
        except (WorkerDied, Busy):
            raise
        except Exception as error:
            if not hooks.has_changed:
                raise
            plain = self._request(loaded, prompt, params)
            hooks.refused(error)
            return plain


def with_system_prompt(messages: Sequence[Message], text: str) -> tuple[Message, ...]:
    """A system message that stands there already stays the only one."""
    if not text.strip() or (messages and messages[0].role == "system"):
        return tuple(messages)
    return (Message("system", text), *messages)


def wait_for(loading: Loading, generation: Generation) -> LoadedModel | None:
    """The loaded model, telling the reader meanwhile how far it is; None when the reader cancels."""
    while not generation.cancelled:
        try:
            return loading.result.result(0 if loading.result.done() else LOADING_REPORT_SECONDS)
        except FutureTimeout:
            generation.put(Progress("loading", loading.fraction, note=loading.note))
    return None
