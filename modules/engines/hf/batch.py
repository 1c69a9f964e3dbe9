"""Forward passes over the running requests: together in rows where the model allows it, each by itself elsewhere."""

import inspect
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, Protocol

import torch
from torch import Tensor
from transformers import DynamicCache

from modules.engines.hf.adapters import NO_ADAPTERS, Adapters, Mix
from modules.engines.hf.attention import NAME
from modules.engines.hf.fixed import WIDTHS, FixedPass, FixedPasses
from modules.engines.hf.rows import RowCache, States, Window
from modules.engines.protocol import Report

# A prompt to try how a model reads. What begins anew differs by 0.01 of the logits' size or more, what goes on by 2e-5.
PROBE = range(2, 34)
PIECE = 16
NEARLY = 0.004

# Those that take the masks that we give.
ATTENTION = frozenset({"sdpa", NAME})
ROW_LAYERS = frozenset({"full_attention", "sliding_attention"})


class Batch(Protocol):
    """Requests that write hold rows 0..n-1; the one that reads its prompt holds row n. Logits are float32.

    Only a batch that `takes_drafts` may be given several tokens a row to write: their computing can be forgotten.
    """

    reuses_prefixes: bool
    reads_in_pieces: bool
    takes_drafts: bool

    def warm_up(self, report: Report) -> None:
        """Do now what would keep the first requests waiting."""
        ...

    def read(self, row: int, tokens: list[int], start: int, mix: Mix = NO_ADAPTERS, keep: int = 1) -> Tensor:
        """Compute prompt tokens from place `start` on; returns the logits after the last `keep`, [keep, vocabulary]."""
        ...

    def read_vectors(self, row: int, vectors: Tensor, mix: Mix) -> None:
        """Compute what stands in front of a prompt, [count, width], from place 0 on."""
        ...

    def write(self, tokens: list[list[int]], places: list[int], mixes: list[Mix]) -> Tensor:
        """Compute what the first rows write from their places on; returns [rows, most tokens of a row, vocabulary].

        Rows with fewer tokens are filled up; what stands behind their last token means nothing.
        """
        ...

    def move(self, source: int, target: int, tokens: int) -> None: ...

    def take_out(self, row: int, tokens: int) -> States: ...

    def put_in(self, row: int, states: States, tokens: int) -> None: ...

    def clear(self, row: int) -> None: ...


def make_batch(model: Any, rows: int, adapters: Adapters, fixed: type[FixedPass] | None) -> Batch:
    return RowBatch(model, rows, adapters, fixed) if is_regular(model) else SeparateBatch(model, rows, adapters)


def is_regular(model: Any) -> bool:
    """Whether all layers are attention with keys and values of their own and a mask that we can give.

    Recurrent and exotic ones keep a cache per request.
    """
    config = model.config.get_text_config()
    return (
        layer_kinds(config) <= ROW_LAYERS
        and config._attn_implementation in ATTENTION
        and not is_recurrent(model)
        and not getattr(config, "num_kv_shared_layers", 0)
    )


def input_device(model: Any) -> torch.device:
    """Where token ids belong; of a model that is partly on disk, the device that its layers are brought to."""
    if model.device.type != "meta":
        return model.device
    on_gpu = any(isinstance(place, int) for place in model.hf_device_map.values())
    return torch.device("cuda" if on_gpu else "cpu")


def is_recurrent(model: Any) -> bool:
    is_attention = all(
        "attention" in kind and "linear" not in kind for kind in layer_kinds(model.config.get_text_config())
    )
    return bool(getattr(model, "_is_stateful", False)) or not is_attention


def layer_kinds(config: Any) -> set[str]:
    return set(getattr(config, "layer_types", None) or ["full_attention"])


