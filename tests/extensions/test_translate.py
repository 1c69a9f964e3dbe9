"""The extension that translates: what the model reads, what the person sees, and what happens when it fails."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from modules.errors import EngineError
from modules.extensions.contracts import Button, Field, RequestContext, Text, ViewEvent
from modules.types.messages import Message
from modules.types.tools import ToolCall
from tests.extensions.scripts import Bench, bench

PAGE = RequestContext("one", "page", "starter", "llama.cpp", conversation_id="c1")


def translator(messages: Sequence[Message]) -> str:
    """A model that says which language it was asked for, and the text in capitals."""
    (message,) = messages
    order, _, text = message.content.partition("\n\n")
    return f"[{order.partition(' into ')[2].partition('.')[0]}] {text.upper()}"


def enabled(program: Bench, **settings: Any) -> None:
    program.enable("translate")
    program.extensions.set_settings("translate", {"my_language": "German", **settings})


def seen_by_model(program: Bench, *messages: Message, context: RequestContext = PAGE) -> list[str]:
    return [one.content for one in program.extensions.chain("filter_messages", messages, context)]


def kept(program: Bench, text: str, context: RequestContext = PAGE) -> str:
    return program.extensions.chain("filter_reply", text, context)


def test_both_ways_with_the_original_below(tmp_path: Path) -> None:
    with bench(tmp_path, translator) as program:
        enabled(program)
        assert seen_by_model(program, Message("user", "Hallo")) == ["[English] HALLO"]
        reply = kept(program, "Hi there.")
        assert reply == "[German] HI THERE.\n\n---\n\n*Original (English):*\n\nHi there."
        # In the next turn the model reads its own words, and nothing is translated twice.
        asked = len(program.hosts["translate"].asked)
        history = (Message("user", "Hallo"), Message("assistant", reply), Message("user", "Danke"))
        assert seen_by_model(program, *history) == ["[English] HALLO", "Hi there.", "[English] DANKE"]
        assert len(program.hosts["translate"].asked) == asked + 1
        assert program.extensions.faults("translate") == []


def test_calls_of_tools_and_their_results_go_through_as_they_are(tmp_path: Path) -> None:
    called = (
        Message("user", "Hallo"),
        Message("assistant", "I look.", (ToolCall("now", "{}", "call_1"),)),
        Message("tool", "noon", tool_call_id="call_1"),
    )
    with bench(tmp_path, translator) as program:
        enabled(program)
        seen = program.extensions.chain("filter_messages", called, PAGE)
        assert seen == (Message("user", "[English] HALLO"), *called[1:])


def test_code_and_long_texts(tmp_path: Path) -> None:
    with bench(tmp_path, translator) as program:
        enabled(program)
        code = "```python\nprint('hi')\n```"
        reply = kept(program, f"Run this:\n\n{code}\n\nDone. 42")
        assert reply.startswith(f"[German] RUN THIS:\n\n{code}\n\n[German] DONE. 42\n\n---")
        long = "".join(f"Sentence number {place} is here. " for place in range(200))
        before = len(program.hosts["translate"].asked)
        kept(program, long)
        pieces = [messages[0].content for messages in program.hosts["translate"].asked[before:]]
        assert len(pieces) > 3
        assert all(len(piece) < 1400 for piece in pieces)
        joined = " ".join(piece.partition("\n\n")[2] for piece in pieces)
        assert joined.split() == long.split()


def test_nothing_without_a_language_or_outside_chats(tmp_path: Path) -> None:
    with bench(tmp_path, translator) as program:
        program.enable("translate")
        assert seen_by_model(program, Message("user", "Hallo")) == ["Hallo"]
        assert kept(program, "Hi") == "Hi"
        program.extensions.set_settings("translate", {"my_language": "German"})
        api = RequestContext("two", "api", "starter", "llama.cpp")
        assert seen_by_model(program, Message("user", "Hallo"), context=api) == ["Hallo"]
        assert kept(program, "Hi", api) == "Hi"
        program.extensions.set_settings("translate", {"mine": False})
        assert seen_by_model(program, Message("user", "Hallo")) == ["Hallo"]
        assert kept(program, "Hi").startswith("[German] HI")


def test_a_conversation_has_its_own_switch(tmp_path: Path) -> None:
    with bench(tmp_path, translator) as program:
        enabled(program)
        (panel,) = program.given("panels")
        settings = program.extensions.settings("translate")

        def view(**event: Any) -> Sequence[Any]:
            return panel.view(ViewEvent(settings=settings, **event))

        assert isinstance(view()[0], Text)
        switch, button = view(conversation_id="c1")
        assert isinstance(switch, Field)
        assert isinstance(button, Button)
        assert switch.value is True
        switch, _ = view(conversation_id="c1", button="save", values={"on": False})
        assert switch.value is False
        assert kept(program, "Hi") == "Hi"
        other = RequestContext("two", "page", "starter", "llama.cpp", conversation_id="c2")
        assert kept(program, "Hi", other) != "Hi"
        # It is remembered.
        program.extensions.disable("translate")
        program.extensions.enable("translate")
        assert kept(program, "Hi") == "Hi"


def test_a_failure_leaves_the_original_and_is_told(tmp_path: Path) -> None:
    def failing(_messages: Sequence[Message]) -> str:
        raise EngineError("The model gave up.")

    with bench(tmp_path, failing) as program:
        enabled(program)
        assert seen_by_model(program, Message("user", "Hallo")) == ["Hallo"]
        assert kept(program, "Hi") == "Hi"
        hooks = {fault.hook: fault.sentence for fault in program.extensions.faults("translate")}
        assert set(hooks) == {"filter_messages", "filter_reply"}
        assert "The model gave up." in hooks["filter_reply"]


def test_an_empty_answer_is_a_failure(tmp_path: Path) -> None:
    with bench(tmp_path, lambda _messages: "  ") as program:
        enabled(program)
        assert kept(program, "Hi") == "Hi"
        (fault,) = program.extensions.faults("translate")
        assert "The model gave no translation into German" in fault.sentence
