"""Reads what this machine has: cores, memory and graphics cards, as far as this program may use them."""

import os
import platform
import shutil
import subprocess
from pathlib import Path

import psutil

from modules.types.machine import Gpu, Machine

MIB = 1024 * 1024
NVIDIA = ("nvidia-smi", "--query-gpu=name,memory.total,memory.free", "--format=csv,noheader,nounits")
NVIDIA_SECONDS = 5.0
CGROUP = Path("/sys/fs/cgroup")


def read_machine(gpus: tuple[Gpu, ...] = (), bandwidth: float = 0.0, cgroup: Path = CGROUP) -> Machine:
    """Cheap enough for every request; `gpus` and `bandwidth` are what `find_gpus` and the probe said."""
    memory = psutil.virtual_memory()
    limit = limit_of(cgroup / "memory.max") or memory.total
    used = used_bytes(cgroup) if limit < memory.total else 0
    return Machine(
        cores=usable_cores(cgroup),
        memory_bytes=min(memory.total, limit),
        available_bytes=min(memory.available, max(limit - used, 0)),
        gpus=gpus,
        bandwidth=bandwidth,
    )


def usable_cores(cgroup: Path = CGROUP) -> int:
    """Real cores, no more than this process may run on, nor than its group's share of time pays for."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    cores = min(psutil.cpu_count(logical=False) or allowed, allowed)
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
        return max(1, min(cores, int(quota) // int(period)))
    except (OSError, ValueError):
        # There is no limit where the file is not, or says `max`.
        return max(1, cores)


def limit_of(path: Path) -> int:
    """Of a control group's file; 0 where there is no limit."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return 0


def used_bytes(cgroup: Path) -> int:
    """What a control group's programs hold, without files in memory that can be dropped."""
    try:
        lines = (cgroup / "memory.stat").read_text().splitlines()
    except OSError:
        lines = []
    cached = sum(int(size) for name, size in map(str.split, lines) if name in {"active_file", "inactive_file"})
    return max(limit_of(cgroup / "memory.current") - cached, 0)


def find_gpus() -> tuple[Gpu, ...]:
    """NVIDIA's cards, none where its tool is missing, fails or takes too long. Blocks for up to NVIDIA_SECONDS."""
    tool = shutil.which(NVIDIA[0])
    if tool is None:
        return ()
    try:
        said = subprocess.run(
            [tool, *NVIDIA[1:]], capture_output=True, text=True, check=True, timeout=NVIDIA_SECONDS
        ).stdout
        return tuple(gpu_of(line) for line in said.splitlines() if line.strip())
    except (OSError, ValueError, subprocess.SubprocessError):
        return ()


def gpu_of(line: str) -> Gpu:
    name, total, free = (part.strip() for part in line.rsplit(",", 2))
    return Gpu(name, int(total) * MIB, int(free) * MIB)


def identity() -> str:
    """Names the kind of machine: what was measured on one is true of another of that name."""
    memory_gib = round(psutil.virtual_memory().total / 2**30)
    return f"{processor_name()}, {usable_cores()} cores, {memory_gib} GiB"


def processor_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())
