"""What is remembered of models, and where linked ones lie."""

import os
from pathlib import Path

import pytest

from modules.storage.database import Database
from modules.storage.linked_models import LinkedModel, LinkedModels, read_links
from modules.storage.model_records import ModelRecord, ModelRecords


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database.open(tmp_path / "parlor.db")


def test_each_by_itself(database: Database) -> None:
    records = ModelRecords(database)
    records.set_note("a", "x\0")
    records.set_favourite("b", favourite=True)
    records.used("b")
    found = records.all()
    assert found["a"] == ModelRecord(note="x\N{REPLACEMENT CHARACTER}")
    assert (found["b"].favourite, found["b"].note) == (True, "")
    assert found["b"].last_used
    records.set_favourite("b", favourite=False)
    assert records.all()["b"].last_used == found["b"].last_used


def test_a_new_name_takes_all_along(database: Database) -> None:
    records = ModelRecords(database)
    records.set_note("a", "of a")
    records.set_note("b", "of b")
    records.rename("a", "b")
    records.rename("nothing", "b")
    assert records.all() == {"b": ModelRecord(note="of a")}


def test_links(database: Database, tmp_path: Path) -> None:
    links = LinkedModels(database)
    odd = Path(os.fsdecode(b"/models/\xff.gguf"))
    links.add("one", Path("/a"))
    links.add("two", odd)
    links.rename("one", "three")
    assert links.all() == [LinkedModel("three", Path("/a")), LinkedModel("two", odd)]
    links.remove("three")
    assert read_links(tmp_path / "parlor.db") == links.all() == [LinkedModel("two", odd)]


def test_links_of_a_database_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "damaged.db").write_bytes(b"x" * 5000)
    for name in ("damaged.db", "nothing.db"):
        assert read_links(tmp_path / name) == []
    assert not (tmp_path / "nothing.db").exists()
