"""What `accelerate launch` is told on each machine of a run, and the command that starts it there."""

import json
import shlex
import socket
import sys
from pathlib import Path
from typing import Any

from modules.paths import PROJECT
from modules.training.orders import Order
from modules.types.recipes import Recipe

RANK = "modules.training.rank"


def write_configs(folder: Path, recipe: Recipe) -> list[Path]:
    """A file for each machine, this one's first, into the run's folder."""
    port = free_port()
    paths = [folder / config_name(machine) for machine in range(recipe.machines)]
    for machine, path in enumerate(paths):
        path.write_text(json.dumps(launch_config(recipe, machine, port), indent=1), encoding="utf-8")
    return paths


def config_name(machine: int) -> str:
    """`machine` counts from 0, which is the one where the program runs."""
    return f"accelerate-{machine}.yaml" if machine else "accelerate.yaml"


def launch_config(recipe: Recipe, machine: int, port: int) -> dict[str, Any]:
    """YAML is a superset of JSON. What accelerate calls MULTI_GPU is PyTorch's own launcher, which starts processes for
    CPUs as well; MULTI_CPU would need MPI."""
    config: dict[str, Any] = {
        "compute_environment": "LOCAL_MACHINE",
        "distributed_type": "MULTI_GPU",
        "num_processes": recipe.processes,
        "num_machines": recipe.machines,
        "machine_rank": machine,
        "main_process_port": port,
        "mixed_precision": "no",
        "use_cpu": False,
    }
    if recipe.machines > 1:
        config |= {"main_process_ip": recipe.main_address, "same_network": True, "rdzv_backend": "static"}
    return config


def launch_command(config: Path, order: Order) -> list[str]:
    """To be run in the program's folder."""
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(config), "--quiet"]
    return [*command, "-m", RANK, str(order.folder), str(order.model), str(order.threads)]


def launch_line(config: Path, order: Order) -> str:
    """The same for a person, from any folder."""
    return f"cd {shlex.quote(str(PROJECT))} && {shlex.join(launch_command(config, order))}"


def free_port() -> int:
    """Of any address of this machine."""
    with socket.socket() as found:
        found.bind(("", 0))
        return found.getsockname()[1]
