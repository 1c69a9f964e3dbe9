"""What a recipe leaves open, chosen for model, samples and machine, each choice with its reason."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modules.training.layers import ALL_LINEAR, Anatomy
from modules.types.machine import ComputeRates
from modules.types.recipes import Method, Objective, Recipe
from modules.types.training import Examination

# A sample is cut here unless a person says more: what is behind it costs memory of all.
USUAL_LENGTH = 2048
TEXT_LENGTH = 1024
# A pack of fewer tokens leaves a processor idle between products.
PACK_LENGTH = 512
PASS_TOKENS = 512
STEP_SAMPLES = 16
# Half the memory is worth some speed.
SLOW_BFLOAT16 = 1.25
BILLION = 10**9
# Models whose layers carry a state from token to token, which reaches from one packed sample into the next.
RECURRENT = frozenset({
    "mamba", "mamba2", "falcon_mamba", "rwkv", "jamba", "bamba", "zamba", "zamba2", "falcon_h1", "lfm2", "lfm2_moe",
    "qwen3_next", "recurrent_gemma", "xlstm", "nemotron_h", "granitemoehybrid", "minimax", "kimi_linear", "olmo_hybrid",
})  # fmt: skip
# Learning rates that are usual for each method; of models beyond a billion parameters the second.
RATES: Mapping[Method, tuple[float, float]] = {
    "lora": (3e-4, 2e-4),
    "rslora": (2e-4, 1e-4),
    "dora": (3e-4, 2e-4),
    "full": (5e-5, 1e-5),
    "prompt_tuning": (3e-2, 1e-2),
}
# Held out for judging: enough that the figure is not chance, and no more than is computed in little time.
JUDGED = 0.05
LEAST_JUDGED, MOST_JUDGED = 4, 200
TOO_FEW_TO_JUDGE = 20
EVALUATIONS = 10
# Between two checkpoints at most; a short run has a few all the same, unless saving would take longer than learning.
CHECKPOINT_SECONDS = 180.0
CHECKPOINTS = 4
SAVED_SHARE = 1 / 4


@dataclass(frozen=True)
class Counts:
    """Of the rows in the data, by what they hold."""

    chats: int = 0
    completions: int = 0
    texts: int = 0

    @property
    def samples(self) -> int:
        return self.chats + self.completions + self.texts


class Choices:
    """A recipe as its open fields are filled. A field that a person has set is left alone and gets no reason."""

    def __init__(self, recipe: Recipe, reasons: Mapping[str, str] | None = None) -> None:
        self.recipe = recipe
        self.reasons: dict[str, str] = dict(reasons or {})

    def choose(self, field: str, value: Any, reason: str) -> None:
        if field in open_fields(self.recipe):
            self.change(field, value, reason)

    def change(self, field: str, value: Any, reason: str) -> None:
        """Also what was chosen before."""
        self.recipe = self.recipe.model_copy(update={field: value})
        self.reasons[field] = reason


def open_fields(recipe: Recipe) -> frozenset[str]:
    return frozenset(name for name, value in recipe if value is None)


def choose_task(choices: Choices, counts: Counts) -> None:
    """What is learned, and by which method."""
    has_answers = counts.chats + counts.completions >= counts.texts
    objective: Objective = "chat" if has_answers else "text"
    what = "samples with answers to learn" if has_answers else "plain texts, of which every token is learned"
    found = max(counts.samples - counts.texts, counts.texts)
    choices.choose("objective", objective, f"{objective}: {found:,} of {counts.samples:,} rows are {what}.")
    if choices.recipe.rank is not None and choices.recipe.rank >= 32:
        choices.choose(
            "method", "rslora", "rslora: with a rank of 32 or more its scaling learns better than plain lora."
        )
    choices.choose(
        "method",
        "lora",
        "lora: it learns about as well as full finetuning and takes a fraction of its memory and disk.",
    )


def choose_rows(choices: Choices, anatomy: Anatomy, whole: Examination) -> None:
    """How samples are cut and put into rows. `whole` is of the samples without a limit."""
    _choose_length(choices, anatomy, whole)
    _choose_packing(choices, anatomy, whole)
    recipe, facts = choices.recipe, whole.facts
    assert recipe.max_length is not None
    mean = min(max(facts.tokens // max(facts.samples, 1), 1), recipe.max_length)
    if recipe.packing:
        choices.choose("batch_size", 1, f"1: a pack of {recipe.max_length:,} tokens fills a pass.")
        per_pass = (recipe.batch_size or 1) * max(recipe.max_length // mean, 1)
    else:
        fitting = max(1, min(8, PASS_TOKENS // max(facts.median, 1)))
        choices.choose(
            "batch_size", fitting, f"{fitting}: about {PASS_TOKENS} tokens in a pass keep the processor busy."
        )
        per_pass = choices.recipe.batch_size or 1
    # A small set of samples would have hardly any steps otherwise.
    wanted = max(1, min(STEP_SAMPLES, facts.samples // 25))
    passes = max(1, round(wanted / per_pass / recipe.processes))
    samples = min(passes * per_pass * recipe.processes, max(facts.samples, 1))
    choices.choose("accumulation", passes, f"{passes}: each step learns from about {samples} samples.")


def _choose_length(choices: Choices, anatomy: Anatomy, whole: Examination) -> None:
    context = anatomy.shape.context_length or USUAL_LENGTH
    longest = whole.facts.longest
    if choices.recipe.objective == "text":
        length = min(context, TEXT_LENGTH, rounded_up(longest))
        choices.choose("max_length", length, f"{length:,}: longer texts become several samples of so many tokens.")
        return
    length = min(context, USUAL_LENGTH, max(rounded_up(longest), PACK_LENGTH))
    reason = f"{length:,}: the longest sample has {longest:,} tokens."
    if longest > length:
        share = sum(one > length for one in whole.lengths) / len(whole.lengths)
        limit = "the model reads no more" if length == context else "more takes much memory"
        reason = f"{length:,}: {limit}; {share:.1%} of the samples are longer."
    choices.choose("max_length", length, reason)


def _choose_packing(choices: Choices, anatomy: Anatomy, whole: Examination) -> None:
    recipe, median = choices.recipe, whole.facts.median
    assert recipe.max_length is not None
    if fault := packing_fault(anatomy):
        choices.choose("packing", value=False, reason=f"off: {fault}")
    elif median * 2 > recipe.max_length or whole.facts.samples < 2:
        choices.choose("packing", value=False, reason="off: the samples are too long for two of them to share a row.")
    else:
        choices.choose(
            "packing",
            value=True,
            reason=f"on: samples of {median:,} tokens share rows of {recipe.max_length:,}, each reading itself alone; "
            "nothing is spent on padding.",
        )


def packing_fault(anatomy: Anatomy) -> str:
    """Why samples cannot share a row; empty where they can."""
    if anatomy.shape.architecture in RECURRENT or anatomy.shape.state_size:
        return f"{anatomy.shape.architecture} carries a state from token to token, also into the next sample of a row."
    return ""


def choose_adapter(choices: Choices, anatomy: Anatomy, samples: int) -> None:
    """`samples` are those that are learned."""
    recipe = choices.recipe
    if recipe.method == "prompt_tuning":
        choices.choose("prompt_tokens", 20, "20: enough for style and format, which is what prompt tuning can teach.")
        return
    if recipe.method != "full":
        choices.choose(
            "targets", (ALL_LINEAR,), "all-linear: adapters on all linear layers learn more than on attention alone."
        )
        rank, why = rank_for(samples)
        choices.choose("rank", rank, f"{rank}: {samples:,} samples are {why}.")
        _choose_alpha(choices)


def _choose_alpha(choices: Choices) -> None:
    rank = choices.recipe.rank or 1
    if choices.recipe.method == "rslora":
        choices.choose("alpha", 16.0, "16: with rslora the strength does not fall as the rank grows.")
    else:
        choices.choose("alpha", 2.0 * rank, f"{2 * rank}: twice the rank, as is usual.")


def rank_for(samples: int) -> tuple[int, str]:
    """(the rank, what the samples are to it)."""
    if samples < 1000:
        return 8, "few, and a larger adapter would memorise them"
    if samples < 20_000:
        return 16, "enough for an adapter of middle size"
    return 32, "many, so that a larger adapter has something to learn"


def choose_numbers(choices: Choices, rates: ComputeRates) -> None:
    """How the model's weights are kept, and what is kept beside them."""
    slower = rates.float32 / rates.bfloat16
    if slower > SLOW_BFLOAT16:
        reason = f"float32: this processor computes it {slower:.1f} times as fast as bfloat16."
        choices.choose("base_weights", "float32", reason)
    elif choices.recipe.method == "full":
        choices.choose(
            "base_weights", "bfloat16", "bfloat16: the weights stay float32, and are computed with in 16 bits."
        )
    else:
        choices.choose(
            "base_weights", "bfloat16", "bfloat16: half the memory of float32; the adapter itself is float32."
        )
    choices.choose("optimizer", "adamw", "adamw: the usual one, with a step size of its own for each number.")
    choices.choose("gradient_checkpointing", value=False, reason="off: it fits without, and is faster by a third.")


