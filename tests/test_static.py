"""Lint, format and strict types."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from modules.paths import PROJECT


def tool(name: str) -> str:
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    assert found, f"{name} is not installed"
    return found


@pytest.mark.parametrize("arguments", [("check", "."), ("format", "--check", ".")], ids=["lint", "format"])
def test_ruff(arguments: tuple[str, ...]) -> None:
    done = subprocess.run([tool("ruff"), *arguments], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.timeout(300)
def test_types() -> None:
    command = [tool("basedpyright"), "-p", "tests/pyrightconfig.json", "--pythonpath", sys.executable]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-5000:]
