"""Commands in a conversation: answered without a model, kept like any message, and nothing to those who write otherwise."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from modules.app import App, build_app
from modules.serve.web import build_api
from modules.services.chat import ConversationView
from modules.settings import Settings
from modules.types.generation import Finished, Progress
from tests.end_to_end.sample_extension import write_extension

SECOND = """
import time
from modules.extensions import Command, hook


def fail(rest, context):
    raise RuntimeError("no answer")


@hook
def commands():
    return [
        Command("shout", "The second of its name.", lambda rest, context: "from the second"),
        Command("fail", "Fails.", fail),
        Command("slow", "Takes its time.", lambda rest, context: time.sleep(1.5) or "at last"),
        Command("none", "Answers nothing.", lambda rest, context: None),
        Command("where", "Tells the conversation.", lambda rest, context: f"{context.conversation_id} {context.source}"),
    ]
"""


def settings_for(folder: Path, **values: object) -> Settings:
    own = {"data": folder / "data", "models": folder / "models", "extensions": folder / "bundled", "model": "echo"}
    return Settings.model_validate({**own, **values})


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    write_extension(tmp_path / "data" / "extensions")
    write_extension(tmp_path / "data" / "extensions", "second", "Second", SECOND)
    app = build_app(settings_for(tmp_path))
    app.extensions.enable("sample")
    app.extensions.enable("second")
    yield app
    app.close()


def send(app: App, text: str, view: ConversationView | None = None) -> ConversationView:
    conversation = view.conversation if view else None
    sent = app.chat.send(conversation and conversation.id, text, None, conversation.revision if conversation else 0)
    return ended(app, sent)


def ended(app: App, view: ConversationView) -> ConversationView:
    """The same once its replies are whole."""
    for generation_id in view.generations.values():
        assert app.chat.reply(generation_id).saved.wait(30)
    return app.chat.open(view.conversation.id)


def test_a_command_is_answered_by_its_extension(app: App) -> None:
    view = send(app, "/shout  hello\nthere ")
    reply = view.messages[-1]
    assert (reply.content, reply.state, reply.stats) == ("**HELLO\nTHERE**", "complete", {"extension": "Sample"})
    assert view.generations == {}
    assert app.chat.conversations("hello")[0].conversation.id == view.conversation.id


@pytest.mark.parametrize("text", ["/unknown x", "shout /shout x", "//shout x", "/ shout x", "/shout/ x", "say /shout"])
def test_anything_else_is_an_ordinary_message(app: App, text: str) -> None:
    assert "extension" not in send(app, text).messages[-1].stats


def test_the_first_of_two_has_the_name(app: App) -> None:
    assert [one.name for one in app.offers.commands.offered()] == ["fail", "none", "shorten", "shout", "slow", "where"]
    app.extensions.disable("sample")
    assert send(app, "/shout x").messages[-1].content == "from the second"


@pytest.mark.parametrize(
    ("text", "error"),
    [("/fail", "no answer"), ("/none", "returned None instead of str"), ("/shout", "Say what to shout.")],
)
def test_a_command_that_fails_is_a_reply_that_failed(app: App, text: str, error: str) -> None:
    reply = send(app, text).messages[-1]
    assert (reply.state, reply.stats) == ("failed", {"extension": "Sample" if text == "/shout" else "Second"})
    assert error in reply.error


def test_one_that_takes_its_time_is_seen_at_work_and_stopped(app: App) -> None:
    started = time.monotonic()
    view = app.chat.send(None, "/slow", None, 0)
    assert time.monotonic() - started < 1
    [(message_id, generation_id)] = view.generations.items()
    live = app.chat.reply(generation_id)
    assert (live.record.message_id, view.messages[-1].state) == (message_id, "streaming")
    assert live.generation.events[0] == Progress("command", note="/slow")
    assert live.saved.wait(30)
    assert app.chat.message(message_id).content == "at last"
    view = app.chat.send(view.conversation.id, "/slow", None, app.chat.open(view.conversation.id).conversation.revision)
    [(message_id, generation_id)] = view.generations.items()
    live = app.chat.reply(generation_id)
    app.chat.stop(generation_id)
    assert live.generation.end == Finished("cancelled")
    assert live.saved.wait(30)
    stopped = app.chat.message(message_id)
    assert (stopped.state, stopped.content, stopped.stats) == ("stopped", "", {"extension": "Second"})
    # Nothing of it comes later, and the conversation goes on.
    assert send(app, "/shout x", app.chat.open(view.conversation.id)).messages[-1].content == "**X**"
    time.sleep(1.6)
    assert app.chat.message(message_id) == stopped
    assert app.extensions.faults("second") == []


def test_edited_and_asked_again(app: App) -> None:
    view = send(app, "an ordinary message")
    first = view.messages[0]
    view = ended(app, app.chat.edit(view.conversation.id, first.id, "/where", None, view.conversation.revision))
    reply = view.messages[-1]
    assert reply.content == f"{view.conversation.id} page"
    view = ended(app, app.chat.regenerate(view.conversation.id, reply.id, None, view.conversation.revision))
    assert view.messages[-1].content == reply.content
    assert len(view.messages[-1].siblings) == 2
    assert "ordinary" in send(app, "an ordinary message", view).messages[-1].content


def test_nothing_is_changed_while_it_is_shared(tmp_path: Path) -> None:
    write_extension(tmp_path / "data" / "extensions")
    app = build_app(settings_for(tmp_path, share=True))
    client = TestClient(build_api(app))
    path = "/control/extensions/sample"
    answers = [
        client.post(f"{path}/enable", json={}),
        client.post(f"{path}/disable", json={}),
        client.put(f"{path}/settings", json={"values": {}}),
        client.put("/control/extensions/uploads/a.zip", content=b"x"),
    ]
    assert [(one.status_code, "shared" in one.json()["error"]["message"]) for one in answers] == [(403, True)] * 4
    assert "shared" in client.get("/control/extensions").json()["refusal"]
    assert app.extensions.find("sample").state == "disabled"
    app.close()
