"""Calls of the starter model on both engines, and whole rounds of call, result and answer."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from modules.children import Launcher
from modules.engines.hf.engine import HfEngine
from modules.engines.hf.kind import HfOptions
from modules.engines.llamacpp.engine import LlamaCppEngine
from modules.engines.llamacpp.kind import LlamaCppOptions
from modules.engines.protocol import Engine
from modules.library.library import Library
from modules.prompts.renderer import TemplateRenderer
from modules.types.messages import Message
from modules.types.sampling import SamplingParams
from modules.types.tools import ToolCall, ToolUse
from tests.benchmarks.tools import ROUNDS, TOOLS, Asker, forced

# Every tool once, and one at a second temperature; the benchmark asks for many more.
CALLS = len(ROUNDS) + 1

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(params=["llama.cpp", "transformers"])
def asker(
    request: pytest.FixtureRequest, starter_file: Path, starter_folder: Path, launcher: Launcher
) -> Iterator[Asker]:
    engine: Engine
    if request.param == "llama.cpp":
        model = Library(starter_file.parent).find("starter")
        engine = LlamaCppEngine(model, LlamaCppOptions(context_length=1024, slots=1, threads=1), lambda *_: None)
    else:
        model = Library(starter_folder.parent).find("starter-hf")
        engine = HfEngine(model, HfOptions(context_length=1024, threads=1), lambda *_: None)
    renderer = TemplateRenderer(launcher)
    yield Asker(engine, renderer)
    renderer.close()
    engine.close()


def test_calls_that_must_be_made_are_and_answers_use_the_result_and_end(asker: Asker) -> None:
    assert forced(asker, CALLS) == []
    question, tool, result, wanted = ROUNDS[0]
    call = ToolCall(tool, '{"a": 12, "b": 30}', "call_1")
    told = [Message("user", question), Message("assistant", "", (call,)), Message("tool", result, (), "call_1")]
    answer = asker.ask(told, ToolUse(TOOLS, "none"), SamplingParams(temperature=0.0), 60)
    assert wanted in answer.text
    assert answer.reason == "stop"
