"""The transformers engine says what `generate()` says: alone, in company, with prompts read in pieces or read before."""

import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from modules.engines.hf.engine import HfEngine
from modules.engines.hf.kind import HfOptions
from modules.types.generation import Event, Finished, GenerationRequest, TextDelta
from modules.types.local_model import LocalModel
from modules.types.sampling import SamplingParams
from tests.engines.tiny_models import ARCHITECTURES, EOS, PAD, make_folder, tokens_of, words

NEW = 24
# Where the best two are this near, another order of the same sums may choose the other.
NEAR = 1e-3
GREEDY = SamplingParams(temperature=0.0, repetition_penalty=1.0)


class Subject:
    """The engine in this process, and the model itself as the reference."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.folder = folder
        self.engine = HfEngine(
            LocalModel(folder.name, folder.name, "safetensors", folder),
            HfOptions(dtype="float32", threads=1, **options),
            lambda *_: None,
        )
        self.reference: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)

    def run(self, prompt: list[int], sampling: SamplingParams = GREEDY, new: int = NEW) -> tuple[list[int], Finished]:
        events: list[Event] = []
        self.engine.generate(
            GenerationRequest(words(prompt), tuple(prompt), new, (), sampling), events.append, threading.Event()
        )
        assert isinstance(events[-1], Finished)
        return tokens_of("".join(event.text for event in events if isinstance(event, TextDelta))), events[-1]

    def expected(self, prompt: list[int]) -> list[int]:
        """The reference's tokens up to the first step at which two are too near to tell."""
        ids = torch.tensor([prompt])
        output = self.reference.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=NEW,
            do_sample=False,
            return_dict_in_generate=True,
            output_logits=True,
            pad_token_id=PAD,
        )
        tokens: list[int] = []
        for token, logits in zip(output.sequences[0, len(prompt) :].tolist(), output.logits, strict=True):
            best = torch.topk(logits[0], 2).values
            if float(best[0] - best[1]) < NEAR or token in {EOS, PAD}:
                break
            tokens.append(token)
        return tokens


@pytest.fixture(scope="module", params=list(ARCHITECTURES))
def subject(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subject]:
    folder = make_folder(tmp_path_factory.mktemp("tiny") / request.param, request.param)
    subject = Subject(folder, slots=4)
    yield subject
    subject.engine.close()


def prompts(count: int, seed: int = 0) -> list[list[int]]:
    random_numbers = random.Random(seed)
    return [
        [random_numbers.randrange(2, 160) for _ in range(length)]
        for length in random_numbers.sample(range(3, 60), count)
    ]


def assert_agrees(found: list[int], expected: list[int]) -> None:
    assert found[: len(expected)] == expected


def test_alone(subject: Subject) -> None:
    lengths = []
    for prompt in prompts(4):
        expected = subject.expected(prompt)
        assert_agrees(subject.run(prompt)[0], expected)
        lengths.append(len(expected))
    assert max(lengths) >= 8, "the reference says too little to compare with"


def test_in_company(subject: Subject) -> None:
    """Six requests for four rows, of different lengths: some wait, and all join and leave at different steps."""
    asked = prompts(6, seed=1)
    found: dict[int, list[int]] = {}
    threads = [
        threading.Thread(
            target=lambda place=place: found.update({place: subject.run(asked[place], new=8 + 3 * place)[0]})
        )
        for place in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for place, prompt in enumerate(asked):
        assert_agrees(found[place], subject.expected(prompt)[: 8 + 3 * place])


def test_only_models_that_begin_anew_read_whole_prompts(subject: Subject) -> None:
    assert subject.engine._scheduler._batch.reads_in_pieces == (subject.folder.name != "mamba")


def test_in_pieces(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject.engine._scheduler._pace, "tokens", 16)
    monkeypatch.setattr("modules.engines.hf.scheduler.CHUNKS", (16, 16))
    prompt = [token for part in prompts(4, seed=2) for token in part]
    assert_agrees(subject.run(prompt)[0], subject.expected(prompt))


def test_a_conversation_goes_on_where_it_was(subject: Subject) -> None:
    prompt = prompts(1, seed=3)[0] * 3
    first, end = subject.run(prompt)
    longer = [*prompt, *first, 5, 6, 7]
    found, end = subject.run(longer)
    assert_agrees(found, subject.expected(longer))
    batch = subject.engine._scheduler._batch
    if batch.reuses_prefixes:
        # All but the token that was chosen last, which nobody had computed unless the end came after it.
        assert end.usage.cached_tokens >= len(prompt) + len(first) - 1
        again, end = subject.run(prompt)
        assert end.usage.cached_tokens == len(prompt) - 1
        assert again == first


def test_logprobs_are_the_models_own(subject: Subject) -> None:
    prompt = prompts(1, seed=4)[0]
    events: list[Event] = []
    sampling = SamplingParams(temperature=0.0, n_probs=3)
    subject.engine.generate(GenerationRequest("", tuple(prompt), 1, (), sampling), events.append, threading.Event())
    places = [place for event in events if isinstance(event, TextDelta) for place in event.logprobs]
    with torch.no_grad():
        logprobs = torch.log_softmax(subject.reference(torch.tensor([prompt])).logits[0, -1].float(), 0)
    for place in places:
        for choice in place.alternatives:
            token = EOS if choice.token == "<eos>" else PAD if choice.token == "<pad>" else tokens_of(choice.token)[0]
            assert choice.logprob == pytest.approx(float(logprobs[token]), abs=0.01)
