"""The history of jobs survives the program."""

from dataclasses import replace
from pathlib import Path

import pytest

from modules.storage.database import Database
from modules.storage.job_records import JobRecords
from modules.types.jobs import Job


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "parlor.db"


def job(name: str, created: float) -> Job:
    return Job(name, f"download {name}", "running", None, "starting", created)


def test_newest_first_and_saved_again(path: Path) -> None:
    records = JobRecords(Database.open(path))
    first, second = job("a", 1.0), job("b", 2.0)
    records.save(first)
    records.save(second)
    done = replace(first, state="done", progress=1.0, note="", ended=3.0)
    records.save(done)
    assert records.newest(10) == [second, done]
    assert records.newest(1) == [second]


def test_running_jobs_are_interrupted_at_the_start(path: Path) -> None:
    database = Database.open(path)
    records = JobRecords(database)
    failed = replace(job("b", 2.0), state="failed", error="No space left.", ended=2.5)
    records.save(job("a", 1.0))
    records.save(failed)
    database.close()
    records = JobRecords(Database.open(path))
    records.interrupt_running()
    newest = records.newest(10)
    assert [one.state for one in newest] == ["failed", "interrupted"]
    assert newest[1].ended is not None
    assert records.newest(1) == [failed]


def test_notes_may_name_odd_files(path: Path) -> None:
    """Names of files that are no UTF-8 arrive with half surrogates; the record of their job must not be lost."""
    records = JobRecords(Database.open(path))
    records.save(replace(job("a", 1.0), note="model-\udcff.gguf"))
    assert records.newest(1)[0].note == "model-?.gguf"
