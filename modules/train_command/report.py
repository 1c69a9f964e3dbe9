"""What `train` says in a terminal: the plan, and a run while it is at work."""

import sys

from modules.amounts import amount, duration
from modules.services.training import TrainingService
from modules.storage.plain_yaml import written
from modules.storage.recipe_files import plain_fields, written_recipe
from modules.types.datasets import DatasetCheck, RowProblem
from modules.types.training import TrainingPlan, TrainingRun

ANSWER_CHARS = 160
SHOWN_PROBLEMS = 5


class ProgressReport:
    """To standard error. On a terminal the newest step's line is written over by the next one."""

    def __init__(self, training: TrainingService, name: str, *, on_terminal: bool) -> None:
        self._training = training
        self._name = name
        self._on_terminal = on_terminal
        # What an earlier stretch told is known.
        _, self._told = training.metrics(name)
        self._shown = ""

    def show(self, run: TrainingRun) -> None:
        """Evaluations and answers since the last time, a line each, and where the run stands."""
        lines, self._told = self._training.metrics(self._name, self._told)
        for line in lines:
            match line["kind"]:
                case "evaluation":
                    best = ", the best so far" if line.get("is_best") else ""
                    self.say(f"step {line['step']:,}: held-out loss {line['loss']:.4f}{best}")
                case "answer":
                    self.say(f"step {line['step']:,}: {one_line(line['prompt'])} -> {one_line(line['text'])}")
                case _:
                    pass
        standing = progress_line(run)
        if standing != self._shown:
            self._shown = standing
            print(f"\r\033[K{standing}" if self._on_terminal else standing, end=self._end, file=sys.stderr, flush=True)

    def say(self, sentence: str) -> None:
        """A line that stays."""
        print(f"\r\033[K{sentence}" if self._on_terminal else sentence, file=sys.stderr, flush=True)
        self._shown = ""

    def close(self) -> None:
        if self._on_terminal:
            print(file=sys.stderr)

    @property
    def _end(self) -> str:
        return "" if self._on_terminal else "\n"


def progress_line(run: TrainingRun) -> str:
    record, newest = run.record, run.summary.metrics
    parts = [f"step {run.summary.step:,} of {record.total_steps:,}"]
    if newest is not None:
        parts += [
            f"loss {newest.loss:.4f}",
            f"rate {newest.learning_rate:.2e}",
            f"{newest.tokens_per_second:,.0f} tokens/s",
            amount(newest.memory_bytes),
        ]
    if run.seconds_left is not None:
        parts.append(f"{duration(run.seconds_left)} left")
    return "  ".join(part for part in (*parts, record.note) if part)


def problem_lines(check: DatasetCheck) -> list[str]:
    """The rows that will be left out, the first few by name."""
    if not check.problem_count:
        return []
    shown = [f"  {place_of(one)}: {one.message}" for one in check.problems[:SHOWN_PROBLEMS]]
    rest = check.problem_count - len(shown)
    more = [f"  and {rest:,} more"] if rest else []
    return [f"{check.problem_count:,} of {check.rows:,} rows cannot be used and are left out:", *shown, *more]


def place_of(problem: RowProblem) -> str:
    row = f"row {problem.row:,}" if problem.row else ""
    return ", ".join(part for part in (problem.file, row, problem.place) if part)


def prediction_lines(plan: TrainingPlan) -> list[str]:
    """What it will take, what should be known, and why it cannot be started, if so."""
    facts, predicted = plan.facts, plan.prediction
    time = duration(predicted.seconds) if predicted.seconds is not None else "not known yet"
    memory = f"{amount(predicted.memory_bytes)} ({amount(predicted.available_bytes)} are free)"
    lines = [
        f"{facts.samples:,} samples of {facts.median:,} tokens (median), {facts.longest:,} at most; "
        f"{facts.tokens:,} in all, of which {facts.trained_tokens:,} are learned",
        f"{predicted.steps:,} steps; time {time}; memory {memory}; disk {amount(predicted.disk_bytes)}",
    ]
    if facts.dropped_count:
        lines.append(f"{facts.dropped_count:,} samples are left out: " + reasons(facts.dropped))
    if facts.truncated_count:
        lines.append(f"{facts.truncated_count:,} samples are cut at max_length")
    lines += [f"Beware: {text}" for text in (*(flag.message for flag in facts.flags), *plan.warnings)]
    if plan.name_fault:
        lines.append(plan.name_fault)
    if plan.refusal:
        lines += [f"This cannot be started: {plan.refusal}", *plan.remedies]
    return lines


def plan_text(plan: TrainingPlan) -> str:
    """The whole recipe as a file, with the reason above each field that was chosen."""
    head, fields = written_recipe(plan.recipe).split("\n", 1)[0], plain_fields(plan.recipe)
    parts = [f"{comment(plan.reasons.get(name, ''))}{written({name: value})}" for name, value in fields.items()]
    return "\n".join([head, "".join(parts)])


def comment(reason: str) -> str:
    return f"# {' '.join(reason.split())}\n" if reason else ""


def reasons(dropped: tuple[tuple[int, str], ...]) -> str:
    return "; ".join(f"row {row}: {reason}" for row, reason in dropped[:3])


def one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= ANSWER_CHARS else line[: ANSWER_CHARS - 1] + "…"
