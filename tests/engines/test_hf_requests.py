"""What a request may bring to the transformers engine: logits processors, log-probabilities of its prompt."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

from modules.engines.hf.engine import HfEngine
from modules.engines.hf.kind import HfOptions
from modules.errors import BadRequest, EngineError
from modules.types.generation import (
    Constraint,
    Event,
    Finished,
    GenerationRequest,
    ProcessorUse,
    PromptLogprobs,
    TextDelta,
)
from modules.types.local_model import LocalModel
from modules.types.sampling import SamplingParams
from tests.engines.tiny_models import make_folder, tokens_of, words

PROMPT = [5, 6, 7, 8, 9, 10, 11] * 30
GREEDY = SamplingParams(temperature=0, ignore_eos=True)
HERE = "tests.engines.test_hf_requests"


@pytest.fixture(scope="module", params=["llama", "gpt2", "mamba"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("requests") / request.param, request.param)


@pytest.fixture(scope="module")
def engine(folder: Path) -> Iterator[HfEngine]:
    model = LocalModel(folder.name, folder.name, "safetensors", folder)
    engine = HfEngine(model, HfOptions(dtype="float32", slots=3, threads=1), lambda *_: None)
    yield engine
    engine.close()


def run(engine: HfEngine, prompt: list[int] = PROMPT, new: int = 8, **fields: Any) -> list[Event]:
    events: list[Event] = []
    fields = {"sampling": GREEDY, **fields}
    engine.generate(GenerationRequest(words(prompt), tuple(prompt), new, **fields), events.append, threading.Event())
    return events


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


@pytest.mark.parametrize("new", [0, 3])
def test_log_probabilities_of_the_prompt(engine: HfEngine, folder: Path, new: int) -> None:
    """Also when these tokens were computed before for another request."""
    run(engine)
    events = run(engine, new=new, prompt_logprobs=2)
    found = [place for event in events if isinstance(event, PromptLogprobs) for place in event.logprobs]
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.no_grad():
        expected = torch.log_softmax(model(torch.tensor([PROMPT])).logits[0], -1)
    assert len(found) == len(PROMPT)
    assert (tokens_of(found[0].chosen.token), found[0].chosen.logprob) == ([PROMPT[0]], None)
    for place, entry in enumerate(found[1:], start=1):
        row = expected[place - 1]
        assert tokens_of(entry.chosen.token) == [PROMPT[place]]
        assert entry.chosen.logprob == pytest.approx(float(row[PROMPT[place]]), abs=1e-3)
        assert [choice.logprob for choice in entry.alternatives] == pytest.approx(
            torch.topk(row, 2).values.tolist(), abs=1e-3
        )
    end = events[-1]
    assert isinstance(end, Finished)
    assert (end.reason, end.usage.completion_tokens) == ("length", new)


class Only:
    """Forbids all but one token: made with arguments, called as transformers calls its own."""

    def __init__(self, token: int) -> None:
        self._token = token

    def __call__(self, ids: Tensor, logits: Tensor) -> Tensor:
        assert ids.shape[0] == logits.shape[0] == 1
        forced = torch.full_like(logits, -torch.inf)
        forced[:, self._token] = 0.0
        return forced


class Failing:
    def __call__(self, _ids: Tensor, _logits: Tensor) -> Tensor:
        raise ValueError("out of ideas")


class Shortening:
    def __call__(self, _ids: Tensor, logits: Tensor) -> Tensor:
        return logits[:, :10]


def test_a_processor_by_import_path(engine: HfEngine) -> None:
    only = ProcessorUse(f"{HERE}:Only", {"token": 42})
    assert tokens_of(text_of(run(engine, processors=(only,)))) == [42] * 8
    # One of transformers' own, behind another.
    never = ProcessorUse("transformers:NoRepeatNGramLogitsProcessor", {"ngram_size": 1})
    free = tokens_of(text_of(run(engine, [5], new=20, processors=(never,))))
    assert len(set(free)) == len(free) > 3


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (ProcessorUse("no.such.module:Thing"), "No module named"),
        (ProcessorUse(f"{HERE}:Missing"), "Missing"),
        (ProcessorUse("nonsense"), "nonsense"),
        (ProcessorUse(f"{HERE}:Only", {"word": 1}), "word"),
    ],
)
def test_processors_that_cannot_be_made(engine: HfEngine, use: ProcessorUse, message: str) -> None:
    with pytest.raises(BadRequest, match=message) as caught:
        run(engine, processors=(use,))
    assert caught.value.field == "processors"


@pytest.mark.parametrize(("name", "message"), [("Failing", "out of ideas"), ("Shortening", "shape")])
def test_processors_that_fail_end_their_own_request_only(engine: HfEngine, name: str, message: str) -> None:
    other: list[Event] = []
    thread = threading.Thread(target=lambda: other.extend(run(engine, new=30)))
    thread.start()
    with pytest.raises(EngineError, match=message):
        run(engine, processors=(ProcessorUse(f"{HERE}:{name}"),))
    thread.join()
    assert text_of(other) == text_of(run(engine, new=30))


def test_a_tokenizer_that_constraints_cannot_work_with(engine: HfEngine) -> None:
    with pytest.raises(BadRequest, match="tokenizer") as caught:
        run(engine, constraint=Constraint("regex", "t5"))
    assert caught.value.field == "response_format"
