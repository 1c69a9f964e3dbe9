"""Forms in which scripts for text-generation-webui are written: what they import, where their files lie, who calls what."""

from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from modules.errors import BadRequest
from modules.extensions.contracts import RequestContext, Text, ViewEvent
from modules.types.messages import Message
from tests.extensions.scripts import Bench, bench

CHAT = RequestContext("one", "page", "starter", "llama.cpp", conversation_id="c1")
RAW = RequestContext("two", "notebook", "starter", "llama.cpp")


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path) as made:
        yield made


def asked(program: Bench, text: str = "Hello") -> str:
    return program.extensions.chain("filter_messages", (Message("user", text),), CHAT)[-1].content


def replied(program: Bench, text: str, context: RequestContext = CHAT) -> str:
    return program.extensions.chain("filter_reply", text, context)


def pressed(program: Bench, event: ViewEvent) -> list[Text]:
    (panel,) = program.given("panels")
    return [part for part in panel.view(event) if isinstance(part, Text)]


@pytest.mark.parametrize(
    "parameters",
    ["string, is_chat", "string, is_chat=False", "string, state, *, is_chat=False", "string, state=None, is_chat=None"],
)
def test_whether_it_is_a_chat_is_told_by_its_name(parameters: str, program: Bench) -> None:
    source = f"def output_modifier({parameters}):\n    return f'{{string}} {{is_chat!r}}'\n"
    source += f"def input_modifier({parameters}):\n    return f'{{string}} {{is_chat!r}}'\n"
    program.enable("teller", source)
    assert asked(program) == "Hello True"
    assert replied(program, "Hi") == "Hi True"
    assert program.extensions.chain("filter_prompt", "A fox", RAW) == "A fox False"
    assert replied(program, "Hi", RAW) == "Hi False"
    assert program.extensions.faults("teller") == []


def test_a_folder_may_be_called_otherwise_than_its_author_called_it(program: Bench) -> None:
    program.enable(
        "text-tools-main",
        """
        import extensions.text_tools.words as words
        from extensions.text_tools import more
        from extensions.text_tools.more import second

        def output_modifier(string):
            return f"{string} {words.first} {more.second} {second}"
        """,
        words="first = 1",
        more="second = 2",
    )
    assert replied(program, "Hi") == "Hi 1 2 2"
    with pytest.raises(BadRequest, match="extensions do not import each other"):
        program.enable(
            "other", "from extensions.text_tools.words import first\ndef output_modifier(s):\n    return s\n"
        )


@pytest.mark.parametrize("place", ["extensions/notes", "./extensions/Notes", "user_data/extensions/notes"])
def test_its_folder_is_found_where_it_lay_in_the_other_program(place: str, program: Bench) -> None:
    program.enable(
        "notes",
        f"""
        import os
        from pathlib import Path

        FOLDER = Path("{place}")
        with open("{place}/words.py") as file:
            words = file.read()
        about = "See {place}/words.py"

        def output_modifier(string):
            number = 7
            (FOLDER / "log.txt").write_text(string)
            Path(f"{place}/log-{{number}}.txt").write_text(string)
            assert os.path.isdir("{place}")
            return f"{{string}} {{words}} {{about}}"
        """,
        words="kept",
    )
    assert replied(program, "Hi") == f"Hi kept See {place}/words.py"
    assert {file.name for file in (program.own / "notes").glob("log*")} == {"log.txt", "log-7.txt"}
    assert program.extensions.faults("notes") == []


def test_what_only_controls_or_functions_without_a_caller_lead_to_is_no_reason_to_refuse(program: Bench) -> None:
    program.enable(
        "sender",
        """
        import gradio as gr
        from modules import shared
        from modules.utils import gradio

        def fill(text):
            shared.gradio["textbox"].value = text

        class Filler:
            def run(self, text):
                fill(text)

        def tokenizer_modifier(state, prompt, input_ids, input_embeds):
            return shared.tokenizer.encode(prompt), input_ids, input_embeds

        def output_modifier(string, state, is_chat=False):
            return string + "!"

        def ui():
            gr.Button("Fill").click(Filler().run, gr.Textbox(), None)
        """,
    )
    assert replied(program, "Hi") == "Hi!"
    assert program.given("panels") == []
    lines = program.hosts["sender"].lines
    assert any("script.py, line 7: `modules.shared.gradio` cannot be used" in line for line in lines)
    with pytest.raises(BadRequest, match=r"script.py, line 8: `modules.shared.tokenizer.encode` cannot be used"):
        program.enable(
            "counter",
            """
            from modules import shared

            def output_modifier(string):
                return string + str(count(string))

            def count(text):
                return len(shared.tokenizer.encode(text))
            """,
        )


