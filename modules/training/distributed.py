"""Several processes that train together: each computes its share of a step, then gradients are added up."""

import json
import os
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed

from modules.errors import TrainingError
from modules.training.machines import launch_command, launch_line, write_configs
from modules.training.orders import Order
from modules.training.telling import RunFolder
from modules.types.recipes import Recipe

# Typed only in parts.
collectives: Any = distributed

# The kinds of lines that end a run.
ENDS = frozenset({"done", "stopped", "error"})


@dataclass(frozen=True)
class Group:
    """`rank` of this process among `size`, from 0; the first alone writes. `local_` counts those of this machine."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def add(self, tensors: Sequence[Tensor]) -> None:
        """Put the sum over all processes into each, in place. Raises TrainingError when one of them is gone."""
        if self.size == 1:
            return
        try:
            for tensor in tensors:
                collectives.all_reduce(tensor)
        except RuntimeError as error:
            raise TrainingError(one_is_gone(self.size)) from error


def own_device(local_rank: int = 0) -> torch.device:
    """A GPU of its own for each process where there are some."""
    return torch.device("cuda", local_rank) if torch.cuda.is_available() else torch.device("cpu")


def join() -> Group:
    """In a process that `accelerate launch` has started, which says in the environment who is there."""
    distributed.init_process_group()
    local = int(os.environ["LOCAL_RANK"]), int(os.environ["LOCAL_WORLD_SIZE"])
    return Group(distributed.get_rank(), distributed.get_world_size(), *local)


def launch(order: Order, recipe: Recipe, teller: RunFolder, stop: threading.Event) -> dict[str, Any]:
    """Start the processes of this machine and pass on what the run's first one tells; returns the line that ends it."""
    configs = write_configs(order.folder, recipe)
    if recipe.machines > 1:
        await_others(configs[1:], order, teller)
    command = launch_command(configs[0], order)
    launched = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert launched.stdout is not None
    is_heard = threading.Event()
    threading.Thread(target=pass_on, args=(stop, launched, is_heard), name="stop", daemon=True).start()
    end: dict[str, Any] | None = None
    for line in launched.stdout:
        is_heard.set()
        told = json.loads(line)
        if told["kind"] in ENDS:
            end = told
        else:
            teller.pass_on(line.rstrip())
    launched.wait()
    if end is None and stop.is_set() and not is_heard.is_set():
        return {"kind": "stopped", "step": 0}
    return end or {"kind": "error", "message": one_is_gone(recipe.processes), "cause": "other"}


def await_others(configs: Sequence[Path], order: Order, teller: RunFolder) -> None:
    """Tell what is to be started on each of the other machines."""
    teller.say(
        f"Waits for {len(configs)} more {'machine' if len(configs) == 1 else 'machines'}. Each needs this program, the "
        "model and this run's folder under the same paths, as on a shared drive. Start there:"
    )
    for config in configs:
        teller.say(launch_line(config, order))
    teller.status("waiting for the other machines; the log says what to start there", 0, 0)


def one_is_gone(processes: int) -> str:
    return (
        f"One of the {processes} training processes ended unexpectedly. The system ends some when memory runs out: "
        "close other programs, or choose fewer processes. Resume goes on from the newest checkpoint."
    )


def pass_on(stop: threading.Event, launched: subprocess.Popen[bytes], is_heard: threading.Event) -> None:
    """Processes that still wait for each other hear nothing, and have nothing to save."""
    stop.wait()
    if not is_heard.is_set():
        launched.terminate()
        return
    assert launched.stdin is not None
    with suppress(OSError):
        launched.stdin.write(b'{"order": "stop"}\n')
        launched.stdin.flush()
