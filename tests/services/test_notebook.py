"""The notebook on the echo engine in its worker: what is written, what is kept, and what two tabs see of each other."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modules.app import App, build_app
from modules.errors import BadRequest, Conflict, NotFound, StorageError
from modules.paths import PROJECT
from modules.services.notebook import DocumentView, NotebookService
from modules.settings import Settings
from modules.storage.document_versions import VersionStore
from modules.types.document import Splice

SHORT_SCRIPT = [{"text": "and "}, {"text": "so on"}]
SLOW_SCRIPT: list[dict[str, Any]] = [{"text": "one "}, *({"text": "more ", "delay_ms": 50} for _ in range(400))]


def make_app(folder: Path, script: list[dict[str, Any]] | None) -> App:
    values: dict[str, Any] = {}
    if script is not None:
        values["echo_script"] = folder / "script.json"
        values["echo_script"].write_text(json.dumps(script))
    return build_app(Settings(data=folder / "data", models=folder / "models", model="echo", **values))


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    app = make_app(tmp_path, SHORT_SCRIPT)
    yield app
    app.close()


@pytest.fixture
def notebook(app: App) -> NotebookService:
    return app.notebook


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[NotebookService]:
    app = make_app(tmp_path, SLOW_SCRIPT)
    yield app.notebook
    app.close()


@pytest.fixture
def repeating(tmp_path: Path) -> Iterator[NotebookService]:
    """Writes its whole prompt again, so that the prompt can be seen."""
    app = make_app(tmp_path, None)
    yield app.notebook
    app.close()


def finished(notebook: NotebookService, view: DocumentView) -> DocumentView:
    """The same document once all that is written into it is saved."""
    for writing in view.writing:
        assert notebook.live(writing.generation_id).saved.wait(30)
    return notebook.open(view.document.id)


def go_on(notebook: NotebookService, view: DocumentView, **values: Any) -> DocumentView:
    chosen: dict[str, Any] = {"cursor": None, "mode": "continue", **values}
    return notebook.generate(view.document.id, view.version.id, None, **chosen)


def wait_for_text(notebook: NotebookService, view: DocumentView) -> None:
    """Until some of what is being written is in the database."""
    deadline = time.monotonic() + 30
    while not all(notebook.text(view.document.id, one.version).text != view.traced.text for one in view.writing):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_text_goes_on_at_its_end_and_everything_can_be_undone(notebook: NotebookService) -> None:
    view = notebook.create("Tale", text="It rained ")
    begun = go_on(notebook, view)
    assert begun.traced.text == "It rained "
    assert [(one.start, one.removed, one.version) for one in begun.writing] == [(10, 0, begun.version.id)]
    done = finished(notebook, begun)
    assert done.traced.text == "It rained and so on"
    assert (done.version.kind, done.version.state, done.version.stats["completion_tokens"]) == (
        "generated",
        "complete",
        2,
    )
    notebook.save(done.document.id, done.version.id, Splice(19, 0, "."))
    view = notebook.open(done.document.id)
    assert view.traced.text == "It rained and so on."
    for text in ("It rained and so on", "It rained "):
        view = notebook.undo(view.document.id, view.version.id)
        assert (view.traced.text, view.can_redo) == (text, True)
    assert view.version.parent is None
    view = notebook.redo(view.document.id, view.version.id)
    assert view.traced.text == "It rained and so on"


def test_at_the_cursor_what_follows_is_kept_or_dropped(notebook: NotebookService) -> None:
    view = notebook.create(text="Once. The end.")
    inserted = finished(notebook, go_on(notebook, view, cursor=6, mode="insert"))
    assert inserted.traced.text == "Once. and so onThe end."
    view = notebook.undo(inserted.document.id, inserted.version.id)
    dropped = go_on(notebook, view, cursor=6)
    assert [(one.start, one.removed) for one in dropped.writing] == [(6, 0)]
    assert dropped.traced.text == "Once. "
    assert finished(notebook, dropped).traced.text == "Once. and so on"
    with pytest.raises(BadRequest, match="15 characters") as refused:
        go_on(notebook, notebook.open(view.document.id), cursor=16)
    assert refused.value.field == "cursor"


def test_regenerating_makes_a_sibling(notebook: NotebookService) -> None:
    view = notebook.create(text="Go ")
    first = finished(notebook, go_on(notebook, view))
    second = finished(notebook, notebook.regenerate(first.document.id, first.version.id, None))
    assert second.version.parent == first.version.parent == view.version.id
    assert {branch.leaf.id for branch in notebook.branches(view.document.id)} == {first.version.id, second.version.id}
    back = notebook.undo(second.document.id, second.version.id)
    assert back.version == first.version
    root = notebook.undo(back.document.id, back.version.id)
    assert (root.version.id, root.can_undo, root.can_redo) == (view.version.id, False, True)
    with pytest.raises(BadRequest, match="was not generated"):
        notebook.regenerate(root.document.id, root.version.id, None)


def test_several_continuations_wait_to_be_picked(notebook: NotebookService) -> None:
    view = notebook.create(text="Go ")
    begun = go_on(notebook, view, count=3)
    assert begun.version.id == view.version.id
    assert begun.traced.text == "Go "
    done = finished(notebook, begun)
    assert done.traced.text == "Go "
    picked = notebook.pick(done.document.id, begun.writing[1].version)
    assert picked.traced.text == "Go and so on"
    again = finished(notebook, notebook.regenerate(picked.document.id, picked.version.id, None, count=2))
    assert again.version.id == view.version.id
    assert len(notebook.branches(view.document.id)) == 5
    for count in (0, 9):
        with pytest.raises(BadRequest, match="From 1 to 8"):
            go_on(notebook, again, count=count)


def test_continuations_that_wait_to_be_picked_are_made_anew_behind_the_same_text(notebook: NotebookService) -> None:
    first = finished(notebook, go_on(notebook, notebook.create(text="Go ")))
    waiting = finished(notebook, go_on(notebook, first, count=2))
    card = notebook.versions(first.document.id)[0]
    again = notebook.regenerate(first.document.id, waiting.version.id, None, target=card.id, count=2)
    assert again.traced.text == first.traced.text == "Go and so on"
    finished(notebook, again)
    for writing in again.writing:
        assert notebook.text(first.document.id, writing.version).text == "Go and so onand so on"


def test_picking_one_that_is_being_written_stops_the_others(slow: NotebookService) -> None:
    begun = go_on(slow, slow.create(text="Go "), count=3)
    wait_for_text(slow, begun)
    lives = {one.version: slow.live(one.generation_id) for one in begun.writing}
    chosen, *others = lives
    view = slow.pick(begun.document.id, chosen)
    assert [one.version for one in view.writing] == [chosen]
    for other in others:
        assert lives[other].saved.wait(10)
        assert slow.text(view.document.id, other).text.startswith("Go one ")
    assert lives[chosen].generation.end is None
    slow.stop(view.document.id)
    assert lives[chosen].saved.wait(10)
    assert slow.open(view.document.id).version.state == "stopped"


def test_while_it_is_written_a_document_takes_nothing_else(slow: NotebookService) -> None:
    begun = go_on(slow, slow.create(text="Go "))
    wait_for_text(slow, begun)
    document, head = begun.document.id, begun.version.id
    for change in (
        lambda: slow.save(document, head, Splice(0, 0, "x")),
        lambda: slow.undo(document, head),
        lambda: slow.redo(document, head),
        lambda: slow.select(document, head, head),
        lambda: go_on(slow, begun),
        lambda: slow.regenerate(document, head, None),
    ):
        with pytest.raises(Conflict, match="being written"):
            change()
    assert slow.rename(document, "New name").title == "New name"
    assert slow.state(document) == (slow.document(document), (begun.writing[0].generation_id,))
    slow.stop(document)
    done = finished(slow, begun)
    assert done.traced.text.startswith("Go one ")
    slow.stop(document)
    assert slow.save(document, head, Splice(0, 2, "Stop")).length == len(done.traced.text) + 2


def test_of_two_tabs_the_outdated_one_is_told_and_can_keep_both(notebook: NotebookService) -> None:
    view = notebook.create(text="base")
    document, base = view.document.id, view.version.id
    mine = notebook.save(document, base, Splice(4, 0, " mine"))
    with pytest.raises(Conflict) as refused:
        notebook.save(document, base, Splice(4, 0, " theirs"))
    assert refused.value.field == "version"
    assert notebook.open(document).traced.text == "base mine"
    with pytest.raises(Conflict):
        go_on(notebook, view)
    assert notebook.state(document) == (notebook.document(document), ())
    notebook.select(document, mine.id, base)
    notebook.save(document, base, Splice(4, 0, " theirs"))
    assert len(notebook.branches(document)) == 2


def test_a_model_that_cannot_answer_leaves_no_version_behind(notebook: NotebookService) -> None:
    view = notebook.create(text="Go")
    with pytest.raises(NotFound):
        notebook.generate(view.document.id, view.version.id, "no such model", cursor=None, mode="continue")
    assert notebook.open(view.document.id) == view


def test_a_failing_engine_is_told_and_the_text_stays(tmp_path: Path) -> None:
    app = make_app(tmp_path, [{"fail": "The engine broke."}])
    view = app.notebook.create(text="Go")
    begun = go_on(app.notebook, view)
    live = app.notebook.live(begun.writing[0].generation_id)
    after = finished(app.notebook, begun)
    assert (after.version, after.traced) == (view.version, view.traced)
    assert app.notebook.written(live) is None
    assert "broke" in str(live.generation.end)
    app.close()


def test_memory_and_note_are_read_but_not_written(repeating: NotebookService) -> None:
    view = repeating.create(text="first\nsecond\nthird")
    repeating.set_context(view.document.id, "Memory.", "[note]", 2)
    done = finished(repeating, go_on(repeating, view))
    assert done.traced.text == "first\nsecond\nthirdMemory.\nfirst\n[note]\nsecond\nthird"


def test_a_long_text_loses_its_beginning_and_keeps_its_memory(tmp_path: Path) -> None:
    app = make_app(tmp_path, None)
    app.models.load("echo", options={"context_length": 64}).result.result(30)
    text = "".join(f"word{number} " for number in range(500))
    view = app.notebook.create(text=text)
    app.notebook.set_context(view.document.id, "Keep this.", "", 3)
    written = finished(app.notebook, go_on(app.notebook, view)).traced.text[len(text) :]
    assert written.startswith("Keep this.\nword4")
    long = app.notebook.create(text="short")
    app.notebook.set_context(long.document.id, "much " * 100, "", 3)
    begun = go_on(app.notebook, long)
    live = app.notebook.live(begun.writing[0].generation_id)
    assert live.saved.wait(30)
    assert "Memory and note take 101 tokens" in str(live.generation.end)
    app.close()


def test_tags_of_reasoning_are_text_like_any_other(tmp_path: Path) -> None:
    app = make_app(tmp_path, [{"text": "<think>hm"}, {"text": "</think>so"}])
    done = finished(app.notebook, go_on(app.notebook, app.notebook.create(text="Go ")))
    assert done.traced.text == "Go <think>hm</think>so"
    app.close()


def test_line_ends_are_those_of_a_text_field(tmp_path: Path) -> None:
    app = make_app(tmp_path, [{"text": "one\r"}, {"text": "\ntwo"}])
    view = app.notebook.create(text="a\r\nb\rc")
    assert view.traced.text == "a\nb\nc"
    done = finished(app.notebook, go_on(app.notebook, view))
    assert done.traced.text == "a\nb\ncone\ntwo"
    app.close()


def test_a_document_has_a_largest_size_and_can_always_shrink(
    notebook: NotebookService, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = notebook.create(text="x" * 1_000_000)
    with pytest.raises(BadRequest, match="1,000,001 characters; 1,000,000 is the limit") as refused:
        notebook.save(view.document.id, view.version.id, Splice(0, 0, "y"))
    assert refused.value.field == "text"
    assert notebook.save(view.document.id, view.version.id, Splice(0, 1, "")).length == 999_999
    with pytest.raises(BadRequest, match="limit"):
        notebook.create(text="x" * 1_000_001)
    with pytest.raises(BadRequest, match="surrogate"):
        notebook.create(text="\ud800")


def test_tokens_of_a_selection_and_the_count(notebook: NotebookService) -> None:
    view = notebook.create(text="some more words here")
    document, version = view.document.id, view.version.id
    assert notebook.count(document, version, None) is None
    pieces = notebook.token_pieces(document, version, 5, 15, None).result(30)
    assert [one.piece for one in pieces] == [b"more ", b"words"]
    counted = notebook.count(document, version, None)
    assert counted is not None
    assert len(counted.tokens) == 4
    with pytest.raises(BadRequest, match="100,000 is the limit"):
        notebook.token_pieces(document, version, 0, 100_001, None)


def test_from_a_conversation(app: App) -> None:
    sent = app.chat.send(None, "Hello there", None, 0)
    for generation in sent.generations.values():
        assert app.chat.reply(generation).saved.wait(30)
    view = app.notebook.from_conversation(sent.conversation.id)
    assert view.traced.text == "User:\nHello there\n\nAssistant:\nand so on"
    assert view.document.title == "Hello there"


def test_deleting_stops_what_is_written(slow: NotebookService) -> None:
    begun = go_on(slow, slow.create(text="Go "))
    live = slow.live(begun.writing[0].generation_id)
    slow.delete(begun.document.id)
    assert live.saved.wait(10)
    assert slow.documents() == []
    assert slow.state(begun.document.id) is None
    with pytest.raises(NotFound):
        slow.open(begun.document.id)
    slow.restore(begun.document.id)
    assert slow.open(begun.document.id).traced.text.startswith("Go ")


KILLED = """
import sys, time
from pathlib import Path
from tests.services.test_notebook import SLOW_SCRIPT, go_on, make_app, wait_for_text
app = make_app(Path(sys.argv[1]), SLOW_SCRIPT)
begun = go_on(app.notebook, app.notebook.create(text="Go "))
wait_for_text(app.notebook, begun)
print(begun.document.id, flush=True)
time.sleep(60)
"""


def test_a_killed_program_keeps_what_was_written(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=PROJECT
    )
    assert child.stdout is not None
    document = child.stdout.readline().strip()
    child.kill()
    child.wait()
    app = make_app(tmp_path, SHORT_SCRIPT)
    view = app.notebook.open(document)
    assert view.traced.text.startswith("Go one ")
    assert view.version.state == "stopped"
    assert "program ended" in view.version.error
    assert view.writing == ()
    done = finished(app.notebook, go_on(app.notebook, view))
    assert done.traced.text == view.traced.text + "and so on"
    app.close()


def test_a_full_disk_loses_nothing(slow: NotebookService, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be written is tried again."""
    refusals: list[str] = []
    write = VersionStore.write

    def refuse_twice(*values: Any, **named: Any) -> None:
        if len(refusals) < 2:
            refusals.append("The disk is full.")
            raise StorageError(refusals[-1])
        write(*values, **named)

    monkeypatch.setattr(VersionStore, "write", refuse_twice)
    begun = go_on(slow, slow.create(text="Go "))
    wait_for_text(slow, begun)
    slow.stop(begun.document.id)
    assert finished(slow, begun).traced.text.startswith("Go one ")
    assert len(refusals) == 2
