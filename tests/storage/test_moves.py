"""Several files move as one: all, none, or all after the next start."""

from pathlib import Path
from typing import Any

import pytest

from modules.errors import Conflict, StorageError
from modules.storage import moves
from modules.storage.moves import Mover, Plan


class PowerCutError(BaseException):
    """The program ends here: nothing that it would still do is done."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for number in range(3):
        (tmp_path / "from" / "deep").mkdir(parents=True, exist_ok=True)
        (tmp_path / "from" / "deep" / str(number)).write_text(str(number))
    return tmp_path


def mover(root: Path, renamed: list[tuple[str, str]] | None = None) -> Mover:
    names = renamed if renamed is not None else []
    return Mover(root, root / ".plans", lambda old, new: names.append((old, new)))


def plan(root: Path) -> Plan:
    pairs = [(root / "from" / "deep" / name, root / "to" / name) for name in "012"]
    return Plan(tuple(pairs), renamed=("a", "b"))


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.rglob("*") if path.is_file()}


ALL = {"0": "0", "1": "1", "2": "2"}


def test_all_of_them(root: Path) -> None:
    renamed: list[tuple[str, str]] = []
    mover(root, renamed).carry_out(plan(root))
    assert (contents(root / "to"), renamed) == (ALL, [("a", "b")])
    assert {path.name for path in root.iterdir()} == {"to", ".plans"}
    assert list((root / ".plans").iterdir()) == []


def test_nothing_is_overwritten(root: Path) -> None:
    (root / "to").mkdir()
    (root / "to" / "1").symlink_to("nothing")
    with pytest.raises(Conflict, match="called 1 already"):
        mover(root).carry_out(plan(root))
    assert contents(root / "from") == ALL


@pytest.mark.parametrize("after", range(4))
def test_a_crash_is_made_good_at_the_next_start(root: Path, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    cut_power(monkeypatch, after)
    with pytest.raises(PowerCutError):
        mover(root).carry_out(plan(root))
    monkeypatch.undo()
    assert contents(root / "from") | contents(root / "to") == ALL
    renamed: list[tuple[str, str]] = []
    mover(root, renamed).finish()
    assert (contents(root / "to"), renamed) == (ALL, [("a", "b")])
    assert list((root / ".plans").iterdir()) == []


def cut_power(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """After so many moves; 3 is after the last, before anything is tidied up."""
    done: list[Path] = []
    real = moves.move

    def move(source: Path, target: Path) -> None:
        if len(done) == after:
            raise PowerCutError
        real(source, target)
        done.append(target)
        if len(done) == after == 3:
            raise PowerCutError

    monkeypatch.setattr(moves, "move", move)


def test_a_refusal_puts_everything_back(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = moves.move

    def move(source: Path, target: Path) -> None:
        if target == root / "to" / "2":
            raise PermissionError(13, "Permission denied")
        real(source, target)

    monkeypatch.setattr(moves, "move", move)
    with pytest.raises(StorageError, match="Permission denied"):
        mover(root).carry_out(plan(root))
    assert (contents(root / "from"), contents(root / "to")) == (ALL, {})
    assert list((root / ".plans").iterdir()) == []


@pytest.mark.parametrize("source", ["../secret", "/etc/hostname", "", "a/../../secret", None])
def test_plans_of_strangers_lead_nowhere(tmp_path: Path, source: Any) -> None:
    root = tmp_path / "root"
    (root / ".plans").mkdir(parents=True)
    (tmp_path / "secret").write_text("x")
    content = f'{{"moves": [[{"null" if source is None else chr(34) + source + chr(34)}, "here"]], "renamed": null}}'
    (root / ".plans" / "a.json").write_text(content)
    (root / ".plans" / "b.json").write_bytes(b"\xff")
    mover(root).finish()
    assert (tmp_path / "secret").read_text() == "x"
    assert not (root / "here").exists()
