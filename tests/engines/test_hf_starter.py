"""The starter model on both engines: the same prompt ids, and nearly the same probabilities."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from modules.engines.hf.engine import HfEngine
from modules.engines.hf.kind import Dtype, HfOptions
from modules.engines.llamacpp.engine import LlamaCppEngine
from modules.engines.llamacpp.kind import LlamaCppOptions
from modules.library.library import Library
from modules.types.generation import Event, GenerationRequest, PromptLogprobs, TextDelta
from modules.types.sampling import SamplingParams

STORY = "<|im_start|>user\nTell me about a dragon who learns to paint.<|im_end|>\n<|im_start|>assistant\n"
TEXTS = [
    "Hello <|im_start|>user\nhi 12345",
    "naïve 🙂 3.14 don't  we'll\n\n\tdef f(x):\n    return x**2",
    "日本語テスト 한국어 العربية",
    "  leading and trailing  ",
    "\r\n\r\n a\u00a0b \u200d",
]


@pytest.fixture(scope="module")
def engines(starter_file: Path, starter_folder: Path) -> Iterator[tuple[LlamaCppEngine, HfEngine]]:
    gguf = Library(starter_file.parent).find("starter")
    folder = Library(starter_folder.parent).find("starter-hf")
    one = LlamaCppEngine(gguf, LlamaCppOptions(context_length=512, slots=1), lambda *_: None)
    other = HfEngine(folder, HfOptions(), lambda *_: None)
    yield one, other
    one.close()
    other.close()


@pytest.mark.parametrize("text", TEXTS)
def test_the_same_ids(engines: tuple[LlamaCppEngine, HfEngine], text: str) -> None:
    one, other = engines
    assert other.tokenize(text) == one.tokenize(text)


def test_the_same_capabilities(engines: tuple[LlamaCppEngine, HfEngine]) -> None:
    one, other = (engine.capabilities for engine in engines)
    assert other.chat_template == one.chat_template
    assert (other.bos_token, other.eos_token, other.bos_token_id) == (one.bos_token, one.eos_token, one.bos_token_id)


def test_nearly_the_same_probabilities(engines: tuple[LlamaCppEngine, HfEngine]) -> None:
    """One computes in 4 bits and 8, the other in bfloat16 on the unpacked weights."""
    first, second = (likeliest(engine) for engine in engines)
    shared = set(first) & set(second)
    assert len(shared) >= 7
    assert max(abs(first[token] - second[token]) for token in shared) < 0.2


@pytest.mark.parametrize(("dtype", "limit"), [("bfloat16", 0.05), ("float32", 0.001)])
def test_log_probabilities_of_the_references_tokens(
    starter_folder: Path, monkeypatch: pytest.MonkeyPatch, dtype: Dtype, limit: float
) -> None:
    """Of what transformers itself writes: read by the engine in pieces, with packed weights, against one plain pass.

    In bfloat16 transformers' own `generate()` is 0.1 away from its own pass over the same ids.
    """
    engine = HfEngine(Library(starter_folder.parent).find(starter_folder.name), HfOptions(dtype=dtype), lambda *_: None)
    monkeypatch.setattr("modules.engines.hf.scheduler.CHUNKS", (64, 64))
    prompt = engine.tokenize(STORY)
    model: Any = AutoModelForCausalLM.from_pretrained(starter_folder, dtype=getattr(torch, dtype))
    with torch.inference_mode():
        ids = model.generate(torch.tensor([prompt]), max_new_tokens=150, do_sample=False)
        logprobs = torch.log_softmax(model(ids).logits[0, :-1].float(), -1)
    expected = logprobs.gather(1, ids[0, 1:, None])[:, 0]
    events: list[Event] = []
    request = GenerationRequest("", tuple(ids[0].tolist()), 0, prompt_logprobs=1)
    engine.generate(request, events.append, threading.Event())
    engine.close()
    told = [entry.chosen.logprob for event in events if isinstance(event, PromptLogprobs) for entry in event.logprobs]
    found = torch.tensor([logprob for logprob in told if logprob is not None])
    assert len(found) == len(expected)
    assert float((found - expected).abs().quantile(0.99)) < limit


def likeliest(engine: LlamaCppEngine | HfEngine) -> dict[str, float]:
    tokens = tuple(engine.tokenize("The old sailor opened the wooden box and found a"))
    events: list[Event] = []
    sampling = SamplingParams(temperature=0.0, n_probs=10)
    engine.generate(GenerationRequest("", tokens, 1, (), sampling), events.append, threading.Event())
    places = [place for event in events if isinstance(event, TextDelta) for place in event.logprobs]
    return {choice.token: choice.logprob for choice in places[0].alternatives}
