"""Runs and bandwidths stay with the machine they were measured on."""

from dataclasses import replace
from pathlib import Path

from modules.storage.database import Database
from modules.storage.model_runs import KEPT, ModelRunStore
from modules.types.model_runs import ModelRun

RUN = ModelRun("m", "llamacpp", "Q4_0", "speed", 10.0, 12.0, 5.0)


def test_runs_survive_newest_first(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "parlor.db")
    newer, other = replace(RUN, actual=13.0), replace(RUN, model_id="n", figure="memory")
    for run in (RUN, newer, other):
        ModelRunStore(database, "here").add(run)
    database.close()
    store = ModelRunStore(Database.open(tmp_path / "parlor.db"), "here")
    assert store.of_model("m") == [newer, RUN]
    assert store.of_engine("llamacpp", "memory") == [other]
    assert store.of_engine("transformers", "memory") == []


def test_another_machine_knows_nothing_of_it(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "parlor.db")
    here, there = ModelRunStore(database, "here"), ModelRunStore(database, "there")
    here.add(RUN)
    here.keep_bandwidth(2e10)
    here.keep_bandwidth(3e10)
    assert (here.bandwidth(), there.bandwidth()) == (3e10, 0.0)
    assert there.of_model("m") == []


def test_old_runs_leave(tmp_path: Path) -> None:
    store = ModelRunStore(Database.open(tmp_path / "parlor.db"), "here")
    store.add(replace(RUN, figure="memory"))
    for actual in range(KEPT + 10):
        store.add(replace(RUN, actual=float(actual)))
    assert [run.actual for run in store.of_engine("llamacpp", "speed")][-1] == 10.0
    assert len(store.of_model("m")) == KEPT + 1
