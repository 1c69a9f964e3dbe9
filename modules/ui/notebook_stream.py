"""What the page shows of a document while it is being written: the new text, and the new tokens."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from modules.app import App
from modules.services.document_writer import LiveVersion
from modules.services.journal import state_of, stats_of
from modules.services.transcript import Transcript
from modules.storage.document_tokens import probability
from modules.types.document import WrittenToken
from modules.types.generation import Event, Failed
from modules.ui.live_view import SAVE_PATIENCE_SECONDS, paced, progress_update
from modules.ui.positions import Positions


async def notebook_updates(app: App, live: LiveVersion, idle_seconds: float) -> AsyncIterator[dict[str, Any] | None]:
    """From the generation's beginning to its end, whenever the reader comes; None when nothing happened for a while."""
    shown = ShownTokens(live)
    if first := shown.update(list(live.record.lead)):
        yield first
    async for update in paced(live.generation, shown.update, idle_seconds):
        yield update
    yield await asyncio.to_thread(end_of, app, live, shown.units)


class ShownTokens:
    """What one reader has been sent."""

    def __init__(self, live: LiveVersion) -> None:
        self._transcript = Transcript(len(live.record.kept))
        self._text = ""
        self._start = len(live.record.kept)
        self._sent_tokens = 0

    @property
    def units(self) -> int:
        return Positions(self._text).units(len(self._text))

    def update(self, events: list[Event]) -> dict[str, Any] | None:
        text = "".join(map(self._transcript.feed, events))
        self._text += text
        tokens = self._transcript.tokens[self._sent_tokens :]
        self._sent_tokens += len(tokens)
        if not text and not tokens:
            return progress_update(events)
        positions = Positions(self._text)
        return {"kind": "delta", "text": text, "tokens": [self._token(token, positions) for token in tokens]}

    def _token(self, token: WrittenToken, positions: Positions) -> list[float]:
        start = token.start - self._start
        units = positions.units(start)
        length = positions.units(start + token.length) - units
        return [units, length, probability(token.token.chosen.logprob)]


def end_of(app: App, live: LiveVersion, length: int) -> dict[str, Any]:
    """How it ended, once it is saved; when it cannot be saved now, that."""
    saved, end = live.saved.wait(SAVE_PATIENCE_SECONDS), live.generation.end
    assert end is not None
    version = app.notebook.written(live)
    state, error = state_of(end), end.message if isinstance(end, Failed) else ""
    if not saved:
        state = "failed"
        error = "This text could not be saved yet: the disk or the database refuses. Parlor keeps trying."
    return {
        "kind": "end",
        "version": None if version is None else version.id,
        "length": length,
        "state": state,
        "error": error,
        "stats": stats_of(end),
    }
