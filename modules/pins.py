"""What a requirements file pins, and what of it is installed; standard library only."""

import contextlib
import os
import platform
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?\s*==\s*([^\s;#]+)\s*(?:;\s*(.+))?$")
CONDITION = re.compile(r"^(sys_platform|platform_machine)\s*(==|!=)\s*(['\"])([^'\"]*)\3$")


class SetUpError(Exception):
    """The environment cannot be made; the message is for a person."""


def unmet(file: Path, versions: "dict[str, str]") -> "list[str]":
    """The pins of a requirements file that are not installed at just that version (a local build suffix is fine)."""
    return [name for name, pinned in pins(file) if versions.get(normalised(name), "").partition("+")[0] != pinned]


def pins(file: Path) -> "Iterator[tuple[str, str]]":
    """(name, version) of the lines that are meant for this machine."""
    for line in file.read_text(encoding="utf-8").splitlines():
        text = line.partition("#")[0].strip()
        if not text:
            continue
        match = PIN.match(text)
        if match is None:
            raise SetUpError(f"{file.name}: {text!r} must be name==version, perhaps with a condition after ';'.")
        name, version, conditions = match.groups()
        if conditions is None or all(holds(part.strip(), file) for part in conditions.split(" and ")):
            yield name, version


def holds(condition: str, file: Path) -> bool:
    match = CONDITION.match(condition)
    if match is None:
        raise SetUpError(f"{file.name}: {condition!r} must compare sys_platform or platform_machine by == or !=.")
    fact = sys.platform if match.group(1) == "sys_platform" else platform.machine()
    return (fact == match.group(4)) == (match.group(2) == "==")


def versions_in(folders: "Sequence[str | Path]") -> "dict[str, str]":
    """By normalised name. One look at each folder's names: asking importlib per package scans them every time."""
    versions: dict[str, str] = {}
    for folder in folders:
        with contextlib.suppress(OSError), os.scandir(folder or ".") as entries:
            for entry in entries:
                if entry.name.endswith(".dist-info"):
                    project, _, version = entry.name[: -len(".dist-info")].rpartition("-")
                    versions.setdefault(normalised(project), version)
    return versions


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
