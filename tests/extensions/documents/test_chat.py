"""The whole path in a program with the echo engine: a file is added, chosen, cited, and taken out again."""

import html
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modules.app import App, build_app
from modules.extensions import Field, Message, Part, RequestContext, Table, Text
from modules.services.chat import ConversationView
from modules.settings import Settings
from modules.storage.conversations import ConversationStore
from modules.storage.database import Database
from modules.ui.markup import render_message
from tests.pdf_files import write_pdf

SECONDS = 30
PAGES = [
    "The harbour of Velmoor was dredged in 1794 by convicts from the north. Its fees were paid in salt. "
    "The lighthouse keeper bred rabbits behind the tower, and sold them to sailors.",
    "A list of ships follows on the next pages.",
]
REPLY = (
    "The harbour of Velmoor was dredged in 1794 by convicts. It was dredged in 1801 by convicts of the north. "
    "Sailors bought rabbits from the keeper of the lighthouse.\n\nTokyo hosted the Olympic games twice."
)


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    """Its model says REPLY, in pieces that part words."""
    script = tmp_path / "script.json"
    script.write_text(json.dumps([{"text": REPLY[place : place + 7]} for place in range(0, len(REPLY), 7)]))
    app = build_app(Settings(data=tmp_path / "data", models=tmp_path / "models", model="echo", echo_script=script))
    app.extensions.enable("documents")
    yield app
    app.close()


@pytest.fixture
def echoing(tmp_path: Path) -> Iterator[App]:
    """Its model says what it was asked, so that the test sees what a model sees."""
    app = build_app(Settings(data=tmp_path / "data", models=tmp_path / "models", model="echo"))
    app.extensions.enable("documents")
    yield app
    app.close()


def show(app: App, place: Any, button: str = "", conversation: str | None = None, **values: Any) -> tuple[Part, ...]:
    return app.offers.views.show(
        "documents", place, "documents", button=button, values=values, conversation_id=conversation
    )


def said(parts: tuple[Part, ...]) -> str:
    return "\n".join(one.markdown for one in parts if isinstance(one, Text))


def rows(app: App) -> tuple[tuple[str, ...], ...]:
    return next((one.rows for one in show(app, "tab") if isinstance(one, Table)), ())


def read(app: App, path: Path) -> tuple[tuple[str, ...], ...]:
    """What the tab says of the collection's documents, once all is read."""
    show(app, "tab", "create", new="Harbours")
    problem = said(show(app, "tab", "add", collection="Harbours", path=str(path)))
    assert "no file" not in problem
    wait_for_work(app)
    return rows(app)


def wait_for_work(app: App) -> None:
    deadline = time.monotonic() + SECONDS
    while any(job.state == "running" for job in app.jobs.history()):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def send(app: App, text: str, view: ConversationView | None = None) -> ConversationView:
    conversation = view.conversation if view else None
    sent = app.chat.send(conversation and conversation.id, text, None, conversation.revision if conversation else 0)
    for generation in sent.generations.values():
        assert app.chat.reply(generation).saved.wait(SECONDS)
    return app.chat.open(sent.conversation.id)


def choose(app: App, conversation: str | None) -> None:
    switches = [one for one in show(app, "panel", conversation=conversation) if isinstance(one, Field)]
    chosen = {one.name: True for one in switches if one.kind == "switch"}
    assert chosen
    show(app, "panel", "choose", conversation, **chosen)


def last(view: ConversationView) -> str:
    return view.messages[-1].content


def test_sentences_are_marked_and_sources_listed(app: App, tmp_path: Path) -> None:
    assert read(app, write_pdf(tmp_path / "log.pdf", PAGES)) == (("log.pdf", "2", "found by words"),)
    view = send(app, "hello")
    assert last(view) == REPLY
    choose(app, view.conversation.id)
    reply = last(send(app, "Who dredged the harbour of Velmoor?", view))
    link = re.findall(r"\(/ext/documents/passages/\d+\)", reply)[0]
    mark, missing = f" [[1]]{link}", " *(not found in your documents)*"
    assert reply.startswith(
        f"The harbour of Velmoor was dredged in 1794 by convicts.{mark} "
        f"It was dredged in 1801 by convicts of the north.{missing} "
        f"Sailors bought rabbits from the keeper of the lighthouse.{mark}\n\n"
        f"Tokyo hosted the Olympic games twice.{missing}\n\n---\n**Sources**\n\n[[1] log.pdf, page 1]{link}\n"
    )
    assert "words alone" in reply


