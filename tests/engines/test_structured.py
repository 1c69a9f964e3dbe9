"""Constrained texts of the starter model on both engines, judged by others than the compiler of the grammars."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from modules.engines.hf.engine import HfEngine
from modules.engines.hf.kind import HfOptions
from modules.engines.llamacpp.engine import LlamaCppEngine
from modules.engines.llamacpp.kind import LlamaCppOptions
from modules.engines.protocol import Engine
from modules.library.library import Library
from tests.benchmarks.constraint_cases import all_cases
from tests.benchmarks.structured import run

GENERATIONS = 20
# All of them are the benchmark's; these are every fifth or so, of all kinds.
STRIDE = len(all_cases()) // GENERATIONS


@pytest.fixture(params=["llama.cpp", "transformers"])
def engine(request: pytest.FixtureRequest, starter_file: Path, starter_folder: Path) -> Iterator[Engine]:
    engine: Engine
    if request.param == "llama.cpp":
        model = Library(starter_file.parent).find("starter")
        engine = LlamaCppEngine(model, LlamaCppOptions(context_length=1024, slots=1, threads=1), lambda *_: None)
    else:
        model = Library(starter_folder.parent).find("starter-hf")
        engine = HfEngine(model, HfOptions(context_length=1024, threads=1), lambda *_: None)
    yield engine
    engine.close()


def test_every_text_is_what_its_constraint_says(engine: Engine) -> None:
    assert run(engine, all_cases()[::STRIDE], GENERATIONS) == []
