"""Classifier-free guidance: a reply is led away from what a negative prompt would lead to (Sanchez et al. 2023)."""

import torch
from torch import Tensor

from modules.engines.hf.candidates import IMPOSSIBLE
from modules.engines.hf.vocabulary import Vocabulary
from modules.errors import BadRequest
from modules.types.generation import GenerationRequest


def is_guided(request: GenerationRequest) -> bool:
    return request.sampling.guidance_scale != 1


def negative_tokens(request: GenerationRequest, vocabulary: Vocabulary) -> tuple[int, ...]:
    """What the hidden row reads: the negative prompt, begun as the prompt is, else the prompt's last token."""
    tokens = tuple(vocabulary.tokenize(request.sampling.negative_prompt))
    first = request.prompt_tokens[:1]
    if tokens and first == (vocabulary.prompt_bos,) and tokens[:1] != first:
        tokens = first + tokens
    return tokens or request.prompt_tokens[-1:]


def check_room(request: GenerationRequest, vocabulary: Vocabulary, *, slots: int, context_length: int) -> None:
    """Raises BadRequest where a guided request finds no room: it holds two rows, each of the context's length."""
    if not is_guided(request):
        return
    if slots < 2:
        raise BadRequest(
            "Guidance takes two of the model's slots, and it was loaded with one. Load it with slots=2 or more.",
            field="guidance_scale",
        )
    length = len(negative_tokens(request, vocabulary))
    if length >= context_length:
        raise BadRequest(
            f"The negative prompt is {length:,} tokens long; with the reply, the context holds {context_length:,}.",
            field="negative_prompt",
        )


def guided(logits: Tensor, negative: Tensor, scale: float) -> Tensor:
    """[vocabulary] each: from the log-probabilities of the negative prompt `scale` times the way to the prompt's."""
    towards, away = torch.log_softmax(logits, 0), torch.log_softmax(negative, 0)
    return torch.where(torch.isneginf(towards), IMPOSSIBLE, away + scale * (towards - away))
