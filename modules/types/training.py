"""A finetuning run: what was planned of it, and what it tells while it runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from modules.types.local_adapter import STOPPED
from modules.types.recipes import Recipe

RunState = Literal["queued", "running", "stopped", "done", "failed", "interrupted"]


@dataclass(frozen=True)
class LengthBin:
    """Samples whose length in tokens lies in [`start`, `end`)."""

    start: int
    end: int
    count: int


@dataclass(frozen=True)
class TokenFacts:
    """What the samples are as tokens. `dropped` and `truncated` name rows, the first few; counts are whole."""

    samples: int
    tokens: int
    trained_tokens: int
    longest: int
    median: int
    histogram: tuple[LengthBin, ...]
    dropped_count: int = 0
    dropped: tuple[tuple[int, str], ...] = ()
    truncated_count: int = 0
    truncated: tuple[tuple[int, int], ...] = ()
    flags: tuple["RedFlag", ...] = ()


@dataclass(frozen=True)
class RedFlag:
    """Something that spoils a training in silence. `code` is for programs, `row` 0 where it concerns all samples.

    `count` is of the samples it concerns, of which `row` is the first.
    """

    code: str
    message: str
    row: int = 0
    count: int = 1


@dataclass(frozen=True)
class Examination:
    """`lengths`, `trained` and `lines` have an entry for each encoded sample: its tokens, those of them that are
    learned, and its line in the file, from 0."""

    facts: TokenFacts
    lengths: tuple[int, ...]
    trained: tuple[int, ...]
    lines: tuple[int, ...]


@dataclass(frozen=True)
class Prediction:
    """Told before the start. `seconds` is None where nothing is known of this machine's speed yet.

    What was `calculated` is what past runs did not correct yet, by which later ones are.
    """

    memory_bytes: int
    available_bytes: int
    seconds: float | None
    steps: int
    tokens_per_second: float | None = None
    disk_bytes: int = 0
    calculated_memory_bytes: int = 0
    calculated_tokens_per_second: float | None = None


@dataclass(frozen=True)
class TrainingPlan:
    """A recipe with nothing left open. `reasons` say why a field was chosen; `refusal` why it cannot be started.

    `held_out` samples of the data are not learned: the model is judged by them. `name_fault` says why the result
    cannot have its name.
    """

    recipe: Recipe
    reasons: Mapping[str, str]
    facts: TokenFacts
    prediction: Prediction
    warnings: tuple[str, ...] = ()
    refusal: str = ""
    remedies: tuple[str, ...] = ()
    held_out: int = 0
    name_fault: str = ""


TokenState = Literal["trained", "masked", "truncated", "padded"]


@dataclass(frozen=True)
class LensToken:
    id: int
    text: str
    state: TokenState


@dataclass(frozen=True)
class LensSample:
    """A sample as the model reads it. `pack` counts from 0: samples with the same one share a row.

    `hidden_tokens` are further ones of a very long sample, which are not shown.
    """

    row: int
    pack: int
    tokens: tuple[LensToken, ...]
    share_trained: float
    flags: tuple[RedFlag, ...] = ()
    hidden_tokens: int = 0


class StepMetrics(BaseModel):
    """After a change of the weights. `seconds` are since the start, those before a resume included."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["step"] = "step"
    step: int
    epoch: float
    loss: float
    learning_rate: float
    gradient_norm: float
    tokens: int
    trained_tokens: int
    tokens_per_second: float
    memory_bytes: int
    seconds: float


class EvaluationMetrics(BaseModel):
    """Mean loss of the held-out samples' trained tokens. Step 0 is the model before the run."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["evaluation"] = "evaluation"
    step: int
    loss: float
    is_best: bool = False
    seconds: float = 0.0


class ProbeAnswer(BaseModel):
    """What the model says to one of the recipe's prompts, greedily. Step 0 is the model before the run."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["answer"] = "answer"
    step: int
    prompt: str
    text: str


class CheckpointSaved(BaseModel):
    model_config = ConfigDict(frozen=True)

    kind: Literal["checkpoint"] = "checkpoint"
    step: int
    name: str


class ResultWritten(BaseModel):
    """What was learned until `step` is the run's result, until a later one takes its place."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["result"] = "result"
    step: int


Metrics = Annotated[
    StepMetrics | EvaluationMetrics | ProbeAnswer | CheckpointSaved | ResultWritten, Field(discriminator="kind")
]


class RunRecord(BaseModel):
    """What is kept of a run beside its recipe. Times are Unix seconds; `seconds` is time spent training."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    state: RunState
    created: float
    started: float | None = None
    ended: float | None = None
    note: str = ""
    error: str = ""
    total_steps: int = 0
    predicted_memory_bytes: int = 0
    predicted_seconds: float | None = None
    calculated_memory_bytes: int = 0
    calculated_tokens_per_second: float | None = None
    data_fingerprint: str = ""
    versions: dict[str, str] = {}


@dataclass(frozen=True)
class MetricsSummary:
    """What a run has told so far: the newest of each kind; None before the first. The model before the run is
    never the best.

    `step_seconds` went into steps alone, without evaluations, answers and checkpoints. The result is the state after
    `result_step`.
    """

    metrics: StepMetrics | None = None
    first_evaluation: EvaluationMetrics | None = None
    last_evaluation: EvaluationMetrics | None = None
    best_evaluation: EvaluationMetrics | None = None
    peak_memory_bytes: int = 0
    step_seconds: float = 0.0
    result_step: int | None = None

    @property
    def step(self) -> int:
        return self.metrics.step if self.metrics else 0


@dataclass(frozen=True)
class Deletion:
    """`undo` brings the run back for a short while; `kept` is where what came of it stays, empty for nothing."""

    undo: str
    kept: str


@dataclass(frozen=True)
class TrainingRun:
    """A run as it stands. `place_in_queue` counts from 1; 0: it does not wait.

    `result` is what was published of it, empty while it is at work or waits.
    """

    record: RunRecord
    recipe: Recipe
    summary: MetricsSummary
    seconds_left: float | None = None
    result: Literal["adapter", "model", ""] = ""
    place_in_queue: int = 0

    @property
    def mark(self) -> str:
        """What is said of a run that is left half-way, and of the weights that it leaves."""
        if not self.summary.step:
            return "Stopped before its first step."
        learned = f" These are the weights of step {self.summary.result_step:,}." if self.summary.result_step else ""
        return f"{STOPPED} {self.summary.step:,} of {self.record.total_steps:,}.{learned}"
