"""Each name that scripts of text-generation-webui use: supported ones work, refused ones are named when it is enabled."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from modules.errors import BadRequest
from modules.extensions.contracts import RequestContext, ViewEvent
from modules.extensions.textgen.extension import ScriptExtension
from modules.extensions.textgen.support import SCRIPT_FUNCTIONS, SUPPORT, Support, as_markdown
from modules.paths import PROJECT
from modules.types.messages import Message
from tests.extensions.scripts import Bench, bench

CONTEXT = RequestContext("one", "page", "starter", "llama.cpp")
CONTROLS = tuple(row for row in SUPPORT if row.name.startswith("gradio."))
MODULES = tuple(row for row in SUPPORT if row.name.startswith("modules."))
STATE = tuple(row for row in SUPPORT if row.name.startswith("state["))
# How each function that is called is written, and what of it shows that it was.
FUNCTIONS = {
    "setup": "def setup():\n    made.append('called')\n",
    "ui": "import gradio as gr\ndef ui():\n    gr.Markdown('called')\n",
    "custom_css": "def custom_css():\n    return 'called'\n",
    "custom_js": "def custom_js():\n    return 'called'\n",
    "state_modifier": "def state_modifier(state):\n    made.append('called')\n    return state\n",
    "history_modifier": "def history_modifier(history):\n    made.append('called')\n    return history\n",
    "chat_input_modifier": "def chat_input_modifier(text, visible_text, state):\n    return 'called', visible_text\n",
    "input_modifier": "def input_modifier(string, state, is_chat=False):\n    return 'called'\n",
    "custom_generate_chat_prompt": "def custom_generate_chat_prompt(user_input, state, **kwargs):\n    return 'called'\n",
    "bot_prefix_modifier": "def bot_prefix_modifier(string, state):\n    return 'called'\n",
    "output_modifier": "def output_modifier(string, state, is_chat=False):\n    return string + ' called'\n",
    "custom_generate_reply": "def custom_generate_reply(question, original, state, stops, is_chat):\n    yield 'called'\n",
    "logits_processor_modifier": "def logits_processor_modifier(processors, ids):\n    processors.append('called')\n",
}
REPORT = "\nmade = []\ndef output_modifier(string, state):\n    return string + ' '.join(made)\n"


def names(rows: tuple[Support, ...]) -> list[str]:
    return [row.name for row in rows]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with bench(tmp_path_factory.mktemp("support")) as made:
        yield made


@pytest.fixture
def program(shared: Bench) -> Iterator[Bench]:
    """Without extensions; what a test enables is gone after it."""
    yield shared
    for found in shared.extensions.all():
        if not found.is_bundled:
            shared.extensions.disable(found.name)
            shutil.rmtree(found.folder)
    shared.hosts.clear()


@pytest.mark.parametrize("row", SCRIPT_FUNCTIONS, ids=names(SCRIPT_FUNCTIONS))
def test_functions(row: Support, program: Bench) -> None:
    if not row.supported:
        program.enable("one", f"def {row.name}(*arguments):\n    return arguments[0]\n{REPORT}")
        assert any(line.startswith(f"{row.name} is not called") for line in program.hosts["one"].lines)
        return
    source = FUNCTIONS[row.name]
    program.enable("one", source + ("" if "output_modifier" in source else REPORT))
    chain = program.extensions.chain
    messages = chain("filter_messages", (Message("user", "Hello"),), CONTEXT)
    seen = [one.content for one in messages]
    seen += [chain("filter_prompt", "Hello", CONTEXT), chain("filter_reply", "reply ", CONTEXT)]
    seen += program.given("custom_css") + program.given("custom_js")
    seen += [str(panel.view(ViewEvent())) for panel in program.given("panels")]
    if written := program.extensions.writer("Hello", CONTEXT):
        seen += written.item
    for processor in program.given("logits_processors", CONTEXT):
        script = ScriptExtension(Path(processor.arguments["folder"]), "one", "One")
        seen += script.logits_processor_list(None)
    assert any("called" in text for text in seen)
    assert program.extensions.faults("one") == []


@pytest.mark.parametrize("row", MODULES, ids=names(MODULES))
def test_names_of_the_program(row: Support, program: Bench) -> None:
    module, name = row.name.split(".")[1:2], row.name.split(".")[2:]
    use = ".".join([*module, *name])
    source = f"from modules import {module[0]}\n\ndef output_modifier(string):\n    made = {use}\n    return 'used'\n"
    imported = f"from modules.{module[0]} import {name[0]}\n\ndef output_modifier(string):\n    return 'used'\n"
    if row.supported:
        program.enable("one", source)
        assert program.extensions.chain("filter_reply", "", CONTEXT) == "used"
        assert program.extensions.faults("one") == []
    else:
        with pytest.raises(BadRequest) as refused:
            program.enable("one", source)
        assert f"script.py, line 4: `{row.name}` cannot be used. {row.how}" in str(refused.value)
    # What is imported and not used does no harm.
    program.enable("two", imported)
    assert program.extensions.chain("filter_reply", "", CONTEXT) == "used"


@pytest.mark.parametrize("row", STATE, ids=names(STATE))
def test_keys_of_state(row: Support, program: Bench) -> None:
    source = f"def state_modifier(state):\n    state['copy'] = {row.name}\n    return state\n"
    program.enable("one", source)
    program.extensions.chain("filter_messages", (Message("user", "Hello"),), CONTEXT)
    assert program.extensions.faults("one") == []


@pytest.mark.parametrize("row", CONTROLS, ids=names(CONTROLS))
def test_controls(row: Support, program: Bench) -> None:
    kind = row.name.partition(".")[2]
    what = {"update": "gr.update(visible=True)", "skip": "gr.skip()", "Error": "isinstance(gr.Error('x'), Exception)"}
    use = what.get(kind, f"gr.{kind}('text')" if kind in {"Info", "Warning"} else f"gr.{kind}()")
    source = f"import gradio as gr\n\ndef ui():\n    gr.Markdown('here')\n    {use}\n{REPORT}"
    program.enable("one", source)
    assert len(program.given("panels")) == int(row.supported)
    named = any(f"`{row.name}` cannot be used. {row.how}" in line for line in program.hosts["one"].lines)
    assert named is not row.supported
    # The rest of it works.
    assert program.extensions.chain("filter_reply", "reply", CONTEXT) == "reply"


def test_what_is_in_no_row_is_refused(program: Bench) -> None:
    with pytest.raises(BadRequest, match=r"`modules.shared.soft_prompt` cannot be used. It is none of the names"):
        program.enable("one", "import modules.shared\n\nprint(modules.shared.soft_prompt)\n" + REPORT)
    with pytest.raises(BadRequest, match=r"`modules.chat.\*` cannot be used"):
        program.enable("two", "from modules.chat import *\n" + REPORT)
    with pytest.raises(BadRequest, match=r"The script has no function that is called here. tokenizer_modifier"):
        program.enable("three", "def tokenizer_modifier(state, prompt, ids, embeds):\n    return prompt, ids, embeds\n")
    with pytest.raises(BadRequest, match=r"script.py is not Python"):
        program.enable("four", "def x(:\n")
    program.enable("five", "import gradio as gr\n\ndef ui():\n    gr.Sankey()\n" + REPORT)
    assert "`gradio.Sankey` cannot be used" in program.hosts["five"].lines[0]


def test_names_are_put_into_characters_texts(program: Bench) -> None:
    source = """
    from modules.chat import replace_character_names

    def output_modifier(string, state):
        return replace_character_names(string, state["name1"], state["name2"])
    """
    program.enable("one", source)
    assert program.extensions.chain("filter_reply", "{{user}} and <BOT>, {{Char}}", CONTEXT) == "You and AI, AI"


def test_the_documentation_shows_the_table() -> None:
    assert as_markdown() in (PROJECT / "extensions" / "TEXTGEN.md").read_text(encoding="utf-8")
