"""What every sampling knob does to a distribution, in plain NumPy, after the formulas as they were published.

`scores` are logits of the whole vocabulary [V] in float64, up to a constant unless said otherwise; -inf is a token that
was dropped. Each function returns new ones. Nothing here was taken from the engines.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy
from numpy.typing import NDArray

Scores = NDArray[numpy.float64]
DROPPED = -numpy.inf


def log_probabilities(scores: Scores) -> Scores:
    shifted = scores - scores.max()
    return shifted - numpy.log(numpy.exp(shifted).sum())


def probabilities(scores: Scores) -> Scores:
    return numpy.exp(log_probabilities(scores))


def keep(scores: Scores, kept: NDArray[numpy.bool_]) -> Scores:
    """The likeliest token stays whatever a rule says."""
    return numpy.where(kept | (scores == scores.max()), scores, DROPPED)


def by_probability(scores: Scores) -> NDArray[numpy.intp]:
    return numpy.argsort(-scores, kind="stable")


def entropy(scores: Scores) -> float:
    """In nats."""
    chances = probabilities(scores)
    return float(-(chances * numpy.log(numpy.maximum(chances, 1e-300))).sum())


# Temperature


def temperature(scores: Scores, value: float) -> Scores:
    """softmax(logits / temperature); 0 leaves the likeliest token alone."""
    if value == 0:
        return numpy.where(scores == scores.max(), scores, DROPPED)
    return scores / value


def dynamic_temperature(scores: Scores, value: float, reach: float, exponent: float) -> Scores:
    """Between value - reach and value + reach, by the entropy as a share of the highest that so many tokens can have."""
    low, high = max(0.0, value - reach), value + reach
    share = entropy(scores) / numpy.log(numpy.isfinite(scores).sum())
    return temperature(scores, low + (high - low) * share**exponent)


def smoothing(scores: Scores, factor: float, curve: float) -> Scores:
    """Quadratic sampling: a parabola (and with a curve above 1 a cubic) of the distance to the best."""
    finite = numpy.isfinite(scores)
    distance = numpy.where(finite, scores - scores.max(), 0.0)
    square, cube = (3 - curve) / 2, (curve - 1) / 2
    return numpy.where(finite, -square * factor * distance**2 + cube * factor * distance**3, DROPPED)


# Truncation


def top_k(scores: Scores, k: int) -> Scores:
    kept = numpy.zeros(len(scores), bool)
    kept[by_probability(scores)[:k]] = True
    return keep(scores, kept)


def top_p(scores: Scores, share: float) -> Scores:
    """The smallest set of likeliest tokens whose probabilities add up to the share."""
    order = by_probability(scores)
    before = numpy.cumsum(probabilities(scores)[order]) - probabilities(scores)[order]
    kept = numpy.zeros(len(scores), bool)
    kept[order[before < share]] = True
    return keep(scores, kept)


def min_p(scores: Scores, share: float) -> Scores:
    chances = probabilities(scores)
    return keep(scores, chances >= share * chances.max())


def top_n_sigma(scores: Scores, count: float) -> Scores:
    finite = scores[numpy.isfinite(scores)]
    return keep(scores, scores >= finite.max() - count * finite.std())


def typical_p(scores: Scores, share: float) -> Scores:
    """Tokens in the order of how far their surprise is from the entropy, until they have the share; the first stays."""
    chances = probabilities(scores)
    distance = numpy.abs(-log_probabilities(scores) - entropy(scores))
    order = numpy.argsort(distance, kind="stable")
    before = numpy.cumsum(chances[order]) - chances[order]
    kept = numpy.zeros(len(scores), bool)
    kept[order[before <= share]] = True
    return numpy.where(kept, scores, DROPPED)


def tail_free(scores: Scores, share: float) -> Scores:
    """Cuts where the curvature of the sorted probabilities has used up its share."""
    order = by_probability(scores)
    curvature = numpy.abs(numpy.diff(probabilities(scores)[order], n=2))
    used = numpy.cumsum(curvature / curvature.sum())
    kept = numpy.zeros(len(scores), bool)
    kept[order[0]] = True
    kept[order[1:-1]] = used <= share
    return keep(scores, kept)


def top_a(scores: Scores, factor: float) -> Scores:
    chances = probabilities(scores)
    return keep(scores, chances >= factor * chances.max() ** 2)


def epsilon_cutoff(scores: Scores, epsilon: float) -> Scores:
    return keep(scores, probabilities(scores) >= epsilon)


def eta_cutoff(scores: Scores, epsilon: float) -> Scores:
    bound = min(epsilon, numpy.sqrt(epsilon) * numpy.exp(-entropy(scores)))
    return keep(scores, probabilities(scores) >= bound)


def exclude_top_choices(scores: Scores, threshold: float) -> Scores:
    """XTC when it acts: of the tokens from the threshold on only the least likely stays."""
    chances = probabilities(scores)
    top = chances >= threshold
    return numpy.where(top & (chances > chances[top].min()), DROPPED, scores) if top.sum() > 1 else scores


# Repetition. These three need real logits, whose sign says something, in `scores`.


def repetition_penalty(logits: Scores, recent: Sequence[int], penalty: float) -> Scores:
    changed, seen = logits.copy(), sorted(set(recent))
    changed[seen] = numpy.where(logits[seen] > 0, logits[seen] / penalty, logits[seen] * penalty)
    return changed


def encoder_repetition_penalty(logits: Scores, prompt: Sequence[int], penalty: float) -> Scores:
    return repetition_penalty(logits, prompt, 1 / penalty)


def counted_penalties(scores: Scores, recent: Sequence[int], presence: float, frequency: float) -> Scores:
    """OpenAI's."""
    changed = scores.copy()
    for token, times in Counter(recent).items():
        changed[token] -= presence + frequency * times
    return changed