def test_a_citation_opens_its_passage_as_text(app: App, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(
        "# <b>Fees</b>\n\nThe harbour <script>alert(1)</script> took salt.", encoding="utf-8"
    )
    read(app, tmp_path / "a.md")
    view = send(app, "hello")
    choose(app, view.conversation.id)
    reply = last(send(app, "harbour", view))
    number = re.findall(r"/ext/documents/passages/(\d+)", reply)[0]
    found = app.offers.routes.find("documents", f"passages/{number}")
    page = app.offers.routes.answer(found, "GET", {}, b"")
    assert (page.status, page.media_type) == (200, "text/html; charset=utf-8")
    assert isinstance(page.body, bytes)
    assert b"<mark>The harbour &lt;script&gt;alert(1)&lt;/script&gt; took salt.</mark>" in page.body
    gone = app.offers.routes.answer(app.offers.routes.find("documents", "passages/999"), "GET", {}, b"")
    assert gone.status == 404


def test_passages_are_numbered_before_the_question_and_marks_never_come_back(echoing: App, tmp_path: Path) -> None:
    read(echoing, write_pdf(tmp_path / "log.pdf", PAGES))
    view = send(echoing, "hello")
    choose(echoing, view.conversation.id)
    view = send(echoing, "Who dredged the harbour of Velmoor?", view)
    assert last(view).startswith("[1] The harbour of Velmoor was dredged in 1794")
    assert "Who dredged the harbour of Velmoor?" in last(view)


def test_marks_and_sources_never_come_back_to_a_model(app: App, tmp_path: Path) -> None:
    read(app, write_pdf(tmp_path / "log.pdf", PAGES))
    view = send(app, "hello")
    choose(app, view.conversation.id)
    view = send(app, "Who dredged the harbour of Velmoor?", view)
    told = tuple(Message(one.role, one.content) for one in view.messages)
    asked: tuple[Message, ...] = app.extensions.chain("filter_messages", told, RequestContext("1", "api", "m", "echo"))
    assert [one.content for one in asked] == ["hello", REPLY, "Who dredged the harbour of Velmoor?", REPLY]


def test_a_conversation_is_answered_from_what_was_chosen_before_it_began(app: App, tmp_path: Path) -> None:
    read(app, write_pdf(tmp_path / "log.pdf", PAGES))
    earlier = send(app, "hello")
    choose(app, None)
    assert last(send(app, "Who dredged the harbour?", earlier)) == REPLY
    first = send(app, "Who dredged the harbour of Velmoor?")
    assert "**Sources**" in last(first)
    assert "**Sources**" in last(send(app, "And when?", first))
    assert last(send(app, "Who dredged the harbour of Velmoor?")) == REPLY


def test_without_a_chosen_collection_nothing_changes(app: App, tmp_path: Path) -> None:
    read(app, write_pdf(tmp_path / "log.pdf", PAGES))
    assert last(send(app, "Who dredged the harbour of Velmoor?")) == REPLY


def test_only_what_changed_is_read_again(app: App, tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "a.txt").write_text("A red boat.", encoding="utf-8")
    (folder / "b.txt").write_text("A blue boat.", encoding="utf-8")
    (folder / "c.bin").write_bytes(b"\0")
    assert [row[0] for row in read(app, folder)] == ["a.txt", "b.txt"]
    before = found(app, "boat")
    (folder / "a.txt").touch()
    (folder / "b.txt").write_text("A green boat.", encoding="utf-8")
    read(app, folder)
    after = found(app, "boat")
    assert [one for one in before if "red" in one] == [one for one in after if "red" in one]
    assert "green" in "".join(after)
    assert "blue" not in "".join(after)


def found(app: App, question: str) -> list[str]:
    """Results with their links, so with the numbers of their passages."""
    parts = show(app, "tab", "search", collection="Harbours", question=question)
    return sorted(
        re.sub(r"^\d+\. ", "", one.markdown) for one in parts if isinstance(one, Text) and "passages/" in one.markdown
    )


def test_a_removed_document_is_found_no_more(app: App, tmp_path: Path) -> None:
    read(app, write_pdf(tmp_path / "log.pdf", PAGES))
    assert found(app, "harbour")
    show(app, "tab", "remove", collection="Harbours", document=f"log.pdf ({tmp_path})")
    assert found(app, "harbour") == []
    assert rows(app) == ()


def test_a_file_that_was_sent_is_known_by_its_name_alone(app: App, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("The harbour took salt.", encoding="utf-8")
    show(app, "tab", "create", new="Harbours")
    show(app, "tab", "add", collection="Harbours", file=str(tmp_path / "a.md"))
    read(app, tmp_path / "a.md")
    [choices] = [one.choices for one in show(app, "tab") if isinstance(one, Field) and one.name == "document"]
    assert set(choices) == {"a.md", f"a.md ({tmp_path})"}
    show(app, "tab", "remove", collection="Harbours", document="a.md")
    assert len(rows(app)) == 1


def test_files_of_a_conversation_are_listed_beside_it_and_removed_there(app: App, tmp_path: Path) -> None:
    conversation = send(app, "hello").conversation.id
    (tmp_path / "a.md").write_text("The harbour took salt.", encoding="utf-8")
    (tmp_path / "b.pdf").write_bytes(b"hello")
    for name in ("a.md", "b.pdf"):
        show(app, "panel", "add", conversation, file=str(tmp_path / name))
    wait_for_work(app)
    shown = show(app, "panel", conversation=conversation)
    [table] = [one for one in shown if isinstance(one, Table)]
    assert [row[0] for row in table.rows] == ["a.md", "b.pdf"]
    assert "damaged" in table.rows[1][2]
    assert [one.help for one in shown if isinstance(one, Field) and one.kind == "switch"] == ["2 documents"]
    shown = show(app, "panel", "remove", conversation, document="b.pdf")
    assert [one.help for one in shown if isinstance(one, Field) and one.kind == "switch"] == ["1 document"]
    assert not list((tmp_path / "data").rglob("b.pdf"))


def test_files_of_a_conversation_go_with_it_and_come_back_with_it(app: App, tmp_path: Path) -> None:
    conversation = send(app, "hello").conversation.id
    (tmp_path / "a.md").write_text("The harbour took salt.", encoding="utf-8")
    show(app, "panel", "add", conversation, file=str(tmp_path / "a.md"))
    wait_for_work(app)
    app.chat.delete(conversation)
    enable_again(app)
    app.chat.restore(conversation)
    assert any(isinstance(one, Table) for one in show(app, "panel", conversation=conversation))
    app.chat.delete(conversation)
    database = Database.open(tmp_path / "data" / "parlor.db")
    assert ConversationStore(database).purge(0) == 1
    database.close()
    enable_again(app)
    assert not list((tmp_path / "data" / "extension-data" / "documents" / "files").iterdir())


def enable_again(app: App) -> None:
    app.extensions.disable("documents")
    app.extensions.enable("documents")


@pytest.mark.parametrize(
    "text",
    ["#![warn(lossy)] and \\(x\\)", "$HOME$, 5$ and $$", "<b>&amp; ~~gone~~", "[1](http://x) *a* _b_ `c` | d"],
)
def test_what_a_document_says_is_shown_as_it_stands(app: App, tmp_path: Path, text: str) -> None:
    (tmp_path / "a.txt").write_text(f"The harbour says {text} here.", encoding="utf-8")
    read(app, tmp_path / "a.txt")
    [result] = found(app, "harbour")
    shown = html.unescape(re.sub(r"<[^>]+>", "", render_message(result)))
    assert shown.strip() == f"a.txt: The harbour says {text} here."


def test_a_file_that_cannot_be_read_says_why(app: App, tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"hello")
    assert "damaged" in read(app, tmp_path / "a.pdf")[0][2]


def test_a_path_that_is_not_there_is_refused(app: App) -> None:
    show(app, "tab", "create", new="Harbours")
    assert "no file or folder" in said(show(app, "tab", "add", collection="Harbours", path="/no/such/file.pdf"))
    assert "Choose a file" in said(show(app, "tab", "add", collection="Harbours"))


def test_disabling_ends_it_and_enabling_finds_all_again(app: App, tmp_path: Path) -> None:
    read(app, write_pdf(tmp_path / "log.pdf", PAGES))
    enable_again(app)
    assert len(rows(app)) == 1
    assert app.extensions.faults("documents") == []
