"""The library as a person keeps it: rename, delete, undo, notes, import; other people's files stay as they are."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from modules.errors import BadRequest, Busy, Conflict, ModelError, NotFound, ParlorError, StorageError
from modules.jobs import JobRunner
from modules.library.library import Library
from modules.library.starter import STARTER
from modules.paths import Paths
from modules.services import model_import
from modules.services.library import LibraryService
from modules.services.model_import import NO_MODEL
from modules.storage import moves
from modules.storage.database import Database
from modules.storage.job_records import JobRecords
from modules.storage.linked_models import LinkedModels, read_links
from modules.storage.model_options import ModelOptionsStore
from modules.storage.model_records import ModelRecords
from modules.storage.parameters import ParameterStore
from tests.engines.tiny_models import make_folder
from tests.library.gguf_files import write_gguf
from tests.library.test_library import make_shards


class Desk:
    """A service with all that it needs, and what it can be asked about."""

    def __init__(self, folder: Path) -> None:
        self.models = folder / "models"
        self.other = folder / "other"
        self.loaded: set[str] = set()
        self.paths = Paths(folder / "data", self.models, folder / "extensions")
        self.database = Database.open(self.paths.database)
        self.links = LinkedModels(self.database)
        self.options = ModelOptionsStore(self.database)
        self.jobs = JobRunner(JobRecords(self.database))
        self.service = LibraryService(
            self.paths,
            Library(self.models, [self.other], self.links.all),
            links=self.links,
            records=ModelRecords(self.database),
            options=self.options,
            parameters=ParameterStore(self.database),
            jobs=self.jobs,
            in_use=self.loaded.__contains__,
        )

    def names(self) -> set[str]:
        return {listed.model.id for listed in self.service.models()}

    def files(self) -> dict[str, int]:
        """Of the models' folder, without what is hidden."""
        return {
            path.relative_to(self.models).as_posix(): path.stat().st_size
            for path in sorted(self.models.rglob("*"))
            if path.is_file() and not path.relative_to(self.models).parts[0].startswith(".")
        }

    def import_and_wait(self, path: Path, name: str, *, copy: bool) -> str:
        job = self.jobs.wait(self.service.import_model(str(path), name, copy=copy).id)
        return f"{job.state} {job.error}".strip()

    def close(self) -> None:
        self.jobs.close()
        self.database.close()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    (tmp_path / "models").mkdir()
    desk = Desk(tmp_path)
    yield desk
    desk.close()


def make_everything(desk: Desk) -> None:
    write_gguf(desk.models / "maker" / "one.gguf")
    write_gguf(desk.models / "maker" / "mmproj-one.gguf")
    make_shards(desk.models, "big", 2)
    make_folder(desk.models / "tiny", "llama")
    write_gguf(desk.models / STARTER.file_name)


def test_what_is_remembered_moves_along(desk: Desk) -> None:
    make_everything(desk)
    desk.service.set_note("maker/one", "good at tea")
    desk.service.set_favourite("maker/one", favourite=True)
    desk.service.used("maker/one")
    desk.options.put("maker/one", "llamacpp", {"slots": 2})
    renamed = desk.service.rename("maker/one", "other maker/two")
    assert (renamed.id, renamed.problem) == ("other maker/two", "")
    assert renamed.projector == desk.models / "other maker" / "mmproj-two.gguf"
    (listed,) = [one for one in desk.service.models() if one.model.id == renamed.id]
    assert (listed.note, listed.favourite) == ("good at tea", True)
    assert listed.last_used
    assert desk.options.get("other maker/two", "llamacpp") == {"slots": 2}
    assert desk.options.get("maker/one", "llamacpp") == {}
    assert not (desk.models / "maker").exists()


