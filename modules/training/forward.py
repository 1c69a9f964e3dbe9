"""From samples to a loss, as exactly as an architecture allows and as cheaply: what it can do is tried before a run."""

import math
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from modules.training.attention import attend_within_samples
from modules.training.collating import Batch, Collator
from modules.training.encoding import EncodedSample
from modules.training.loss import Head, logits_of, summed_loss
from modules.training.methods import Learner
from modules.training.token_table import table_of

# within: attention is computed sample by sample; masked: of the whole row, under transformers' own mask of blocks.
Packing = Literal["within", "masked", "none"]

# Lengths of the samples that packing is tried on.
FIRST, SECOND = 7, 5


@dataclass(frozen=True)
class Forward:
    """`head` is None where only the model itself knows how its logits are made."""

    learner: Learner
    packing: Packing
    head: Head | None

    def summed_loss(self, batch: Batch) -> Tensor:
        """Of the batch's trained tokens, float32."""
        with precision(self.learner):
            if self.head is not None:
                states = hidden_states(self.learner, batch, self.packing)[batch.predicting]
                return summed_loss(states, self.head, batch.labels)
            logits = run(self.learner, self.learner.model, batch, self.packing).logits.flatten(0, 1)[batch.predicting]
            return nn.functional.cross_entropy(logits.float(), batch.labels, reduction="sum")


def prepare_forward(learner: Learner) -> Forward:
    """Tries what the model can do. It must not be training yet."""
    learner.model.eval()
    with torch.no_grad(), precision(learner):
        packing = choose_packing(learner)
        return Forward(learner, packing, choose_head(learner))


def precision(learner: Learner) -> AbstractContextManager[Any]:
    """Where all weights are learned in float32, products are computed in the shorter format all the same."""
    if learner.peft is None and learner.dtype != torch.float32:
        return torch.autocast(learner.device.type, learner.dtype)
    return nullcontext()


def hidden_states(learner: Learner, batch: Batch, packing: Packing) -> Tensor:
    """What the head reads: [rows * places, size]."""
    return run(learner, learner.model.get_decoder(), batch, packing).last_hidden_state.flatten(0, 1)


def run(learner: Learner, model: Any, batch: Batch, packing: Packing) -> Any:
    options: dict[str, Any] = {"use_cache": False}
    if batch.attention_mask is not None:
        options["attention_mask"] = batch.attention_mask
    else:
        # Positions that begin anew make transformers part the samples in its masks.
        options["position_ids"] = batch.position_ids
        if packing == "within" and batch.sample_lengths is not None:
            options["sample_lengths"] = batch.sample_lengths
            if max(batch.sample_lengths) <= window(learner):
                # One of four dimensions counts as made already; that of the whole row would be large, and is not read.
                options["attention_mask"] = torch.zeros(1, 1, 1, 1, dtype=torch.bool, device=learner.device)
    if learner.prompt is None:
        return model(input_ids=batch.input_ids, **options)
    return model(inputs_embeds=with_prompts(learner, batch, learner.prompt), **options)


def window(learner: Learner) -> float:
    """How far back every layer sees, in tokens."""
    config: dict[str, Any] = learner.model.config.get_text_config().to_dict()
    return config.get("sliding_window") or math.inf


def with_prompts(learner: Learner, batch: Batch, prompt: Tensor) -> Tensor:
    """The embeddings, with prompt tuning's vectors in their places: [rows, places, size]."""
    embeddings: Tensor = learner.model.get_input_embeddings()(batch.input_ids)
    samples = len(batch.prompt_places) // len(prompt)
    flat = embeddings.flatten(0, 1).index_copy(0, batch.prompt_places, prompt.to(embeddings.dtype).repeat(samples, 1))
    return flat.view(embeddings.shape)


def choose_packing(learner: Learner) -> Packing:
    """The quickest way in which no sample sees another and each is read as if it were alone."""
    if attend_within_samples(learner.model):
        if keeps_apart(learner, "within"):
            return "within"
        learner.model.set_attn_implementation("sdpa")
    return "masked" if keeps_apart(learner, "masked") else "none"


def keeps_apart(learner: Learner, packing: Packing) -> bool:
    try:
        behind_one = second_of_two(learner, packing, 0)
        behind_another = second_of_two(learner, packing, 1)
        alone = hidden_states(learner, trial(learner, (second_ids(learner),)), packing)[-SECOND:].float()
    except (TypeError, ValueError):
        # There are no positions to give, or they mean something else.
        return False
    rounding = torch.finfo(learner.dtype).eps
    # Experts compute tokens of all samples together, so that even there the last bits may differ.
    is_blind = differs(behind_another, behind_one) <= 8 * rounding
    return is_blind and differs(behind_one, alone) <= 16 * rounding


def second_of_two(learner: Learner, packing: Packing, first: int) -> Tensor:
    """The second sample's states behind one first sample or another."""
    ahead = [(3 + 2 * place + first) % vocabulary(learner) for place in range(FIRST)]
    return hidden_states(learner, trial(learner, (ahead, second_ids(learner))), packing)[-SECOND:].float()


def second_ids(learner: Learner) -> list[int]:
    return [(5 + 3 * place) % vocabulary(learner) for place in range(SECOND)]


def trial(learner: Learner, samples: tuple[list[int], ...]) -> Batch:
    encoded = [EncodedSample(ids, [place > 0 for place in range(len(ids))], 0) for ids in samples]
    prompt_tokens = 0 if learner.prompt is None else len(learner.prompt)
    return Collator(table_of(encoded), True, prompt_tokens, learner.device).batch(range(len(samples)))


def vocabulary(learner: Learner) -> int:
    return learner.model.get_input_embeddings().weight.shape[0]


def differs(ours: Tensor, theirs: Tensor) -> float:
    """The difference as a share of the whole."""
    size = float(torch.dist(theirs, torch.zeros_like(theirs)))
    return float(torch.dist(ours, theirs)) / max(size, 1e-30)


def choose_head(learner: Learner) -> Head | None:
    """None where its weights and the config do not say all; then the model makes the logits of all tokens at once."""
    model = learner.model
    layer = model.get_output_embeddings()
    if type(layer) is not nn.Linear:
        return None
    config = model.config.get_text_config().to_dict()
    scale = float(config.get("logit_scale") or 1.0) / float(config.get("logits_scaling") or 1.0)
    head = Head(layer.weight, layer.bias, scale, config.get("final_logit_softcapping"), learner.dtype)
    alone = Collator(table_of([EncodedSample(second_ids(learner), [True] * SECOND, 0)]), False, 0, learner.device)
    batch = alone.batch([0])
    whole = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask, use_cache=False).logits[0].float()
    try:
        own = model.get_decoder()(
            input_ids=batch.input_ids, attention_mask=batch.attention_mask, use_cache=False
        ).last_hidden_state[0]
        ours = logits_of(own, head)
    except (TypeError, AttributeError, RuntimeError):
        return None
    # Logits may be of any size, the difference counts as it would in a probability.
    return head if differs(ours, whole) <= 4 * torch.finfo(learner.dtype).eps else None
