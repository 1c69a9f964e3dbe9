"""Texts by their letters, and tokens that are never written."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from modules.extensions import LogitsProcessor

if TYPE_CHECKING:
    from torch import Tensor

ALPHABET = "abcdefghijklmnopqrstuvwxyz"
DIMENSIONS = len(ALPHABET) + 1
# As strong as llama.cpp and the APIs let a bias be.
NEVER = -100.0


def embed(texts: Sequence[str]) -> list[list[float]]:
    """How often each letter occurs: enough to find a text again that is spelled nearly alike."""
    return [counted(text.lower()) for text in texts]


def counted(text: str) -> list[float]:
    """The last number stands for all that is no letter, so that no text has the length 0."""
    counts = [text.count(letter) for letter in ALPHABET]
    counts.append(len(text) - sum(counts) + 1)
    length = math.hypot(*counts)
    return [count / length for count in counts]


def banning(token: int) -> list[LogitsProcessor]:
    """Code for the transformers engine, and the same as a bias for llama.cpp; none for a negative id."""
    return [LogitsProcessor("letters:Ban", {"token": token}, {token: NEVER})] if token >= 0 else []


class Ban:
    """Made once a request, called once a token, in the worker process that holds the model."""

    def __init__(self, token: int) -> None:
        self._token = token

    def __call__(self, _ids: "Tensor", logits: "Tensor") -> "Tensor":
        if self._token < logits.shape[-1]:
            logits[..., self._token] = -math.inf
        return logits
