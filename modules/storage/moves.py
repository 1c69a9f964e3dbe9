"""Several files moved as if they were one: a plan is written first, and carried out to its end even after a crash."""

import json
import secrets
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from modules.errors import Conflict, StorageError
from modules.storage.files import write_atomically

Move = tuple[Path, Path]


@dataclass(frozen=True)
class Plan:
    """`moves` are (from, to); `renamed` is (old, new) name of what they are, when it changes."""

    moves: tuple[Move, ...]
    renamed: tuple[str, str] | None = None


class Mover:
    """Moves files and folders inside `root`; unfinished plans lie in `plans`, on the same file system.

    `when_renamed(old, new)` is called once the files are in place, after a crash perhaps twice. Any thread may call.
    """

    def __init__(self, root: Path, plans: Path, when_renamed: Callable[[str, str], None]) -> None:
        self._root = root
        self._plans = plans
        self._when_renamed = when_renamed
        self._lock = threading.Lock()

    def carry_out(self, plan: Plan) -> None:
        """Raises Conflict when something is in the way, StorageError when the system refuses; all is as it was then."""
        with self._lock:
            self._carry_out(plan)

    def finish(self) -> None:
        """At the start of the program: what was interrupted is carried on. What cannot be stays for the next start."""
        for record in sorted(self._plans.glob("*.json")):
            with suppress(OSError, ValueError, KeyError, TypeError):
                plan = self._read(json.loads(record.read_bytes()))
                for source, target in plan.moves:
                    if source.exists() and not target.exists():
                        move(source, target)
                self._end(plan, record)

    def _carry_out(self, plan: Plan) -> None:
        taken = [target.name for _, target in plan.moves if target.exists() or target.is_symlink()]
        if taken:
            raise Conflict(f"There is a file or folder called {taken[0]} already; nothing was moved.", field="name")
        record = self._plans / f"{secrets.token_hex(8)}.json"
        try:
            self._plans.mkdir(parents=True, exist_ok=True)
            write_atomically(record, json.dumps(self._written(plan)).encode())
            try:
                for source, target in plan.moves:
                    move(source, target)
            except OSError:
                self._undo(plan.moves)
                record.unlink()
                raise
        except OSError as error:
            raise StorageError(f"The files could not be moved: {error.strerror}.") from error
        self._end(plan, record)

    def _end(self, plan: Plan, record: Path) -> None:
        if plan.renamed is not None:
            # The files are what matters; what was remembered of them may stay behind when the disk is full.
            with suppress(StorageError):
                self._when_renamed(*plan.renamed)
        with suppress(OSError):
            record.unlink()
        for source, _ in plan.moves:
            remove_empty_folders(source.parent, self._root)

    def _undo(self, moves: Sequence[Move]) -> None:
        for source, target in reversed(moves):
            if target.exists() and not source.exists():
                with suppress(OSError):
                    move(target, source)

    def _written(self, plan: Plan) -> dict[str, Any]:
        moves = [[path.relative_to(self._root).as_posix() for path in move] for move in plan.moves]
        return {"moves": moves, "renamed": plan.renamed}

    def _read(self, values: dict[str, Any]) -> Plan:
        moves = tuple((self._inside(source), self._inside(target)) for source, target in values["moves"])
        renamed = values["renamed"]
        return Plan(moves, (str(renamed[0]), str(renamed[1])) if renamed else None)

    def _inside(self, name: str) -> Path:
        parts = PurePosixPath(name).parts
        if not parts or ".." in parts or parts[0] == "/":
            raise ValueError(name)
        return self._root.joinpath(*parts)


def move(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    source.rename(target)


def remove_empty_folders(folder: Path, root: Path) -> None:
    """This one and those above it, as far as `root` or a hidden one, which has a use of its own."""
    with suppress(OSError):
        while folder != root and folder.is_relative_to(root) and not folder.name.startswith("."):
            folder.rmdir()
            folder = folder.parent
