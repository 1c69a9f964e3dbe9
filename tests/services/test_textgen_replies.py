"""Scripts of text-generation-webui in the whole program: what a model reads and answers with one of them enabled."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from modules.app import App, build_app
from modules.services.request_hooks import RequestSource
from modules.settings import Settings
from modules.types.generation import Failed, Finished, TextDelta
from modules.types.messages import Message
from modules.types.reply_params import ReplyParams
from modules.types.sampling import SamplingParams
from tests.engines.tiny_models import make_folder, tokens_of, words
from tests.extensions.scripts import write_script

PAGE = RequestSource("page", "c1")


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    """Its model repeats what it reads."""
    app = build_app(Settings(data=tmp_path / "data", models=tmp_path / "models", model="echo"))
    yield app
    app.close()


def enable(app: App, name: str, source: str) -> None:
    write_script(app.paths.own_extensions, name, source)
    app.extensions.enable(name)


def reply(app: App, text: str) -> tuple[str, list[str], Finished | Failed | None]:
    """(what is kept, the pieces that came, the end)."""
    generation = app.inference.chat([Message("user", text)], ReplyParams(), "echo", asked_by=PAGE)
    pieces = [event.text for event in generation if isinstance(event, TextDelta)]
    return generation.text, pieces, generation.end


def test_a_conversation_with_a_script(app: App) -> None:
    enable(
        app,
        "whole",
        """
        params = {"activate": True}

        def state_modifier(state):
            state["custom_stopping_strings"] = '"STOP"'
            return state

        def input_modifier(string, state, is_chat=False):
            return string + " there" if params["activate"] else string

        def bot_prefix_modifier(string, state):
            return " (calmly) STOP never"

        def output_modifier(string, state, is_chat=False):
            return string.upper() + "!"
        """,
    )
    view = app.chat.send(None, "Hello", "echo", 0)
    for generation in view.generations.values():
        list(app.chat.reply(generation).generation)
    app.chat.close()
    person, answer = app.chat.open(view.conversation.id).messages
    assert person.content == "Hello"
    assert answer.content == "HELLO THERE (CALMLY) !"
    assert app.extensions.faults("whole") == []


def test_a_script_writes_the_reply(app: App) -> None:
    enable(
        app,
        "parrot",
        """
        import modules.shared as shared

        def custom_generate_reply(question, original_question, state, stopping_strings, is_chat):
            said = ""
            for word in ("You", " said: ", question, " to ", shared.model_name):
                said += word
                yield said

        def output_modifier(string):
            return string + "."
        """,
    )
    text, pieces, end = reply(app, "Good day")
    assert text == "You said: Good day to echo."
    assert pieces == ["You", " said: ", "Good day", " to ", "echo"]
    assert isinstance(end, Finished)
    assert end.reason == "stop"
    app.extensions.disable("parrot")
    assert reply(app, "Good day")[0] == "Good day"


def test_a_script_that_cannot_write_leaves_it_to_the_model(app: App) -> None:
    enable(app, "mute", "def custom_generate_reply(question, original, state, stops):\n    yield 1 / 0\n")
    assert reply(app, "Good day")[0] == "Good day"
    assert "ZeroDivisionError" in app.extensions.faults("mute")[0].sentence


def test_what_a_script_takes_back_ends_the_reply(app: App) -> None:
    enable(
        app,
        "fickle",
        "def custom_generate_reply(question, original, state, stops):\n    yield 'One'\n    yield 'Two'\n",
    )
    text, _, end = reply(app, "Good day")
    assert text == "One"
    assert isinstance(end, Failed)
    assert "changed what it had written" in end.message


def test_a_reply_that_never_ends_is_stopped(app: App) -> None:
    enable(
        app,
        "endless",
        """
        def custom_generate_reply(question, original, state, stops):
            said = ""
            while True:
                said += "a"
                yield said
        """,
    )
    generation = app.inference.chat([Message("user", "Go")], ReplyParams(), "echo", asked_by=PAGE)
    for count, _ in enumerate(generation):
        if count == 20:
            generation.cancel()
    assert isinstance(generation.end, Finished)
    assert generation.end.reason == "cancelled"


def test_logits_processors_run_beside_the_model(tmp_path: Path) -> None:
    make_folder(tmp_path / "models" / "tiny", "llama")
    app = build_app(Settings(data=tmp_path / "data", models=tmp_path / "models"))
    try:
        enable(
            app,
            "only",
            """
            import torch

            params = {"token": 42}
            loaded = {"by": "import"}

            def setup():
                loaded["by"] = "setup"

            class Only:
                def __call__(self, input_ids, scores):
                    kept = torch.full_like(scores, -float("inf"))
                    kept[:, params["token"]] = 0
                    return kept

            def logits_processor_modifier(processor_list, input_ids):
                if loaded["by"] == "setup" and input_ids.shape[-1] == 3:
                    processor_list.append(Only())
            """,
        )
        app.models.load("tiny", options={"dtype": "float32", "threads": 1}).result.result(120)
        asked = ReplyParams(SamplingParams(temperature=0, ignore_eos=True), max_tokens=4)
        for token in (42, 43):
            app.extensions.set_settings("only", {"token": token})
            generation = app.inference.complete(words([5, 6, 7]), asked, "tiny", asked_by=RequestSource("notebook"))
            list(generation)
            assert tokens_of(generation.text) == [token] * 4
        assert app.extensions.faults("only") == []
    finally:
        app.close()
