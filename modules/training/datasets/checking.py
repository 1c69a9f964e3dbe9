"""Every sample of a dataset looked at: counts, problems, exact duplicates, a fingerprint."""

import hashlib
import json

from modules.limits import LIMITS
from modules.training.samples import line_of
from modules.types.datasets import DatasetCheck, Duplicate, Example, RowProblem

NAMED = 200


class DatasetChecker:
    """Takes samples and problems in their order. About 150 bytes are kept of each sample."""

    def __init__(self) -> None:
        self._rows = 0
        self._examples = 0
        self._problem_count = 0
        self._problems: list[RowProblem] = []
        self._duplicate_count = 0
        self._duplicates: list[Duplicate] = []
        self._files: list[str] = []
        self._first: dict[int, int] = {}
        self._fingerprint = hashlib.sha256()

    def take(self, row: Example | RowProblem) -> None:
        self._rows += row.row > 0
        if isinstance(row, RowProblem):
            self._problem_count += 1
            if len(self._problems) < NAMED:
                self._problems.append(row)
            return
        self._examples += 1
        content = canonical(row)
        self._fingerprint.update(content + b"\n")
        self._look_for_duplicate(row, content)

    def result(self) -> DatasetCheck:
        return DatasetCheck(
            rows=self._rows,
            examples=self._examples,
            problem_count=self._problem_count,
            problems=tuple(self._problems),
            duplicate_count=self._duplicate_count,
            duplicates=tuple(self._duplicates),
            fingerprint=self._fingerprint.hexdigest(),
        )

    def _look_for_duplicate(self, example: Example, content: bytes) -> None:
        """64 bits of a hash: among ten million samples two different ones are taken for equal once in 400,000 times."""
        key = int.from_bytes(hashlib.blake2b(content, digest_size=8).digest())
        if not self._files or self._files[-1] != example.file:
            self._files.append(example.file)
        place = example.row * LIMITS.dataset_rows + len(self._files) - 1
        first = self._first.setdefault(key, place)
        if first == place:
            return
        self._duplicate_count += 1
        if len(self._duplicates) < NAMED:
            row, file = divmod(first, LIMITS.dataset_rows)
            self._duplicates.append(Duplicate(example.row, row, example.file, self._files[file]))


def canonical(example: Example) -> bytes:
    """What the sample says, wherever it stands."""
    line = {name: value for name, value in line_of(example).items() if name not in {"row", "file"}}
    return json.dumps(line, ensure_ascii=False, sort_keys=True).encode()
