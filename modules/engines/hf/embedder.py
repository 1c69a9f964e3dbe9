"""Texts to vectors: passes through the model without its head, each so short that others need not wait long."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, cast

import torch
from torch import Tensor
from transformers import DynamicCache

from modules.engines.hf.batch import input_device, is_recurrent
from modules.engines.hf.pooling import Pooling
from modules.engines.hf.scheduler import Pace
from modules.errors import EngineError
from modules.types.embeddings import encoded

Texts = Sequence[Sequence[int]]
# Calls a function on the thread that computes, when its turn has come.
Run = Callable[[Callable[[], Tensor]], "Future[Tensor]"]


class Embedder:
    """A causal model, in which no token sees those after it, needs no mask for what fills up the shorter texts."""

    def __init__(self, model: Any, pooling: Pooling, run: Run, *, is_causal: bool, filler: int) -> None:
        self._config = model.config
        self._device = input_device(model)
        self._model = model.get_decoder() if is_causal else model
        self._pooling = pooling
        self._run = run
        self._is_causal = is_causal
        self._reads_in_pieces = is_causal and not is_recurrent(model)
        self._filler = filler
        self._pace = Pace()

    def embed(self, texts: Texts) -> list[str]:
        """A vector of each text's ids, none of them empty; texts of similar length should stand side by side."""
        vectors: list[str] = []
        while len(vectors) < len(texts):
            pooled = self._vectors(self._group(texts[len(vectors) :]))
            if not bool(torch.isfinite(pooled).all()):
                raise EngineError("The model computed numbers that are not finite, so there is no vector.")
            vectors += [encoded(row) for row in cast(list[list[float]], pooled.tolist())]
        return vectors

    def _group(self, texts: Texts) -> Texts:
        """As many of the first as one pass may hold, filled up to the longest of them; at least one."""
        longest = 0
        for count, tokens in enumerate(texts):
            longest = max(longest, len(tokens))
            if count and (count + 1) * longest > self._pace.tokens:
                return texts[:count]
        return texts

    def _vectors(self, group: Texts) -> Tensor:
        """[rows, size]"""
        lengths = torch.tensor([len(tokens) for tokens in group])
        width = int(lengths.max())
        ids = torch.tensor([[*tokens, *[self._filler] * (width - len(tokens))] for tokens in group])
        if width <= self._pace.tokens or not self._reads_in_pieces:
            is_text = (torch.arange(width) < lengths[:, None]).long().to(self._device)
            others: dict[str, Any] = {"use_cache": False} if self._is_causal else {"attention_mask": is_text}
            return self._run(lambda: self._pooling.pool(self._hidden(ids, **others), lengths)).result()
        cache = DynamicCache(config=self._config)
        pieces: list[Tensor] = []
        while (start := sum(piece.shape[1] for piece in pieces)) < width:
            piece = ids[:, start : start + self._pace.tokens]
            pieces.append(self._run(lambda piece=piece: self._hidden(piece, past_key_values=cache)).result())
        return self._run(lambda: self._pooling.pool(torch.cat(pieces, 1), lengths)).result()

    def _hidden(self, ids: Tensor, **others: Any) -> Tensor:
        """The last hidden states, [rows, width, size]."""
        started = time.perf_counter()
        with torch.inference_mode():
            hidden: Tensor = self._model(input_ids=ids.to(self._device), **others).last_hidden_state
        self._pace.learn(ids.numel(), time.perf_counter() - started)
        return hidden
