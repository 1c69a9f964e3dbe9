"""Which files a wish means, and what the model will be called."""

import pytest

from modules.errors import BadRequest, NotFound, SeveralChoices
from modules.library.hub.planning import Wish, plan_download
from modules.library.hub.sources import Source
from modules.types.downloads import DownloadPlan
from modules.types.hub import HubFile

COMMIT = "0" * 40
MANY = ("m-Q4_K_M.gguf", "m-Q8_0.gguf", "mmproj-m-F16.gguf", "README.md")
SPLIT = ("Q4_K_M/m-Q4_K_M-00001-of-00002.gguf", "Q4_K_M/m-Q4_K_M-00002-of-00002.gguf", "mmproj-F16.gguf")
SAFE = (
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "1_Pooling/config.json",
    "modules.json",
    "evil.py",
    "x.bin",
)
ADAPTER = ("adapter_config.json", "adapter_model.safetensors", "optimizer.pt")


def plan(paths: tuple[str, ...], *, path: str = "", repository: str = "user/model", **wish: str | bool) -> DownloadPlan:
    files = [HubFile(name, 10, "a" * 64) for name in paths]
    asked = Wish("as written", str(wish.get("choice", "")), str(wish.get("pattern", "")), bool(wish.get("projector")))
    return plan_download(asked, Source(repository, "main", path), COMMIT, files)


def test_one_file_is_a_model_by_itself() -> None:
    for planned in (
        plan(MANY, choice="q4_k_m"),
        plan(MANY, pattern="*Q4*"),
        plan(MANY, path="m-Q4_K_M.gguf"),
        plan(("m-Q4_K_M.gguf",)),
    ):
        assert (planned.target, planned.is_file) == ("m-Q4_K_M.gguf", True)
        assert [one.place for one in planned.files] == ["m-Q4_K_M.gguf"]


def test_with_its_projector_it_is_a_folder() -> None:
    planned = plan(MANY, choice="Q8_0", projector=True)
    assert (planned.target, planned.is_file) == ("model-Q8_0", False)
    assert {one.place for one in planned.files} == {"m-Q8_0.gguf", "mmproj-m-F16.gguf"}


def test_shards_lie_together() -> None:
    planned = plan(SPLIT)
    assert planned.target == "model-Q4_K_M"
    assert [one.place for one in planned.files] == [path.rpartition("/")[2] for path in SPLIT[:2]]


def test_safetensors_keep_their_folders_and_bring_no_programs() -> None:
    planned = plan(SAFE)
    assert planned.target == "model"
    assert {one.place for one in planned.files} == set(SAFE[:5])


def test_an_adapter_goes_where_adapters_are() -> None:
    planned = plan(ADAPTER)
    assert planned.target == "adapters/model"
    assert {one.place for one in planned.files} == set(ADAPTER[:2])


def test_the_same_files_are_the_same_download() -> None:
    assert plan(MANY, choice="Q8_0").id == plan(MANY, pattern="*q8*").id != plan(MANY, choice="Q4_K_M").id


def test_several_are_listed_with_their_sizes() -> None:
    with pytest.raises(SeveralChoices) as caught:
        plan(MANY)
    assert dict(caught.value.choices) == {"Q4_K_M": 10, "Q8_0": 10}


@pytest.mark.parametrize(
    ("paths", "wish", "said"),
    [
        (MANY, {"choice": "Q2_K"}, "Q4_K_M"),
        (MANY, {"pattern": "*.bin"}, "Q4_K_M"),
        (MANY, {"path": "other.gguf"}, "Q4_K_M"),
        (("m-Q4_K_M.gguf",), {"projector": True}, "projector"),
        (("pytorch_model.bin", "config.json"), {}, "Pickled"),
        ((), {}, "no model"),
        (("m-00001-of-00002.gguf",), {}, "cannot be downloaded"),
    ],
)
def test_what_cannot_be(paths: tuple[str, ...], wish: dict[str, str | bool], said: str) -> None:
    with pytest.raises((BadRequest, NotFound), match=said):
        plan(paths, **wish)  # pyright: ignore[reportArgumentType]


def test_names_of_other_alphabets_and_signs() -> None:
    assert plan(("weird@name~[x].gguf",)).target == "weird-name--x.gguf"
    assert plan(("模型.gguf",)).target == "模型.gguf"
