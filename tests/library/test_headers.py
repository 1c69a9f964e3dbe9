"""GGUF headers are read with bounds: whatever the file, an answer within a second and the program alive."""

import random
import struct
import time
from pathlib import Path

import psutil
import pytest

from modules.errors import ModelError, NotFound
from modules.library.headers import read_gguf_header
from modules.library.library import Library


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def header(version: int = 3, tensors: int = 0, entries: int = 0, rest: bytes = b"") -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, tensors, entries) + rest


DAMAGED = {
    "empty": b"",
    "short": b"GG",
    "other": b"PK\3\4" + b"\0" * 100,
    "version 1": header(1),
    "version 99": header(99),
    "many tensors": header(tensors=2**60),
    "many entries": header(entries=2**63),
    "long key": header(entries=1, rest=struct.pack("<Q", 2**62)),
    "long value": header(entries=1, rest=text("a") + struct.pack("<IQ", 8, 2**40)),
    "unknown kind": header(entries=1, rest=text("a") + struct.pack("<I", 77)),
    "long array": header(entries=1, rest=text("a") + struct.pack("<IIQ", 9, 4, 2**50)),
    "nested array": header(entries=1, rest=text("a") + struct.pack("<IIQ", 9, 9, 2)),
    "string array": header(entries=1, rest=text("a") + struct.pack("<IIQ", 9, 8, 3_000_000)),
    "cut": header(entries=3, rest=text("a")),
    "many dimensions": header(tensors=1, rest=text("t") + struct.pack("<I", 9)),
    "beyond the end": header(tensors=1, rest=text("t") + struct.pack("<IQIQ", 1, 2**40, 0, 0)),
    "offset": header(tensors=1, rest=text("t") + struct.pack("<IQIQ", 1, 4, 0, 2**60)),
    "unknown type": header(tensors=1, rest=text("t") + struct.pack("<IQIQ", 1, 4, 250, 0)),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_files_are_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x.gguf"
    path.write_bytes(DAMAGED[name])
    started = time.monotonic()
    with pytest.raises(ModelError):
        read_gguf_header(path)
    assert time.monotonic() - started < 1


def test_the_starter_model(starter_file: Path) -> None:
    found = read_gguf_header(starter_file)
    assert found.shape.architecture == "llama"
    assert (found.shape.layers, found.shape.kv_heads, found.shape.key_length) == (30, 3, 64)
    assert found.shape.context_length == 8192
    assert found.shape.parameters == 134_515_008
    assert found.shape.kv_bytes_per_token() == 30 * 3 * 128 * 2


def test_three_hundred_mutations(tmp_path: Path, starter_file: Path) -> None:
    with starter_file.open("rb") as file:
        good = file.read(2_000_000)
    path = tmp_path / "x.gguf"
    chance = random.Random(3)
    before = psutil.Process().memory_info().rss
    for _ in range(300):
        content = bytearray(good)
        for _ in range(chance.randint(1, 20)):
            content[chance.randrange(0, 400 if chance.random() < 0.5 else len(content))] = chance.randrange(256)
        path.write_bytes(content[: chance.randint(4, len(content))])
        started = time.monotonic()
        with pytest.raises(ModelError):
            read_gguf_header(path)
        assert time.monotonic() - started < 1
    assert psutil.Process().memory_info().rss - before < 200 * 2**20


def test_the_list(tmp_path: Path, starter_file: Path) -> None:
    folder = tmp_path / "models"
    (folder / "maker").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    (folder / "maker" / "broken.gguf").write_bytes(b"no")
    (folder / ".hidden" / "staged.gguf").write_bytes(b"no")
    (folder / "notes.txt").write_text("x")
    (folder / "evil\x1b[31m\n.gguf").write_bytes(b"no")
    (folder / "outside.gguf").symlink_to("/etc/hostname")
    (folder / starter_file.name).hardlink_to(starter_file)
    library = Library(folder)
    models = {model.id: model for model in library.models()}
    assert set(models) == {"starter", "echo", "maker/broken", "evil\x1b[31m\n"}
    assert "not a GGUF" in models["maker/broken"].problem
    assert models["evil\x1b[31m\n"].title.isprintable()
    assert models["starter"].problem == ""
    for name in ["../x", "/etc/passwd", "outside", ".hidden/staged", "maker", "", "maker/broken.gguf", "STARTER"]:
        with pytest.raises(NotFound, match="There are: "):
            library.find(name)
    (folder / "maker" / "broken.gguf").unlink()
    assert "maker/broken" not in {model.id for model in library.models()}
