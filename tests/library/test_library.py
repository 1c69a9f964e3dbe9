"""What the library lists: its own folder, others, split sets, projectors, links; and what each goes by."""

import os
from pathlib import Path

import pytest

from modules.errors import NotFound
from modules.library.library import Library
from modules.library.scan import shard_name
from modules.storage.linked_models import LinkedModel
from modules.types.local_model import LocalModel
from tests.engines.tiny_models import make_folder
from tests.library.gguf_files import TENSORS, write_gguf


def listed(library: Library) -> dict[str, LocalModel]:
    return {model.id: model for model in library.models() if model.id != "echo"}


def make_shards(folder: Path, base: str, count: int) -> list[Path]:
    """As llama.cpp splits a model: the first says what it is, each holds tensors of its own."""
    more = {"split__count": count}
    return [
        write_gguf(folder / shard_name(base, number, count), tensors=TENSORS[:1], split__no=number - 1, **more)
        for number in range(1, count + 1)
    ]


def test_a_split_set_is_one_model(tmp_path: Path) -> None:
    shards = make_shards(tmp_path / "maker", "big", 3)
    (model,) = listed(Library(tmp_path)).values()
    assert (model.id, model.problem, model.path) == ("maker/big", "", shards[0])
    assert model.files == tuple(shards)
    assert model.size_bytes == sum(path.stat().st_size for path in shards)
    assert model.shape.parameters == 3 * 128


def test_a_missing_or_damaged_shard_is_named(tmp_path: Path) -> None:
    shards = make_shards(tmp_path, "big", 3)
    library = Library(tmp_path)
    assert library.find("big").problem == ""
    content = shards[1].read_bytes()
    shards[1].unlink()
    assert "big-00002-of-00003.gguf" in library.find("big").problem
    shards[1].write_bytes(content[:100])
    assert "cut short" in library.find("big").problem or "ends in the middle" in library.find("big").problem
    shards[1].write_bytes(content)
    assert library.find("big").problem == ""
    shards[0].rename(tmp_path / "renamed.gguf")
    assert "one of the 3 files" in library.find("renamed").problem


def test_projectors_belong_to_the_models_beside_them(tmp_path: Path) -> None:
    for name in (
        "vision-4b-Q4_0",
        "other-Q8_0",
        "mmproj-vision-4b-f16",
        "maker/a",
        "maker/mmproj-f16",
        "maker/mmproj-q8",
    ):
        write_gguf(tmp_path / f"{name}.gguf")
    models = listed(Library(tmp_path))
    assert set(models) == {"vision-4b-Q4_0", "other-Q8_0", "maker/a"}
    assert models["vision-4b-Q4_0"].projector == tmp_path / "mmproj-vision-4b-f16.gguf"
    assert models["other-Q8_0"].projector is None
    assert models["maker/a"].projector == tmp_path / "maker" / "mmproj-f16.gguf"


def test_files_that_are_no_models(tmp_path: Path) -> None:
    for kind in ("adapter", "mmproj", "model"):
        write_gguf(tmp_path / f"a-{kind}.gguf", general__type=kind)
    for hidden in (".downloads/x.gguf", ".trash/0123/x.gguf", ".x.gguf", "adapters/x.gguf"):
        write_gguf(tmp_path / hidden)
    assert set(listed(Library(tmp_path))) == {"a-model"}


def test_names_are_told_apart(tmp_path: Path) -> None:
    """The same rules each time: models/ first, folders before files, then other folders in order, then links."""
    own, first, second = tmp_path / "models", tmp_path / "a" / "more", tmp_path / "b" / "more"
    for folder in (own, first, second):
        write_gguf(folder / "x.gguf")
    make_folder(own / "x", "llama")
    for reserved in ("echo", "starter"):
        write_gguf(own / f"{reserved}.gguf")
    linked = write_gguf(tmp_path / "elsewhere.gguf")
    library = Library(own, [first, second, tmp_path / "nothing"], lambda: [LinkedModel("x", linked)])
    expected = {
        "x": own / "x",
        "x.gguf": own / "x.gguf",
        "echo.gguf": own / "echo.gguf",
        "starter.gguf": own / "starter.gguf",
        "more/x": first / "x.gguf",
        "more-2/x": second / "x.gguf",
        "linked/x": linked,
    }
    for _ in range(2):
        models = listed(library)
        assert {name: model.path for name, model in models.items()} == expected
        assert [models[name].folder for name in ("x", "more/x", "more-2/x")] == ["", "more", "more-2"]
    (own / "x.gguf").unlink()
    assert library.find("more/x").path == first / "x.gguf"


