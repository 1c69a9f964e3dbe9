"""What extensions may do to replies, and what becomes of that when they are enabled, disabled or fail meanwhile."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest

from modules.app import App
from modules.errors import BadRequest, ExtensionFault, NotFound
from modules.extension_packages import package_name
from modules.extensions import builtin
from modules.extensions.budgets import Budgets
from modules.extensions.contracts import ToolContext
from modules.extensions.folders import BUILTIN
from modules.extensions.hooks import hook
from modules.services.request_hooks import RequestSource
from modules.types.generation import Finished, TextDelta
from modules.types.messages import Message
from modules.types.reply_params import ReplyParams
from tests.extensions.programs import ASKED, begin, program, reply, slow_script, wait_until, write_extension

LOUD = """
from dataclasses import replace
from modules.extensions import hook
from pydantic import BaseModel, Field

class Settings(BaseModel):
    ending: str = Field(default="!", max_length=3)

@hook
def settings_model():
    return Settings

@hook
def filter_messages(messages):
    return (*messages[:-1], replace(messages[-1], content=messages[-1].content + " five"))

class Upper:
    def __init__(self, ending):
        self.ending = ending
    def feed(self, text):
        return text.upper()
    def end(self):
        return self.ending

@hook
def stream_transformer(context):
    return Upper(context.settings.ending)

@hook
def filter_reply(text):
    return text + "?"
"""
FAILING = """
from modules.extensions import hook

@hook
def filter_reply(text):
    raise RuntimeError("out of ideas")
"""


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    with program(tmp_path) as app:
        yield app


def test_filters_transformers_and_settings_change_a_reply(app: App, tmp_path: Path) -> None:
    write_extension(tmp_path, "loud", LOUD)
    assert reply(app) == ASKED
    card = app.extensions.enable("loud")
    assert card.state == "enabled"
    assert reply(app) == "ONE TWO THREE FOUR FIVE!?"
    app.extensions.set_settings("loud", {"ending": "..."})
    assert reply(app) == "ONE TWO THREE FOUR FIVE...?"
    with pytest.raises(BadRequest) as caught:
        app.extensions.set_settings("loud", {"ending": "too long"})
    assert caught.value.field == "ending"
    app.extensions.disable("loud")
    assert reply(app) == ASKED


def test_settings_and_order_outlive_the_program(tmp_path: Path) -> None:
    write_extension(tmp_path, "loud", LOUD)
    write_extension(
        tmp_path,
        "after",
        LOUD.replace('+ "?"', '+ "#"')
        .replace("def stream_transformer", "def unused")
        .replace("@hook\ndef unused", "def unused"),
    )
    with program(tmp_path) as app:
        app.extensions.enable("loud")
        app.extensions.enable("after")
        app.extensions.set_settings("loud", {"ending": ";"})
        first = reply(app)
        assert first.endswith(";?#")
    with program(tmp_path) as app:
        assert reply(app) == first


def test_requests_of_the_program_and_of_extensions_are_not_changed(app: App, tmp_path: Path) -> None:
    write_extension(tmp_path, "loud", LOUD)
    app.extensions.enable("loud")
    for asked_by in (None, RequestSource("extension")):
        generation = app.inference.chat([Message("user", ASKED)], ReplyParams(), asked_by=asked_by)
        list(generation)
        assert generation.text == ASKED


def test_three_faults_switch_one_hook_off_until_it_is_enabled_again(app: App, tmp_path: Path) -> None:
    write_extension(tmp_path, "failing", FAILING)
    app.extensions.enable("failing")
    for _ in range(5):
        assert reply(app) == ASKED
    faults = app.extensions.faults("failing")
    assert len(faults) == 3
    assert "RuntimeError: out of ideas" in faults[0].sentence
    assert "main.py, line 6" in faults[0].sentence
    assert any("not called any more" in line for line in app.extensions.log("failing"))
    app.extensions.enable("failing")
    assert app.extensions.faults("failing") == []
    reply(app)
    assert len(app.extensions.faults("failing")) == 1


def test_an_extension_that_leaves_calls_behind_is_switched_off(app: App, tmp_path: Path) -> None:
    hooks = ("filter_messages", "filter_prompt", "filter_reply")
    code = "\n".join(f"@hook\ndef {name}():\n    time.sleep(60)" for name in hooks)
    write_extension(tmp_path, "asleep", f"import time\nfrom modules.extensions import hook\n{code}\n")
    app.extensions.enable("asleep")
    assert reply(app) == ASKED
    card = app.extensions.find("asleep")
    assert card.state == "failed"
    assert "never returned" in card.fault


def test_a_loop_without_an_end_is_ended_once_it_is_given_up(app: App, tmp_path: Path) -> None:
    code = "from modules.extensions import hook\n@hook\ndef filter_reply(text):\n    while True:\n        pass\n"
    write_extension(tmp_path, "spinning", code)
    app.extensions.enable("spinning")
    for _ in range(3):
        assert reply(app) == ASKED
    assert [fault.hook for fault in app.extensions.faults("spinning")] == ["filter_reply"] * 3
    module = package_name("spinning")
    assert wait_until(lambda: not any(is_in(frame, module) for frame in sys._current_frames().values()))
    # Threads that came back so are used again.
    assert reply(app) == ASKED


def is_in(frame: FrameType | None, module: str) -> bool:
    """Whether a thread is in code of this module, or of what that has called."""
    return frame is not None and (module in frame.f_globals.get("__name__", "") or is_in(frame.f_back, module))


def test_enabled_and_disabled_while_a_reply_streams(tmp_path: Path) -> None:
    write_extension(tmp_path, "loud", LOUD)
    with program(tmp_path, script=slow_script(tmp_path, 12, 100)) as app:
        app.models.load("echo").result.result()
        before = begin(app)
        assert wait_until(lambda: "word1 " in before.text)
        app.extensions.enable("loud")
        during = begin(app)
        assert wait_until(lambda: "WORD1 " in during.text)
        app.extensions.disable("loud")
        after = begin(app)
        for generation in (before, during, after):
            list(generation)
            assert isinstance(generation.end, Finished)
    whole = "".join(f"word{place} " for place in range(12))
    assert before.text == after.text == whole
    # What was held back comes when it is disabled, and the rest as the model writes it.
    assert during.text.replace("!", "").lower() == whole
    assert during.text.startswith("WORD0 WORD1 ")
    assert during.text.endswith("word11 ")
    assert during.text.count("!") == 1


HOLDING = """
from modules.extensions import hook