def choose_pace(choices: Choices, anatomy: Anatomy, samples: int) -> None:
    recipe = choices.recipe
    assert recipe.method is not None
    small, large = RATES[recipe.method]
    rate = small if anatomy.shape.parameters < BILLION else large
    size = "below" if rate == small else "beyond"
    choices.choose("learning_rate", rate, f"{rate:g}: usual for {recipe.method} on models {size} a billion parameters.")
    if recipe.steps is None:
        epochs = epochs_for(samples, recipe.objective or "chat")
        seen = "once is enough" if epochs == 1 else f"each is seen {epochs:g} times"
        choices.choose("epochs", epochs, f"{epochs:g}: of {samples:,} samples {seen}.")


def epochs_for(samples: int, objective: Objective) -> float:
    if objective == "text":
        return 1.0 if samples > 1000 else 2.0
    return 5.0 if samples < 100 else 3.0 if samples < 2000 else 2.0 if samples < 20_000 else 1.0


def choose_share(choices: Choices, rows: int) -> None:
    """What is held out to judge by, of so many rows."""
    if choices.recipe.evaluation_data is not None:
        choices.choose("evaluation_share", 0.0, "0: there are samples of their own to judge by.")
    elif rows < TOO_FEW_TO_JUDGE:
        choices.choose("evaluation_share", 0.0, f"0: of {rows:,} samples none can be spared for judging.")
    else:
        judged = min(max(round(rows * JUDGED), LEAST_JUDGED), MOST_JUDGED)
        share = round(judged / rows, 6)
        choices.choose("evaluation_share", share, f"{share:.1%}: {judged} samples judge what was learned.")


