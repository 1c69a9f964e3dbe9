"""llama.cpp through xllamacpp: its own server inside, with continuous batching and a prefix cache."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from threading import Event as Flag
from typing import Any, get_args

from modules.engines.adapters import unknown_adapter
from modules.engines.fill_tokens import find_fill_tokens
from modules.engines.grammars import TextCheck, grammar_of, own_tokens, with_marks
from modules.engines.llamacpp.adapters import LoadedFile, Turns, scales_of
from modules.engines.llamacpp.distribution import DistributionRun
from modules.engines.llamacpp.kind import IGNORED_KNOBS, SAMPLERS, LlamaCppOptions
from modules.engines.llamacpp.plan import Plan, make_plan
from modules.engines.llamacpp.server import RunningServer, gpus
from modules.engines.llamacpp.wire import completion_body, ending_with, progress_event, text_event
from modules.engines.protocol import AdaptableEngine, Capabilities, Emit, Report
from modules.errors import BadRequest, EngineError, ModelError
from modules.machine import read_machine
from modules.types.generation import (
    ConstraintKind,
    Distribution,
    Finished,
    FinishReason,
    GenerationRequest,
    Usage,
)
from modules.types.local_model import LocalModel


class LlamaCppEngine(AdaptableEngine):
    """Each `generate` call holds one of the server's slots, so at most `capabilities.slots` may run at once."""

    def __init__(self, model: LocalModel, options: LlamaCppOptions, report: Report) -> None:
        self._model = model
        self._options = options
        self._plan = make_plan(model, options, read_machine(gpus()))
        report(0.0, self._plan.note)
        self._turns = Turns()
        self._adapters: tuple[LoadedFile, ...] = ()
        self._server: RunningServer | None = self._started(())
        with self._serving() as server:
            self._vocabulary: int = server.socket.get("/v1/models")["data"][0]["meta"]["n_vocab"]
        self.capabilities = self._capabilities(self._plan)

    def tokenize(self, text: str) -> list[int]:
        body = {"content": text, "add_special": False, "parse_special": True}
        with self._serving() as server:
            return server.socket.post("/tokenize", body)["tokens"]

    def token_pieces(self, text: str) -> list[tuple[int, str]]:
        body = {"content": text, "add_special": False, "parse_special": True, "with_pieces": True}
        with self._serving() as server:
            tokens = server.socket.post("/tokenize", body)["tokens"]
        return [(one["id"], piece_bytes(one["piece"]).hex()) for one in tokens]

    def generate(self, request: GenerationRequest, emit: Emit, cancelled: Flag) -> None:
        with self._serving() as server:
            if request.distribution is not None:
                self._tell_distribution(server, request, emit, cancelled)
                return
            grammar = grammar_of(request.constraint) if request.constraint else None
            stream = CompletionStream(emit, cancelled, TextCheck(grammar) if grammar else None)
            body = completion_body(request, self._sent(request), scales_of(self._adapters, request.adapters))
            server.server.handle_completions(body, stream.take)
            stream.finish(self.capabilities.context_length, len(request.prompt_tokens))

    def _sent(self, request: GenerationRequest) -> str | None:
        """The grammar as llama.cpp gets it."""
        constraint = request.constraint
        if constraint is None:
            return None
        grammar = with_marks(constraint, own_tokens(constraint, self.tokenize))
        return ending_with(grammar, self.capabilities.eos_token)

    def load_adapter(self, name: str, path: str) -> int:
        """`path` is a GGUF file. llama.cpp takes adapters only while it loads a model, so the model is loaded anew."""
        others = tuple(one for one in self._adapters if one.name != name)
        self._replace((*others, LoadedFile(name, path)), name)
        return Path(path).stat().st_size

    def unload_adapter(self, name: str) -> None:
        names = [one.name for one in self._adapters]
        if name not in names:
            raise unknown_adapter(name, names, field="name")
        self._replace(tuple(one for one in self._adapters if one.name != name), name)

    def close(self) -> None:
        if self._server is not None:
            self._server.leave()

    def _started(self, adapters: tuple[LoadedFile, ...]) -> RunningServer:
        return RunningServer(self._model, self._options, self._plan, adapters)

    @contextmanager
    def _serving(self) -> Generator[RunningServer]:
        with self._turns.asking():
            if self._server is None:
                raise EngineError("The model could not be loaded anew after a change of its adapters. Load it again.")
            yield self._server

    def _replace(self, adapters: tuple[LoadedFile, ...], name: str) -> None:
        """Raises Busy while anyone asks; BadRequest when llama.cpp does not take them: then all is as it was."""
        with self._turns.alone():
            if self._server is not None:
                # First, as there may be no room for two.
                self._server.close()
                self._server = None
            try:
                self._server = self._started(adapters)
            except ModelError as error:
                self._server = self._started(self._adapters)
                raise BadRequest(
                    f"llama.cpp cannot put the adapter {name} on {self._model.title}: most likely it was trained on a "
                    "model of another size or kind.",
                    field="name",
                ) from error
            self._adapters = adapters

    def _tell_distribution(
        self, server: RunningServer, request: GenerationRequest, emit: Emit, cancelled: Flag
    ) -> None:
        started = time.monotonic()
        run = DistributionRun(
            server.server,
            completion_body(request, scales=scales_of(self._adapters, request.adapters)),
            request,
            vocabulary=self._vocabulary,
            emit=emit,
            cancelled=cancelled,
        )
        steps = tuple(run.steps())
        if not cancelled.is_set():
            emit(Distribution(steps))
        emit(
            Finished(
                "cancelled" if cancelled.is_set() else "stop",
                Usage(len(request.prompt_tokens), 0, run.cached_tokens or 0),
                first_token_seconds=time.monotonic() - started,
                context_length=self.capabilities.context_length,
            )
        )

    def _capabilities(self, plan: Plan) -> Capabilities:
        adding = {"content": "a", "add_special": True, "parse_special": True}
        with self._serving() as server:
            properties = server.socket.get("/props")
            first: int = server.socket.post("/tokenize", adding)["tokens"][0]
        bos = self.tokenize(properties["bos_token"])
        return Capabilities(
            context_length=properties["default_generation_settings"]["n_ctx"],
            slots=plan.slots,
            chat_template=properties["chat_template"],
            bos_token=properties["bos_token"],
            eos_token=properties["eos_token"],
            bos_token_id=first if bos == [first] else None,
            logprobs=True,
            adapters=True,
            adapters_as_gguf=True,
            constraints=get_args(ConstraintKind),
            distribution=True,
            fill_tokens=find_fill_tokens(self.tokenize),
            ignored_knobs=tuple(sorted(IGNORED_KNOBS)),
            samplers=SAMPLERS,
            runs_on="llama.cpp",
            notes=(plan.note,),
        )


