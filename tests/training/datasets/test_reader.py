"""Datasets through the reading child: looked at, checked, streamed, and bounded in memory."""

import json
import os
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from modules.children import Launcher
from modules.errors import BadRequest
from modules.training.datasets.order import ReadOrder
from modules.training.datasets.reader import DatasetReader
from modules.types.datasets import Column, Duplicate, Example, RowProblem


@pytest.fixture
def reader(launcher: Launcher) -> DatasetReader:
    return DatasetReader(launcher)


def lines(path: Path, *objects: Any) -> ReadOrder:
    path.write_text("\n".join(json.dumps(one) for one in objects))
    return ReadOrder(place=str(path))


def children() -> set[str]:
    tasks = Path(f"/proc/{os.getpid()}/task")
    return {pid for task in tasks.iterdir() for pid in (task / "children").read_text().split()}


def test_a_look(reader: DatasetReader, tmp_path: Path) -> None:
    order = lines(tmp_path / "a.jsonl", {"question": "q" * 300, "answer": "a"}, {"question": "", "answer": "a"})
    look = reader.look(order)
    assert (look.format, look.is_certain, look.mapping) == (
        "completion",
        True,
        {"prompt": "question", "completion": "answer"},
    )
    assert look.columns[1] == Column("answer", "a")
    assert len(look.columns[0].sample) == 200
    assert [example.row for example in look.first] == [1]
    assert [(one.row, one.place) for one in look.problems] == [(2, "column question")]


def test_a_look_at_what_a_person_must_explain(reader: DatasetReader, tmp_path: Path) -> None:
    order = lines(tmp_path / "a.jsonl", {"q": "x", "r": "y"})
    look = reader.look(order)
    assert look.first == ()
    assert "q, r" in look.problems[0].message
    for wanted in (reader.check, lambda one: list(reader.samples(one))):  # pyright: ignore[reportUnknownLambdaType, reportUnknownVariableType]
        with pytest.raises(BadRequest, match="q, r"):
            wanted(order)  # pyright: ignore[reportArgumentType]
    said = order.model_copy(update={"columns": {"prompt": "q", "completion": "r"}})
    assert list(reader.samples(said)) == [Example(prompt="x", completion="y", row=1, file="a.jsonl")]


def test_a_check(reader: DatasetReader, tmp_path: Path) -> None:
    order = lines(tmp_path / "a.jsonl", *({"text": text} for text in ("one", "two", "", "one", 5, "one")))
    check = reader.check(order)
    assert (check.rows, check.examples, check.problem_count, check.duplicate_count) == (6, 4, 2, 2)
    assert check.duplicates == (Duplicate(4, 1, "a.jsonl", "a.jsonl"), Duplicate(6, 1, "a.jsonl", "a.jsonl"))
    assert [(one.row, one.place) for one in check.problems] == [(3, "column text"), (5, "column text")]
    other = lines(tmp_path / "b.jsonl", *({"body": text} for text in ("one", "two", "one", "one")))
    assert reader.check(other).fingerprint == check.fingerprint
    assert reader.check(other.model_copy(update={"first_rows": 2})).fingerprint != check.fingerprint


def test_problems_are_counted_whole_and_named_in_part(reader: DatasetReader, tmp_path: Path) -> None:
    order = lines(tmp_path / "a.jsonl", {"text": "t"}, *({"text": ""} for _ in range(500)))
    check = reader.check(order)
    assert (check.problem_count, len(check.problems)) == (500, 200)


def test_where_every_row_is_broken_each_is_told(reader: DatasetReader, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("{\n[\n")
    order = ReadOrder(place=str(tmp_path / "a.jsonl"))
    assert [one.row for one in reader.look(order).problems] == [1, 2, 0]
    assert [one.row for one in reader.check(order).problems] == [1, 2]
    (tmp_path / "a.jsonl").write_text("\n")
    with pytest.raises(BadRequest, match="no rows"):
        reader.check(order)


def test_names_that_are_no_text_come_through(reader: DatasetReader, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"\\ud800": "x", "text": "t"}')
    assert reader.look(ReadOrder(place=str(tmp_path / "a.jsonl"))).columns[0].name == "?"


def test_samples_come_as_they_are_taken(reader: DatasetReader, tmp_path: Path) -> None:
    texts = [f"{number} " + "x" * 2000 for number in range(3000)]
    order = lines(tmp_path / "a.jsonl", *({"text": text} for text in texts), {"text": ""})
    before = children()
    taking = reader.samples(order)
    assert [one.text for one in islice(taking, 2) if isinstance(one, Example)] == texts[:2]
    assert len(children() - before) == 1
    taking.close()  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    assert children() <= before
    *samples, last = reader.samples(order)
    assert [one.text for one in samples if isinstance(one, Example)] == texts
    assert isinstance(last, RowProblem)


def test_a_small_parquet_file_that_would_take_much_memory(launcher: Launcher, tmp_path: Path) -> None:
    pyarrow.parquet.write_table(
        pyarrow.table({"text": pyarrow.DictionaryArray.from_arrays([0] * 64, ["x" * 2**23])}),
        tmp_path / "bomb.parquet",
        compression="zstd",
    )
    assert (tmp_path / "bomb.parquet").stat().st_size < 1_000_000
    check = DatasetReader(launcher, 400 * 2**20).check(ReadOrder(place=str(tmp_path / "bomb.parquet")))
    assert check.examples == 0
    assert "memory" in check.problems[0].message


def test_a_child_that_dies_is_an_error(reader: DatasetReader, tmp_path: Path) -> None:
    order = lines(tmp_path / "a.jsonl", *({"text": "x" * 1000} for _ in range(20_000)))
    before = children()
    taking = reader.samples(order)
    next(taking)
    [child] = children() - before
    os.kill(int(child), 9)
    with pytest.raises(BadRequest, match="ended unexpectedly"):
        list(taking)


def test_duplicates_across_files(reader: DatasetReader, tmp_path: Path) -> None:
    for name, texts in (("a.jsonl", ("one", "two")), ("b.jsonl", ("three", "two"))):
        lines(tmp_path / name, *({"text": text} for text in texts))
    assert reader.check(ReadOrder(place=str(tmp_path))).duplicates == (Duplicate(2, 2, "b.jsonl", "a.jsonl"),)
