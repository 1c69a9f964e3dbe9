"""Which conversations are translated, where the person has said so."""

import json
import threading
from pathlib import Path

FILE = "conversations.json"
MOST = 2000


class Choices:
    """Any thread may call. A file that cannot be read counts as none."""

    def __init__(self) -> None:
        self._chosen: dict[str, bool] = {}
        self._file: Path | None = None
        self._lock = threading.Lock()

    def open(self, folder: Path) -> None:
        self._file = folder / FILE
        try:
            stored = json.loads(self._file.read_text(encoding="utf-8"))
            self._chosen = {str(name): bool(value) for name, value in stored.items()}
        except (OSError, ValueError, AttributeError):
            self._chosen = {}

    def is_on(self, conversation_id: str | None, usual: bool) -> bool:
        return self._chosen.get(conversation_id or "", usual)

    def choose(self, conversation_id: str, *, is_on: bool) -> None:
        """The oldest choices are forgotten when there are very many."""
        with self._lock:
            others = {name: value for name, value in self._chosen.items() if name != conversation_id}
            self._chosen = dict([*others.items(), (conversation_id, is_on)][-MOST:])
            if self._file is not None:
                replacement = self._file.with_suffix(".new")
                replacement.write_text(json.dumps(self._chosen), encoding="utf-8")
                replacement.replace(self._file)
