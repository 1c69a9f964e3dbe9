"""Adapters of prompt tuning say what peft says with them: vectors before the prompt, alone and beside other requests."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from modules.errors import BadRequest
from modules.types.generation import AdapterUse, Finished
from tests.engines.test_hf_adapters import PROMPT, Subject, assert_agree, reference, said
from tests.engines.tiny_adapters import make_adapter, make_prompt, with_adapters
from tests.engines.tiny_models import EOS, PAD, make_folder, tokens_of

VECTORS = 7


def written(model: torch.nn.Module, new: int = 12) -> list[int]:
    """Greedily, by peft."""
    tokens = list(PROMPT)
    with torch.no_grad():
        for _ in range(new):
            logits = model(torch.tensor([tokens])).logits[0, -1]
            # Requests of these tests may not end.
            logits[EOS] = -torch.inf
            tokens.append(int(logits.argmax()))
    return tokens[len(PROMPT) :]


@pytest.mark.parametrize("architecture", ["llama", "mistral", "gpt2"])
def test_as_peft_has_it(tmp_path: Path, architecture: str) -> None:
    base = make_folder(tmp_path / "base", architecture)
    prompt = make_prompt(base, tmp_path / "prompt", VECTORS)
    subject = Subject(base, slots=2)
    plain = subject.text()
    assert subject.engine.load_adapter("prompt", str(prompt)) == VECTORS * 64 * 4
    use = AdapterUse("prompt")
    tuned = with_adapters(base, prompt=prompt)
    assert_agree(subject.logprobs(use), reference(tuned))
    # Once more: now a past request has computed the prompt behind the vectors.
    for _ in range(2):
        assert tokens_of(subject.text(use)) == [token for token in written(tuned) if token != PAD]
    assert subject.text() == subject.text(AdapterUse("prompt", 0.0)) == plain
    end = subject.run(use)[-1]
    assert isinstance(end, Finished)
    assert (end.usage.prompt_tokens, end.usage.cached_tokens) == (len(PROMPT), len(PROMPT) - 1)
    subject.engine.close()


def test_beside_other_requests(tmp_path: Path) -> None:
    base = make_folder(tmp_path / "base", "llama")
    subject = Subject(base, slots=4, prompt_cache_mib=0)
    for seed, name in enumerate(("short", "long")):
        subject.engine.load_adapter(name, str(make_prompt(base, tmp_path / name, 3 + 40 * seed, seed)))
    subject.engine.load_adapter("lora", str(make_adapter(base, tmp_path / "lora", ["q_proj", "v_proj"])))
    mixes = [(), ("short",), ("long",), ("lora", "long"), ("lora",), ("short",), ()]
    alone = [subject.text(*map(AdapterUse, mix), new=24) for mix in mixes]
    assert len(set(alone)) == 5
    with ThreadPoolExecutor(len(mixes)) as pool:
        assert list(pool.map(lambda mix: said(subject.run(*map(AdapterUse, mix), new=24)), mixes)) == alone
    subject.engine.close()


def test_what_cannot_be(tmp_path: Path) -> None:
    base = make_folder(tmp_path / "base", "llama", max_position_embeddings=32)
    subject = Subject(base, slots=2)
    for name in ("one", "two"):
        subject.engine.load_adapter(name, str(make_prompt(base, tmp_path / name)))
    subject.engine.load_adapter("endless", str(make_prompt(base, tmp_path / "endless", 30)))
    other = make_folder(tmp_path / "other", "llama", hidden_size=32)
    with pytest.raises(BadRequest, match="vectors have 64 values, the adapter's 32"):
        subject.engine.load_adapter("narrow", str(make_prompt(other, tmp_path / "narrow")))
    for uses, said_of in (
        ((AdapterUse("one", 0.5),), "weight 1 or 0"),
        ((AdapterUse("one"), AdapterUse("two")), "no other of its kind"),
        ((AdapterUse("endless"),), "context holds 32"),
    ):
        with pytest.raises(BadRequest, match=said_of):
            subject.run(*uses)
    subject.engine.unload_adapter("one")
    assert subject.text(AdapterUse("two"))
    subject.engine.close()
