"""Logits processors that extensions bring: named by import path, in transformers' own form."""

import importlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any, Protocol

import torch
from torch import Tensor

from modules.errors import BadRequest, EngineError
from modules.types.generation import Note, ProcessorUse

FIELD = "processors"
# What one of an extension may take to be made, and for a token; everyone who writes waits for it.
MAKE_SECONDS = 10.0
TOKEN_SECONDS = 1.0


class LogitsStep(Protocol):
    def __call__(self, history: list[int], logits: Tensor) -> Tensor:
        """[vocabulary] to [vocabulary]. Raises EngineError when it fails or gives something else."""
        ...


class Processor:
    """Calls `name(**arguments)` of the path once per request, and what it returns once per token.

    That is called as transformers calls its LogitsProcessor: token ids [1, length], logits [1, vocabulary], on the CPU.
    """

    def __init__(self, use: ProcessorUse) -> None:
        """Raises BadRequest for a path that leads nowhere or arguments that do not fit."""
        self._path = use.path
        module, _, name = use.path.partition(":")
        try:
            made: Callable[..., Any] = getattr(importlib.import_module(module), name)
            self._process: Callable[[Tensor, Tensor], Tensor] = made(**use.arguments)
        except Exception as error:
            raise BadRequest(f"The logits processor {use.path} cannot be used: {error!r}", field=FIELD) from error

    def __call__(self, history: list[int], logits: Tensor) -> Tensor:
        try:
            processed = self._process(torch.tensor([history]), logits[None].clone())
        except Exception as error:
            raise EngineError(f"The logits processor {self._path} failed: {error!r}") from error
        if not isinstance(processed, Tensor) or processed.shape != (1, logits.numel()):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise EngineError(f"The logits processor {self._path} did not return logits of the shape it was given.")
        return processed[0].float()


class ContainedProcessor:
    """One of an extension: when it fails or takes too long it is left out, and the reply goes on without it."""

    def __init__(self, use: ProcessorUse) -> None:
        assert use.source is not None
        self.extension = use.source.extension
        self._path = use.path
        self.fault = ""
        # Its thread ends with this object; one that hangs ends with the worker.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="logits processor")
        self._processor: Processor | None = self._bounded(MAKE_SECONDS, lambda: Processor(use))

    def __call__(self, history: list[int], logits: Tensor) -> Tensor:
        processor = self._processor
        if processor is None:
            return logits
        found: Tensor | None = self._bounded(TOKEN_SECONDS, lambda: usable(processor(history, logits)))
        if found is None:
            self._processor = None
            return logits
        return found

    def _bounded(self, seconds: float, call: Callable[[], Any]) -> Any:
        """None when it fails, which is said in `fault`."""
        try:
            return self._thread.submit(call).result(seconds)
        except FutureTimeout:
            self.fault = f"The logits processor {self._path} took longer than {seconds:g} s and was left out."
        except BaseException as error:  # noqa: BLE001 - the boundary: whatever an extension raises ends here
            self.fault = f"{error} It was left out." if str(error) else f"It raised {error!r} and was left out."
        return None


def processors_of(uses: Sequence[ProcessorUse]) -> list[LogitsStep]:
    return [Processor(use) if use.source is None else ContainedProcessor(use) for use in uses]


def notes_of(processors: Sequence[LogitsStep]) -> tuple[Note, ...]:
    """What the reader, and the extension's card, should say of those that failed."""
    return tuple(
        Note(one.fault, one.extension) for one in processors if isinstance(one, ContainedProcessor) and one.fault
    )


def usable(logits: Tensor) -> Tensor:
    """Raises EngineError for logits that no token can be drawn from."""
    if bool(torch.isnan(logits).any()) or not bool(torch.isfinite(logits).any()):
        raise EngineError("The logits processor left no token that could follow.")
    return logits
