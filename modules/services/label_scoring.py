"""How likely each of several texts is as the reply to a prompt."""

from collections.abc import Callable, Mapping, Sequence
from math import exp
from threading import Event as Flag

from modules.engines.generation import Generation
from modules.engines.loaded import LoadedModel
from modules.errors import BadRequest, Cancelled, EngineError
from modules.limits import LIMITS
from modules.services.inference import Inference
from modules.services.models import ModelService
from modules.services.prompt_requests import tokens_of
from modules.types.generation import Failed, TextDelta, TokenLogprob
from modules.types.prompt_templates import LabelProbabilities, LabelProbability, RenderedPrompt
from modules.types.reply_params import ReplyParams
from modules.types.sampling import SamplingParams

Tokens = tuple[int, ...]
# Enough that the wanted token is chosen whatever the model thinks of it; what is reported is not touched by it.
FORCE = 100.0
ALTERNATIVES = 20
LOOK_SECONDS = 0.2


class LabelScorer:
    """Scores the tokens of each label one after the other behind the prompt.

    For each place one token is asked for with a bias that makes it certain, and the engine reports its probability in
    the model's own distribution, before bias and samplers; what it reports of other labels' tokens there is taken
    along. So the figures are exact on every engine that takes token ids and reports log-probabilities, and the prompt
    is computed once where engines keep what they computed. A label's tokens are those of the label by itself; behind
    raw text, those that continue it after a space.

    P(label) is the probability that a reply begins with the label's tokens and not with those of a longer label; the
    probabilities of all labels are divided by their sum.
    """

    def __init__(self, inference: Inference, models: ModelService) -> None:
        self._inference = inference
        self._models = models

    def score(
        self, rendered: RenderedPrompt, model: str | None, cancelled: Callable[[], bool] = lambda: False
    ) -> LabelProbabilities:
        """On the caller's thread. Raises BadRequest for labels or engines that cannot be scored, Cancelled."""
        if len(rendered.labels) > LIMITS.labels:
            raise BadRequest(
                f"There are {len(rendered.labels):,} labels; {LIMITS.labels} is the limit.", field="variables"
            )
        name = self._models.chosen(model).id
        with self._models.in_use(name) as loading:
            loaded = loading.result.result()
            if not loaded.capabilities.logprobs:
                raise BadRequest(f"The {loaded.engine} engine cannot report log-probabilities.", field="model")
            return self._scored(rendered, loaded, cancelled)

    def _scored(
        self, rendered: RenderedPrompt, loaded: LoadedModel, cancelled: Callable[[], bool]
    ) -> LabelProbabilities:
        name = loaded.model.id
        stem = rendered.prompt.rstrip(" ")
        prompt = self._inference.count_tokens(rendered.messages or stem, name).result().tokens
        paths = paths_of(rendered.labels, prompt, "" if rendered.messages else stem, loaded)
        following: dict[Tokens, dict[int, float]] = {}
        logs: dict[str, float] = {}
        for label, path in paths.items():
            logs[label] = 0.0
            for place, token in enumerate(path):
                known = following.setdefault(path[:place], {})
                if token not in known:
                    if cancelled():
                        raise Cancelled("The labels are not needed any more.")
                    known.update(self._ask(prompt + path[:place], token, name, cancelled))
                logs[label] += known[token]
        return shares(logs, paths)

    def _ask(self, before: Tokens, token: int, model: str, cancelled: Callable[[], bool]) -> dict[int, float]:
        """Log-probabilities of `token`, and of what else is reported, behind `before`."""
        sampling = SamplingParams(temperature=0.0, logit_bias={str(token): FORCE}, n_probs=ALTERNATIVES)
        generation = self._inference.complete(before, ReplyParams(sampling, max_tokens=1), model)
        wait_for_end(generation, cancelled)
        found = reported(generation)
        if found.chosen.id != token:
            raise EngineError("This model's engine did not say how likely a label's token is.")
        choices = [*found.alternatives, found.chosen]
        return {choice.id: choice.logprob for choice in choices if choice.logprob is not None}


def paths_of(labels: Sequence[str], prompt: Tokens, stem: str, loaded: LoadedModel) -> dict[str, Tokens]:
    """The tokens of each label; `stem` is the raw text that they continue, empty for a chat.

    Raises BadRequest for labels that cannot be told apart.
    """
    gap = "" if stem.endswith("\n") else " "
    paths: dict[str, Tokens] = {}
    for label in labels:
        path = tuple(loaded.tokenize(label))
        if stem:
            whole = tokens_of(loaded, stem + gap + label)
            path = whole[len(prompt) :] if whole[: len(prompt)] == prompt else path
        if not path or path in paths.values():
            raise BadRequest(f"The label {label[:80]!r} has the same tokens as another, or none.", field="variables")
        paths[label] = path
    return paths


def wait_for_end(generation: Generation, cancelled: Callable[[], bool]) -> None:
    """Until it has ended. Raises what it failed with, Cancelled when nobody waits any more."""
    ended = Flag()
    generation.on_end(ended.set)
    while not ended.wait(LOOK_SECONDS):
        if cancelled():
            generation.cancel()
    if isinstance(generation.end, Failed):
        raise generation.end.error()
    if generation.end is not None and generation.end.reason == "cancelled":
        raise Cancelled("The request was cancelled.")


def reported(generation: Generation) -> TokenLogprob:
    for event in generation.events:
        if isinstance(event, TextDelta) and event.logprobs:
            return event.logprobs[0]
    raise EngineError("This model's engine reported no probabilities.")


def shares(logs: Mapping[str, float], paths: Mapping[str, Tokens]) -> LabelProbabilities:
    """A reply that begins with a longer label counts for that one alone."""
    highest = max(logs.values())
    begins = {label: exp(log - highest) for label, log in logs.items()}
    alone = dict(begins)
    for label, path in paths.items():
        shorter = [other for other in paths if other != label and path[: len(paths[other])] == paths[other]]
        if shorter:
            alone[max(shorter, key=lambda other: len(paths[other]))] -= begins[label]
    masses = {label: max(mass, 0.0) for label, mass in alone.items()}
    total = sum(masses.values())
    found = [LabelProbability(label, mass / total) for label, mass in masses.items()]
    return LabelProbabilities(
        tuple(sorted(found, key=lambda one: one.probability, reverse=True)), min(total * exp(highest), 1.0)
    )
