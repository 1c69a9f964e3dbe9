"""The one path: what a reader sees when it gives up early."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest

from modules.children import Launcher
from modules.engines.grammar_checker import GrammarChecker
from modules.engines.loading import Loading
from modules.engines.uses import Uses
from modules.engines.wish import Wish
from modules.prompts.renderer import TemplateRenderer
from modules.services.inference import Inference
from modules.services.models import ModelService
from modules.types.generation import Failed, Finished, Progress
from modules.types.local_model import LocalModel
from modules.types.messages import Message
from modules.types.reply_params import ReplyParams
from tests.extensions.programs import ASKED, program, reply

MODEL = LocalModel("slow", "Slow", "gguf", Path("slow.gguf"))


class SlowModels:
    """A model whose loading never ends."""

    def __init__(self) -> None:
        self.loading = Loading(Wish(MODEL, "llamacpp", {}), Uses(time.time))

    def chosen(self, _name: str | None) -> LocalModel:
        return MODEL

    @contextmanager
    def in_use(self, _name: str) -> Generator[Loading]:
        self.loading.report(0.5, "half way")
        yield self.loading


@pytest.mark.parametrize("at_once", [True, False])
def test_a_cancel_while_the_model_loads_is_a_stop_and_not_a_failure(at_once: bool) -> None:
    inference = Inference(cast(ModelService, SlowModels()), TemplateRenderer(Launcher()), GrammarChecker(Launcher()))
    generation = inference.chat([Message("user", "hello")], ReplyParams())
    if not at_once:
        next(event for event in generation if isinstance(event, Progress) and event.stage == "loading")
    cancelled = time.monotonic()
    generation.cancel()
    *_, last = generation
    assert last == Finished("cancelled")
    assert time.monotonic() - cancelled < 2
    inference.close()


def test_text_that_is_none_is_refused_at_once_and_the_model_goes_on(tmp_path: Path) -> None:
    """Once before it is counted, once on its way to the engine."""
    with program(tmp_path) as app:
        for prompt, params in (("a\ud800", ReplyParams()), ("a", ReplyParams(stop=("\ud800",)))):
            started = time.monotonic()
            *_, end = app.inference.complete(prompt, params)
            assert isinstance(end, Failed)
            assert "half of a surrogate pair" in end.message
            assert time.monotonic() - started < 10
        assert reply(app) == ASKED
