"""What is said of a finetuned model where others find it: data, method, figures, limits."""

import math
import re
from collections.abc import Iterator

from modules.services.export_sources import ExportSource
from modules.storage.plain_yaml import written
from modules.storage.training_runs import EVALUATION, SAMPLES, TrainingFolder
from modules.types.datasets import DataSource
from modules.types.recipes import Recipe
from modules.types.training import MetricsSummary

ON_THE_HUB = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
METHODS = {
    "lora": "LoRA",
    "rslora": "rsLoRA",
    "dora": "DoRA",
    "full": "all weights (full finetuning)",
    "prompt_tuning": "prompt tuning",
}
OBJECTIVES = {
    "chat": "the answers of chats (supervised finetuning)",
    "text": "every token of plain text (continued pretraining)",
}
LIMITS = (
    "It was taught by the data described above and by nothing else. What the base model gets wrong, or should not say, "
    "this one may as well.",
    "The figures above tell how well it predicts texts like those it learned from. Nobody has measured its facts, its "
    "fairness or its safety.",
)


def model_card(source: ExportSource) -> str:
    """Markdown with front matter. Neither paths of this machine nor the samples themselves appear in it."""
    run = source.run
    body = [f"# {source.name}", opening(source)]
    if run is None:
        body += ["## Training", "How it was trained is not known to the program that published it."]
    else:
        recipe, summary = run.recipe, run.metrics.summary
        body += ["## Data", described_data(recipe.data, run), "## Method", table(("setting", "value"), method(recipe))]
        body += ["## Figures", table(("figure", "value"), figures(run, summary)), verdict(summary)]
    body += ["## Limits", "\n".join(f"- {limit}" for limit in LIMITS), "## Use", use(source)]
    return f"---\n{front_matter(source)}---\n\n" + "\n\n".join(part for part in body if part) + "\n"


def front_matter(source: ExportSource) -> str:
    method = source.run.recipe.method if source.run is not None else None
    values: dict[str, object] = {
        "library_name": "peft" if source.adapter is not None else "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["parlor", "finetuned", *([method] if method else [])],
    }
    if base := base_on_hub(source):
        values["base_model"] = base
    if source.model is not None and source.model.licence:
        values["license"] = source.model.licence
    return written(values)


def base_on_hub(source: ExportSource) -> str:
    """Empty for a model that goes by a name of this machine alone."""
    told = source.adapter.base_model if source.adapter is not None else ""
    return told if ON_THE_HUB.fullmatch(told) else ""


def base_name(source: ExportSource) -> str:
    if base := base_on_hub(source):
        return base
    if source.run is not None:
        return source.run.recipe.model
    return source.model.id if source.model is not None and source.adapter is not None else "a model unknown here"


def opening(source: ExportSource) -> str:
    what = f"An adapter ({source.adapter.kind})" if source.adapter is not None else "A model"
    return f"{what} for text generation, finetuned from {base_name(source)} with Parlor on one's own machine."


def described_data(data: DataSource, run: TrainingFolder) -> str:
    match data.kind:
        case "hub":
            split = f", split {data.hub_split}" if data.hub_split else ""
            what = f"The dataset {data.hub} on the hub{split}."
        case "conversations":
            what = "Conversations of its maker's own, which are not published."
        case _:
            what = "A dataset of its maker's own, which is not published."
    held_out = count_lines(run, EVALUATION)
    return (
        f"{what} {count_lines(run, SAMPLES):,} samples were learned from, and {held_out:,} held out to judge by. "
        f"SHA-256 of the samples: `{run.record.data_fingerprint or 'not kept'}`."
    )


def count_lines(run: TrainingFolder, name: str) -> int:
    path = run.path / name
    if not path.is_file():
        return 0
    with path.open("rb") as file:
        return sum(1 for _ in file)


def method(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """What was set, in the words of a person; what plays no part is left out."""
    yield "method", METHODS.get(recipe.method or "", "")
    yield "learned", OBJECTIVES.get(recipe.objective or "", "")
    yield "base weights during training", recipe.base_weights or ""
    if recipe.method in {"lora", "rslora", "dora"}:
        yield "rank, alpha", f"{recipe.rank}, {recipe.alpha:g}" if recipe.rank and recipe.alpha else ""
        yield "layers", ", ".join(recipe.targets or ())
    if recipe.method == "prompt_tuning":
        yield "vectors", str(recipe.prompt_tokens or "")
    yield "longest sample", f"{recipe.max_length:,} tokens" if recipe.max_length else ""
    yield "packed", "" if recipe.packing is None else "yes" if recipe.packing else "no"
    batch, accumulated = recipe.batch_size or 0, recipe.accumulation or 0
    yield "rows a step", f"{batch} x {accumulated}" if batch and accumulated else ""
    yield "optimizer", recipe.optimizer or ""
    rate = f"{recipe.learning_rate:g}, {recipe.schedule}" if recipe.learning_rate else ""
    yield "learning rate", f"{rate}, warm-up {recipe.warmup_share:.0%}" if rate else ""
    yield "seed", str(recipe.seed)


def figures(run: TrainingFolder, summary: MetricsSummary) -> Iterator[tuple[str, str]]:
    first, best = summary.first_evaluation, summary.best_evaluation
    yield "steps", f"{summary.step:,}"
    if summary.metrics is not None:
        yield "epochs", f"{summary.metrics.epoch:.2f}"
        yield "time", f"{summary.metrics.seconds / 60:,.1f} minutes"
        yield "training loss at the end", f"{summary.metrics.loss:.4f}"
    if first is not None and best is not None:
        yield "held-out loss before", with_perplexity(first.loss)
        yield (
            "held-out loss after",
            with_perplexity((best if run.recipe.keep_best else summary.last_evaluation or best).loss),
        )
    yield "made with", ", ".join(f"{name} {version}" for name, version in sorted(run.record.versions.items()))


def with_perplexity(loss: float) -> str:
    return f"{loss:.4f} (perplexity {math.exp(min(loss, 30.0)):,.2f})"


def verdict(summary: MetricsSummary) -> str:
    first, best = summary.first_evaluation, summary.best_evaluation
    if first is None or best is None:
        return "No samples were held out, so nothing here says how well it does on texts that it has not seen."
    if best.loss >= first.loss:
        return "On the held-out samples it is no better than the base model."
    return ""


def use(source: ExportSource) -> str:
    if source.adapter is None:
        return "Load it like any model of its architecture with transformers, or put the folder into Parlor's `models`."
    return (
        f"Put the folder into Parlor's `models/adapters`, load {base_name(source)}, and switch the adapter on; or load "
        "it with peft's `PeftModel.from_pretrained`."
    )


def table(head: tuple[str, str], rows: Iterator[tuple[str, str]]) -> str:
    """Values hold no line breaks or bars: they are numbers and words of ours, or names of layers."""
    lines = [f"| {name} | {value.replace('|', '/')} |" for name, value in rows if value]
    return "\n".join([f"| {head[0]} | {head[1]} |", "| --- | --- |", *lines])
