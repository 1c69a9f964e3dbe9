"""Keeps what is generated as a version of a document."""

from modules.engines.generation import Generation
from modules.services.journal import state_of, stats_of
from modules.services.transcript import Transcript
from modules.storage.document_versions import VersionStore
from modules.types.document import Version
from modules.types.generation import Event, Failed


class VersionRecord:
    """`kept` is what the version inserts before anything new, `lead` are events that come before the model's own."""

    def __init__(self, store: VersionStore, version: Version, kept: str, lead: tuple[Event, ...]) -> None:
        self.version = version
        self.kept = kept
        self.lead = lead
        self._store = store
        self._transcript = self.transcript()
        self._taken_events = 0
        self._written_chars = -1
        self._written_tokens = 0

    def transcript(self) -> Transcript:
        """A new one, as far as it was written before the model was asked."""
        transcript = Transcript(len(self.kept))
        for event in self.lead:
            transcript.feed(event)
        return transcript

    def write(self, generation: Generation) -> None:
        end = generation.end
        events = generation.events[self._taken_events :]
        for event in events:
            self._transcript.feed(event)
        self._taken_events += len(events)
        text, tokens = self._transcript.text, self._transcript.tokens
        if end is None and len(text) == self._written_chars:
            return
        self._store.write(
            self.version.id,
            self.kept + text,
            tokens[self._written_tokens :],
            self._written_tokens,
            state="streaming" if end is None else state_of(end),
            error=end.message if isinstance(end, Failed) else "",
            stats={} if end is None else stats_of(end),
        )
        self._written_chars, self._written_tokens = len(text), len(tokens)
