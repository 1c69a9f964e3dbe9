"""Models of other programs are found where those keep them, and nothing outside is opened."""

import json
from pathlib import Path
from typing import Any

import pytest

from modules.library.foreign import OLLAMA_MODEL, ForeignPrograms
from tests.library.gguf_files import write_gguf

HEX = "0123456789abcdef" * 4


def programs(home: Path, **environment: str) -> ForeignPrograms:
    return ForeignPrograms.of_this_person(environment, home)


def manifest(home: Path, name: str, content: Any) -> None:
    path = home / ".ollama" / "models" / "manifests" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


def layers(digest: str) -> dict[str, Any]:
    other = {"mediaType": "application/vnd.ollama.image.license", "digest": "sha256:" + "0" * 64}
    return {"layers": [other, {"mediaType": OLLAMA_MODEL, "digest": digest}]}


def test_all_three(tmp_path: Path) -> None:
    snapshot = tmp_path / ".cache" / "huggingface" / "hub" / "models--org--name" / "snapshots" / "abc"
    files = [
        write_gguf(snapshot / "x.gguf"),
        write_gguf(tmp_path / ".lmstudio" / "models" / "maker" / "y" / "y-Q8_0.gguf"),
        write_gguf(tmp_path / ".ollama" / "models" / "blobs" / f"sha256-{HEX}"),
    ]
    manifest(tmp_path, "registry.ollama.ai/library/tiny/latest", layers(f"sha256:{HEX}"))
    manifest(tmp_path, "hf.co/someone/other/q8", layers(f"sha256:{HEX}"))
    found = programs(tmp_path).models()
    assert [(model.program, model.title, model.path) for model in found] == [
        ("LM Studio", "maker/y/y-Q8_0", str(files[1])),
        ("Ollama", "hf.co/someone/other:q8", str(files[2])),
        ("Ollama", "tiny:latest", str(files[2])),
        ("hub cache", "org/name/x", str(files[0])),
    ]
    assert {(model.format, model.problem) for model in found} == {("gguf", "")}


@pytest.mark.parametrize(
    "content",
    [
        "no json",
        "[" * 10_000,
        "[]",
        "{}",
        {"layers": [5]},
        layers("sha256:" + "f" * 64),
        layers("sha256:../../../secret"),
        layers("sha256:" + HEX.upper()),
        layers(HEX),
        {"layers": [{"mediaType": OLLAMA_MODEL, "digest": f"sha256:{HEX}"}], "x": "y" * 70_000},
    ],
    ids=lambda content: str(content)[:40],
)
def test_manifests_that_lie(tmp_path: Path, content: Any) -> None:
    write_gguf(tmp_path / "secret")
    write_gguf(tmp_path / ".ollama" / "models" / "blobs" / f"sha256-{HEX}")
    manifest(tmp_path, "a/b/c/d", content)
    assert programs(tmp_path).models() == []


def test_links_out_of_the_folder(tmp_path: Path) -> None:
    blobs = tmp_path / ".ollama" / "models" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / f"sha256-{HEX}").symlink_to(write_gguf(tmp_path / "secret"))
    manifest(tmp_path, "a/b/c/d", layers(f"sha256:{HEX}"))
    studio = tmp_path / ".lmstudio" / "models"
    studio.mkdir(parents=True)
    (studio / "x.gguf").symlink_to(tmp_path / "secret")
    assert programs(tmp_path).models() == []


def test_folders_that_the_environment_names(tmp_path: Path) -> None:
    for place in ("a", "b/hub", "c/huggingface/hub"):
        write_gguf(tmp_path / place / f"models--org--{place[0]}" / "snapshots" / "1" / "x.gguf")
    for environment, title in (
        ({"HF_HUB_CACHE": str(tmp_path / "a"), "HF_HOME": str(tmp_path / "b")}, "org/a/x"),
        ({"HF_HOME": str(tmp_path / "b"), "XDG_CACHE_HOME": str(tmp_path / "c")}, "org/b/x"),
        ({"XDG_CACHE_HOME": str(tmp_path / "c")}, "org/c/x"),
    ):
        assert [model.title for model in programs(tmp_path, **environment).models()] == [title]


def test_damaged_ones_are_named(tmp_path: Path) -> None:
    write_gguf(tmp_path / ".lmstudio" / "models" / "x.gguf").write_bytes(b"GGUF")
    (model,) = programs(tmp_path).models()
    assert "ends in the middle" in model.problem
