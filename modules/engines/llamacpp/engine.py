"""llama.cpp through xllamacpp: its own server inside, with continuous batching and a prefix cache."""

import time
from threading import Event as Flag
from typing import Any, get_args

import xllamacpp  # pyright: ignore[reportMissingTypeStubs]

from modules.engines.fill_tokens import find_fill_tokens
from modules.engines.grammars import TextCheck, grammar_of
from modules.engines.llamacpp.distribution import DistributionRun
from modules.engines.llamacpp.kind import IGNORED_KNOBS, SAMPLERS, LlamaCppOptions
from modules.engines.llamacpp.plan import Plan, make_plan
from modules.engines.llamacpp.socket_client import PrivateAddress, SocketClient
from modules.engines.llamacpp.wire import completion_body, progress_event, text_event
from modules.engines.protocol import Capabilities, Emit, Report
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
from modules.types.machine import Gpu

# The binding is native code without type information.
binding: Any = xllamacpp

FLASH_ATTENTION = {
    "auto": "LLAMA_FLASH_ATTN_TYPE_AUTO",
    "on": "LLAMA_FLASH_ATTN_TYPE_ENABLED",
    "off": "LLAMA_FLASH_ATTN_TYPE_DISABLED",
}
# By whether the file is mapped, and locked into memory.
LOAD_MODES = {
    (True, False): "LLAMA_LOAD_MODE_MMAP",
    (False, False): "LLAMA_LOAD_MODE_NONE",
    (True, True): "LLAMA_LOAD_MODE_MMAP_MLOCK",
    (False, True): "LLAMA_LOAD_MODE_MLOCK",
}
QUIET = 1  # errors only; they are the last words shown when a load fails


class LlamaCppEngine:
    """Each `generate` call holds one of the server's slots, so at most `capabilities.slots` may run at once."""

    def __init__(self, model: LocalModel, options: LlamaCppOptions, report: Report) -> None:
        plan = make_plan(model, options, read_machine(gpus()))
        report(0.0, plan.note)
        self._address = PrivateAddress()
        try:
            self._server: Any = binding.Server(parameters(model, options, plan, self._address))
        except RuntimeError as error:
            self._address.remove()
            raise ModelError(f"llama.cpp could not load {model.title}: {error}") from error
        self._socket = SocketClient(self._server.listening_address, self._address.key)
        self._vocabulary: int = self._socket.get("/v1/models")["data"][0]["meta"]["n_vocab"]
        self.capabilities = self._capabilities(plan)

    def tokenize(self, text: str) -> list[int]:
        body = {"content": text, "add_special": False, "parse_special": True}
        return self._socket.post("/tokenize", body)["tokens"]

    def token_pieces(self, text: str) -> list[tuple[int, str]]:
        body = {"content": text, "add_special": False, "parse_special": True, "with_pieces": True}
        return [(one["id"], piece_bytes(one["piece"]).hex()) for one in self._socket.post("/tokenize", body)["tokens"]]

    def generate(self, request: GenerationRequest, emit: Emit, cancelled: Flag) -> None:
        if request.distribution is not None:
            self._tell_distribution(request, emit, cancelled)
            return
        grammar = grammar_of(request.constraint) if request.constraint else None
        stream = CompletionStream(emit, cancelled, TextCheck(grammar) if grammar else None)
        self._server.handle_completions(completion_body(request, grammar), stream.take)
        stream.finish(self.capabilities.context_length, len(request.prompt_tokens))

    def close(self) -> None:
        self._address.remove()

    def _tell_distribution(self, request: GenerationRequest, emit: Emit, cancelled: Flag) -> None:
        started = time.monotonic()
        run = DistributionRun(self._server, request, self._vocabulary, emit, cancelled)
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
        properties = self._socket.get("/props")
        adding = {"content": "a", "add_special": True, "parse_special": True}
        first: int = self._socket.post("/tokenize", adding)["tokens"][0]
        bos = self.tokenize(properties["bos_token"])
        return Capabilities(
            context_length=properties["default_generation_settings"]["n_ctx"],
            slots=plan.slots,
            chat_template=properties["chat_template"],
            bos_token=properties["bos_token"],
            eos_token=properties["eos_token"],
            bos_token_id=first if bos == [first] else None,
            logprobs=True,
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


def parameters(model: LocalModel, options: LlamaCppOptions, plan: Plan, address: PrivateAddress) -> Any:
    chosen: Any = binding.CommonParams()
    chosen.model.path = str(model.path)
    chosen.n_ctx = plan.context_tokens * plan.slots
    chosen.n_parallel = plan.slots
    chosen.n_batch = chosen.n_ubatch = plan.batch_tokens
    chosen.n_gpu_layers = plan.gpu_layers
    chosen.cache_type_k = chosen.cache_type_v = binding.ggml_type[f"GGML_TYPE_{options.cache_type.upper()}"]
    chosen.flash_attn_type = binding.llama_flash_attn_type[FLASH_ATTENTION[options.flash_attention]]
    chosen.load_mode = binding.llama_load_mode[LOAD_MODES[options.mmap, options.mlock]]
    chosen.cache_ram_mib = plan.prompt_cache_mib
    chosen.cpuparams.n_threads = chosen.cpuparams_batch.n_threads = plan.threads
    chosen.hostnames = [address.hostname]
    chosen.api_keys = [address.key]
    chosen.verbosity = QUIET
    chosen.ui = False
    chosen.n_threads_http = 2
    # Our own plan has chosen; the library's fitting would override it.
    chosen.fit_params = False
    return chosen


def refusal(error: dict[str, Any]) -> EngineError | BadRequest:
    if error.get("code") == 400:
        return BadRequest(str(error.get("message", "llama.cpp refused the request.")))
    return EngineError(f"llama.cpp failed: {error.get('message', 'no reason given')}")


def piece_bytes(piece: str | list[int]) -> bytes:
    """llama.cpp tells those that are no text as numbers."""
    return piece.encode() if isinstance(piece, str) else bytes(piece)


def gpus() -> tuple[Gpu, ...]:
    """Those that this build of llama.cpp can use."""
    devices: list[dict[str, Any]] = binding.get_device_info()
    return tuple(
        Gpu(device["description"], device["memory_total"], device["memory_free"])
        for device in devices
        if device["type"].name.endswith("GPU")
    )
