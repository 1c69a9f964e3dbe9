"""GGUF headers are read with bounds: whatever the file, an answer within a second and the program alive."""

import random
import struct
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from modules.errors import ModelError, NotFound
from modules.library.headers import read_gguf_header, read_gguf_prefix
from modules.library.library import Library
from tests.library.gguf_files import gguf_header, llama_values, text, write_gguf


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
    started = time.thread_time()
    with pytest.raises(ModelError):
        read_gguf_header(path)
    assert time.thread_time() - started < 1


def test_the_starter_model(starter_file: Path) -> None:
    found = read_gguf_header(starter_file)
    assert found.shape.architecture == "llama"
    assert (found.shape.layers, found.shape.kv_heads, found.shape.key_length) == (30, 3, 64)
    assert found.shape.context_length == 8192
    assert found.shape.parameters == 134_515_008
    assert found.shape.kv_bytes_per_token() == 30 * 3 * 128 * 2


def test_what_a_header_says(tmp_path: Path) -> None:
    values = {"general__license": "mit", "general__name": "Tiny", "llama__attention__sliding_window": 128}
    found = read_gguf_header(write_gguf(tmp_path / "x.gguf", **values))
    assert (found.name, found.licence, found.quantization, found.has_chat_template) == ("Tiny", "mit", "Q8_0", True)
    shape = found.shape
    assert (shape.heads, shape.embedding_length, shape.vocabulary, shape.sliding_window) == (4, 32, 4, 128)
    assert shape.parameters == 32 * 4 + 32 * 2


def test_layers_that_differ(tmp_path: Path) -> None:
    values = {"llama__attention__head_count_kv": [2, 0], "llama__feed_forward_length": [64, 96]}
    shape = read_gguf_header(write_gguf(tmp_path / "x.gguf", **values)).shape
    assert (shape.kv_heads, shape.feed_forward_length) == (2, 96)
    assert shape.kv_bytes_per_token() == 2 * (8 + 8) * 2


@pytest.mark.parametrize(("file_type", "name"), [(15, "Q4_K_M"), (30, "IQ4_XS"), (38, "MXFP4"), (9999, "Q8_0")])
def test_quantizations(tmp_path: Path, file_type: int, name: str) -> None:
    assert read_gguf_header(write_gguf(tmp_path / "x.gguf", general__file_type=file_type)).quantization == name


def test_what_comes_before_a_cut_is_known() -> None:
    content = gguf_header(llama_values(tokenizer__ggml__tokens=["x"] * 1000, last=1))
    assert read_gguf_prefix(content).shape.parameters == 192
    cut = read_gguf_prefix(content[:-200])
    assert (cut.shape.vocabulary, cut.shape.layers, cut.shape.parameters) == (1000, 2, 0)
    assert read_gguf_prefix(content[:200]).shape.architecture == "llama"
    for nothing in (b"", b"PK\3\4"):
        with pytest.raises(ModelError):
            read_gguf_prefix(nothing)


def test_a_text_that_looks_like_a_key_misleads_nobody(tmp_path: Path) -> None:
    """Long lists are leapt over by looking for the next key; a token may hold the same bytes."""
    trap = text("tokenizer.ggml.trap") + struct.pack("<II", 4, 1)
    for tokens in ([trap] * 5000, ["tokenizer.x"] * 5000, ["a"] * 5000):
        values = llama_values(tokenizer__ggml__tokens=tokens, tokenizer__ggml__bos_token_id=1, llama__vocab_size=7)
        path = tmp_path / "x.gguf"
        path.write_bytes(gguf_header(values) + bytes(1024))
        found = read_gguf_header(path)
        assert (found.shape.vocabulary, found.shape.parameters, found.has_chat_template) == (5000, 192, True)


@pytest.mark.parametrize("seed", range(3))
def test_three_hundred_mutations(tmp_path: Path, starter_file: Path, seed: int) -> None:
    """Flipped bits, counts, lengths and types that lie, cuts: an answer or a ModelError, soon and in little memory."""
    with starter_file.open("rb") as file:
        good = file.read(2_000_000)
    small = gguf_header(llama_values(tokenizer__ggml__merges=["a b"] * 6000, llama__ends=[1, 2, 3])) + bytes(1024)
    path = tmp_path / "x.gguf"
    chance = random.Random(seed)
    before = psutil.Process().memory_info().rss
    damaged: list[str] = []
    for _ in range(300):
        path.write_bytes(mutated(chance, good if chance.random() < 0.3 else small))
        started = time.thread_time()
        try:
            read_gguf_header(path)
            read_gguf_prefix(path.read_bytes())
        except ModelError as error:
            damaged.append(str(error))
        assert time.thread_time() - started < 1
    assert len(damaged) > 100
    assert max(map(len, damaged)) < 500
    assert psutil.Process().memory_info().rss - before < 200 * 2**20


def mutated(chance: random.Random, good: bytes) -> bytes:
    content = bytearray(good)
    for _ in range(chance.randint(1, 8)):
        place = chance.randrange(4, 400 if chance.random() < 0.5 else len(content) - 8)
        match chance.randrange(4):
            case 0:
                content[place] ^= 1 << chance.randrange(8)
            case 1:
                content[place : place + 8] = struct.pack("<Q", chance.choice([2**64 - 1, 2**63, 2**40, 2**20, 0]))
            case 2:
                content[place : place + 16] = struct.pack("<IIQ", 9, chance.randrange(14), chance.randrange(2**40))
            case _:
                content[place] = chance.randrange(256)
    return bytes(content[: chance.randint(4, len(content))]) if chance.random() < 0.4 else bytes(content)


HUGE = {
    "texts without end": header(
        entries=40, rest=(text("k") + struct.pack("<IIQ", 9, 8, 3_900_000)) + bytes(40_000_000)
    ),
    "letters of keys": header(
        entries=2,
        rest=text("k") + struct.pack("<IIQ", 9, 8, 100_000) + bytes(8) + b"tokenizer." * 5_000_000,
    ),
    "many entries": header(entries=65_536, rest=(text("k" * 60) + struct.pack("<II", 4, 1)) * 65_536),
    "many tensors": header(tensors=65_536, rest=(text("k") + struct.pack("<I4QIQ", 4, *[2**63] * 4, 0, 0)) * 65_536),
}


@pytest.mark.parametrize("name", HUGE)
def test_huge_headers_end_soon(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x.gguf"
    path.write_bytes(HUGE[name])
    started = time.thread_time()
    with suppress(ModelError):
        read_gguf_header(path)
    assert time.thread_time() - started < 1


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