def no_repeated_ngrams(scores: Scores, history: Sequence[int], size: int) -> Scores:
    changed, beginning = scores.copy(), list(history[len(history) - size + 1 :]) if size > 1 else []
    for place in range(len(history) - size + 1):
        if list(history[place : place + size - 1]) == beginning:
            changed[history[place + size - 1]] = DROPPED
    return changed


def do_not_repeat_yourself(
    scores: Scores, recent: Sequence[int], breakers: Collection[int], *, multiplier: float, base: float, allowed: int
) -> Scores:
    """DRY: a token that would lengthen a run of n tokens seen before loses multiplier * base ^ (n - allowed)."""
    longest: dict[int, int] = {}
    for end in range(len(recent) - 1):
        length = 0
        while length <= end and recent[end - length] == recent[-1 - length] and recent[end - length] not in breakers:
            length += 1
        follower = recent[end + 1]
        if length and follower not in breakers:
            longest[follower] = max(longest.get(follower, 0), length)
    changed = scores.copy()
    for token, length in longest.items():
        if length >= allowed:
            changed[token] -= multiplier * base ** (length - allowed)
    return changed


# Steering


def added_and_banned(scores: Scores, added: Mapping[int, float], banned: Collection[int]) -> Scores:
    changed = scores.copy()
    for token, bias in added.items():
        changed[token] += bias
    changed[list(banned)] = DROPPED
    return changed


def guidance(scores: Scores, negative: Scores, scale: float) -> Scores:
    """Away from what the negative prompt says, on log-probabilities."""
    return log_probabilities(negative) + scale * (log_probabilities(scores) - log_probabilities(negative))


def mirostat_2(scores: Scores, most_surprise: float) -> Scores:
    """Drops what surprises more than this, in bits."""
    return keep(scores, -log_probabilities(scores) / numpy.log(2) <= most_surprise)


def mirostat_1(scores: Scores, most_surprise: float, whole: Callable[[float], int] = round) -> Scores:
    """Fits Zipf's law to the hundred likeliest and keeps as many as have that surprise on average."""
    chances = numpy.sort(probabilities(scores))[::-1][:100]
    places = numpy.arange(1, len(chances))
    steps, falls = numpy.log((places + 1) / places), numpy.log(chances[:-1] / chances[1:])
    exponent = (steps * falls).sum() / (steps**2).sum()
    excess = exponent - 1
    count = (excess * 2**most_surprise / (1 - float(len(scores)) ** -excess)) ** (1 / exponent)
    return top_k(scores, max(whole(count), 1))


def mirostat_learns(most_surprise: float, chosen_chance: float, tau: float, eta: float) -> float:
    """The next token's bound, from the probability that this one had among those kept."""
    return most_surprise - eta * (-numpy.log2(chosen_chance) - tau)


def adaptive_p(scores: Scores, target: float) -> Scores:
    """Favours tokens whose probability is near the target: a parabola within a width of 0.3, straight beyond."""
    distance = numpy.abs(probabilities(scores) - target) / 0.3
    return numpy.where(numpy.isfinite(scores), -10 * distance**2 / (1 + distance), DROPPED)


def adaptive_targets(target: float, decay: float, chosen_chances: Sequence[float]) -> list[float]:
    """The target of each place, the last being the next one's, so that chosen tokens have the target on average."""
    weighted, weight = target / (1 - decay), 1 / (1 - decay)
    found = [target]
    for chance in chosen_chances:
        weighted, weight = chance + decay * weighted, 1 + decay * weight
        found.append(float(numpy.clip(2 * target - weighted / weight, 0, 1)))
    return found
