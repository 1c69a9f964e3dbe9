"""Templates asked of models: texts from the echo engine, and label probabilities against a direct computation."""

import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from modules.app import App, build_app
from modules.errors import BadRequest, Cancelled
from modules.services.label_scoring import shares
from modules.settings import Settings
from modules.types.generation import Finished, TextDelta
from modules.types.parameters import Parameters
from modules.types.prompt_templates import RenderedPrompt
from modules.types.reply_params import ReplyParams
from modules.types.sampling import SamplingParams
from tests.engines.tiny_models import make_folder, tokens_of, words

PROMPT = words([5, 9, 31, 77, 12, 44])


def labelled(*labels: str) -> RenderedPrompt:
    return RenderedPrompt((), PROMPT, Parameters(), "labels", labels)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scored")
    make_folder(folder / "models" / "tiny", "llama")
    return folder


@pytest.fixture(scope="module")
def app(folder: Path) -> Iterator[App]:
    app = build_app(Settings(data=folder / "data", models=folder / "models"))
    app.models.load("tiny", options={"threads": 1, "weights": "plain", "dtype": "float32"}).result.result(60)
    yield app
    app.close()


def direct(folder: Path, label: str) -> float:
    """The sum of the label's log-probabilities, in one pass of transformers itself."""
    prompt, tail = tokens_of(PROMPT), tokens_of(label)
    model: Any = transformers.AutoModelForCausalLM.from_pretrained(folder / "models" / "tiny", dtype=torch.float32)
    with torch.inference_mode():
        logprobs = model(torch.tensor([prompt + tail])).logits[0].float().log_softmax(-1)
    return sum(float(logprobs[len(prompt) - 1 + place, token]) for place, token in enumerate(tail))


def test_labels_are_as_likely_as_the_model_says(app: App, folder: Path) -> None:
    labels = ["t3", "t4 t90", "t4 t91 t15", "t120 t3", "t88"]
    found = app.prompts.label_probabilities(labelled(*labels), "tiny")
    masses = {label: math.exp(direct(folder, label)) for label in labels}
    total = sum(masses.values())
    assert {one.label: one.probability for one in found.labels} == pytest.approx(
        {label: mass / total for label, mass in masses.items()}, rel=1e-3
    )
    assert found.covered == pytest.approx(total, rel=1e-3)
    assert all(first.probability >= second.probability for first, second in pairwise(found.labels))


def test_a_reply_counts_for_the_longest_label_it_begins_with(app: App, folder: Path) -> None:
    labels = ["t3", "t3 t50", "t3 t50 t51", "t7"]
    found = app.prompts.label_probabilities(labelled(*labels), "tiny")
    begins = {label: math.exp(direct(folder, label)) for label in labels}
    total = begins["t3"] + begins["t7"]
    shown = {one.label: one.probability for one in found.labels}
    assert shown["t3"] == pytest.approx((begins["t3"] - begins["t3 t50"]) / total, rel=1e-3)
    assert shown["t3 t50"] == pytest.approx((begins["t3 t50"] - begins["t3 t50 t51"]) / total, rel=1e-3)
    assert sum(shown.values()) == pytest.approx(1)


def test_labels_of_hundreds_of_tokens_do_not_vanish() -> None:
    found = shares({"a": -2000.0, "b": -2000.0 - math.log(3)}, {"a": (1,), "b": (2,)})
    assert [one.probability for one in found.labels] == pytest.approx([0.75, 0.25])
    assert found.covered == 0


def test_llama_cpp_tells_the_same_as_its_own_report(starter_file: Path, tmp_path: Path) -> None:
    """The next tokens it finds likeliest by itself, asked for as labels."""
    app = build_app(Settings(data=tmp_path / "data", models=starter_file.parent))
    try:
        prompt = "The capital of France is"
        plain = app.inference.complete(prompt, ReplyParams(SamplingParams(n_probs=20), max_tokens=1), "starter")
        told = next(event for event in plain if isinstance(event, TextDelta) and event.logprobs).logprobs[0]
        likely = [one for one in told.alternatives if one.token.startswith(" ") and one.token.strip().isalpha()][:5]
        masses = {one.token.strip(): math.exp(one.logprob or 0) for one in likely}
        rendered = RenderedPrompt((), prompt, Parameters(), "labels", tuple(masses))
        found = app.prompts.label_probabilities(rendered, "starter")
        assert {one.label: one.probability for one in found.labels} == pytest.approx(
            {label: mass / sum(masses.values()) for label, mass in masses.items()}, rel=0.02
        )
    finally:
        app.close()


def test_labels_that_cannot_be_told_apart_or_scored(app: App) -> None:
    with pytest.raises(BadRequest, match="same tokens"):
        app.prompts.label_probabilities(labelled("t3", " t3"), "tiny")
    with pytest.raises(BadRequest, match="100 is the limit"):
        app.prompts.label_probabilities(labelled(*(f"t{number}" for number in range(2, 110))), "tiny")
    with pytest.raises(BadRequest, match="log-probabilities"):
        app.prompts.label_probabilities(labelled("yes", "no"), "echo")
    with pytest.raises(Cancelled):
        app.prompts.label_probabilities(labelled("t3", "t4"), "tiny", lambda: True)


def test_a_template_is_answered(app: App) -> None:
    rendered = app.prompts.render("translate", {"text": "Guten Morgen", "language": "French"})
    generation = app.prompts.start(rendered, "echo")
    assert isinstance(list(generation)[-1], Finished)
    assert generation.text == rendered.messages[-1].content
    raw = app.prompts.start(app.prompts.render("continue", {"text": "Once upon"}), "echo")
    list(raw)
    assert raw.text == "Once upon"
    with pytest.raises(BadRequest, match="streamed"):
        app.prompts.start(labelled("a", "b"), "echo")
