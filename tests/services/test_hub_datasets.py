"""Datasets on the hub, through the real library in a child, against a hub on loopback."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from modules.children import Launcher
from modules.errors import BadRequest, NotFound
from modules.jobs import JobRunner
from modules.services.conversation_samples import ConversationSamples
from modules.services.dataset_checks import DatasetChecks
from modules.services.datasets import DatasetService
from modules.services.hub import HubService
from modules.storage.conversations import ConversationStore
from modules.storage.database import Database
from modules.storage.datasets import DatasetStore
from modules.storage.job_records import JobRecords
from modules.training.datasets.reader import DatasetReader
from modules.types.datasets import DataSource
from tests.hub.fake_hub import FakeHub

Make = Callable[..., DatasetService]
ROWS = b"\n".join(json.dumps({"prompt": f"q{n}", "completion": "a" if n else ""}).encode() for n in range(4))


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub() as hub:
        yield hub


@pytest.fixture
def make(hub: FakeHub, tmp_path: Path, launcher: Launcher, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    # Whoever loaded a model in this process has set it; a child would take it over.
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    database = Database.open(tmp_path / "parlor.db")

    def made(token: str = "") -> DatasetService:
        return DatasetService(
            DatasetStore(tmp_path / "datasets"),
            DatasetReader(launcher),
            ConversationSamples(ConversationStore(database)),
            HubService(hub.endpoint, tmp_path / "token", {"HF_TOKEN": token}),
            tmp_path / "hub",
        )

    yield made
    database.close()


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[JobRunner]:
    database = Database.open(tmp_path / "jobs.db")
    jobs = JobRunner(JobRecords(database))
    yield jobs
    jobs.close()
    database.close()


def test_a_look_streams_and_a_check_downloads_once(hub: FakeHub, make: Make) -> None:
    hub.add("someone/data", {"train.jsonl": ROWS, "README.md": b"# Data"})
    datasets, source = make(), DataSource(hub="someone/data")
    look = datasets.look(source)
    assert (look.format, [example.prompt for example in look.first]) == ("completion", ["q1", "q2", "q3"])
    check = datasets.check(source)
    assert (check.rows, check.examples) == (4, 3)
    assert [(one.row, one.place, one.file) for one in check.problems] == [(1, "column completion", "someone/data")]
    sent = hub.sent_bytes("train.jsonl")
    assert [one.prompt for one in datasets.sound_examples(source)] == ["q1", "q2", "q3"]
    assert hub.sent_bytes("train.jsonl") == sent
    assert {request.authorization for request in hub.requests} == {""}


def test_a_check_is_a_job_and_what_it_downloaded_can_go(hub: FakeHub, make: Make, jobs: JobRunner) -> None:
    hub.add("someone/data", {"train.jsonl": ROWS})
    hub.add("someone/other", {"train.jsonl": ROWS})
    datasets, source = make(), DataSource(hub="someone/data")
    checks = DatasetChecks(datasets, jobs)
    job = checks.start(source)
    assert job.name.startswith("check someone/data train (")
    assert (jobs.wait(job.id).state, checks.result(job.id)) == ("done", datasets.check(source))
    datasets.check(DataSource(hub="someone/other"))
    here = {one.name: one.size_bytes for one in datasets.downloaded()}
    assert here.keys() == {"someone/data", "someone/other"}
    assert all(size > len(ROWS) for size in here.values())
    sent = hub.sent_bytes("train.jsonl")
    datasets.delete_downloaded("someone/data")
    assert [one.name for one in datasets.downloaded()] == ["someone/other"]
    assert datasets.check(source).rows == 4
    assert hub.sent_bytes("train.jsonl") > sent
    with pytest.raises(NotFound, match="Nothing was downloaded"):
        datasets.delete_downloaded("../someone/data")


def test_a_check_that_fails_or_is_cancelled_says_so(hub: FakeHub, make: Make, jobs: JobRunner) -> None:
    checks = DatasetChecks(make(), jobs)
    absent = jobs.wait(checks.start(DataSource(hub="someone/absent")).id)
    assert (absent.state, "someone/absent" in absent.error) == ("failed", True)
    with pytest.raises(NotFound, match="not done"):
        checks.result(absent.id)
    hub.add("someone/large", {"train.jsonl": ROWS * 50_000})
    job = checks.start(DataSource(hub="someone/large"))
    jobs.cancel(job.id)
    assert jobs.wait(job.id).state == "cancelled"


def test_parquet_with_splits_and_a_token(hub: FakeHub, make: Make, tmp_path: Path) -> None:
    for name in ("train", "test"):
        pyarrow.parquet.write_table(pyarrow.table({"text": [name, name]}), tmp_path / f"{name}.parquet")
    files = {
        f"data/{name}-00000-of-00001.parquet": (tmp_path / f"{name}.parquet").read_bytes() for name in ("train", "test")
    }
    hub.add("someone/private", files, private=True)
    source = DataSource(hub="someone/private", hub_split="test")
    with pytest.raises(NotFound, match="no dataset someone/private"):
        make().check(source)
    datasets = make(hub.token)
    assert [one.text for one in datasets.examples(source)] == ["test", "test"]
    assert {one.authorization for one in hub.requests if one.listener == "files"} <= {""}
    with pytest.raises(BadRequest, match="cannot be read"):
        datasets.check(source.model_copy(update={"hub_split": "absent"}))


def test_only_the_datasets_own_files_are_read(hub: FakeHub, make: Make, tmp_path: Path) -> None:
    secret = tmp_path / "secret.jsonl"
    secret.write_text('{"text": "canary"}')
    datasets = make()
    for place, use in ((secret, datasets.look), (f"{hub.files_endpoint}/elsewhere.jsonl", datasets.check)):
        card = f"---\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n    path: {place}\n---\n"
        hub.add("someone/hostile", {"train.jsonl": ROWS, "README.md": card.encode()})
        with pytest.raises(BadRequest) as refused:
            use(DataSource(hub="someone/hostile"))
        assert "canary" not in str(refused.value)


def test_scripts_are_not_run(hub: FakeHub, make: Make, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    hub.add("someone/script", {"script.py": f"open({str(mark)!r}, 'w')".encode(), "train.jsonl": ROWS})
    with pytest.raises(BadRequest, match="script"):
        make().check(DataSource(hub="someone/script"))
    assert not mark.exists()


def test_what_the_hub_does_not_have(hub: FakeHub, make: Make) -> None:
    hub.add("someone/data", {"train.jsonl": ROWS}, gated="manual")
    with pytest.raises(NotFound):
        make().look(DataSource(hub="someone/absent"))
    with pytest.raises(NotFound):
        make().look(DataSource(hub="someone/data", hub_revision="absent"))
    with pytest.raises(BadRequest, match=r"gated.*token"):
        make().look(DataSource(hub="someone/data"))