def test_every_kind_is_renamed(desk: Desk) -> None:
    make_everything(desk)
    for name, new in (("big", "huge"), ("tiny", "small"), ("starter", "mine.gguf")):
        assert desk.service.rename(name, new).problem == ""
    assert desk.names() == {"maker/one", "huge", "small", "mine"}
    assert {"huge-00001-of-00002.gguf", "huge-00002-of-00002.gguf", "mine.gguf"} <= set(desk.files())


WRONG_NAMES = (
    *("", "../x", "a/../x", "/x", "a//x", "adapters/x", ".x", "-x", "a\\b", "x\0", "con", "a/b/c/d/e", "a" * 200),
    *("mmproj-x", "x-00001-of-00002", "echo", "starter", "tiny", "Tiny", "tiny/x", "maker/one", "other/x/../../y"),
)


@pytest.mark.parametrize("name", WRONG_NAMES)
def test_names_that_cannot_be(desk: Desk, name: str) -> None:
    make_everything(desk)
    before = desk.files()
    with pytest.raises(BadRequest) as refused:
        desk.service.rename("big", name)
    assert refused.value.field == "name"
    assert desk.files() == before


def test_nothing_is_overwritten(desk: Desk) -> None:
    make_everything(desk)
    (desk.models / "huge-00002-of-00002.gguf").write_bytes(b"precious")
    with pytest.raises(Conflict, match="already"):
        desk.service.rename("big", "huge")
    assert desk.files()["huge-00002-of-00002.gguf"] == 8
    assert "big-00001-of-00002.gguf" in desk.files()


def test_a_shared_projector_stays(desk: Desk) -> None:
    make_everything(desk)
    write_gguf(desk.models / "maker" / "two.gguf")
    with pytest.raises(BadRequest, match="serves others"):
        desk.service.rename("maker/one", "elsewhere/one")
    desk.service.rename("maker/one", "maker/three")
    desk.service.delete("maker/three")
    assert set(desk.files()) >= {"maker/mmproj-one.gguf", "maker/two.gguf"}


def test_a_model_in_use_stays(desk: Desk) -> None:
    make_everything(desk)
    desk.loaded.add("big")
    for act in (lambda: desk.service.rename("big", "x"), lambda: desk.service.delete("big")):
        with pytest.raises(Busy, match="Unload it first"):
            act()
    assert "big" in desk.names()


def test_other_folders_are_left_alone(desk: Desk) -> None:
    write_gguf(desk.other / "theirs.gguf")
    for act in (lambda: desk.service.rename("theirs", "x"), lambda: desk.service.delete("theirs")):
        with pytest.raises(BadRequest, match="nothing is changed"):
            act()
    desk.service.set_note("theirs", "a note is ours")
    for act in (lambda: desk.service.delete("echo"), lambda: desk.service.rename("echo", "x")):
        with pytest.raises(BadRequest, match="no file"):
            act()
    with pytest.raises(NotFound):
        desk.service.delete("nothing")


def test_deleted_and_restored(desk: Desk, tmp_path: Path) -> None:
    make_everything(desk)
    before = desk.files()
    desk.service.set_note("tiny", "mine")
    names = desk.names()
    for name in names:
        desk.service.delete(name)
    assert (desk.names(), desk.files()) == (set(), {})
    desk.close()
    again = Desk(tmp_path)
    assert {one.name for one in again.service.trash()} == names
    for trashed in again.service.trash():
        assert again.service.restore(trashed.id).id == trashed.name
    assert (again.names(), again.files(), again.service.trash()) == (names, before, [])
    assert [one.note for one in again.service.models() if one.model.id == "tiny"] == ["mine"]
    again.close()


def test_a_place_that_was_taken(desk: Desk) -> None:
    make_everything(desk)
    trashed = desk.service.delete("big")
    taken = write_gguf(desk.models / "big-00002-of-00002.gguf")
    with pytest.raises(Conflict):
        desk.service.restore(trashed.id)
    assert desk.service.trash() == [trashed]
    taken.unlink()
    assert desk.service.restore(trashed.id).problem == ""


