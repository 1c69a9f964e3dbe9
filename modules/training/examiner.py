"""The program `modules.training.examiner PARENT_PID`: reads samples with a model's tokenizer, and renders them.

It answers one question a line, and says how far it has come meanwhile, so that it can be ended when a chat template,
which is a stranger's text, goes on for ever.
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import Any

import psutil

from modules.children import ParentPipe, limit_memory
from modules.errors import ParlorError
from modules.training.encoding import SampleDropped, SampleEncoder, encoder_for, load_tokenizer, stated_ends
from modules.training.lens import Lens
from modules.training.matmul_rate import measure_rates
from modules.training.samples import read_samples
from modules.training.token_facts import Tally
from modules.types.recipes import Recipe
from modules.types.training import RedFlag

REPORT_SECONDS = 0.2
# Beyond what the libraries map when they are loaded.
MEMORY_BYTES = 4 * 2**30
NICENESS = 5

Report = Callable[[int, int], None]


class Examiner:
    """Keeps the tokenizer of the model it was asked about last."""

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._tokenizer: Any = None

    def facts(self, question: dict[str, Any], report: Report) -> dict[str, Any]:
        """Of all samples in a file."""
        encoder = self._encoder(question)
        tally = Tally()
        has_chats = False
        for line, example in enumerate(read_samples(Path(question["samples"]))):
            report(line, example.row)
            has_chats = has_chats or bool(example.turns)
            try:
                for sample in encoder.encode(example):
                    tally.add(sample, line)
            except SampleDropped as reason:
                tally.drop(example.row, str(reason))
        return asdict(tally.examination(tuple(flags_of(encoder)) if has_chats else ()))

    def lens(self, question: dict[str, Any], report: Report) -> dict[str, Any]:
        """Of the encoded samples whose places `looks` names, each with its pack and the width it is padded to.

        A place is a line of the file, and which of the samples it became.
        """
        encoder = self._encoder(question)
        lens = Lens(encoder.tokenizer)
        wanted: dict[int, list[tuple[int, int, int, int]]] = {}
        for order, (line, part, pack, width) in enumerate(question["looks"]):
            wanted.setdefault(line, []).append((order, part, pack, width))
        found: dict[int, dict[str, Any]] = {}
        for line, example in zip(count(), read_samples(Path(question["samples"])), strict=False):
            if line in wanted:
                report(line, example.row)
                samples = encoder.encode(example)
                for order, part, pack, width in wanted.pop(line):
                    found[order] = asdict(lens.look(samples[part], pack, width))
            if not wanted:
                break
        return {"samples": [found[order] for order in sorted(found)]}

    def _encoder(self, question: dict[str, Any]) -> SampleEncoder:
        folder = Path(question["model"])
        if folder != self._folder:
            self._tokenizer = load_tokenizer(folder)
            self._folder = folder
        recipe = Recipe.model_validate_json(question["recipe"])
        return encoder_for(recipe, self._tokenizer, stated_ends(folder))


def flags_of(encoder: SampleEncoder) -> Iterator[RedFlag]:
    """What concerns all chats."""
    if not encoder.has_own_template:
        yield RedFlag(
            "no_template",
            "The model has no chat template: the plain one is used with which Parlor prompts it too. If the data are "
            "not meant as chats, choose the objective text.",
        )


def reporter(pipe: ParentPipe) -> Report:
    """Tells the parent the line and row that is looked at: the first one, and then a few a second."""
    told = 0.0

    def report(line: int, row: int) -> None:
        nonlocal told
        if not told or time.monotonic() - told >= REPORT_SECONDS:
            told = time.monotonic()
            pipe.send(json.dumps({"line": line, "row": row}).encode())

    return report


def main() -> None:
    pipe = ParentPipe()
    os.nice(NICENESS)
    os.environ["HF_HUB_OFFLINE"] = "1"
    limit_memory(psutil.Process().memory_info().vms + MEMORY_BYTES)
    examiner = Examiner()
    for order in pipe.lines():
        question: dict[str, Any] = json.loads(order)
        report = reporter(pipe)
        try:
            match question["ask"]:
                case "facts":
                    answer = examiner.facts(question, report)
                case "lens":
                    answer = examiner.lens(question, report)
                case _:
                    answer = asdict(measure_rates(question["inputs"], question["outputs"], question["threads"]))
        except ParlorError as error:
            answer = {"error": str(error)}
        except MemoryError:
            answer = {"error": "The samples need too much memory with this model's chat template and tokenizer."}
        pipe.send(json.dumps({"answer": answer}).encode())


if __name__ == "__main__":
    main()
