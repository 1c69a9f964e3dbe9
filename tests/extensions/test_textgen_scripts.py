"""Extensions of text-generation-webui, as strangers might write them, run unedited through the registry."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modules.errors import BadRequest, ExtensionFault
from modules.extensions.contracts import Button, Field, Heading, Panel, RequestContext, Tab, Text, ViewEvent
from modules.types.messages import Message
from modules.types.reply_params import ReplyParams
from modules.types.sampling import SamplingParams
from tests.extensions.scripts import Bench, bench

MESSAGES = (
    Message("system", "Be brief."),
    Message("user", "Hello"),
    Message("assistant", "Hi."),
    Message("user", "What is the capital of France?"),
)
ASKED = ReplyParams(SamplingParams(temperature=0.5, seed=7), max_tokens=50, stop=("\n\n",))
CHAT = RequestContext("one", "page", "starter", "llama.cpp", conversation_id="c1", params=ASKED)

NOTHING = ViewEvent()


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path, lambda messages: f"answer to {messages[-1].content}") as made:
        yield made


def asked(program: Bench, messages: tuple[Message, ...] = MESSAGES) -> tuple[Message, ...]:
    return program.extensions.chain("filter_messages", messages, CHAT)


def prompt(program: Bench) -> str:
    """The template here is one line for each message."""
    rendered = "".join(f"<{one.role}>{one.content}" for one in asked(program)) + "<assistant>"
    return program.extensions.chain("filter_prompt", rendered, CHAT)


def no_faults(program: Bench, name: str) -> None:
    assert program.extensions.faults(name) == []


def panel(program: Bench, hook: str = "panels") -> Panel | Tab:
    (item,) = program.given(hook)
    return item


def shown(program: Bench, event: ViewEvent = NOTHING, hook: str = "panels") -> list[Any]:
    view = panel(program, hook).view
    return program.extensions.call("x", "panel", view, event, seconds=5, returns=list)


def test_a_reply_is_changed_by_the_oldest_form(program: Bench) -> None:
    program.enable("shout", "def output_modifier(string):\n    return string.upper()\n")
    assert program.extensions.chain("filter_reply", "Paris.", CHAT) == "PARIS."
    no_faults(program, "shout")


def test_input_and_state_reach_older_and_newer_forms(program: Bench) -> None:
    program.enable(
        "very-polite",
        """
        params = {
            "display_name": "Politeness",
            "is_tab": False,
            "activate": True,
            "suffix": "please",
        }

        def input_modifier(string, state, is_chat=False):
            if not params["activate"] or not is_chat:
                return string
            return f"{string} ({params['suffix']}, {state['name1']}, {state['temperature']})"

        def output_modifier(string, state, is_chat=False):
            return string + f" [{state['unique_id']}, {is_chat}]"
        """,
    )
    assert asked(program)[-1].content == "What is the capital of France? (please, You, 0.5)"
    assert asked(program)[:-1] == MESSAGES[:-1]
    assert program.extensions.chain("filter_reply", "Paris.", CHAT) == "Paris. [c1, True]"
    program.extensions.set_settings("very-polite", {"suffix": "now"})
    assert "(now, " in asked(program)[-1].content
    program.extensions.set_settings("very-polite", {"very_polite-activate": False})
    assert asked(program) == MESSAGES
    no_faults(program, "very-polite")


def test_knobs_are_read_and_changed_through_state(program: Bench) -> None:
    program.enable(
        "cooler",
        """
        import random

        def state_modifier(state):
            assert state["seed"] == 7 and state["max_new_tokens"] == 50
            assert state.get("grammar_string") is None
            state["my_own_key"] = 3
            state["temperature"] = state["temperature"] / 2
            state["seed"] = -1
            state["max_new_tokens"] = 0
            state["custom_stopping_strings"] += ', "END"'
            state["context"] += f" Turn {len(state['history']['internal'])}, {state['my_own_key']}."
            return state
        """,
    )
    assert asked(program)[0] == Message("system", "Be brief. Turn 1, 3.")
    changed = program.extensions.chain("filter_request", ASKED, CHAT)
    assert (changed.sampling.temperature, changed.sampling.seed) == (0.25, None)
    assert (changed.max_tokens, changed.stop) == (None, ("\n\n", "END"))
    no_faults(program, "cooler")


def test_history_is_cut_for_the_model(program: Bench) -> None:
    program.enable(
        "forgetful",
        """
        import copy

        def history_modifier(history):
            history = copy.deepcopy(history)
            history["internal"] = history["internal"][-1:]
            history["visible"] = history["visible"][-1:]
            return history

        def chat_input_modifier(text, visible_text, state):
            return text.replace("France", "Spain"), visible_text
        """,
    )
    long = (Message("user", "a"), Message("assistant", "b"), *MESSAGES[1:])
    assert [one.content for one in asked(program, long)] == ["Hello", "Hi.", "What is the capital of Spain?"]
    no_faults(program, "forgetful")


def test_what_was_not_changed_keeps_calls_of_tools(program: Bench) -> None:
    program.enable("plain", "def input_modifier(string):\n    return string + '!'\n")
    with_tool = (Message("user", "a"), Message("assistant", ""), Message("tool", "42"), Message("assistant", "b"))
    assert asked(program, (*with_tool, Message("user", "c"))) == (*with_tool, Message("user", "c!"))
    assert asked(program, with_tool) == with_tool


def test_a_prompt_is_made_around_the_usual_one(program: Bench) -> None:
    program.enable(
        "memory",
        """
        from modules import chat, shared
        from modules.logging_colors import logger

        notes = ["Lyon is a city."]

        def custom_generate_chat_prompt(user_input, state, **kwargs):
            logger.info("model: " + shared.model_name)
            found = [note for note in notes if "France" in user_input]
            user_input = "Notes: " + " ".join(found) + "\\n" + user_input
            return chat.generate_chat_prompt(user_input, state, **kwargs) + "Well, "
        """,
    )
    assert prompt(program) == (
        "<system>Be brief.<user>Hello<assistant>Hi.<user>Notes: Lyon is a city.\nWhat is the capital of France?"
        "<assistant>Well, "
    )
    assert program.hosts["memory"].lines == ["info: model: starter"]
    no_faults(program, "memory")


def test_a_prompt_is_made_whole(program: Bench) -> None:
    program.enable(
        "transcript",
        """
        def custom_generate_chat_prompt(user_input, state, **kwargs):
            rows = [state["context"]]
            for person, model in kwargs["history"]["internal"]:
                rows.append(f"{state['name1']}: {person}")
                rows.append(f"{state['name2']}: {model}")
            rows.append(f"{state['name1']}: {user_input}")
            rows.append(f"{state['name2']}:")
            return "\\n".join(rows)
        """,
    )
    assert prompt(program) == "Be brief.\nYou: Hello\nAI: Hi.\nYou: What is the capital of France?\nAI:"
    no_faults(program, "transcript")


def test_the_beginning_of_a_reply_is_unseen(program: Bench) -> None:
    program.enable(
        "mood",
        """
        import gradio as gr

        params = {"activate": True, "bias string": "*I feel calm*"}

        def bot_prefix_modifier(string, state):
            if params["activate"]:
                return f"{string} {params['bias string'].strip()} "
            return string

        def ui():
            activate = gr.Checkbox(value=params["activate"], label="Activate mood")
            text = gr.Textbox(value=params["bias string"], label="Mood")
            activate.change(lambda x: params.update({"activate": x}), activate, None)
            text.change(lambda x: params.update({"bias string": x}), text, None)
        """,
    )
    assert prompt(program).endswith("<assistant> *I feel calm* ")
    parts = shown(program, ViewEvent("apply", {"control-0": True, "control-1": "*I am angry*"}))
    assert parts == [
        Field("control-0", "Activate mood", "switch", True),
        Field("control-1", "Mood", "text", "*I am angry*"),
        Button("apply", "Apply", is_main=True),
    ]
    assert prompt(program).endswith("<assistant> *I am angry* ")
    # What was changed on the panel is there after a start, until the settings are changed.
    program.extensions.disable("mood")
    program.extensions.enable("mood")
    assert prompt(program).endswith("<assistant> *I am angry* ")
    program.extensions.set_settings("mood", {"bias string": "*I sing*"})
    assert prompt(program).endswith("<assistant> *I sing* ")
    no_faults(program, "mood")


def test_a_tab_with_all_simple_controls(program: Bench) -> None:
    program.enable(
        "dials",
        """
        import gradio as gr
        from modules import ui as program_ui
        from .words import greeting
        import extensions.dials.words as words

        params = {"display_name": "Dials", "is_tab": True, "amount": 3, "style": "formal", "count": 0}
        assert words.greeting is greeting

        def setup():
            params["count"] = 10

        def add(count, style):
            params["count"] = count + 1
            return params["count"], gr.update(choices=["formal", "casual", "odd"], value="odd")

        def ui():
            with gr.Accordion("Numbers", open=False):
                with gr.Row():
                    amount = gr.Slider(1, 5, value=params["amount"], step=1, label="Amount")
                    total = gr.Number(label="Total", value=lambda: params["count"], precision=0)
            style = gr.Dropdown(choices=["formal", "casual"], value=params["style"], label="Style", elem_id="x")
            kind = gr.Radio([("one", 1), ("two", 2)], value=2, label="Kind")
            secret = gr.Textbox(label="Key", type="password", info="From their page")
            notes = gr.Textbox(label="Notes", lines=4, visible=False)
            gr.Markdown("*" + greeting() + "*")
            hidden = gr.State({"a": 1})
            button = gr.Button("Add one", variant="primary")
            amount.release(lambda x: params.update({"amount": x}), amount, None)
            button.click(add, [total, style], [total, style]).then(
                lambda: gr.update(visible=True), None, notes
            )
        """,
        words="def greeting():\n    return 'Good day'\n",
    )
    first = shown(program, hook="tabs")
    assert panel(program, "tabs").title == "Dials"
    assert first == [
        Heading("Numbers"),
        Field("control-2", "Amount", "number", 3, help="From 1 to 5."),
        Field("control-3", "Total", "number", 10),
        Field("control-4", "Style", "choice", "formal", ("formal", "casual")),
        Field("control-5", "Kind", "choice", "two", ("one", "two")),
        Field("control-6", "Key", "secret", None, help="From their page"),
        Text("*Good day*"),
        Button("control-10", "Add one"),
        Button("apply", "Apply", is_main=True),
    ]
    event = ViewEvent("control-10", {"control-2": 9.0, "control-3": "41", "control-4": "casual"})
    after = shown(program, event, hook="tabs")
    assert after[0] == Text("Amount: It must be from 1 to 5.")
    assert Field("control-3", "Total", "number", 42) in after
    assert Field("control-4", "Style", "choice", "odd", ("formal", "casual", "odd")) in after
    assert Field("control-7", "Notes", "lines", None) in after
    no_faults(program, "dials")


def test_styles_scripts_and_a_button_that_asks_the_model(program: Bench) -> None:
    program.enable(
        "asker",
        """
        import gradio as gr
        from modules.text_generation import generate_reply

        def custom_css():
            return ".asker { color: red }"

        def custom_js():
            return "console.log('asker')"

        def ask(question):
            if not question:
                raise gr.Error("Write a question first.")
            reply = ""
            for reply in generate_reply(question, {"max_new_tokens": 20}, stopping_strings=[]):
                yield reply
            gr.Info("answered")

        def ui():
            question = gr.Textbox(label="Question")
            answer = gr.Markdown()
            gr.Button("Ask").click(ask, question, answer)
        """,
    )
    assert program.given("custom_css") == [".asker { color: red }"]
    assert program.given("custom_js") == ["console.log('asker')"]
    with pytest.raises(ExtensionFault, match="Write a question first"):
        shown(program, ViewEvent("control-2", {"control-0": ""}))
    assert Text("answer to Why?") in shown(program, ViewEvent("control-2", {"control-0": "Why?"}))
    assert program.hosts["asker"].lines == ["answered"]
    no_faults(program, "asker")


def test_a_whole_prompt_of_the_notebook(program: Bench) -> None:
    program.enable(
        "raw",
        """
        def input_modifier(string, state, is_chat=False):
            return string if is_chat else "Once upon a time. " + string

        def state_modifier(state):
            state["top_k"] = 1
            return state

        def output_modifier(string, state, is_chat=False):
            return string.strip() if not is_chat else string
        """,
    )
    note = RequestContext("two", "notebook", "starter", "llama.cpp", params=ASKED)
    assert program.extensions.chain("filter_request", ASKED, note).sampling.top_k == 1
    assert program.extensions.chain("filter_prompt", "A fox", note) == "Once upon a time. A fox"
    assert program.extensions.chain("filter_reply", " ran. ", note) == "ran."


def test_what_a_script_returns_wrongly_is_its_fault_alone(program: Bench) -> None:
    program.enable("broken", "def input_modifier(string, state):\n    return None\n")
    assert asked(program) == MESSAGES
    assert prompt(program).startswith("<system>Be brief.<user>Hello")
    (fault, *_) = program.extensions.faults("broken")
    assert "input_modifier returned NoneType instead of str" in fault.sentence


def test_an_unknown_key_of_state_is_named(program: Bench) -> None:
    with pytest.raises(BadRequest, match=r"script.py, line 2: `state\[\"grammar_string\"\]` cannot be used"):
        program.enable("keys", "def state_modifier(state):\n    return state['grammar_string']\n")


def test_names_of_the_other_program_stay_within_the_script(program: Bench) -> None:
    before = set(sys.modules)
    program.enable(
        "namer",
        """
        import modules.shared as shared
        import modules.chat
        import gradio as gr

        def output_modifier(string):
            return str(hasattr(shared, "model_name")) + str(callable(modules.chat.generate_chat_prompt))
        """,
    )
    assert program.extensions.chain("filter_reply", "", CHAT) == "TrueTrue"
    new = set(sys.modules) - before
    assert not {name for name in new if name.startswith(("modules.shared", "modules.chat", "gradio", "script"))}