class RowBatch:
    reuses_prefixes = True
    reads_in_pieces = True
    takes_drafts = True

    def __init__(
        self, model: Any, rows: int, adapters: Adapters | None = None, fixed: type[FixedPass] | None = None
    ) -> None:
        """`fixed` is how passes of fixed shapes are computed, where they are wanted."""
        self._forward = Forward(model, adapters)
        config = model.config.get_text_config()
        self._masks = Masks(config)
        self._device = input_device(model)
        self._rows = rows
        self._cache = RowCache(config.num_hidden_layers, rows + 1 if fixed else rows)
        self._fixed = FixedPasses(fixed, self._hiding, self._cache, self._device) if fixed else None

    def warm_up(self, report: Report) -> None:
        if self._fixed is not None:
            self._fixed.warm_up(self._rows, report)

    def read(self, row: int, tokens: list[int], start: int, mix: Mix = NO_ADAPTERS, keep: int = 1) -> Tensor:
        self._cache.open(Window(row, [start], len(tokens)))
        places = torch.arange(start, start + len(tokens), device=self._device)[None]
        ids = torch.tensor([tokens], device=self._device)
        mask = self._masks.of(places, start + len(tokens))
        return self._forward(ids, places, self._cache, mask, keep=keep, mixes=[mix])[0]

    def read_vectors(self, row: int, vectors: Tensor, mix: Mix) -> None:
        self._cache.open(Window(row, [0], len(vectors)))
        places = torch.arange(len(vectors), device=self._device)[None]
        self._forward(vectors[None], places, self._cache, self._masks.of(places, len(vectors)), keep=1, mixes=[mix])

    def write(self, tokens: list[list[int]], places: list[int], mixes: list[Mix]) -> Tensor:
        width = max(len(row) for row in tokens)
        # What was captured knows no adapters.
        fixed = None if any(mixes) else self._fixed
        if fixed is not None:
            width = next(size for size in WIDTHS if size >= width)
        at = torch.tensor([positions(row, place, width) for row, place in zip(tokens, places, strict=True)])
        ids = torch.tensor([filled(row, width) for row in tokens])
        if fixed is not None:
            return fixed.run(ids, at, places)
        window = Window(0, places, width)
        self._cache.open(window)
        at, ids = at.to(self._device), ids.to(self._device)
        return self._forward(ids, at, self._cache, self._masks.of(at, window.length), keep=width, mixes=mixes)

    def _hiding(self, ids: Tensor, places: Tensor, cache: RowCache, length: int, keep: int) -> Tensor:
        return self._forward(ids, places, cache, self._masks.hiding(places, length), keep=keep)

    def move(self, source: int, target: int, tokens: int) -> None:
        self._cache.move(source, target, tokens)

    def take_out(self, row: int, tokens: int) -> States:
        return self._cache.take_out(row, tokens)

    def put_in(self, row: int, states: States, tokens: int) -> None:
        self._cache.put_in(row, states, tokens)

    def clear(self, row: int) -> None:
        pass


class SeparateBatch:
    """Each request with the cache its model makes for itself; nothing is shared, also no prefix."""

    reuses_prefixes = False
    takes_drafts = False

    def __init__(self, model: Any, rows: int, adapters: Adapters) -> None:
        self._model = model
        self._device = input_device(model)
        self._forward = Forward(model, adapters)
        self._caches: list[Any] = [None] * rows
        self.reads_in_pieces = not is_recurrent(model) or self._goes_on()

    def warm_up(self, report: Report) -> None:
        pass

    def _goes_on(self) -> bool:
        """Some recurrent layers begin anew with every piece of more than one token, so it is tried."""
        whole = self.read(0, list(PROBE), 0)
        self.clear(0)
        self.read(0, list(PROBE[:PIECE]), 0)
        pieces = self.read(0, list(PROBE[PIECE:]), PIECE)
        self.clear(0)
        return float((whole - pieces).square().sum() / whole.square().sum()) < NEARLY**2

    def read(self, row: int, tokens: list[int], start: int, mix: Mix = NO_ADAPTERS, keep: int = 1) -> Tensor:
        if self._caches[row] is None:
            self._caches[row] = DynamicCache(config=self._model.config)
        places = torch.arange(start, start + len(tokens), device=self._device)[None]
        ids = torch.tensor([tokens], device=self._device)
        return self._forward(ids, places, self._caches[row], None, keep=keep, mixes=[mix])[0]

    def read_vectors(self, row: int, vectors: Tensor, mix: Mix) -> None:
        self._caches[row] = DynamicCache(config=self._model.config)
        places = torch.arange(len(vectors), device=self._device)[None]
        self._forward(vectors[None], places, self._caches[row], None, keep=1, mixes=[mix])

    def write(self, tokens: list[list[int]], places: list[int], mixes: list[Mix]) -> Tensor:
        rows = [self.read(row, written, places[row], mixes[row]) for row, written in enumerate(tokens)]
        return torch.stack(rows)

    def move(self, source: int, target: int, tokens: int) -> None:
        self._caches[target], self._caches[source] = self._caches[source], None

    def take_out(self, row: int, tokens: int) -> States:
        return []

    def put_in(self, row: int, states: States, tokens: int) -> None:
        raise AssertionError("nothing was taken out")

    def clear(self, row: int) -> None:
        self._caches[row] = None