def test_names_of_its_own_are_not_those_of_the_program(program: Bench) -> None:
    program.enable(
        "namesake",
        """
        from modules import chat, shared

        state = {"busy": False}
        lines = [chat.upper() for chat in ("a", "b")]

        def count(chat, shared=None):
            state["busy"] = not state["busy"]
            return chat.count("l")

        def output_modifier(string, state):
            name = shared.model_name
            if "grammar_string" in state and state["grammar_string"]:
                return "grammar"
            return f"{string} {count(string)} {lines} {name}"
        """,
    )
    assert replied(program, "lull") == "lull 3 ['A', 'B'] starter"
    assert program.extensions.faults("namesake") == []


def test_functions_may_come_from_another_file_or_a_condition(program: Bench) -> None:
    program.enable(
        "gathered",
        """
        from .words import input_modifier

        if len(input_modifier("")) >= 0:
            def output_modifier(string):
                return string + "."
        else:
            output_modifier = None
        custom_css = lambda: "p { margin: 0 }"
        custom_js = None
        """,
        words="def input_modifier(string, state=None):\n    return string * 2\n",
    )
    assert (asked(program), replied(program, "Hi")) == ("HelloHello", "Hi.")
    assert program.given("custom_css") == ["p { margin: 0 }"]
    assert program.given("custom_js") == []


def test_annotations_mean_what_they_mean_elsewhere(program: Bench) -> None:
    program.enable(
        "typed",
        """
        from __future__ import annotations

        from dataclasses import dataclass, field
        from typing import get_type_hints

        from pydantic import BaseModel

        @dataclass
        class Note:
            text: str
            words: list[str] = field(default_factory=list)

        class Notes(BaseModel):
            count: Amount

        class Amount(BaseModel):
            number: int

        Notes.model_rebuild()

        def output_modifier(string: str) -> str:
            number = Notes(count={"number": 2}).count.number
            return f"{Note(string).text} {number} {get_type_hints(Note)['text'] is str}"
        """,
    )
    assert replied(program, "Hi") == "Hi 2 True"
    assert program.extensions.faults("typed") == []


def test_keys_of_the_programs_settings_are_named(program: Bench) -> None:
    with pytest.raises(BadRequest, match=r"line 3: `modules.shared.settings\[\"preset\"\]` cannot be used"):
        program.enable(
            "asks", "import modules.shared as s\ndef output_modifier(string):\n    return s.settings['preset']\n"
        )
    program.enable(
        "careful",
        """
        from modules import shared

        shared.settings["careful-own"] = 1

        def output_modifier(string):
            key = "preset"
            if "seed" in shared.settings:
                string += shared.settings["seed"]
            string += f"{shared.settings['careful-own']}{shared.settings.get('seed', 2)}"
            return string + shared.settings[key]
        """,
    )
    assert replied(program, "Hi") == "Hi"
    (fault,) = program.extensions.faults("careful")
    assert '`modules.shared.settings["preset"]` cannot be used' in fault.sentence


def test_a_button_answers_with_a_dictionary_of_controls(program: Bench) -> None:
    program.enable(
        "board",
        """
        import gradio as gr

        def ui():
            first, second = gr.Markdown("one"), gr.Markdown("two")
            gr.Button("Swap").click(lambda: {second: "three"}, None, [first, second])
        """,
    )
    assert pressed(program, ViewEvent("control-2", {})) == [Text("one"), Text("three")]


def test_values_of_functions_are_asked_for_when_a_view_is_opened(program: Bench) -> None:
    program.enable(
        "tally",
        """
        import gradio as gr

        count = 0

        def output_modifier(string):
            global count
            count += 1
            return string

        def ui():
            gr.Markdown(lambda: f"{count} replies")
        """,
    )
    assert pressed(program, ViewEvent()) == [Text("0 replies")]
    replied(program, "Hi")
    assert pressed(program, ViewEvent()) == [Text("1 replies")]


def test_settings_beside_the_script_are_its_own(program: Bench) -> None:
    source = dedent(
        """
        import json
        import os

        FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "settings.json")
        params = {"ending": "!"}
        if os.path.exists(FILE):
            with open(FILE) as file:
                params.update(json.load(file))

        def output_modifier(string):
            with open(FILE, "w") as file:
                json.dump({"ending": params["ending"] + "!"}, file)
            return string + params["ending"]
        """
    )
    program.enable("keeper", source)
    assert replied(program, "Hi") == "Hi!"
    program.extensions.disable("keeper")
    (program.own / "keeper" / "settings.json").write_text('{"ending": "?"}')
    program.extensions.enable("keeper")
    assert replied(program, "Hi") in {"Hi?", "Hi!"}
    assert program.extensions.faults("keeper") == []
