"""The oracle: what a model will need and give on this machine, corrected by what past loads and runs were."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from modules.children import Child, Launcher
from modules.engines.loaded import LoadedModel
from modules.engines.protocol import EngineKind, EngineOptions
from modules.engines.registry import ENGINES
from modules.engines.worker_memory import measured
from modules.errors import ModelError, StorageError
from modules.machine import find_gpus, read_machine
from modules.services.correction import MEMORY, SPEED, corrected
from modules.storage.model_runs import ModelRunStore
from modules.types.estimates import Estimate, Fit, MemoryEstimate, Range, TokenCost
from modules.types.generation import Finished
from modules.types.local_model import LocalModel
from modules.types.machine import Gpu, Machine
from modules.types.model_runs import ModelRun

GIB = 2**30
PROBE = "modules.machine_probe"
GPU_SECONDS = 10.0
# What the system and other programs keep at least; a model that needs it does not fit.
HEADROOM_BYTES = GIB
HEADROOM_SHARE = 16
# Shorter replies say little about the speed.
LEAST_TOKENS = 16


@dataclass
class Watched:
    """A loaded model whose memory is compared with what was predicted; `used_tokens` is its longest text so far."""

    loaded: LoadedModel
    predicted: MemoryEstimate
    used_tokens: int = 0
    recorded_tokens: int = 0


class Oracle:
    """Any thread may call; nothing here waits but for the database, and for `nvidia-smi` every GPU_SECONDS."""

    def __init__(
        self, runs: ModelRunStore, launcher: Launcher, gpus: Callable[[], tuple[Gpu, ...]] = find_gpus
    ) -> None:
        self._runs = runs
        self._launcher = launcher
        self._find_gpus = gpus
        self._gpus: tuple[Gpu, ...] = ()
        self._gpus_until = 0.0
        self._lock = threading.Lock()
        self._probe: Child | None = None
        self._watched: dict[int, Watched] = {}
        self._recorder = ThreadPoolExecutor(1, thread_name_prefix="oracle")

    def machine(self) -> Machine:
        with self._lock:
            if time.monotonic() >= self._gpus_until:
                self._gpus = self._find_gpus()
                self._gpus_until = time.monotonic() + GPU_SECONDS
        return read_machine(self._gpus, self._runs.bandwidth())

    def estimate(self, model: LocalModel, kind: EngineKind, options: Mapping[str, Any]) -> Estimate:
        """`options` are checked already. The speed is None until the machine was measured, which this call begins."""
        chosen = kind.options.model_validate(options)
        machine = self.machine()
        cost = kind.token_cost(model, chosen) if kind.token_cost else None
        if cost is not None and not machine.bandwidth:
            self._measure()
        parts, fits_now = estimated_parts(model, kind, chosen, machine)
        fit = fit_of(parts, machine)
        return Estimate(
            parts,
            self._memory(model, kind, cost, parts),
            self._speed(model, kind, cost, fit, machine),
            fit,
            machine.available_bytes,
            note_of(parts, chosen, model, machine, fit, fits_now=fits_now),
            kind.worker_bytes,
        )

    def memory(self, model: LocalModel, kind: EngineKind, options: Mapping[str, Any]) -> Range:
        """As `estimate` tells it; begins no measurement."""
        chosen = kind.options.model_validate(options)
        cost = kind.token_cost(model, chosen) if kind.token_cost else None
        parts, _ = estimated_parts(model, kind, chosen, self.machine())
        return self._memory(model, kind, cost, parts)

    def record_load(self, loaded: LoadedModel, predicted: MemoryEstimate) -> None:
        """A model was loaded; what it takes is compared when it has answered and rests."""
        with self._lock:
            self._watched = {pid: one for pid, one in self._watched.items() if not one.loaded.process.gone}
            self._watched.setdefault(loaded.process.pid, Watched(loaded, predicted))

    def record_run(self, loaded: LoadedModel, finished: Finished) -> None:
        """A request has ended; returns at once."""
        with suppress(RuntimeError):  # the program is ending
            self._recorder.submit(self._record, loaded, finished)

    def history(self, model_id: str) -> list[ModelRun]:
        """What was predicted of this model's loads and runs on this machine and what they were, newest first."""
        return self._runs.of_model(model_id)

    def close(self) -> None:
        """Also ends a measurement under way."""
        self._recorder.shutdown(cancel_futures=True)
        if self._probe is not None:
            self._probe.end(0.0)

    def _measure(self) -> None:
        """Once in the life of this object: where it fails, it would fail again."""
        with self._lock:
            if self._probe is None:
                self._probe = Child(self._launcher, PROBE, self._measured, lambda _status: None)

    def _measured(self, line: bytes) -> None:
        bandwidth = json.loads(line)["bandwidth"]
        with suppress(StorageError):
            self._runs.keep_bandwidth(bandwidth)

    def _memory(self, model: LocalModel, kind: EngineKind, cost: TokenCost | None, parts: MemoryEstimate) -> Range:
        """With the worker's own."""
        runs = self._runs.of_engine(kind.name, "memory")
        band = corrected(parts.total_bytes, MEMORY, runs, model.id, cost.variant if cost else "")
        return Range(*(bound + kind.worker_bytes for bound in (band.value, band.low, band.high)))

    def _speed(
        self, model: LocalModel, kind: EngineKind, cost: TokenCost | None, fit: Fit, machine: Machine
    ) -> Range | None:
        """Of a CPU only: a graphics card's bandwidth is not measured."""
        if cost is None or not machine.bandwidth or fit != "cpu":
            return None
        predicted = cost.tokens_per_second(machine.bandwidth)
        return corrected(predicted, SPEED, self._runs.of_engine(kind.name, "speed"), model.id, cost.variant)

    def _record(self, loaded: LoadedModel, finished: Finished) -> None:
        kind = next((kind for kind in ENGINES if kind.name == loaded.engine), None)
        if kind is None or kind.token_cost is None:
            return
        cost = kind.token_cost(loaded.model, kind.options.model_validate(loaded.wish.options))
        with suppress(StorageError):
            self._record_speed(loaded, cost, finished)
            self._record_memory(loaded, cost, finished)

    def _record_speed(self, loaded: LoadedModel, cost: TokenCost, finished: Finished) -> None:
        """Of one stream that was alone, on a CPU whose bandwidth is known."""
        watched = self._watched.get(loaded.process.pid)
        alone = loaded.workload.running == 0 and loaded.workload.queued == 0
        bandwidth = self._runs.bandwidth()
        on_gpu = watched is not None and watched.predicted.gpu_bytes > 0
        if not alone or on_gpu or not bandwidth or finished.usage.completion_tokens < LEAST_TOKENS:
            return
        predicted = cost.tokens_per_second(bandwidth)
        self._keep(loaded, cost, ModelRun("", "", "", "speed", predicted, finished.tokens_per_second, 0.0))

    def _record_memory(self, loaded: LoadedModel, cost: TokenCost, finished: Finished) -> None:
        """At rest, for the first time and whenever the longest text has doubled."""
        watched = self._watched.get(loaded.process.pid)
        if watched is None or watched.predicted.gpu_bytes or loaded.workload.running:
            return
        usage = finished.usage
        watched.used_tokens = max(watched.used_tokens, usage.prompt_tokens + usage.completion_tokens)
        actual = measured(loaded.process.pid) - loaded.process.empty_bytes
        if watched.used_tokens < 2 * watched.recorded_tokens or not loaded.process.empty_bytes or actual <= 0:
            return
        watched.recorded_tokens = watched.used_tokens
        predicted = watched.predicted.bytes_after(watched.used_tokens)
        self._keep(loaded, cost, ModelRun("", "", "", "memory", predicted, actual, 0.0))

    def _keep(self, loaded: LoadedModel, cost: TokenCost, run: ModelRun) -> None:
        named = replace(run, model_id=loaded.model.id, engine=loaded.engine, variant=cost.variant, created=time.time())
        self._runs.add(named)


