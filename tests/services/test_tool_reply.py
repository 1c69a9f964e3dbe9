"""Tools in conversations: called, approved, run, refused, cancelled and kept, by scripted models and a real extension."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from modules.app import App, build_app
from modules.engines.generation import Generation
from modules.errors import NotFound
from modules.services.chat import ConversationView
from modules.services.inference import Inference
from modules.settings import Settings
from modules.types.conversation import StoredMessage
from modules.types.generation import Finished, TextDelta
from modules.types.messages import Message
from modules.types.reply_params import ReplyParams
from modules.types.tools import CallRecord, ChosenTools, Decision, ToolCall
from tests.extensions.programs import write_extension

CODE = """
import threading
import time

from modules.extensions import Tool, hook

NUMBERS = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}, "required": ["a", "b"]}
NOTHING = {"type": "object", "properties": {}}


def wait(_arguments, context):
    while not context.cancelled():
        time.sleep(0.01)
    return "cancelled"


def shout(_arguments, _context):
    raise ValueError("x" * 100_000)


def fail(_arguments, _context):
    raise ValueError("The sea is closed.")


@hook
def tools():
    return [
        Tool("add", "Adds.", NUMBERS, lambda given, _: str(given["a"] + given["b"]), needs_approval=False),
        Tool("remember", "Asks first.", NOTHING, lambda _given, context: f"kept for {context.conversation_id}"),
        Tool("fail", "Fails.", NOTHING, fail, needs_approval=False),
        Tool("junk", "Gives junk.", NOTHING, lambda *_: {"a": 1}, needs_approval=False),
        Tool("flood", "Gives much.", NOTHING, lambda *_: "x" * 100_000, needs_approval=False),
        Tool("shout", "Fails at length.", NOTHING, shout, needs_approval=False),
        Tool("crooked_text", "Gives no text.", NOTHING, lambda *_: "a\\ud800b\\0c", needs_approval=False),
        Tool("hang", "Hangs.", NOTHING, lambda *_: threading.Event().wait(), needs_approval=False, seconds=0.3),
        Tool("wait", "Waits.", NOTHING, wait, needs_approval=False),
        Tool("crooked", "Has a schema that nothing follows.", {"type": "object", "odd": 1}, wait),
    ]
"""
ALL = ("add", "remember", "fail", "junk", "flood", "shout", "crooked_text", "hang", "wait")


def call(name: str, **arguments: Any) -> ToolCall:
    return ToolCall(name, json.dumps(arguments))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_extension(tmp_path, "toolbox", CODE)
    return tmp_path


@pytest.fixture
def app(folder: Path) -> Iterator[App]:
    app = build_app(Settings(data=folder / "data", models=folder / "models", model="echo", tool_rounds=3))
    app.extensions.enable("toolbox")
    yield app
    app.close()


FILTER = """
from modules.extensions import hook

@hook
def filter_reply(text, context):
    return text.replace("secret", "***") + " (checked)"
"""


def test_a_filter_sees_what_is_kept_of_every_round(folder: Path) -> None:
    write_extension(folder, "checked", FILTER)
    script = folder / "script.json"
    steps = [{"text": "I add the secret."}, {"tool_call": {"name": "add", "arguments": {"a": 1, "b": 2}}}]
    script.write_text(json.dumps(steps))
    settings = Settings(data=folder / "data", models=folder / "models", model="echo", echo_script=script, tool_rounds=1)
    with closing(build_app(settings)) as app:
        app.extensions.enable("toolbox")
        app.extensions.enable("checked")
        view = begin(app)
        (generation_id,) = view.generations.values()
        generation = app.chat.reply(generation_id).generation
        reply = ended(app, view)
    round_text = "I add the ***. (checked)"
    assert reply.content == f"{round_text}\n\n{round_text}"
    (made,) = reply.calls
    assert (made.place, made.result) == (len(round_text), "3")
    assert reply.pieces == (round_text, made, round_text)
    assert generation.text == reply.content


class ScriptedModel:
    """Stands in for the model: what it writes in each round; `told` is what it was asked, round by round."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *rounds: list[str | ToolCall]) -> None:
        self.told: list[tuple[list[Message], ReplyParams]] = []
        self._rounds = rounds

        def chat(_: Inference, messages: Any, params: ReplyParams, *_rest: Any, **_named: Any) -> Generation:
            self.told.append((list(messages), params))
            generation = Generation()
            parts = self._rounds[min(len(self.told), len(self._rounds)) - 1]
            for part in parts:
                generation.put(TextDelta(part) if isinstance(part, str) else replace(part, id=f"c{len(self.told)}"))
            called = any(isinstance(part, ToolCall) for part in parts)
            generation.put(Finished("tool_calls" if called else "stop"))
            return generation

        monkeypatch.setattr(Inference, "chat", chat)

    @property
    def choices(self) -> list[str]:
        return [params.tools.choice if params.tools else "" for _, params in self.told]


