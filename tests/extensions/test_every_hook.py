"""Every hook has a contract, a line in the authors' guide, and a place in the example that really is called."""

import re
from pathlib import Path
from threading import Event as Flag
from typing import Any

import pytest
import torch

from modules.engines.protocol import EngineOptions
from modules.extensions import LogitsProcessor, RequestContext
from modules.extensions.hooks import OBSERVERS, Hooks
from modules.extensions.plugins import Plugin
from modules.extensions.testing import Trial, tried, wait_until
from modules.paths import PROJECT
from modules.types.generation import Event, Finished, GenerationRequest, TextDelta
from modules.types.jobs import Job
from modules.types.local_model import LocalModel
from modules.types.messages import Message
from modules.types.reply_params import ReplyParams

EXAMPLE = PROJECT / "extensions" / "example"
GUIDE = (PROJECT / "extensions" / "README.md").read_text(encoding="utf-8")
HOOKS = tuple(name for name in vars(Hooks) if not name.startswith("_"))
FILTERED: dict[str, Any] = {
    "filter_messages": (Message("user", "WHAT?"),),
    "filter_prompt": "a \nb",
    "filter_request": ReplyParams(),
    "filter_reply": "a\n\n\n\nb",
}
GIVEN = ("tools", "tabs", "panels", "routes", "commands", "document_readers", "embedding_models", "logits_processors")


@pytest.mark.parametrize("hook", HOOKS)
def test_each_hook_is_documented(hook: str) -> None:
    assert Hooks.__dict__[hook].__doc__
    [line] = re.findall(rf"^\| `{hook}` \| .+ \| .+ \|$", GUIDE, re.MULTILINE)
    assert line.count("|") == 4, "what it is for, and a line that uses it"


def test_the_example_is_short() -> None:
    assert len((EXAMPLE / "main.py").read_text().splitlines()) < 150


def test_the_example_exercises_each_hook(monkeypatch: pytest.MonkeyPatch) -> None:
    called: set[str] = set()
    invoke = Plugin.invoke

    def noted(plugin: Plugin, hook: str, **arguments: Any) -> Any:
        if plugin.name == "example":
            called.add(hook)
        return invoke(plugin, hook, **arguments)

    monkeypatch.setattr(Plugin, "invoke", noted)
    with tried(EXAMPLE) as example:
        example.set({"banned_token": 7, "longest": 9, "wrap": True})
        assert all(example.filter(hook, value) != value for hook, value in FILTERED.items())
        assert example.extensions.writer("a", example.context()) is None
        example.set({"recites": "One two."})
        written = example.extensions.writer("a", example.context())
        assert written is not None
        assert list(written.item) == ["One ", "two."]
        assert example.stream(["-", "-"]) == "\u2013"
        assert all(len(example.given(hook)) == 1 for hook in GIVEN)
        assert all("pre" in example.given(hook)[0] for hook in ("custom_css", "custom_js"))
        assert example.extensions.kinds.named("recite").formats == ("echo",)
        happen(example)
        assert counted(example) == {
            "a model was loaded, on echo",
            "A model was asked, by way of: page",
            "A reply ended: stop",
            "A conversation was saved",
            "A job ended: done",
        }
        example.extensions.disable("example")
        assert (example.host.data / "words.json").read_text() == '{"a model":3}'.replace(":", ": ")
        assert not example.faults
    assert sorted(called) == sorted(HOOKS)


def happen(example: Trial) -> None:
    """All that observers are told, but for the two that enabling and disabling tells."""
    context: RequestContext = example.context()
    tell = example.extensions.notify
    tell("model_loaded", model="a model", engine="echo")
    tell("generation_started", context=context)
    tell("generation_finished", text="three words here", reason="stop", context=context)
    tell("conversation_saved", conversation_id="1")
    tell("job_finished", job=Job("1", "a job", "done", 1.0, "", 0.0))
    assert len(OBSERVERS) == 7
    wait_until(lambda: len(counted(example)) == 5)


def counted(example: Trial) -> set[str]:
    route = example.given("routes")[0]
    return set(route.answer(None).body["happened"])


def test_the_examples_engine_says_line_after_line() -> None:
    with tried(EXAMPLE) as example:
        kind = example.extensions.kinds.named("recite")
        options: EngineOptions = kind.options.model_validate({"lines": "One two.\nThree."})
        engine = kind.load(LocalModel("echo", "Echo", "echo"), options, lambda _fraction, _note: None)
        said = [recited(engine, "> a\n"), recited(engine, "> a\nOne two.\n> b\n"), recited(engine, "> a\n> b\n> c\n")]
        assert said == ["One two. ", "Three. ", "One two. "]


def recited(engine: Any, prompt: str) -> str:
    events: list[Event] = []
    request = GenerationRequest(prompt, tuple(engine.tokenize(prompt)), max_tokens=9)
    engine.generate(request, events.append, Flag())
    assert isinstance(events[-1], Finished)
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def test_the_examples_processor_bans_a_token_on_both_engines() -> None:
    with tried(EXAMPLE) as example:
        assert example.given("logits_processors") == []
        example.set({"banned_token": 2})
        processor: LogitsProcessor = example.given("logits_processors")[0]
        assert processor.logit_bias == {2: -100.0}
        module, _, name = processor.path.partition(":")
        ban = getattr(__import__(f"parlor_extension_example.{module}", fromlist=[name]), name)(**processor.arguments)
        assert ban(torch.tensor([[1]]), torch.zeros(1, 4))[0].tolist() == [0, 0, -torch.inf, 0]


def test_every_code_block_of_the_guide_is_python_that_compiles() -> None:
    blocks = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    assert blocks
    for block in blocks:
        compile(block, "README.md", "exec")


def test_every_path_in_the_guide_is_there() -> None:
    named = re.findall(r"`((?:modules|extensions)/[\w./-]+)`", GUIDE)
    assert [name for name in named if not (PROJECT / name).exists()] == []
    assert named
    assert Path(EXAMPLE / "tests").is_dir()
