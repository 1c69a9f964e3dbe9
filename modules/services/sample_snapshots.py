"""Samples of a source as a file, for as long as plans are made with them."""

import hashlib
import json
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from modules.errors import BadRequest, StorageError
from modules.training.advice import Counts
from modules.training.samples import line_of
from modules.types.datasets import DataSource, Example

KEPT = 4

Examples = Callable[[DataSource], Iterator[Example]]


@dataclass(frozen=True)
class Snapshot:
    """`fingerprint` is the SHA-256 of the file."""

    path: Path
    fingerprint: str
    counts: Counts


class SampleSnapshots:
    """In a folder of its own, which is emptied at the start. Any thread may call."""

    def __init__(self, folder: Path, examples: Examples) -> None:
        self._folder = folder
        self._examples = examples
        self._lock = threading.Lock()
        self._kept: dict[str, Snapshot] = {}
        shutil.rmtree(folder, ignore_errors=True)

    def take(self, source: DataSource) -> Snapshot:
        """Of what the source holds now. Raises BadRequest where it holds nothing, and what `examples` raises."""
        with self._lock:
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                snapshot = self._write(source)
            except OSError as error:
                raise StorageError(
                    f"The samples cannot be looked at: {error.strerror}. Free some disk space."
                ) from error
            if not snapshot.counts.samples:
                snapshot.path.unlink()
                raise BadRequest("There is not one sample to learn from. Check the data and its columns.", "data")
            self._kept.pop(snapshot.fingerprint, None)
            self._kept[snapshot.fingerprint] = snapshot
            while len(self._kept) > KEPT:
                self._kept.pop(next(iter(self._kept))).path.unlink(missing_ok=True)
            return snapshot

    def close(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def _write(self, source: DataSource) -> Snapshot:
        digest = hashlib.sha256()
        chats = completions = texts = 0
        with tempfile.NamedTemporaryFile(dir=self._folder, delete=False) as file:
            path = Path(file.name)
            try:
                for example in self._examples(source):
                    line = json.dumps(line_of(example), ensure_ascii=False).encode() + b"\n"
                    file.write(line)
                    digest.update(line)
                    chats += bool(example.turns)
                    completions += bool(example.completion)
                    texts += not example.turns and not example.completion
            except BaseException:
                path.unlink(missing_ok=True)
                raise
        named = self._folder / f"{digest.hexdigest()}.jsonl"
        path.replace(named)
        return Snapshot(named, digest.hexdigest(), Counts(chats, completions, texts))
