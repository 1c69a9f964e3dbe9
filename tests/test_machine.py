"""What this machine has, with and without graphics cards and limits."""

from pathlib import Path

import pytest

from modules.machine import find_gpus, identity, read_machine, usable_cores
from modules.machine_probe import measure
from modules.types.machine import Gpu

MIB = 2**20


def fake_tool(folder: Path, script: str) -> None:
    tool = folder / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)


def test_a_machine_without_the_tool_has_no_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_gpus() == ()


def test_gpus_are_those_that_the_tool_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    fake_tool(tmp_path, "echo 'NVIDIA RTX 4090, 24564, 20000'; echo 'NVIDIA A, B, 100, 50'")
    assert find_gpus() == (Gpu("NVIDIA RTX 4090", 24564 * MIB, 20000 * MIB), Gpu("NVIDIA A, B", 100 * MIB, 50 * MIB))


@pytest.mark.parametrize("script", ["exit 9", "echo nonsense", "echo 'card, [N/A], [N/A]'", "exec /bin/sleep 60"])
def test_a_tool_that_fails_means_no_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr("modules.machine.NVIDIA_SECONDS", 0.5)
    fake_tool(tmp_path, script)
    assert find_gpus() == ()


def test_a_control_group_limits_memory_and_cores(tmp_path: Path) -> None:
    free = read_machine((), cgroup=tmp_path)
    (tmp_path / "memory.max").write_text(f"{512 * MIB}\n")
    (tmp_path / "memory.current").write_text(f"{200 * MIB}\n")
    (tmp_path / "cpu.max").write_text("100000 100000\n")
    limited = read_machine((), cgroup=tmp_path)
    assert (limited.memory_bytes, limited.available_bytes, limited.cores) == (512 * MIB, 312 * MIB, 1)
    assert free.memory_bytes > limited.memory_bytes
    (tmp_path / "memory.stat").write_text(f"anon {60 * MIB}\nactive_file {40 * MIB}\ninactive_file {100 * MIB}\n")
    assert read_machine((), cgroup=tmp_path).available_bytes == 452 * MIB
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "cpu.max").write_text("max 100000\n")
    unlimited = read_machine((), cgroup=tmp_path)
    assert (unlimited.memory_bytes, unlimited.cores) == (free.memory_bytes, usable_cores(tmp_path / "none"))


def test_a_machine_has_a_name() -> None:
    assert "cores" in identity()
    assert identity() == identity()


def test_the_probe_measures_what_a_machine_can_do() -> None:
    assert 1e8 < measure(1, 0.2) < 1e13
