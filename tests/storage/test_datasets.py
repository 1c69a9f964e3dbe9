"""Datasets by name: whole or not there, and never outside their folder."""

import errno
from pathlib import Path

import pytest

from modules.errors import BadRequest, Conflict, NotFound, StorageError
from modules.storage.datasets import DatasetStore, StagedDataset

BAD_NAMES = (
    "../a.jsonl",
    "a/b.jsonl",
    "/etc/a.txt",
    "..",
    ".",
    "",
    "a.jsonl\0",
    "-a.txt",
    ".a.txt",
    "CON.txt",
    "a\\b.txt",
)


def add(store: DatasetStore, name: str, content: bytes = b"x") -> None:
    with store.stage(name) as staged:
        staged.write(content)
        staged.publish()


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_datasets_are_added_listed_and_deleted(tmp_path: Path) -> None:
    store = DatasetStore(tmp_path / "datasets")
    assert store.all() == []
    add(store, "b.jsonl", b"12345")
    folder = tmp_path / "datasets" / "a"
    (folder / "sub").mkdir(parents=True)
    for name in ("x.csv", "sub/y.csv", "z.py"):
        (folder / name).write_text("123")
    (tmp_path / "datasets" / "empty").mkdir()
    (tmp_path / "datasets" / "link.jsonl").symlink_to("b.jsonl")
    assert [(one.name, one.size_bytes, one.files) for one in store.all()] == [("a", 6, 2), ("b.jsonl", 5, 1)]
    assert store.find("b.jsonl").read_bytes() == b"12345"
    store.delete("a")
    store.delete("b.jsonl")
    assert store.all() == []
    with pytest.raises(NotFound):
        store.delete("b.jsonl")


def test_nothing_is_seen_before_it_is_whole(tmp_path: Path) -> None:
    store = DatasetStore(tmp_path)
    with store.stage("a.jsonl") as staged:
        staged.write(b"half")
        assert store.all() == []
    assert left(tmp_path) == []
    (tmp_path / ".new-left").write_bytes(b"a crash left this")
    DatasetStore(tmp_path)
    assert left(tmp_path) == []


def test_a_name_that_is_taken(tmp_path: Path) -> None:
    store = DatasetStore(tmp_path)
    with store.stage("a.jsonl") as first, store.stage("a.jsonl") as second:
        first.publish()
        with pytest.raises(Conflict, match="already"):
            second.publish()
    with pytest.raises(Conflict):
        store.stage("a.jsonl")
    assert left(tmp_path) == ["a.jsonl"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_that_lead_elsewhere(tmp_path: Path, name: str) -> None:
    store = DatasetStore(tmp_path / "datasets")
    for use in (store.stage, store.find, store.delete):
        with pytest.raises(BadRequest):
            use(name)
    assert left(tmp_path) == []


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.jsonl").write_text("x")
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "a.jsonl").symlink_to(tmp_path / "secret.jsonl")
    store = DatasetStore(tmp_path / "datasets")
    for use in (store.stage, store.find, store.delete):
        with pytest.raises(BadRequest):
            use("a.jsonl")
    assert (tmp_path / "secret.jsonl").exists()


@pytest.mark.parametrize("name", ["a", "a.py", "a.jsonl.gz", "a.pkl"])
def test_other_files_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadRequest, match=r"must end in \.jsonl"):
        DatasetStore(tmp_path).stage(name)


def test_a_full_disk_is_a_sentence_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_staged: StagedDataset) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(StagedDataset, "_sync", full)
    store = DatasetStore(tmp_path)
    with pytest.raises(StorageError, match="No space left"):
        add(store, "a.jsonl")
    assert left(tmp_path) == []