def test_emptied(desk: Desk) -> None:
    make_everything(desk)
    trashed = desk.service.delete("tiny")
    assert desk.service.empty_trash() == trashed.size_bytes > 0
    assert desk.service.trash() == []
    for wrong in (trashed.id, "../..", "unfinished", ""):
        with pytest.raises(NotFound):
            desk.service.restore(wrong)
    assert desk.service.empty_trash() == 0


class PowerCutError(BaseException):
    """The program ends here."""


@pytest.mark.parametrize("after", range(3))
@pytest.mark.parametrize("act", ["rename", "delete", "restore"])
def test_a_crash_loses_nothing(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, act: str, after: int
) -> None:
    make_shards(desk.models, "big", 2)
    before = desk.files()
    trash_id = desk.service.delete("big").id if act == "restore" else ""
    acts: dict[str, Callable[[], object]] = {
        "rename": lambda: desk.service.rename("big", "huge"),
        "delete": lambda: desk.service.delete("big"),
        "restore": lambda: desk.service.restore(trash_id),
    }
    done: list[Path] = []
    real = moves.move

    def move(source: Path, target: Path) -> None:
        if len(done) == after:
            raise PowerCutError
        real(source, target)
        done.append(target)
        if len(done) == after == 2:
            raise PowerCutError

    monkeypatch.setattr(moves, "move", move)
    with pytest.raises(PowerCutError):
        acts[act]()
    monkeypatch.undo()
    desk.close()
    again = Desk(tmp_path)
    if act == "delete":
        assert again.names() == set()
        again.service.restore(again.service.trash()[0].id)
    assert again.names() == {"huge" if act == "rename" else "big"}
    assert sorted(again.files().values()) == sorted(before.values())
    assert all(not listed.model.problem for listed in again.service.models())
    again.close()


def test_a_linked_model(desk: Desk, tmp_path: Path) -> None:
    source = write_gguf(tmp_path / "blobs" / "sha256-abc")
    assert desk.import_and_wait(source, "maker/linked", copy=False) == "done"
    (model,) = [listed.model for listed in desk.service.models()]
    assert (model.id, model.path, model.is_linked, model.problem) == ("maker/linked", source, True, "")
    assert [link.name for link in read_links(desk.paths.database)] == ["maker/linked"]
    assert desk.service.rename("maker/linked", "mine").path == source
    trashed = desk.service.delete("mine")
    assert (desk.names(), source.exists()) == (set(), True)
    assert desk.service.restore(trashed.id).path == source
    desk.service.delete("mine")
    desk.service.empty_trash()
    assert source.exists()


def test_copies(desk: Desk, tmp_path: Path) -> None:
    make_shards(tmp_path / "from", "big", 2)
    write_gguf(tmp_path / "from" / "mmproj-big-f16.gguf")
    folder = make_folder(tmp_path / "from" / "tiny", "llama")
    (folder / "pytorch_model.bin").write_bytes(b"pickled")
    (folder / ".cache").mkdir()
    (folder / ".cache" / "x").write_bytes(b"x")
    assert desk.import_and_wait(tmp_path / "from" / "big-00002-of-00002.gguf", "a/big", copy=True) == "done"
    assert desk.import_and_wait(folder, "tiny", copy=True) == "done"
    models = {listed.model.id: listed.model for listed in desk.service.models()}
    assert {name: model.problem for name, model in models.items()} == {"a/big": "", "tiny": ""}
    assert models["a/big"].projector == desk.models / "a" / "mmproj-big.gguf"
    assert not any("pytorch" in name or ".cache" in name for name in desk.files())
    shutil.rmtree(tmp_path / "from")
    assert models["tiny"].path is not None
    assert list(desk.paths.downloads.glob("*")) == []


