"""Writes what is generated to the database while it streams, so that a crash costs half a second of text at most."""

import threading
from collections import OrderedDict
from typing import Generic, Protocol, TypeVar

from modules.engines.generation import Generation
from modules.errors import StorageError
from modules.types.conversation import MessageState
from modules.types.generation import Failed, Finished

WRITE_SECONDS = 0.5
KEPT_AFTER_END = 32

Stats = dict[str, float | str]


class Record(Protocol):
    """Where a generation's text is kept: a message, or a version of a document."""

    def write(self, generation: Generation) -> None:
        """What it says so far, or finally once it has ended. On the journal's thread, again and again.

        Raises StorageError when the database refuses, and is called again later.
        """
        ...


AnyRecord = TypeVar("AnyRecord", bound=Record)


class LiveText(Generic[AnyRecord]):
    """A text that is being written for `owner`; `saved` is set once its last state is in the database."""

    def __init__(self, generation: Generation, owner: str, record: AnyRecord) -> None:
        self.generation = generation
        self.owner = owner
        self.record = record
        self.saved = threading.Event()


class Journal(Generic[AnyRecord]):
    """One thread that saves all running generations of one kind. Any thread may call.

    When the database refuses (disk full, locked), the text stays in memory and is tried again.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._live: dict[str, LiveText[AnyRecord]] = {}
        self._ended: OrderedDict[str, LiveText[AnyRecord]] = OrderedDict()
        self._wake = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def follow(self, generation: Generation, owner: str, record: AnyRecord) -> None:
        """Save this generation until it ends, whether or not anyone reads it. `owner` is a conversation or document."""
        with self._lock:
            self._live[generation.id] = LiveText(generation, owner, record)
        generation.on_end(self._wake.set)
        self._wake.set()

    def text(self, generation_id: str) -> LiveText[AnyRecord] | None:
        """One that is being written, or ended a moment ago."""
        with self._lock:
            return self._live.get(generation_id) or self._ended.get(generation_id)

    def running(self, owner: str) -> list[LiveText[AnyRecord]]:
        with self._lock:
            return [live for live in self._live.values() if live.owner == owner]

    def close(self) -> None:
        """Stop what runs and save it."""
        with self._lock:
            live = list(self._live.values())
        for text in live:
            text.generation.cancel()
        for text in live:
            text.saved.wait(2.0)
        self._closing = True
        self._wake.set()
        self._thread.join(2.0)

    def _run(self) -> None:
        while not self._closing:
            with self._lock:
                live = list(self._live.values())
            self._wake.wait(WRITE_SECONDS if live else None)
            self._wake.clear()
            with self._lock:
                live = list(self._live.values())
            for text in live:
                try:
                    self._write(text)
                except StorageError:
                    # It stays live, so the next round tries again; the person sees the text meanwhile.
                    continue

    def _write(self, live: LiveText[AnyRecord]) -> None:
        has_ended = live.generation.end is not None
        live.record.write(live.generation)
        if not has_ended:
            return
        with self._lock:
            del self._live[live.generation.id]
            self._ended[live.generation.id] = live
            if len(self._ended) > KEPT_AFTER_END:
                self._ended.popitem(last=False)
        live.saved.set()


def state_of(end: Finished | Failed) -> MessageState:
    if isinstance(end, Failed):
        return "failed"
    return "stopped" if end.reason == "cancelled" else "complete"


def stats_of(end: Finished | Failed) -> Stats:
    """What the page shows under an answer."""
    if isinstance(end, Failed):
        return {}
    notes = {"notes": " ".join(note.text for note in end.notes)} if end.notes else {}
    return {
        "finish_reason": end.reason,
        "tokens_per_second": round(end.tokens_per_second, 2),
        "first_token_seconds": round(end.first_token_seconds, 3),
        "prompt_tokens": end.usage.prompt_tokens,
        "completion_tokens": end.usage.completion_tokens,
        "cached_tokens": end.usage.cached_tokens,
        "context_length": end.context_length,
        "dropped_messages": end.dropped_messages,
        **notes,
    }
