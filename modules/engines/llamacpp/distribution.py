"""How llama.cpp would choose the next token: one prompt asked again and again, its samplers cut after each in turn."""

import math
from collections.abc import Iterator
from heapq import nlargest
from threading import Event as Flag
from typing import Any, NamedTuple

from modules.engines.llamacpp.wire import progress_event, sampler_order
from modules.engines.protocol import Emit
from modules.errors import EngineError
from modules.types.generation import GenerationRequest, SamplerStep, TokenChoice
from modules.types.sampling import SWITCHES, SamplingParams

# These move probabilities and leave every token some; a temperature of 0 shows in a list of one.
MOVING = frozenset({"model", "penalties", "dry", "temperature"})
AT_LEAST = 2
# llama.cpp tells nothing of a place where it drew the first part of a character, so it is asked to draw anew.
DRAWS = 8


class Cut(NamedTuple):
    """A step and what its request says differently from the person's."""

    name: str
    fields: dict[str, Any]


def cuts(knobs: SamplingParams) -> list[Cut]:
    """The steps that change anything, in their order; the first is the model's own distribution.

    "bans" are biases and forbidden tokens. XTC is shown as when it acts, however seldom it may.
    Mirostat and adaptive-p are shown as at the beginning of a reply, for they learn from what they choose; Mirostat
    takes the place of every sampler but the temperature.
    """
    found = [Cut("model", {"samplers": [], "logit_bias": [], "ignore_eos": False, "mirostat": 0})]
    if knobs.logit_bias or knobs.banned_tokens or knobs.ignore_eos:
        found.append(Cut("bans", {"samplers": [], "mirostat": 0}))
    if knobs.mirostat:
        if knobs.temperature != 1:
            found.append(Cut("temperature", {"samplers": ["temperature"], "mirostat": 0, "dynatemp_range": 0}))
        return [*found, Cut("mirostat", {})]
    order = sampler_order(knobs)
    for place, name in enumerate(order):
        if name not in SWITCHES or knobs.acts(name):
            xtc = float(knobs.xtc_probability > 0)
            found.append(Cut(name, {"samplers": order[: place + 1], "mirostat": 0, "xtc_probability": xtc}))
    return found


class DistributionRun:
    """Asks for one step after the other; each costs the model one token, for the prompt is read once."""

    def __init__(
        self,
        server: Any,
        body: dict[str, Any],
        request: GenerationRequest,
        *,
        vocabulary: int,
        emit: Emit,
        cancelled: Flag,
    ) -> None:
        """`body` is the request's own as llama.cpp is asked it."""
        self._server = server
        self._body = body
        self._count = request.distribution or 0
        self._cuts = cuts(request.sampling)
        self._vocabulary = vocabulary
        self._emit = emit
        self._cancelled = cancelled
        # Of the first request; the others find the prompt read.
        self.cached_tokens: int | None = None

    def steps(self) -> Iterator[SamplerStep]:
        """Fewer than all when it is cancelled. Raises EngineError where llama.cpp tells nothing."""
        kept = self._vocabulary
        for cut in self._cuts:
            # A step that drops tokens tells how many are left by the length of its list.
            asked = max(self._count, AT_LEAST) if cut.name in MOVING else self._vocabulary
            entries = self._entries(cut, asked)
            if entries is None:
                return
            kept = len(entries) if len(entries) < asked else kept
            likeliest = nlargest(self._count, entries, key=lambda entry: entry["prob"])
            yield SamplerStep(cut.name, kept, tuple(choice(entry) for entry in likeliest))

    def _entries(self, cut: Cut, asked: int) -> list[dict[str, Any]] | None:
        """The likeliest tokens with their probabilities, none of which is 0; None when it is cancelled."""
        fields = {"n_predict": 1, "n_probs": asked, "post_sampling_probs": True, **cut.fields}
        for seed in range(DRAWS):
            draw = Draw(self._emit, self._cancelled)
            self._server.handle_completions({**self._body, **fields, "seed": seed}, draw.take)
            if self._cancelled.is_set():
                return None
            if draw.error:
                raise EngineError(f"llama.cpp failed: {draw.error}")
            if self.cached_tokens is None:
                self.cached_tokens = draw.cached_tokens
            if draw.entries:
                return draw.entries
        raise EngineError(
            "The next token is most likely a part of a character, and llama.cpp tells no probabilities there. Add the "
            "character, or load the model with the transformers engine."
        )


class Draw:
    """Takes the stream of one request for one token; answering True ends it."""

    def __init__(self, emit: Emit, cancelled: Flag) -> None:
        self._emit = emit
        self._cancelled = cancelled
        self.entries: list[dict[str, Any]] = []
        self.error = ""
        self.cached_tokens = 0

    def take(self, chunk: dict[str, Any]) -> bool:
        if "error" in chunk:
            self.error = str(chunk["error"].get("message", "no reason given"))
        elif (progress := progress_event(chunk)) is not None:
            self._emit(progress)
        elif logprobs := chunk["choices"][0]["logprobs"]:
            self.entries = logprobs["content"][0]["top_probs"]
        self.cached_tokens = chunk.get("timings", {}).get("cache_n", 0)
        return self._cancelled.is_set()


def choice(entry: dict[str, Any]) -> TokenChoice:
    return TokenChoice(entry["token"], math.log(entry["prob"]), tuple(entry["bytes"]), entry["id"])
