"""From logits to the next token: each request with its own knobs, its own history and its own random draws."""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from modules.engines.hf import repetition, truncations
from modules.engines.hf.bans import Bans
from modules.engines.hf.breakers import NO_BREAKERS, Breakers
from modules.engines.hf.candidates import Candidates, Head
from modules.engines.hf.constraints import Matcher
from modules.engines.hf.detokenizer import Detokenizer
from modules.engines.hf.guidance import guided
from modules.engines.hf.phrases import PhraseBan
from modules.engines.hf.processors import LogitsStep, notes_of, processors_of
from modules.engines.hf.steering import steering
from modules.engines.hf.truncations import Chance, Step, is_greedy
from modules.engines.hf.vocabulary import Vocabulary
from modules.errors import EngineError
from modules.types.generation import GenerationRequest, Note
from modules.types.sampling import SAMPLER_ORDER, SamplingParams

# Samplers that never drop the likeliest token.
KEEP_THE_LIKELIEST = frozenset({"top_n_sigma", "top_k", "tfs", "top_a", "epsilon", "eta", "top_p", "min_p"})

Chain = list[tuple[str, Step]]


class Sampler:
    """`choose` takes the logits of one place and returns a token; `history` is the prompt and what was chosen since.

    The logits are guided, then biases and bans hold, then the samplers that are switched on follow one another in the
    knobs' order. As in llama.cpp, adaptive-p comes last, and Mirostat leaves of the others only the temperature.
    """

    def __init__(
        self,
        knobs: SamplingParams,
        prompt: tuple[int, ...] = (),
        end_tokens: Sequence[int] = (),
        *,
        breakers: Breakers = NO_BREAKERS,
        phrases: PhraseBan | None = None,
        matcher: Matcher | None = None,
        processors: Sequence[LogitsStep] = (),
    ) -> None:
        self._knobs = knobs
        self._prompt = prompt
        self._breakers = breakers
        self._matcher = matcher
        self._processors = processors
        self._bans = Bans(knobs, end_tokens, phrases, matcher, processors)
        self._steering = steering(knobs)
        self._random = torch.Generator()
        self._random.manual_seed(knobs.seed if knobs.seed is not None else self._random.seed() % 2**32)
        self._chain = self._steps(self._chance)
        if is_greedy(knobs):
            drop_needless(self._chain)

    @property
    def notes(self) -> tuple[Note, ...]:
        """What went wrong on the way, without ending it."""
        return notes_of(self._processors)

    def choose(
        self, logits: Tensor, history: list[int], head: Head | None = None, negative: Tensor | None = None
    ) -> int:
        """`logits` [vocabulary] in float32 are left as they are; `head` is theirs, where it is known already.

        `negative` are those after the negative prompt, of a guided request. Raises EngineError when they are no
        numbers, or when a constraint or a processor fails.
        """
        *_, (_, candidates) = self._states(self._chain, logits, history, head, negative)
        token = candidates.draw(self._chance)
        if self._steering is not None:
            self._steering.learn(token)
        if self._matcher is not None:
            self._matcher.accept(token)
        return token

    def states(
        self, logits: Tensor, history: list[int], negative: Tensor | None = None
    ) -> Iterator[tuple[str, Candidates]]:
        """What `choose` goes through: the same candidates each time, after "model" and after each sampler by its name.

        Samplers that act by chance act.
        """
        return self._states(self._steps(lambda: 0.0), logits, history, None, negative)

    @property
    def is_complete(self) -> bool:
        """Whether a constraint lets nothing follow any more."""
        return self._matcher is not None and self._matcher.is_complete

    def _states(
        self, chain: Chain, logits: Tensor, history: list[int], head: Head | None, negative: Tensor | None
    ) -> Iterator[tuple[str, Candidates]]:
        candidates = Candidates(logits, head)
        if not math.isfinite(float(candidates.logits[0])):
            raise EngineError("The model computed numbers that are not finite, so there is no next token.")
        yield "model", candidates
        if negative is not None:
            logits, head = guided(logits, negative, self._knobs.guidance_scale), None
            candidates = Candidates(logits)
            yield "guidance", candidates
        if self._bans.are_any:
            candidates = self._bans.applied(logits, history, head)
            yield "bans", candidates
        for name, step in chain:
            step(candidates, history)
            yield name, candidates

    def _steps(self, chance: Chance) -> Chain:
        knobs = self._knobs
        steps: dict[str, Step | None] = {
            "penalties": repetition.penalties(knobs, self._prompt),
            "dry": repetition.dry(knobs, self._breakers),
            "no_repeat_ngram": repetition.no_repeat_ngram(knobs),
            "top_n_sigma": truncations.top_n_sigma(knobs),
            "top_k": truncations.top_k(knobs),
            "typ_p": truncations.typical(knobs),
            "tfs": truncations.tail_free(knobs),
            "top_a": truncations.top_a(knobs),
            "epsilon": truncations.epsilon(knobs),
            "eta": truncations.eta(knobs),
            "top_p": truncations.top_p(knobs),
            "min_p": truncations.min_p(knobs),
            "xtc": truncations.xtc(knobs, chance),
            "smoothing": truncations.smoothing(knobs),
            "temperature": truncations.temperature(knobs),
        }
        order = knobs.samplers if knobs.samplers is not None else SAMPLER_ORDER
        names = ["temperature"] if knobs.mirostat else order
        chain = [(name, step) for name in names if (step := steps[name]) is not None]
        return [*chain, (self._steering.name, self._steering)] if self._steering is not None else chain

    def _chance(self) -> float:
        return float(torch.rand((), generator=self._random))


def sampler_of(request: GenerationRequest, vocabulary: Vocabulary) -> Sampler:
    """Raises BadRequest for a constraint, a processor or a token id that cannot be used with this model."""
    knobs = request.sampling
    vocabulary.check(knobs.banned_tokens, "banned_tokens")
    vocabulary.check([int(token) for token in knobs.logit_bias or {}], "logit_bias")
    return Sampler(
        knobs,
        request.prompt_tokens,
        vocabulary.end_tokens,
        breakers=vocabulary.breakers(knobs.dry_sequence_breakers) if knobs.dry_multiplier else NO_BREAKERS,
        phrases=phrase_ban(request, vocabulary) if knobs.banned_phrases else None,
        matcher=vocabulary.constraints.matcher(request.constraint) if request.constraint else None,
        processors=processors_of(request.processors),
    )


def phrase_ban(request: GenerationRequest, vocabulary: Vocabulary) -> PhraseBan:
    skips_special = request.sampling.skip_special_tokens
    return PhraseBan(
        request.sampling.banned_phrases,
        vocabulary.texts(special=not skips_special, folded=True),
        Detokenizer(vocabulary.tokenizer, request.prompt_tokens, skips_special=skips_special),
        len(request.prompt_tokens),
    )


def drop_needless(chain: Chain) -> None:
    """Right before the likeliest token is taken, truncations make no difference."""
    place = next((place for place, (name, _) in enumerate(chain) if name == "temperature"), 0)
    while place > 0 and chain[place - 1][0] in KEEP_THE_LIKELIEST:
        place -= 1
        del chain[place]
