from pathlib import Path

import pytest
import torch
from torch import nn

from modules.training.collating import Collator
from modules.training.encoding import EncodedSample
from modules.training.forward import Forward, hidden_states, prepare_forward
from modules.training.methods import Learner, make_learner
from modules.training.token_table import TokenTable, table_of
from tests.engines.tiny_models import make_folder
from tests.training.runs import make_recipe

# What an architecture can do; those with sliding windows have one of 16 tokens.
PACKED = {
    "llama": "within",
    "mistral": "within",
    "qwen2": "within",
    "qwen3": "within",
    "gemma2": "masked",
    "gemma3": "within",
    "phi3": "within",
    "gpt2": "within",
    "gpt_neox": "within",
    "opt": "within",
    "mixtral": "within",
    "mamba": "none",
    "falcon_h1": "none",
    "lfm2": "none",
}
# The last but one is longer than the windows, and has a stretch that is not learned.
LENGTHS = (9, 20, 5, 13)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def learner(tmp_path: Path, architecture: str, **fields: object) -> Learner:
    recurrent = PACKED.get(architecture) == "none"
    recipe = make_recipe(method="full" if recurrent else "lora", **fields)
    made = make_learner(make_folder(tmp_path / architecture, architecture), recipe, torch.device("cpu"))
    # As if something had been learned: an adapter that is new adds nothing.
    torch.manual_seed(3)
    for name, weights in made.learned.items():
        if "lora_B" in name:
            nn.init.normal_(weights, std=0.1)
    return made


def table(change: int = 0) -> TokenTable:
    """`change` makes the first sample another one of the same length."""
    samples: list[EncodedSample] = []
    for number, length in enumerate(LENGTHS):
        shift = change if number == 0 else 0
        ids = [2 + (5 * number + 7 * place + shift) % 150 for place in range(length)]
        samples.append(EncodedSample(ids, [place > number for place in range(length)], number))
    return table_of(samples)


def reference_loss(made: Learner) -> float:
    """Each sample alone, through the model's own logits."""
    total = 0.0
    for ids, trained in (table().sample(index) for index in range(len(LENGTHS))):
        logits = made.model(input_ids=ids[None].long(), use_cache=False).logits[0, :-1].float()
        labels = ids[1:].long().masked_fill(~trained[1:], -100)
        total += float(nn.functional.cross_entropy(logits, labels, reduction="sum"))
    return total


def collator(forward: Forward, *, packed: bool, change: int = 0) -> Collator:
    return Collator(table(change), packed, 0, forward.learner.device)


@pytest.mark.parametrize("architecture", PACKED)
@torch.no_grad()
def test_no_sample_sees_another_and_each_is_read_as_if_alone(tmp_path: Path, architecture: str) -> None:
    made = learner(tmp_path, architecture)
    forward = prepare_forward(made)
    assert forward.packing == PACKED[architecture]
    packed = forward.packing != "none"
    batch = collator(forward, packed=packed).batch(range(4))
    assert batch.tokens == sum(LENGTHS)
    assert float(forward.summed_loss(batch)) == pytest.approx(reference_loss(made), rel=1e-4)
    # A padded batch is always possible.
    padded = collator(forward, packed=False).batch(range(4))
    assert float(forward.summed_loss(padded)) == pytest.approx(reference_loss(made), rel=1e-4)
    if packed:
        other = collator(forward, packed=True, change=1).batch(range(4))
        own, behind_another = (logits(made, forward, each) for each in (batch, other))
        assert not torch.allclose(own[: LENGTHS[0]], behind_another[: LENGTHS[0]])
        # Experts compute whoever chose them together, so the last bits may differ.
        torch.testing.assert_close(own[LENGTHS[0] :], behind_another[LENGTHS[0] :], rtol=1e-5, atol=1e-5)


def logits(made: Learner, forward: Forward, batch: object) -> torch.Tensor:
    return made.model.get_output_embeddings()(hidden_states(made, batch, forward.packing))  # type: ignore[arg-type]


@pytest.mark.parametrize("architecture", ["llama", "qwen3", "gemma3", "gpt2"])
@torch.no_grad()
def test_in_bfloat16_a_packs_loss_is_within_half_a_percent(tmp_path: Path, architecture: str) -> None:
    made = learner(tmp_path, architecture, base_weights="bfloat16")
    forward = prepare_forward(made)
    batch = collator(forward, packed=True).batch(range(4))
    assert float(forward.summed_loss(batch)) == pytest.approx(reference_loss(made), rel=0.005)


@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
def test_gradients_of_a_pack_are_those_of_its_samples(tmp_path: Path, architecture: str) -> None:
    made = learner(tmp_path, architecture)
    forward = prepare_forward(made)
    forward.summed_loss(collator(forward, packed=True).batch(range(4))).backward()
    packed = {name: weights.grad for name, weights in made.learned.items()}
    for weights in made.learned.values():
        weights.grad = None
    for sample in range(4):
        forward.summed_loss(collator(forward, packed=False).batch([sample])).backward()
    for name, weights in made.learned.items():
        ours, theirs = packed[name], weights.grad
        assert ours is not None
        assert theirs is not None
        assert float((ours - theirs).norm()) <= 1e-4 * float(theirs.norm())


@torch.no_grad()
def test_prompt_tunings_vectors_stand_before_each_sample(tmp_path: Path) -> None:
    recipe = make_recipe(method="prompt_tuning", prompt_tokens=3)
    made = make_learner(make_folder(tmp_path / "llama", "llama"), recipe, torch.device("cpu"))
    forward = prepare_forward(made)
    assert forward.packing == "within"
    total = 0.0
    for ids, trained in (table().sample(index) for index in range(len(LENGTHS))):
        labels = ids.long().masked_fill(~trained, -100)[None]
        # peft puts the vectors before the sample itself.
        total += float(made.peft(input_ids=ids[None].long(), labels=labels).loss) * int(trained.sum())  # type: ignore[misc]
    for packed in (True, False):
        batch = Collator(table(), packed, 3, made.device).batch(range(4))
        assert float(forward.summed_loss(batch)) == pytest.approx(total, rel=1e-4)