def choose_watch(choices: Choices, steps: int, step_seconds: float, checkpoint_seconds: float) -> None:
    """How often is judged and saved; `checkpoint_seconds` is what saving once takes, with the answers to prompts.

    `step_seconds` is 0 where the speed is unknown.
    """
    tenth = max(1, round(steps / EVALUATIONS))
    choices.choose("evaluate_every", tenth, f"{tenth}: about {-(-steps // tenth)} times in the run.")
    every = choices.recipe.evaluate_every or tenth
    wanted = max(min(CHECKPOINT_SECONDS, steps * step_seconds / CHECKPOINTS), checkpoint_seconds / SAVED_SHARE)
    between = wanted / step_seconds if step_seconds else tenth
    # At an evaluation, so that the best can be kept.
    saved = min(max(1, round(between / every)) * every, max(steps, 1))
    spent = saved * step_seconds
    reason = f"{saved}: about every {spoken(spent)}." if step_seconds else f"{saved}: at every evaluation."
    choices.choose("checkpoint_every", saved, reason)


def rounded_up(length: int, step: int = 64) -> int:
    return max(-(-length // step) * step, step)


def spoken(seconds: float) -> str:
    if seconds < 90:
        return f"{max(round(seconds), 1)} seconds"
    if seconds < 5400:
        return f"{round(seconds / 60)} minutes"
    return f"{seconds / 3600:.1f} hours"