class CompletionStream:
    """Takes what the binding's callback delivers; answering True makes llama.cpp free the slot."""

    def __init__(self, emit: Emit, cancelled: Flag, check: TextCheck | None = None) -> None:
        """`check` follows a constrained text: llama.cpp goes on freely when a grammar proves too complex on the way."""
        self._emit = emit
        self._cancelled = cancelled
        self._check = check
        self._started = time.monotonic()
        self._first: float | None = None
        self._tokens = 0
        self._last: dict[str, Any] = {}
        self._error: dict[str, Any] | None = None

    def take(self, chunk: dict[str, Any]) -> bool:
        if "error" in chunk:
            self._error = chunk["error"]
        elif (progress := progress_event(chunk)) is not None:
            self._emit(progress)
        elif chunk["choices"][0]["finish_reason"] is not None:
            self._last = chunk
        else:
            self._tokens += 1
            if self._first is None:
                self._first = time.monotonic()
            if (text := text_event(chunk["choices"][0])) is not None:
                if self._check is not None and not self._check.accepts(text.text):
                    self._error = {"message": "the constraint is too complex to be followed any further"}
                    return True
                self._emit(text)
        return self._cancelled.is_set()

    def finish(self, context_length: int, prompt_tokens: int) -> None:
        if self._error is not None:
            raise refusal(self._error)
        timings = self._last.get("timings", {})
        reason: FinishReason = self._last["choices"][0]["finish_reason"] if self._last else "cancelled"
        seconds = time.monotonic() - (self._first or self._started)
        self._emit(
            Finished(
                reason,
                Usage(prompt_tokens, timings.get("predicted_n", self._tokens), timings.get("cache_n", 0)),
                first_token_seconds=(self._first or self._started) - self._started,
                tokens_per_second=timings.get("predicted_per_second", self._tokens / max(seconds, 1e-6)),
                context_length=context_length,
            )
        )


def refusal(error: dict[str, Any]) -> EngineError | BadRequest:
    if error.get("code") == 400:
        return BadRequest(str(error.get("message", "llama.cpp refused the request.")))
    return EngineError(f"llama.cpp failed: {error.get('message', 'no reason given')}")


def piece_bytes(piece: str | list[int]) -> bytes:
    """llama.cpp tells those that are no text as numbers."""
    return piece.encode() if isinstance(piece, str) else bytes(piece)
