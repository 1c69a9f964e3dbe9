"""Bundled extensions with a real model, from a person's message to the saved reply."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from modules.app import App, build_app
from modules.services.chat import ConversationView
from modules.settings import Settings
from modules.types.conversation import StoredMessage
from modules.types.presets import EVERYWHERE
from modules.types.tools import CallRecord, ChosenTools, Decision
from tests.canary import Canary, answering, http_answer
from tests.extensions.programs import write_extension

pytestmark = pytest.mark.timeout(400)

HITS = [{"title": "Zubrowka", "url": "https://example.org/zubrowka", "content": "Lutz is the capital of Zubrowka."}]
SECONDS = 150


@pytest.fixture
def app(tmp_path: Path, models_folder: Path) -> Iterator[App]:
    settings = Settings(data=tmp_path / "data", models=models_folder, model="starter", context_length=1024, threads=1)
    app = build_app(settings)
    app.parameters.change(EVERYWHERE, {"temperature": 0.0, "max_tokens": 120})
    yield app
    app.close()


@pytest.fixture
def site() -> Iterator[Canary]:
    with Canary(answering(http_answer(json.dumps({"results": HITS}).encode()))) as site:
        yield site


def until(look: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + SECONDS
    while not (found := look()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def ended(app: App, view: ConversationView) -> StoredMessage:
    for generation_id in view.generations.values():
        assert app.chat.reply(generation_id).saved.wait(SECONDS)
    return app.chat.message(view.messages[-1].id)


def waiting_call(app: App, view: ConversationView) -> CallRecord:
    def found() -> list[CallRecord]:
        message = app.chat.message(view.messages[-1].id)
        assert message.state == "streaming", message
        return [one for one in message.calls if one.state == "waiting"]

    return until(found)[0]


@pytest.mark.parametrize("decision", ["once", "no"])
def test_a_model_searches_the_web_once_the_person_has_agreed(app: App, site: Canary, decision: Decision) -> None:
    app.extensions.enable("web")
    app.extensions.set_settings("web", {"search_address": f"{site.url}/search?q={{query}}&format=json"})
    tools = ChosenTools(("web/search_web",), "first")
    view = app.chat.send(None, "What is the capital of Zubrowka?", None, 0, tools)
    call = waiting_call(app, view)
    assert call.name == "search_web"
    assert json.loads(call.arguments)["query"]
    assert site.requests == []
    app.tool_replies.decide(next(iter(view.generations.values())), call.id, decision)
    reply = ended(app, view)
    (made,) = reply.calls
    assert reply.state == "complete"
    assert reply.content
    if decision == "no":
        assert (made.state, site.requests) == ("declined", [])
        return
    assert (made.state, made.extension) == ("done", "web")
    assert "Lutz is the capital" in made.result
    assert len(site.requests) == 1


def test_a_page_of_a_private_machine_is_refused_and_the_model_goes_on(app: App, site: Canary) -> None:
    app.extensions.enable("web")
    app.parameters.change(EVERYWHERE, {"max_tokens": 400})
    question = f"Read the page {site.url}/page and tell me what it says."
    view = app.chat.send(None, question, None, 0, ChosenTools(("web/read_page",), "first"))
    call = waiting_call(app, view)
    assert json.loads(call.arguments)["url"]
    app.tool_replies.decide(next(iter(view.generations.values())), call.id, "always")
    reply = ended(app, view)
    assert (reply.calls[0].state, reply.state) == ("failed", "complete")
    assert reply.calls[0].error
    assert site.requests == []


FLOOD = r"""
from modules.extensions import Tool, hook

@hook
def tools():
    return [Tool("flood", "Tells everything.", {}, lambda *_: "\N{CJK UNIFIED IDEOGRAPH-5B57}" * 5_000_000, needs_approval=False)]
"""  # fmt: skip


def test_a_flood_of_rare_characters_leaves_room_for_an_answer_and_the_next_turn(app: App, tmp_path: Path) -> None:
    write_extension(tmp_path, "toolbox", FLOOD)
    app.extensions.enable("toolbox")
    app.parameters.change(EVERYWHERE, {"max_tokens": 60})
    view = app.chat.send(None, "Tell me everything.", None, 0, ChosenTools(("toolbox/flood",), "first"))
    for _ in range(3):
        reply = ended(app, view)
        assert (reply.state, reply.calls[0].state) == ("complete", "done"), reply.error
        view = app.chat.open(view.conversation.id)
        view = app.chat.send(view.conversation.id, "And more?", None, view.conversation.revision)
    ended(app, view)


def test_a_conversation_is_translated_by_the_loaded_model_itself(app: App) -> None:
    app.parameters.change(EVERYWHERE, {"max_tokens": 16})
    app.extensions.enable("translate")
    app.extensions.set_settings("translate", {"my_language": "French"})
    view = app.chat.send(None, "Quelle est la capitale de la France ?", None, 0)
    reply = ended(app, view)
    assert reply.state == "complete"
    translation, mark, original = reply.content.partition("\n\n---\n\n*Original (English):*\n\n")
    assert mark
    assert translation
    assert original
    assert app.chat.message(view.messages[0].id).content == "Quelle est la capitale de la France ?"
    assert app.extensions.faults("translate") == []
