"""Adapters on llama.cpp: files that it takes only while it loads a model, each with a number that requests name."""

import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from modules.engines.adapters import unknown_adapter
from modules.errors import Busy
from modules.types.generation import AdapterUse

Scales = list[dict[str, int | float]]


@dataclass(frozen=True)
class LoadedFile:
    """A GGUF adapter by the name that requests use."""

    name: str
    path: str


def scales_of(loaded: Sequence[LoadedFile], uses: Sequence[AdapterUse]) -> Scales:
    """Of every loaded one, as a request's body has it: those it does not name count for nothing.

    Raises BadRequest for an unknown name.
    """
    names = [one.name for one in loaded]
    for use in uses:
        if use.name not in names:
            raise unknown_adapter(use.name, names, field="adapters")
    weights = {use.name: use.weight for use in uses}
    return [{"id": number, "scale": weights.get(name, 0.0)} for number, name in enumerate(names)]


class Turns:
    """Many ask the server at once; who replaces it is alone, and whoever comes meanwhile waits. Any thread."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._asking = 0
        self._is_replaced = False

    @contextmanager
    def asking(self) -> Generator[None]:
        with self._condition:
            self._condition.wait_for(lambda: not self._is_replaced)
            self._asking += 1
        try:
            yield
        finally:
            with self._condition:
                self._asking -= 1

    @contextmanager
    def alone(self) -> Generator[None]:
        """Raises Busy while anyone asks or replaces."""
        with self._condition:
            if self._asking or self._is_replaced:
                raise Busy(
                    "llama.cpp loads the model anew to change its adapters, and it is answering. Wait for its replies, "
                    "or stop them."
                )
            self._is_replaced = True
        try:
            yield
        finally:
            with self._condition:
                self._is_replaced = False
                self._condition.notify_all()
