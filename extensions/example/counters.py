"""What has happened since the extension was enabled: counted by observers, shown in a tab and over HTTP."""

import json
from collections import Counter
from threading import Lock

from modules.extensions import ExtensionHost, Heading, Part, RouteAnswer, RouteRequest, Table, ViewEvent

from .settings import Settings

FILE = "words.json"


class Counters:
    """Words by model are kept in the extension's own folder, everything else only while it is enabled."""

    def __init__(self) -> None:
        self._host: ExtensionHost | None = None
        self._lock = Lock()
        self._happened: Counter[str] = Counter()
        self._words: Counter[str] = Counter()

    @property
    def settings(self) -> Settings:
        """For hooks that no request comes with; the others find them in their context."""
        chosen = self._host.settings if self._host is not None else None
        return chosen if isinstance(chosen, Settings) else Settings()

    def begin(self, host: ExtensionHost) -> None:
        self._host = host
        if (host.data / FILE).exists():
            self._words.update(json.loads((host.data / FILE).read_text(encoding="utf-8")))
        host.log(f"Counting on from {self._words.total():,} words.")

    def end(self) -> None:
        if self._host is not None:
            (self._host.data / FILE).write_text(json.dumps(self._words), encoding="utf-8")

    def count(self, what: str) -> None:
        with self._lock:
            self._happened[what] += 1

    def count_words(self, text: str, reason: str, model: str) -> None:
        self.count(f"A reply ended: {reason}")
        with self._lock:
            self._words[model] += len(text.split())

    def view(self, _event: ViewEvent) -> list[Part]:
        return [
            Heading("Words by model"),
            Table(("Model", "Words"), rows_of(self._words)),
            Heading("Since it was enabled"),
            Table(("What", "How often"), rows_of(self._happened)),
        ]

    def answer(self, _request: RouteRequest) -> RouteAnswer:
        return RouteAnswer({"words": self._words, "happened": self._happened})


def rows_of(counts: Counter[str]) -> tuple[tuple[str, ...], ...]:
    return tuple((name, f"{count:,}") for name, count in counts.most_common())