def test_what_is_no_model_is_told_alike(desk: Desk, tmp_path: Path) -> None:
    secret = tmp_path / "secret.gguf"
    secret.write_bytes(b"secret")
    (tmp_path / "empty").mkdir()
    (tmp_path / "x\n").write_bytes(b"")
    for path in (
        secret,
        "/etc/passwd",
        "/nothing",
        tmp_path / "empty",
        "relative.gguf",
        "~nobody-here/x",
        "\0",
        "/root",
    ):
        for copy in (True, False):
            with pytest.raises(BadRequest) as refused:
                desk.service.import_model(str(path), "x", copy=copy)
            assert (str(refused.value), refused.value.field) == (NO_MODEL, "path")
    damaged = tmp_path / "damaged.gguf"
    damaged.write_bytes(b"GGUF" + bytes(50))
    with pytest.raises(ModelError, match="version 0"):
        desk.service.import_model(str(damaged), "x", copy=False)
    adapter = write_gguf(tmp_path / "adapter.gguf", general__type="adapter")
    own = write_gguf(desk.models / "own.gguf")
    for path, said in ((adapter, "adapter"), (own, "already")):
        with pytest.raises(BadRequest, match=said):
            desk.service.import_model(str(path), "x", copy=False)
    with pytest.raises(Conflict):
        desk.service.import_model(str(write_gguf(tmp_path / "y.gguf")), "own", copy=True)
    assert desk.names() == {"own"}


def test_a_cancelled_copy_leaves_nothing(desk: Desk, tmp_path: Path) -> None:
    source = write_gguf(tmp_path / "x.gguf")
    candidate = desk.service._import.candidate(str(source))
    place = desk.service._free_place("x")
    with pytest.raises(ParlorError, match="cancelled"):
        desk.service._import.copying(candidate, place)(lambda _share, _note: None, lambda: True)
    assert desk.files() == {}
    assert list(desk.paths.downloads.iterdir()) == []


def test_a_copy_that_does_not_fit(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_gguf(tmp_path / "x.gguf", size=5_000_000)
    monkeypatch.setattr(model_import.shutil, "disk_usage", lambda _path: shutil._ntuple_diskusage(9, 9, 1_000_000))
    with pytest.raises(StorageError, match="needs 5 MB; 1 MB are free"):
        desk.service.import_model(str(source), "x", copy=True)


def test_a_name_taken_while_copying(desk: Desk, tmp_path: Path) -> None:
    source = write_gguf(tmp_path / "x.gguf")
    candidate = desk.service._import.candidate(str(source))
    work = desk.service._import.copying(candidate, desk.service._free_place("x"))
    (desk.models / "x.gguf").write_bytes(b"precious")
    with pytest.raises(Conflict):
        work(lambda _share, _note: None, lambda: False)
    assert desk.files() == {"x.gguf": 8}
    assert list(desk.paths.downloads.iterdir()) == []


def test_leftovers_of_a_killed_import_go_in_time(desk: Desk, tmp_path: Path) -> None:
    for name in ("import-old", "import-new"):
        (desk.paths.downloads / name).mkdir(parents=True)
    os.utime(desk.paths.downloads / "import-old", (1000, 1000))
    desk.close()
    Desk(tmp_path).close()
    assert [path.name for path in desk.paths.downloads.iterdir()] == ["import-new"]


def test_a_folder_that_holds_other_models_stays(desk: Desk) -> None:
    make_folder(desk.models / "tiny", "llama")
    write_gguf(desk.models / "tiny" / "quantized.gguf")
    with pytest.raises(BadRequest, match="tiny/quantized"):
        desk.service.delete("tiny")


def test_notes_are_bounded(desk: Desk) -> None:
    write_gguf(desk.models / "x.gguf")
    with pytest.raises(BadRequest, match="2,000"):
        desk.service.set_note("x", "a" * 2001)
    desk.service.set_note("x", "a" * 2000)
    with pytest.raises(NotFound):
        desk.service.set_note("y", "a")