def test_a_hub_cache(tmp_path: Path) -> None:
    """Snapshots of links into blobs; the newest counts, and what another program is still fetching is no model."""
    repository = tmp_path / "cache" / "models--org--name"
    blob = write_gguf(repository / "blobs" / "abc")
    for number, commit in enumerate(("old", "new")):
        folder = repository / "snapshots" / commit
        folder.mkdir(parents=True)
        (folder / f"{commit}.gguf").symlink_to("../../blobs/abc")
        (folder / "unfinished.gguf").symlink_to("../../blobs/not-there")
        os.utime(folder, (1000 + number, 1000 + number))
    make_hub_folder(tmp_path / "cache" / "models--solo")
    make_hub_folder(tmp_path / "cache" / "datasets--org--texts")
    models = listed(Library(tmp_path / "models", [tmp_path / "cache"]))
    assert {name: model.problem for name, model in models.items()} == {"org/name/new": "", "solo": ""}
    assert models["org/name/new"].size_bytes == blob.stat().st_size


def make_hub_folder(repository: Path) -> None:
    folder = make_folder(repository / "blobs-of-a-kind", "llama")
    snapshot = repository / "snapshots" / "commit"
    snapshot.mkdir(parents=True)
    for file in folder.iterdir():
        (snapshot / file.name).symlink_to(file)


def test_links_must_stay_inside(tmp_path: Path) -> None:
    folder, outside = tmp_path / "more", tmp_path / "outside"
    write_gguf(outside / "x.gguf")
    inside = write_gguf(folder / "deep" / "inside.gguf")
    (folder / "out.gguf").symlink_to(outside / "x.gguf")
    (folder / "in.gguf").symlink_to(inside)
    (folder / "all").symlink_to(outside)
    (folder / "loop").symlink_to(folder)
    tiny = make_folder(folder / "tiny", "llama")
    (tiny / "model.safetensors").rename(outside / "weights")
    (tiny / "model.safetensors").symlink_to(outside / "weights")
    models = listed(Library(tmp_path / "models", [folder]))
    assert set(models) == {"deep/inside", "in", "tiny"}
    assert "model.safetensors is a link that leads out" in models["tiny"].problem


def test_a_linked_model_that_is_gone_is_listed(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "there" / "blob-without-suffix")
    library = Library(tmp_path / "models", (), lambda: [LinkedModel("mine", path)])
    model = library.find("mine")
    assert (model.problem, model.path, model.is_linked, model.format) == ("", path, True, "gguf")
    path.unlink()
    assert "not where they were" in library.find("mine").problem


def test_hostile_names(tmp_path: Path) -> None:
    names = ["--flag", "a b", "quote'\"", "new\nline", "\u202egnp", "$(touch x)", "x" * 200, os.fsdecode(b"\xff\xfe")]
    for name in names:
        write_gguf(tmp_path / f"{name}.gguf")
    models = Library(tmp_path).models()
    assert len(models) == len(names) + 1
    for model in models:
        assert model.title.isprintable()
        model.id.encode()


def test_depth_is_bounded(tmp_path: Path) -> None:
    write_gguf(tmp_path.joinpath(*"abcdefgh") / "x.gguf")
    write_gguf(tmp_path.joinpath(*"abcdefghi") / "y.gguf")
    assert set(listed(Library(tmp_path))) == {"a/b/c/d/e/f/g/h/x"}


def test_folders_that_are_not_there_hold_nothing(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="There are: echo"):
        Library(tmp_path / "nothing", [tmp_path / "nothing-2"]).find("x")
