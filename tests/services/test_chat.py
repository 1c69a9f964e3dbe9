"""Conversations on the echo engine in its worker: what is kept, what is refused, and what two tabs see of each other."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modules.app import App, build_app
from modules.errors import BadRequest, Conflict, NotFound
from modules.services.chat import ChatService, ConversationView
from modules.settings import Settings
from modules.types.conversation import StoredMessage
from modules.types.generation import Finished
from modules.types.messages import Message
from modules.types.presets import EVERYWHERE
from modules.types.reply_params import ReplyParams
from tests.extensions.programs import write_extension

SLOW_SCRIPT: list[dict[str, Any]] = [{"text": "one "}, *({"text": "more ", "delay_ms": 50} for _ in range(400))]


LOUD = """
from modules.extensions import hook

@hook
def filter_reply(text):
    return text.upper()
"""


# What a person sees of a reply is not always what the model wrote.
PLAIN = """
from dataclasses import replace
from modules.extensions import hook

@hook
def filter_messages(messages):
    return tuple(replace(one, content=one.content.upper()) if one.role == "assistant" else one for one in messages)
"""


def settings_for(folder: Path, **values: Any) -> Settings:
    return Settings(data=folder / "data", models=folder / "models", model="echo", **values)


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    app = build_app(settings_for(tmp_path))
    yield app
    app.close()


@pytest.fixture
def slow_app(tmp_path: Path) -> Iterator[App]:
    script = tmp_path / "script.json"
    script.write_text(json.dumps(SLOW_SCRIPT))
    app = build_app(settings_for(tmp_path, echo_script=script))
    yield app
    app.close()


def finished(chat: ChatService, view: ConversationView) -> ConversationView:
    """The same conversation once its reply is saved."""
    for generation_id in view.generations.values():
        assert chat.reply(generation_id).saved.wait(30)
    return chat.open(view.conversation.id)


def send(app: App, text: str, view: ConversationView | None = None) -> ConversationView:
    conversation = view.conversation if view else None
    sent = app.chat.send(conversation and conversation.id, text, None, conversation.revision if conversation else 0)
    return finished(app.chat, sent)


def texts(view: ConversationView) -> list[str]:
    return [message.content for message in view.messages]


def wait_for_text(chat: ChatService, view: ConversationView) -> StoredMessage:
    """The reply being written, once some of it is in the database."""
    deadline = time.monotonic() + 30
    while not (message := chat.message(view.messages[-1].id)).content:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return message


def test_a_conversation_grows_turn_by_turn(app: App) -> None:
    view = send(app, "hello there")
    view = send(app, "and again", view)
    assert texts(view) == ["hello there", "hello there", "and again", "and again"]
    assert view.conversation.title == "hello there"
    assert [message.state for message in view.messages] == ["complete"] * 4
    stats = view.messages[-1].stats
    assert (stats["completion_tokens"], stats["finish_reason"]) == (2, "stop")


def test_a_reply_is_continued_as_another_version(app: App) -> None:
    view = send(app, "hello there")
    conversation, reply = view.conversation, view.messages[-1]
    view = finished(app.chat, app.chat.continue_reply(conversation.id, reply.id, None, conversation.revision))
    # Echo writes what it reads: the message, and the reply that was begun.
    assert texts(view) == ["hello there", "hello there" + "hello there" + "hello there"]
    assert view.messages[-1].siblings == (reply.id, view.messages[-1].id)
    assert app.chat.message(reply.id).content == "hello there"
    with pytest.raises(BadRequest):
        app.chat.continue_reply(conversation.id, view.messages[0].id, None, view.conversation.revision)


def test_a_reply_is_continued_after_the_reasoning_that_a_template_opens(tmp_path: Path) -> None:
    templates = tmp_path / "data" / "templates"
    templates.mkdir(parents=True)
    (templates / "thinking.jinja").write_text("{{ messages[-1].content }}<think>")
    app = build_app(settings_for(tmp_path, chat_template="thinking"))
    try:
        reply = app.inference.chat([Message("user", "Why?")], ReplyParams(), begun="Because")
        assert isinstance([*reply][-1], Finished)
        assert reply.text == "Because" + "Why?<think>\n</think>\n\nBecause"
    finally:
        app.close()


def test_an_extension_changes_only_what_a_continued_reply_adds(app: App, tmp_path: Path) -> None:
    view = send(app, "hello")
    write_extension(tmp_path, "loud", LOUD)
    app.extensions.enable("loud")
    continued = app.chat.continue_reply(view.conversation.id, view.messages[-1].id, None, view.conversation.revision)
    assert texts(finished(app.chat, continued)) == ["hello", "hello" + "HELLOHELLO"]
    assert app.extensions.faults("loud") == []


def test_the_model_goes_on_from_what_extensions_make_of_a_reply(app: App, tmp_path: Path) -> None:
    view = send(app, "hello")
    write_extension(tmp_path, "plain", PLAIN)
    app.extensions.enable("plain")
    continued = app.chat.continue_reply(view.conversation.id, view.messages[-1].id, None, view.conversation.revision)
    assert texts(finished(app.chat, continued)) == ["hello", "hello" + "hello" + "HELLO"]


def test_a_reply_is_edited_as_another_version_that_no_model_wrote(app: App) -> None:
    view = send(app, "hello")
    conversation, reply = view.conversation, view.messages[-1]
    view = app.chat.edit_reply(conversation.id, reply.id, "Good morning.", conversation.revision)
    assert texts(view) == ["hello", "Good morning."]
    assert (view.messages[-1].state, view.messages[-1].model, view.generations) == ("complete", "", {})
    assert view.messages[-1].siblings == (reply.id, view.messages[-1].id)
    # What is said next answers the words of the person.
    view = app.chat.send(conversation.id, "and now", None, view.conversation.revision)
    assert texts(finished(app.chat, view))[:3] == ["hello", "Good morning.", "and now"]
    with pytest.raises(BadRequest, match="empty"):
        app.chat.edit_reply(conversation.id, reply.id, " ", conversation.revision)
    with pytest.raises(BadRequest):
        app.chat.edit_reply(conversation.id, view.messages[0].id, "mine", conversation.revision)
    with pytest.raises(Conflict):
        app.chat.edit_reply(conversation.id, reply.id, "late", conversation.revision)


def test_a_reply_with_a_structure_is_not_continued(app: App) -> None:
    view = send(app, "hello")
    conversation, reply = view.conversation, view.messages[-1]
    app.parameters.change(EVERYWHERE, {"constraint": {"kind": "regex", "source": "[a-z]+"}})
    with pytest.raises(BadRequest, match="structure"):
        app.chat.continue_reply(conversation.id, reply.id, None, conversation.revision)
    assert texts(app.chat.open(conversation.id)) == ["hello", "hello"]


def test_what_was_begun_stays_where_no_model_can_continue_it(app: App) -> None:
    view = send(app, "hello there")
    conversation, reply = view.conversation, view.messages[-1]
    view = app.chat.continue_reply(conversation.id, reply.id, "nothing", conversation.revision)
    assert (view.messages[-1].content, view.messages[-1].state) == ("hello there", "failed")


def test_the_message_is_saved_before_the_model_is_asked(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[list[str]] = []

    def refuse(*_: Any, **_named: Any) -> Any:
        kept.append([hit.conversation.title for hit in app.chat.conversations()])
        raise NotFound("There is no such model.")

    monkeypatch.setattr("modules.services.inference.Inference.chat", refuse)
    view = app.chat.send(None, "precious words", "nothing", 0)
    assert kept == [["precious words"]]
    asked, reply = view.messages
    assert asked.content == "precious words"
    assert (reply.state, reply.error) == ("failed", "There is no such model.")


def test_versions_are_kept_side_by_side(app: App) -> None:
    first = send(app, "first words")
    edited = finished(
        app.chat,
        app.chat.edit(first.conversation.id, first.messages[0].id, "other words", None, first.conversation.revision),
    )
    assert texts(edited) == ["other words", "other words"]
    assert edited.messages[0].siblings == (first.messages[0].id, edited.messages[0].id)
    again = finished(
        app.chat,
        app.chat.regenerate(edited.conversation.id, edited.messages[1].id, None, edited.conversation.revision),
    )
    assert again.messages[1].siblings == (edited.messages[1].id, again.messages[1].id)
    back = app.chat.select_version(first.conversation.id, first.messages[0].id, again.conversation.revision)
    assert texts(back) == ["first words", "first words"]


def test_an_outdated_tab_is_told_and_changes_nothing(app: App) -> None:
    first = send(app, "hello")
    second = send(app, "from one tab", first)
    outdated = first.conversation.revision
    message, reply = first.messages
    for change in (
        lambda: app.chat.send(first.conversation.id, "from the other tab", None, outdated),
        lambda: app.chat.edit(first.conversation.id, message.id, "from the other tab", None, outdated),
        lambda: app.chat.regenerate(first.conversation.id, reply.id, None, outdated),
        lambda: app.chat.select_version(first.conversation.id, message.id, outdated),
    ):
        with pytest.raises(Conflict):
            change()
    assert app.chat.open(first.conversation.id) == second


def test_while_it_is_answered_a_conversation_takes_nothing_else_and_can_be_stopped(slow_app: App) -> None:
    chat = slow_app.chat
    view = chat.send(None, "go", None, 0)
    wait_for_text(chat, view)
    with pytest.raises(Conflict):
        chat.send(view.conversation.id, "too early", None, view.conversation.revision)
    (generation_id,) = view.generations.values()
    chat.stop(generation_id)
    stopped = finished(chat, view)
    assert stopped.messages[-1].state == "stopped"
    assert stopped.messages[-1].content.startswith("one ")
    chat.stop(generation_id)
    chat.stop("nothing of that name")


def test_a_deleted_conversation_is_silenced_and_comes_back_whole(slow_app: App) -> None:
    chat = slow_app.chat
    view = chat.send(None, "go", None, 0)
    wait_for_text(chat, view)
    (generation_id,) = view.generations.values()
    live = chat.reply(generation_id)
    chat.delete(view.conversation.id)
    assert live.saved.wait(10)
    assert chat.conversations() == []
    with pytest.raises(NotFound):
        chat.open(view.conversation.id)
    chat.restore(view.conversation.id)
    assert chat.open(view.conversation.id).messages[-1].content.startswith("one ")


def test_what_a_killed_program_had_written_is_there_at_the_next_start(slow_app: App, tmp_path: Path) -> None:
    """A second App on the same folder stands in for the start after a crash."""
    view = slow_app.chat.send(None, "go", None, 0)
    seen = wait_for_text(slow_app.chat, view)
    after = build_app(settings_for(tmp_path))
    reply = after.chat.open(view.conversation.id).messages[-1]
    assert reply.content.startswith(seen.content)
    assert (reply.state, bool(reply.error)) == ("stopped", True)
    after.close()


@pytest.mark.parametrize("text", ["", " \n\t ", "x" * 1_000_001])
def test_messages_of_no_or_endless_words_are_refused_and_leave_no_trace(app: App, text: str) -> None:
    with pytest.raises(BadRequest) as caught:
        app.chat.send(None, text, None, 0)
    assert caught.value.field == "text"
    assert app.chat.conversations() == []


def test_a_message_belongs_to_its_conversation_and_its_author(app: App) -> None:
    one, other = send(app, "one"), send(app, "other")
    revision = one.conversation.revision
    with pytest.raises(BadRequest):
        app.chat.edit(one.conversation.id, other.messages[0].id, "x", None, revision)
    with pytest.raises(BadRequest):
        app.chat.edit(one.conversation.id, one.messages[1].id, "x", None, revision)
    with pytest.raises(BadRequest):
        app.chat.regenerate(one.conversation.id, one.messages[0].id, None, revision)
    assert app.chat.open(one.conversation.id) == one
