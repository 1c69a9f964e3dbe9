"""Logits processors that extensions bring: named by import path, in transformers' own form."""

import importlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from modules.errors import BadRequest, EngineError
from modules.types.generation import ProcessorUse

FIELD = "processors"


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
        """[vocabulary] to [vocabulary]. Raises EngineError when the processor fails or gives something else."""
        try:
            processed = self._process(torch.tensor([history]), logits[None].clone())
        except Exception as error:
            raise EngineError(f"The logits processor {self._path} failed: {error!r}") from error
        if not isinstance(processed, Tensor) or processed.shape != (1, logits.numel()):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise EngineError(f"The logits processor {self._path} did not return logits of the shape it was given.")
        return processed[0].float()
