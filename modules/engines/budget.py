"""How much memory loaded models may take together, and which of them leave when another needs it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from modules.engines.uses import Uses
from modules.errors import ModelBusy
from modules.types.local_model import LocalModel
from modules.types.machine import Machine

MIB = 1024 * 1024
# What the system and other programs keep of a machine whose person set no budget.
SYSTEM_SHARE = 5
SYSTEM_BYTES = 2048 * MIB


@dataclass(frozen=True)
class Memory:
    """Bytes of main memory and of graphics cards."""

    main_bytes: int = 0
    gpu_bytes: int = 0

    def __add__(self, other: "Memory") -> "Memory":
        return Memory(self.main_bytes + other.main_bytes, self.gpu_bytes + other.gpu_bytes)

    def holds(self, other: "Memory") -> bool:
        return self.main_bytes >= other.main_bytes and self.gpu_bytes >= other.gpu_bytes


class Occupant(Protocol):
    """A loaded model, as far as room depends on it."""

    @property
    def model(self) -> LocalModel: ...
    @property
    def memory(self) -> Memory: ...
    @property
    def uses(self) -> Uses: ...


Model = TypeVar("Model", bound=Occupant)


class Budget:
    """`limit_mib` is for main memory, 0 lets the machine's own decide; graphics cards are limited by what they have."""

    def __init__(self, limit_mib: int, machine: Callable[[], Machine]) -> None:
        self._machine = machine
        self.main_bytes = limit_mib * MIB or chosen_bytes(machine().memory_bytes)

    def room(self, taken: Memory) -> Memory:
        """What one more model can have now: the rest of the budget, and no more than the machine has free."""
        machine = self._machine()
        return Memory(min(self.main_bytes - taken.main_bytes, machine.available_bytes), machine.gpu_free_bytes)


def leaving(loaded: Sequence[Model], needed: Memory, room: Memory) -> list[Model]:
    """The idle models that make room for `needed`, least recently used first.

    All idle ones where not even that is enough: the model is then loaded alone, and its engine says whether it fits.
    Raises ModelBusy naming those at work when they would be in the way.
    """
    idle = sorted((one for one in loaded if not one.uses.count), key=lambda one: one.uses.last)
    chosen: list[Model] = []
    while not room.holds(needed) and len(chosen) < len(idle):
        chosen.append(idle[len(chosen)])
        room += chosen[-1].memory
    busy = [one.model.id for one in loaded if one.uses.count]
    if busy and not room.holds(needed):
        raise ModelBusy(
            f"There is no room beside {', '.join(busy)}, which {'is' if len(busy) == 1 else 'are'} answering. Wait, or "
            "unload a model. The setting memory_budget_mib says how much memory all models may take."
        )
    return chosen


def chosen_bytes(memory_bytes: int) -> int:
    """All of the machine's memory but a fifth or 2 GiB, whichever is more; half of it on a small one."""
    return max(memory_bytes - max(memory_bytes // SYSTEM_SHARE, SYSTEM_BYTES), memory_bytes // 2)
