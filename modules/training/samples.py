"""Samples as a file: JSON lines that a training process reads, whatever they were read from."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from modules.types.datasets import Example, Turn


def write_samples(path: Path, examples: Iterable[Example]) -> int:
    """How many there were. The file is not whole before this returns."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for example in examples:
            file.write(json.dumps(line_of(example), ensure_ascii=False) + "\n")
            count += 1
    return count


def read_samples(path: Path) -> Iterator[Example]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield example_of(json.loads(line))


def line_of(example: Example) -> dict[str, Any]:
    """Only what a sample has; the inverse of `example_of`."""
    line: dict[str, Any] = {"row": example.row, "file": example.file}
    if example.turns:
        line["turns"] = [[turn.role, turn.content, turn.is_trained] for turn in example.turns]
    elif example.completion:
        line |= {"prompt": example.prompt, "completion": example.completion}
    else:
        line["text"] = example.text
    return line


def example_of(line: dict[str, Any]) -> Example:
    return Example(
        turns=tuple(Turn(role, content, is_trained) for role, content, is_trained in line.get("turns", ())),
        prompt=line.get("prompt", ""),
        completion=line.get("completion", ""),
        text=line.get("text", ""),
        row=line["row"],
        file=line["file"],
    )