def begin(app: App, *names: str, mode: Any = "free") -> ConversationView:
    tools = ChosenTools(tuple(f"toolbox/{name}" for name in names or ALL), mode)
    return app.chat.send(None, "go", None, 0, tools)


def ended(app: App, view: ConversationView) -> StoredMessage:
    for generation_id in view.generations.values():
        assert app.chat.reply(generation_id).saved.wait(20)
    return app.chat.message(view.messages[-1].id)


def in_state(app: App, view: ConversationView, state: str) -> CallRecord:
    """The newest call once it is in this state, in the database."""
    return until(lambda: [one for one in app.chat.message(view.messages[-1].id).calls if one.state == state])[-1]


def until(look: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 20
    while not (found := look()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def decide(app: App, view: ConversationView, decision: Decision) -> CallRecord:
    waiting = in_state(app, view, "waiting")
    (generation_id,) = view.generations.values()
    app.tool_replies.decide(generation_id, waiting.id, decision)
    return waiting


def test_no_tool_is_on_until_it_is_chosen(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    model = ScriptedModel(monkeypatch, ["hello"])
    reply = ended(app, app.chat.send(None, "go", None, 0))
    assert (reply.content, reply.calls) == ("hello", ())
    assert model.choices == [""]


def test_a_call_its_result_and_the_answer(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    model = ScriptedModel(monkeypatch, ["I add.", call("add", a=1, b=2)], ["It is 3."])
    view = begin(app)
    reply = ended(app, view)
    (made,) = reply.calls
    assert (made.state, made.result, made.extension, made.round, made.place) == ("done", "3", "toolbox", 1, 6)
    assert reply.content == "I add.\n\nIt is 3."
    assert reply.state == "complete"
    assert model.choices == ["auto", "auto"]
    made_call = ToolCall("add", '{"a": 1, "b": 2}', "c1")
    rounds = [Message("assistant", "I add.", (made_call,)), Message("tool", "3", (), "c1")]
    assert model.told[1][0] == [Message("user", "go"), *rounds]
    view = app.chat.open(view.conversation.id)
    ended(app, app.chat.send(view.conversation.id, "and?", None, view.conversation.revision))
    assert model.told[2][0] == [
        Message("user", "go"), *rounds, Message("assistant", "It is 3."), Message("user", "and?"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (call("fail"), "The sea is closed."),
        (call("junk"), "instead of str"),
        (call("hang"), "took longer than 0.3 s"),
        (call("nothing"), "There is no tool called 'nothing'"),
        (call("add", a=1), "The argument b is missing."),
        (call("add", a=1, b=1, c=1), "There is no argument called 'c'."),
        (ToolCall("add", "{broken"), "not valid JSON"),
        (ToolCall("add", "[1]"), "must be a JSON object"),
    ],
)
def test_what_goes_wrong_is_told_and_the_chat_goes_on(
    app: App, monkeypatch: pytest.MonkeyPatch, made: ToolCall, words: str
) -> None:
    model = ScriptedModel(monkeypatch, [made], ["Never mind."])
    reply = ended(app, begin(app))
    assert reply.content == "Never mind."
    assert reply.calls[0].state == "failed"
    assert words in reply.calls[0].error
    assert model.told[1][0][-1].content == f"Error: {reply.calls[0].error}"


@pytest.mark.parametrize("name", ["flood", "shout"])
def test_a_flood_is_cut_and_says_so(app: App, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    ScriptedModel(monkeypatch, [call(name)], ["Much."])
    (made,) = ended(app, begin(app)).calls
    told = made.result or made.error
    assert len(told) < 16_200
    assert told.endswith("[Cut: the result has 100,000 characters, and 16,000 of them are shown.]")


def test_what_is_no_text_reaches_the_model_as_text(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    model = ScriptedModel(monkeypatch, [call("crooked_text")], ["Hm."])
    (made,) = ended(app, begin(app)).calls
    assert made.result == model.told[1][0][-1].content == "a?b\N{REPLACEMENT CHARACTER}c"


def test_a_tool_that_nothing_can_follow_is_left_out_and_its_card_says_so(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = ScriptedModel(monkeypatch, ["hello"])
    ended(app, begin(app, "crooked", "add"))
    tools = model.told[0][1].tools
    assert tools is not None
    assert [tool.name for tool in tools.tools] == ["add"]
    assert "odd" in app.extensions.faults("toolbox")[0].sentence


@pytest.mark.parametrize(
    ("decision", "state", "told"),
    [("once", "done", "kept for"), ("always", "done", "kept for"), ("no", "declined", "declined this call")],
)
def test_a_person_decides(app: App, monkeypatch: pytest.MonkeyPatch, decision: Decision, state: str, told: str) -> None:
    model = ScriptedModel(monkeypatch, [call("remember")], ["Done."], [call("remember")], ["Again."])
    view = begin(app)
    decide(app, view, decision)
    reply = ended(app, view)
    assert (reply.calls[0].state, reply.content) == (state, "Done.")
    assert told in model.told[1][0][-1].content
    view = app.chat.open(view.conversation.id)
    view = app.chat.send(view.conversation.id, "again", None, view.conversation.revision)
    if decision != "always":
        decide(app, view, "no")
    assert ended(app, view).calls[0].state == ("done" if decision == "always" else "declined")


def test_the_programs_own_tools_are_there_like_any(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    model = ScriptedModel(monkeypatch, [call("calculator", expression="6 * 7")], ["42"])
    own = next(one for one in app.tools.available() if one.name == "calculator")
    reply = ended(app, app.chat.send(None, "go", None, 0, ChosenTools((own.id,))))
    assert (reply.calls[0].state, reply.calls[0].result) == ("done", "42")
    assert model.choices == ["auto", "auto"]


def test_an_approval_holds_for_its_conversation_alone_and_goes_with_the_tool(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    ScriptedModel(monkeypatch, [call("remember")], ["Done."])
    view = begin(app)
    decide(app, view, "always")
    ended(app, view)
    assert app.tools.chosen(view.conversation.id).always == ("toolbox/remember",)
    app.tools.choose(view.conversation.id, ChosenTools(("toolbox/add",)))
    app.tools.choose(view.conversation.id, ChosenTools(("toolbox/remember",)))
    assert app.tools.chosen(view.conversation.id).always == ()


def test_a_waiting_call_is_seen_by_whoever_opens_the_conversation(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    ScriptedModel(monkeypatch, [call("remember")], ["Done."])
    view = begin(app)
    waiting = in_state(app, view, "waiting")
    again = app.chat.open(view.conversation.id)
    assert again.messages[-1].calls == (waiting,)
    assert again.generations == view.generations
    decide(app, again, "once")
    ended(app, view)
    with pytest.raises(NotFound):
        app.tool_replies.decide(next(iter(view.generations.values())), waiting.id, "once")


@pytest.mark.parametrize("state", ["waiting", "running"])
def test_stop_ends_it_at_any_stage(app: App, monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    model = ScriptedModel(monkeypatch, ["Hm.", call("remember" if state == "waiting" else "wait")], ["Never."])
    view = begin(app)
    in_state(app, view, state)
    app.chat.stop(next(iter(view.generations.values())))
    reply = ended(app, view)
    assert (reply.state, reply.calls[0].state, reply.content) == ("stopped", "cancelled", "Hm.")
    assert len(model.told) == 1


def test_one_run_is_cancelled_and_the_chat_goes_on(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    model = ScriptedModel(monkeypatch, [call("wait")], ["Without it."])
    view = begin(app)
    running = in_state(app, view, "running")
    app.tool_replies.cancel_call(next(iter(view.generations.values())), running.id)
    reply = ended(app, view)
    assert (reply.calls[0].state, reply.content, reply.state) == ("cancelled", "Without it.", "complete")
    assert "cancelled" in model.told[1][0][-1].content


def test_after_the_last_round_the_model_must_answer(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    model = ScriptedModel(monkeypatch, ["again", call("add", a=1, b=1)])
    reply = ended(app, begin(app))
    assert model.choices == ["auto", "auto", "auto", "none"]
    assert [one.round for one in reply.calls] == [1, 2, 3]
    assert reply.state == "complete"


def test_one_call_first_then_the_answer(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    model = ScriptedModel(monkeypatch, [call("add", a=1, b=1)], ["2"])
    ended(app, begin(app, mode="first"))
    assert model.choices == ["required", "none"]


def test_a_program_that_ends_interrupts_what_waits(app: App, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second App on the same folder stands in for the start after a crash."""
    ScriptedModel(monkeypatch, ["Hm.", call("remember")], ["Done."])
    view = begin(app)
    in_state(app, view, "waiting")
    after = build_app(Settings(data=folder / "data", models=folder / "models", model="echo"))
    reply = after.chat.open(view.conversation.id).messages[-1]
    assert (reply.state, reply.calls[0].state, reply.content) == ("stopped", "interrupted", "Hm.")
    after.close()
