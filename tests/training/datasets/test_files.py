"""Rows of files: what is read, and what is said of broken ones."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from modules.errors import BadRequest
from modules.limits import LIMITS
from modules.training.datasets.files import READERS, read_rows
from modules.training.datasets.json_files import WRAPPERS
from modules.training.datasets.rows import Row
from modules.types.datasets import DATASET_ENDINGS, RowProblem

DEEP = b"[" * 100_000 + b"]" * 100_000
LONG = b'{"text": "' + b"x" * LIMITS.dataset_row_bytes + b'"}'


def read(folder: Path, name: str, content: bytes) -> list[Row | RowProblem]:
    path = folder / name
    path.write_bytes(content)
    return list(read_rows(path))


def cells(rows: list[Row | RowProblem]) -> list[Any]:
    return [dict(row.cells) for row in rows if isinstance(row, Row)]


def problems(rows: list[Row | RowProblem]) -> list[tuple[int, str]]:
    return [(row.row, row.message) for row in rows if isinstance(row, RowProblem)]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", b'{"a": "1", "b": "\xc3\xa4"}\n\n{"a": "2", "b": ""}\n'),
        ("a.JSONL", b'\xef\xbb\xbf{"a": "1", "b": "\xc3\xa4"}\r\n{"a": "2", "b": ""}'),
        ("a.json", b' [ {"a": "1", "b": "\xc3\xa4"} ,\n{"a": "2", "b": ""} ] \n'),
        ("a.json", b'{"a": "1",\n "b": "\xc3\xa4"}\n{"a": "2", "b": ""}'),
        ("a.csv", b"\xef\xbb\xbfa;b\n1;\xc3\xa4\n2;\n"),
        ("a.csv", b'a,"b"\r\n1,"\xc3\xa4"\r\n\r\n2\r\n'),
        ("a.tsv", b"a\tb\n1\t\xc3\xa4\n2\t\n"),
    ],
)
def test_the_same_rows_in_several_forms(tmp_path: Path, name: str, content: bytes) -> None:
    rows = read(tmp_path, name, content)
    assert problems(rows) == []
    assert cells(rows) == [{"a": "1", "b": "ä"}, {"a": "2", "b": ""}]
    assert [row.file for row in rows] == [name, name]


@pytest.mark.parametrize("name", WRAPPERS)
def test_an_object_may_hold_all_rows(tmp_path: Path, name: str) -> None:
    content = json.dumps({"version": "1", name: [{"a": "1"}, 5, {"a": "2"}]}).encode()
    rows = read(tmp_path, "a.json", content)
    assert cells(rows) == [{"a": "1"}, {"a": "2"}]
    assert [number for number, _ in problems(rows)] == [2]


@pytest.mark.parametrize(
    "row", [{"messages": [{"role": "user"}]}, {"data": ["a"], "more": ["b"]}, {"prompt": "a", "completion": "b"}]
)
def test_an_object_that_is_a_row_stays_one(tmp_path: Path, row: dict[str, Any]) -> None:
    assert cells(read(tmp_path, "a.json", json.dumps(row).encode())) == [row]
    two = [*[json.dumps({"data": [{"a": "1"}]})] * 2]
    assert cells(read(tmp_path, "a.json", "\n".join(two).encode())) == [{"data": [{"a": "1"}]}] * 2


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_chats_and_texts_without_names(tmp_path: Path, name: str) -> None:
    chat = [{"role": "user", "content": "q"}]
    rows = [json.dumps(chat), json.dumps("A text.")]
    content = "\n".join(rows) if name == "a.jsonl" else f"[{','.join(rows)}]"
    assert cells(read(tmp_path, name, content.encode())) == [{"messages": chat}, {"text": "A text."}]


def test_rows_are_counted_as_people_do(tmp_path: Path) -> None:
    assert [row.number for row in read(tmp_path, "a.jsonl", b'{"a":1}\n\n{"a":2}') if isinstance(row, Row)] == [1, 3]
    assert [row.number for row in read(tmp_path, "a.csv", b"a\n1\n2\n") if isinstance(row, Row)] == [1, 2]
    assert [row.number for row in read(tmp_path, "a.json", b'[{"a":1},{"a":2}]') if isinstance(row, Row)] == [1, 2]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"{", "no JSON"),
        (b"1", "no JSON object"),
        (b"null", "no JSON object"),
        (b'{"a": 1} {"a": 2}', "something more"),
        (b'{"a": 1, "a": 2}', "stands twice"),
        (b'{"a": {"b": 1, "b": 2}}', "stands twice"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (DEEP, "nested too deep"),
        (b"9" * 5000, "no JSON"),
        (LONG, "16 MiB"),
    ],
)
def test_a_broken_line_does_not_spoil_the_others(tmp_path: Path, line: bytes, said: str) -> None:
    rows = read(tmp_path, "a.jsonl", b'{"a": "1"}\n' + line + b'\n{"a": "3"}\n')
    assert cells(rows) == [{"a": "1"}, {"a": "3"}]
    [(number, message)] = problems(rows)
    assert number == 2
    assert said in message


@pytest.mark.parametrize(
    ("content", "row", "said"),
    [
        (b'[{"a": "1"}, {"a": ]', 2, "no JSON"),
        (b'[{"a": "1"} {"a": "2"}]', 2, "comma is missing"),
        (b'[{"a": "1"},', 2, "cut off"),
        (b'[{"a": "1"}', 2, "does not end"),
        (b'[{"a": "1"}] x', 2, "something more"),
        (b'[{"a": "1"}, 5]', 2, "no JSON object"),
        (b'[{"a": "1"}, {"a": 1, "a": 2}]', 2, "stands twice"),
        (b'[{"a": "1"}, ' + DEEP + b"]", 2, "nested too deep"),
        (b'[{"a": "1"}, ' + LONG + b"]", 2, "16 MiB"),
        (b'[{"a": "1"}, {"a": "\xff"}]', 0, "not UTF-8"),
    ],
)
def test_a_broken_list_says_where_it_broke(tmp_path: Path, content: bytes, row: int, said: str) -> None:
    rows = read(tmp_path, "a.json", content)
    [(number, message)] = problems(rows)
    assert number == row
    assert said in message


def test_a_list_larger_than_what_is_read_at_once(tmp_path: Path) -> None:
    objects = [{"a": f"{number} " + "x" * 3000} for number in range(1500)]
    assert cells(read(tmp_path, "a.json", json.dumps(objects).encode())) == objects


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.txt"])
def test_other_encodings_are_named(tmp_path: Path, name: str) -> None:
    for encoding in ("utf-16", "utf-16-le", "utf-32"):
        assert "UTF-16" in problems(read(tmp_path, name, '{"text": "x"}'.encode(encoding)))[0][1]


@pytest.mark.parametrize(
    ("content", "row", "said"),
    [
        (b"a,b\n1,2\n1,2,3\n", 2, "3 cells"),
        (b'a,b\n1,2\n"x', 2, "not written as CSV"),
        (b"a,a\n1,2\n", 0, "two columns are called 'a'"),
        (b"", 0, "no columns"),
    ],
)
def test_broken_tables(tmp_path: Path, content: bytes, row: int, said: str) -> None:
    [(number, message)] = problems(read(tmp_path, "a.csv", content))
    assert number == row
    assert said in message


def test_columns_without_a_name_and_tabs(tmp_path: Path) -> None:
    assert cells(read(tmp_path, "a.csv", b",text\n0,one\n")) == [{"column 1": "0", "text": "one"}]
    assert cells(read(tmp_path, "a.tsv", b"a, b, c\td\n1,2\t3\n")) == [{"a, b, c": "1,2", "d": "3"}]


def test_a_document_is_a_row_and_a_very_long_one_several(tmp_path: Path) -> None:
    assert cells(read(tmp_path, "a.md", "# Ä\n\ntext".encode())) == [{"text": "# Ä\n\ntext"}]
    assert cells(read(tmp_path, "b.txt", b"")) == [{"text": ""}]
    text = ("word " * 99 + "\n") * 12_000
    pieces = [one["text"] for one in cells(read(tmp_path, "c.txt", text.encode()))]
    assert len(pieces) > 1
    assert "".join(pieces) == text
    assert all(piece.endswith("\n") for piece in pieces)


def test_parquet(tmp_path: Path) -> None:
    chats = [[{"role": "user", "content": "a"}], None]
    pyarrow.parquet.write_table(pyarrow.table({"messages": chats, "n": [1.5, float("nan")]}), tmp_path / "a.parquet")
    rows = list(read_rows(tmp_path / "a.parquet"))
    assert [row.number for row in rows if isinstance(row, Row)] == [1, 2]
    assert cells(rows)[0] == {"messages": chats[0], "n": 1.5}
    whole = (tmp_path / "a.parquet").read_bytes()
    for content in (b"", b"PAR1", whole[:-20], whole[:10] + bytes(40) + whole[50:], b"x" * 1000):
        [(_, message)] = problems(read(tmp_path, "b.parquet", content))
        assert "Parquet" in message


def test_what_may_be_stored_can_be_read() -> None:
    assert set(READERS) == set(DATASET_ENDINGS)


def test_folders(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("b.jsonl", "sub/a.jsonl", "README.md", ".hidden.jsonl", "dataset_info.json", "x.py", "x.bin"):
        (tmp_path / name).write_text(json.dumps({"name": name}))
    (tmp_path / "c.jsonl").write_bytes(b"\xff\xfe")
    outside = tmp_path.parent / "outside.jsonl"
    outside.write_text(json.dumps({"name": "outside"}))
    (tmp_path / "link.jsonl").symlink_to(outside)
    (tmp_path / "folder-link").symlink_to(tmp_path.parent)
    os.mkfifo(tmp_path / "pipe.jsonl")
    rows = list(read_rows(tmp_path))
    assert cells(rows) == [{"name": "b.jsonl"}, {"name": "sub/a.jsonl"}]
    assert [row.file for row in rows] == ["b.jsonl", "c.jsonl", "sub/a.jsonl"]


def test_a_folder_of_texts(tmp_path: Path) -> None:
    for name in ("b.txt", "a.md"):
        (tmp_path / name).write_text(name)
    assert cells(list(read_rows(tmp_path))) == [{"text": "a.md"}, {"text": "b.txt"}]


def test_what_holds_no_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.py").write_text("")
    for place in (tmp_path, tmp_path / "x.py", tmp_path / "absent.jsonl"):
        with pytest.raises(BadRequest, match=r"\.jsonl"):
            list(read_rows(place))
    monkeypatch.setattr("modules.training.datasets.files.LIMITS", replace(LIMITS, dataset_files=2, dataset_rows=3))
    for name in "abc":
        (tmp_path / f"{name}.txt").write_text(name)
    with pytest.raises(BadRequest, match="more than 2 files"):
        list(read_rows(tmp_path))
    (tmp_path / "many.csv").write_text("a\n" + "1\n" * 4)
    with pytest.raises(BadRequest, match="more than 3 rows"):
        list(read_rows(tmp_path / "many.csv"))