class Forward:
    """One pass through the model: ids and places [batch, new] to the logits of the last `keep`, in float32.

    In the place of ids there may be their embeddings, [batch, new, width].

    Each row is computed with its mix of adapters; no mixes are none for anyone.
    """

    def __init__(self, model: Any, adapters: Adapters | None) -> None:
        known = inspect.signature(model.forward).parameters
        self._model = model
        self._adapters = adapters
        self._keeps = "logits_to_keep" in known
        self._takes_places = "position_ids" in known
        # Purely recurrent models call it by another name.
        self._cache_name = "cache_params" if "cache_params" in known else "past_key_values"

    def __call__(
        self, ids: Tensor, places: Tensor, cache: Any, mask: Any, *, keep: int, mixes: Sequence[Mix] = ()
    ) -> Tensor:
        extra: dict[str, Any] = {self._cache_name: cache}
        if self._keeps:
            extra["logits_to_keep"] = keep
        if self._takes_places:
            extra["position_ids"] = places
        with self._adapters.using(mixes, ids.shape[1]) if self._adapters else nullcontext():
            name = "inputs_embeds" if ids.is_floating_point() else "input_ids"
            output = self._model(**{name: ids}, attention_mask=mask, use_cache=True, **extra)
        return output.logits[:, -keep:].float()


def filled(tokens: list[int], width: int) -> list[int]:
    return tokens + tokens[-1:] * (width - len(tokens))


def positions(tokens: list[int], start: int, width: int) -> list[int]:
    """Fillers stay at the last token's place: there may be no embedding for a later one."""
    return [start + min(place, len(tokens) - 1) for place in range(width)]


class Masks:
    """Who may look at whom, in the form this architecture expects: one mask, or one for each kind of layer."""

    def __init__(self, config: Any) -> None:
        kinds = set(getattr(config, "layer_types", None) or [])
        window = getattr(config, "sliding_window", None) if getattr(config, "use_sliding_window", True) else None
        self._window: int | None = window
        self._by_kind = "sliding_attention" in kinds

    def of(self, places: Tensor, length: int) -> Any:
        """`places` [batch, new] to masks [batch, 1, new, length]; True is seen. None where everything is."""
        needs_window = self._window is not None and length > self._window
        if places.numel() == 1 and not needs_window:
            return None if not self._by_kind else {"full_attention": None, "sliding_attention": None}
        return self.hiding(places, length)

    def hiding(self, places: Tensor, length: int) -> Any:
        """The same where there may be something behind every place."""
        keys = torch.arange(length, device=places.device)
        causal = (keys <= places[..., None])[:, None]
        near = causal & (keys > places[..., None] - self._window)[:, None] if self._window is not None else causal
        if self._by_kind:
            return {"full_attention": causal, "sliding_attention": near}
        return near