def estimated_parts(
    model: LocalModel, kind: EngineKind, options: EngineOptions, machine: Machine
) -> tuple[MemoryEstimate, bool]:
    """(the parts, whether it can be loaded now); what cannot is told as if all memory were free, or there were more."""
    try:
        return kind.estimate(model, options, machine), True
    except ModelError:
        pass
    with suppress(ModelError):
        return kind.estimate(model, options, replace(machine, available_bytes=machine.memory_bytes)), False
    beyond = 4 * (model.size_bytes + machine.memory_bytes)
    return kind.estimate(model, options, replace(machine, available_bytes=beyond)), False


def fit_of(parts: MemoryEstimate, machine: Machine) -> Fit:
    main_bytes = parts.total_bytes - parts.gpu_bytes
    if main_bytes > machine.memory_bytes - max(HEADROOM_BYTES, machine.memory_bytes // HEADROOM_SHARE):
        return "no"
    if not parts.gpu_bytes:
        return "cpu"
    return "gpu" if parts.gpu_bytes >= 0.99 * (parts.weights_bytes + parts.cache_bytes) else "partly"


def note_of(
    parts: MemoryEstimate, options: EngineOptions, model: LocalModel, machine: Machine, fit: Fit, *, fits_now: bool
) -> str:
    """What limits it, in a sentence; empty when nothing does."""
    needed, free = parts.total_bytes - parts.gpu_bytes, machine.available_bytes
    if fit == "no":
        return f"It needs {gib(needed)} of memory, more than this machine's {gib(machine.memory_bytes)} can spare."
    if not fits_now or needed > free:
        return f"It needs {gib(needed)} of memory and {gib(free)} are free now: close other programs or unload a model."
    asked = options.model_dump().get("context_length") or 0
    if parts.context_length < asked and model.shape.context_length and asked > model.shape.context_length:
        return f"The model was made for {model.shape.context_length:,} tokens of context."
    if fit == "partly":
        return f"{gib(parts.gpu_bytes)} of it fit on the graphics card; the rest is computed by the processor, slower."
    return ""


def gib(count: int) -> str:
    return f"{count / GIB:,.1f} GiB"
