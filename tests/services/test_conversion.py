"""A GGUF model becomes a folder that says the same; what cannot be converted leaves nothing behind."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from modules.children import Launcher
from modules.errors import BadRequest, ModelError, NotFound
from modules.library.library import Library
from modules.library.starter import STARTER
from modules.paths import PROJECT, Paths
from modules.services.conversion import ConversionService, origin_of


@pytest.fixture
def service(models_folder: Path, launcher: Launcher) -> ConversionService:
    paths = Paths(models_folder.parent / "data", models_folder, models_folder.parent / "extensions")
    return ConversionService(paths, Library(models_folder), launcher)


def convert(service: ConversionService, source: str, target: str) -> Path:
    return service.convert(source, target, lambda _share, _note: None, lambda: False)


def test_the_folder_is_a_model(starter_folder: Path) -> None:
    model = Library(starter_folder.parent).find("starter-hf")
    assert (model.problem, model.shape.parameters, model.shape.layers) == ("", 134_515_008, 30)
    assert (starter_folder / "chat_template.jinja").read_text().startswith("{%")
    assert "quantization_config" not in json.loads((starter_folder / "config.json").read_text())
    assert {path.name for path in starter_folder.parent.iterdir()} >= {"starter-hf"}
    assert list((starter_folder.parent / ".downloads").iterdir()) == []


def test_it_says_what_it_was_made_of(starter_folder: Path) -> None:
    assert origin_of(starter_folder) == STARTER.file_name


def test_numbers_are_read_as_the_file_says(starter_folder: Path) -> None:
    """Digit by digit; transformers by itself would join them, and the model has hardly seen them so."""
    tokenizer = Tokenizer.from_file(str(starter_folder / "tokenizer.json"))
    assert tokenizer.encode("In 1234 it", add_special_tokens=False).tokens == [
        "In",
        "\u0120",
        "1",
        "2",
        "3",
        "4",
        "\u0120it",
    ]


def test_what_cannot_be_converted(service: ConversionService, models_folder: Path) -> None:
    (models_folder / "taken").mkdir()
    (models_folder / "broken.gguf").write_bytes(b"GGUF")
    for source, target, error in (
        ("nothing", "x", NotFound),
        ("echo", "x", BadRequest),
        ("broken", "x", ModelError),
        ("starter", "taken", BadRequest),
        ("starter", "../x", BadRequest),
        ("starter", "", BadRequest),
        (str(models_folder / "broken.gguf"), "x", ModelError),
        ("/etc/hostname", "x", NotFound),
    ):
        with pytest.raises(error):
            convert(service, source, target)
    assert {path.name for path in models_folder.iterdir()} - {".downloads"} == {
        "taken",
        "broken.gguf",
        "SmolLM2-135M-Instruct.Q4_1.gguf",
    }


def test_a_cancelled_conversion_leaves_nothing(service: ConversionService, models_folder: Path) -> None:
    with pytest.raises(ModelError, match="cancelled"):
        service.convert("starter", "x", lambda _share, _note: None, lambda: True)
    assert not (models_folder / "x").exists()
    assert list((models_folder / ".downloads").iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "status"), [(["convert"], 2), (["convert", "starter"], 2), (["convert", "nothing", "x"], 1)]
)
def test_the_command_line(tmp_path: Path, arguments: list[str], status: int) -> None:
    command = [
        sys.executable,
        str(PROJECT / "webui.py"),
        *arguments,
        "--models",
        str(tmp_path),
        "--data",
        str(tmp_path),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (status, False)
    assert done.stderr


def test_an_interruption_is_quiet_and_leaves_nothing(tmp_path: Path, models_folder: Path) -> None:
    command = [sys.executable, str(PROJECT / "webui.py"), "convert", "starter", "x"]
    places = ["--models", str(models_folder), "--data", str(tmp_path)]
    running = subprocess.Popen([*command, *places], stderr=subprocess.PIPE, text=True)
    assert running.stderr is not None
    assert running.stderr.readline()
    running.send_signal(signal.SIGINT)
    assert "Traceback" not in running.stderr.read()
    assert running.wait(30) == 130
    assert not (models_folder / "x").exists()
    assert list((models_folder / ".downloads").iterdir()) == []
