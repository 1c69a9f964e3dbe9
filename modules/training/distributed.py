"""Several processes that train together: each computes its share of a step, then gradients are added up."""

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any

import torch
from torch import Tensor, distributed

from modules.errors import TrainingError
from modules.training.orders import Order

# Typed only in parts.
collectives: Any = distributed

RANK = "modules.training.rank"
CONFIG = "accelerate.yaml"
# The kinds of lines that end a run.
ENDS = frozenset({"done", "stopped", "error"})


@dataclass(frozen=True)
class Group:
    """`rank` of this process among `size`, from 0; the first alone writes."""

    rank: int = 0
    size: int = 1

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
    return Group(distributed.get_rank(), distributed.get_world_size())


def launch(order: Order, processes: int, send: Callable[[bytes], None], stop: threading.Event) -> dict[str, Any]:
    """Start the processes of a run and pass on what the first one tells; returns the line that ends the run."""
    config = order.folder / CONFIG
    config.write_text(json.dumps(launch_config(processes), indent=1), encoding="utf-8")
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(config), "--quiet"]
    command += ["-m", RANK, str(order.folder), str(order.model), str(order.threads)]
    launched = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert launched.stdin is not None
    assert launched.stdout is not None
    threading.Thread(target=pass_on, args=(stop, launched.stdin), name="stop", daemon=True).start()
    end: dict[str, Any] | None = None
    for line in launched.stdout:
        told = json.loads(line)
        if told["kind"] in ENDS:
            end = told
        else:
            send(line.rstrip())
    launched.wait()
    return end or {"kind": "error", "message": one_is_gone(processes), "cause": "other"}


def one_is_gone(processes: int) -> str:
    return (
        f"One of the {processes} training processes ended unexpectedly. The system ends some when memory runs out: "
        "close other programs, or choose fewer processes. Resume goes on from the newest checkpoint."
    )


def launch_config(processes: int) -> dict[str, Any]:
    """YAML is a superset of JSON. What accelerate calls MULTI_GPU is PyTorch's own launcher, which starts processes for
    CPUs as well; MULTI_CPU would need MPI."""
    return {
        "compute_environment": "LOCAL_MACHINE",
        "distributed_type": "MULTI_GPU",
        "num_processes": processes,
        "num_machines": 1,
        "machine_rank": 0,
        "main_process_port": free_port(),
        "mixed_precision": "no",
        "use_cpu": False,
    }


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def pass_on(stop: threading.Event, pipe: IO[bytes]) -> None:
    stop.wait()
    with suppress(OSError):
        pipe.write(b'{"order": "stop"}\n')
        pipe.flush()