class Holding:
    def __init__(self):
        self.held = ""
    def feed(self, text):
        self.held += text
        if "three" in self.held:
            raise RuntimeError("cannot hold that")
        return ""
    def end(self):
        return self.held

@hook
def stream_transformer():
    return Holding()
"""


def test_what_a_failing_transformer_only_held_back_is_not_lost(app: App, tmp_path: Path) -> None:
    write_extension(tmp_path, "holding", HOLDING)
    app.extensions.enable("holding")
    generation = begin(app)
    list(generation)
    assert generation.text == ASKED
    assert isinstance(generation.end, Finished)
    assert "holding failed in this reply" in generation.end.notes[0].text


def test_a_stopped_reply_ends_its_transformers(tmp_path: Path) -> None:
    write_extension(tmp_path, "loud", LOUD)
    with program(tmp_path, script=slow_script(tmp_path, 100, 100)) as app:
        app.extensions.enable("loud")
        generation = begin(app)
        assert wait_until(lambda: "WORD1 " in generation.text, 20)
        started = time.monotonic()
        generation.cancel()
        list(generation)
        assert time.monotonic() - started < 3
        assert isinstance(generation.end, Finished)
        assert generation.end.reason == "cancelled"
        written = "".join(event.text for event in generation.events if isinstance(event, TextDelta))
        assert written.endswith("!")


def test_a_request_that_cannot_be_asked_any_more_is_asked_as_it_was(app: App, tmp_path: Path) -> None:
    write_extension(
        tmp_path,
        "greedy",
        """
        from dataclasses import replace
        from modules.extensions import Constraint, hook

        @hook
        def filter_request(params):
            return replace(params, constraint=Constraint("regex", "a+"))
        """,
    )
    app.extensions.enable("greedy")
    generation = begin(app)
    list(generation)
    assert generation.text == ASKED
    assert isinstance(generation.end, Finished)
    assert "greedy" in generation.end.notes[0].text
    assert app.extensions.faults("greedy")[0].hook == "filter_request"


def test_what_an_extension_gave_is_called_behind_the_guard(app: App, tmp_path: Path) -> None:
    write_extension(tmp_path, "failing", FAILING)
    app.extensions.enable("failing")

    def call(function: object, seconds: float = 0.2) -> object:
        assert callable(function)
        return app.extensions.call("failing", "view", function, seconds=seconds, returns=str)

    assert call(lambda: "fine") == "fine"
    with pytest.raises(ExtensionFault, match="None instead of str"):
        call(lambda: None)
    with pytest.raises(ExtensionFault, match="took longer than"):
        call(lambda: time.sleep(30))
    with pytest.raises(ExtensionFault, match="SystemExit"):
        call(lambda: (_ for _ in ()).throw(SystemExit(1)))
    with pytest.raises(ExtensionFault, match="failed too often"):
        call(lambda: "fine")


@pytest.mark.parametrize(
    ("tool", "words"),
    [
        ('Tool("größe", "", {}, str)', "a Tool called 'größe'; 1 to 64 letters, digits, dots, - and _ can be used."),
        ('Tool(None, "", {}, str)', "a Tool called 'None'"),
        ('Tool("x", None, {}, str)', "a Tool with None where a text belongs"),
        (r'Tool("x", "\ud800", {}, str)', "half of a surrogate pair"),
        ('Tool("x", "", [1], str)', "a Tool with a list as its parameters"),
        ('Tool("x", "", {}, str, seconds="long")', "a Tool that may take 'long' seconds"),
    ],
)
def test_a_tool_that_models_cannot_be_told_of_is_named_on_the_card(
    app: App, tmp_path: Path, tool: str, words: str
) -> None:
    code = f"from modules.extensions import Tool, hook\n\n@hook\ndef tools():\n    return [{tool}]\n"
    write_extension(tmp_path, "crooked", code)
    app.extensions.enable("crooked")
    assert "crooked" not in {given.extension for given in app.extensions.collect("tools")}
    assert words in app.extensions.faults("crooked")[-1].sentence


def test_names_that_count_once_and_folders_that_are_none(app: App, tmp_path: Path) -> None:
    write_extension(tmp_path, "loud", LOUD)
    (tmp_path / "data" / "extensions" / "empty").mkdir()
    write_extension(tmp_path, "parlor", LOUD)
    write_extension(tmp_path, "other", LOUD)
    (tmp_path / "data" / "extensions" / "other").rename(tmp_path / "data" / "extensions" / "renamed")
    cards = {card.name: card for card in app.extensions.all()}
    assert cards["loud"].fault == ""
    for name in ("empty", "parlor", "renamed"):
        assert cards[name].fault
        with pytest.raises(BadRequest):
            app.extensions.enable(name)
    with pytest.raises(NotFound):
        app.extensions.find("nowhere")


def test_a_disabled_extension_leaves_no_module_behind(app: App, tmp_path: Path) -> None:
    import sys

    write_extension(
        tmp_path,
        "with-parts",
        "from . import part\nfrom modules.extensions import hook\n"
        "@hook\ndef filter_reply(text): return text + part.MORE",
    )
    folder = tmp_path / "data" / "extensions" / "with-parts"
    (folder / "part.py").write_text("MORE = ' once'")
    app.extensions.enable("with-parts")
    assert reply(app) == f"{ASKED} once"
    (folder / "part.py").write_text("MORE = ' twice'")
    app.extensions.disable("with-parts")
    assert [name for name in sys.modules if name.startswith("parlor_extension_with_parts")] == []
    app.extensions.enable("with-parts")
    assert reply(app) == f"{ASKED} twice"
    assert not list(folder.rglob("__pycache__"))


def test_requirements_of_an_extension_are_its_own(app: App, tmp_path: Path) -> None:
    write_extension(
        tmp_path,
        "needs",
        "import only_for_needs\nfrom modules.extensions import hook\n"
        "@hook\ndef filter_reply(text): return only_for_needs.SAID",
    )
    package = tmp_path / "data" / "extensions" / "needs" / ".packages" / "only_for_needs"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("SAID = 'mine'")
    app.extensions.enable("needs")
    assert reply(app) == "mine"
    app.extensions.disable("needs")
    with pytest.raises(ImportError):
        __import__("only_for_needs")


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("(3 + 4) * 2.5", "17.5"),
        ("2 ^ 10", "1024"),
        ("sqrt(2) ** 2", "2"),
        ("-7 // 2", "-4"),
        ("max(1, 2, pi)", "3.14159265359"),
    ],
)
def test_the_calculator(app: App, expression: str, result: str) -> None:
    tools = {given.item.name: given.item for given in app.extensions.collect("tools")}
    assert tools["calculator"].run({"expression": expression}, ToolContext(None)) == result
    assert str(time.localtime().tm_year) in tools["clock"].run({}, ToolContext(None))


@pytest.mark.parametrize(
    "expression",
    [
        "9 ** 9 ** 9",
        "1 / 0",
        "__import__('os')",
        "(lambda: 1)()",
        "'a' * 3",
        "True + 1",
        "(-1) ** 0.5",
        "1 +",
        "x",
        "[1]",
        "9" * 500,
    ],
)
def test_what_the_calculator_refuses(app: App, expression: str) -> None:
    tools = {given.item.name: given.item for given in app.extensions.collect("tools")}
    with pytest.raises(ValueError, match=r"\w+"):
        tools["calculator"].run({"expression": expression}, ToolContext(None))


def test_the_programs_own_tools_are_not_lost_when_the_machine_stands_still(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = builtin.tools

    def slow() -> object:
        time.sleep(0.3)
        return own()

    monkeypatch.setattr(builtin, "tools", hook(slow))
    with program(tmp_path, Budgets(collect=0.1)) as app:
        assert {one.extension for one in app.extensions.collect("tools")} == {BUILTIN}
        assert app.extensions.faults(BUILTIN) == []
