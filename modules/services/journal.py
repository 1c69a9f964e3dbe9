"""Writes replies to the database while they stream, so that a crash costs half a second of text at most."""

import threading
from collections import OrderedDict

from modules.engines.generation import Generation
from modules.errors import StorageError
from modules.storage.conversations import ConversationStore
from modules.types.conversation import MessageState
from modules.types.generation import Failed, Finished

WRITE_SECONDS = 0.5
KEPT_AFTER_END = 32


class LiveReply:
    """A reply that is being made; `saved` is set once its last state is in the database."""

    def __init__(self, generation: Generation, conversation_id: str, message_id: str) -> None:
        self.generation = generation
        self.conversation_id = conversation_id
        self.message_id = message_id
        self.saved = threading.Event()
        self.written_chars = -1


class ReplyJournal:
    """One thread that saves all running replies. Any thread may call.

    When the database refuses (disk full, locked), the reply stays in memory and is tried again.
    """

    def __init__(self, store: ConversationStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._live: dict[str, LiveReply] = {}
        self._ended: OrderedDict[str, LiveReply] = OrderedDict()
        self._wake = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="reply journal", daemon=True)
        self._thread.start()

    def follow(self, generation: Generation, conversation_id: str, message_id: str) -> None:
        """Save this generation's text as that message until it ends, whether or not anyone reads it."""
        with self._lock:
            self._live[generation.id] = LiveReply(generation, conversation_id, message_id)
        generation.on_end(self._wake.set)
        self._wake.set()

    def reply(self, generation_id: str) -> LiveReply | None:
        """A running reply, or one that ended a moment ago."""
        with self._lock:
            return self._live.get(generation_id) or self._ended.get(generation_id)

    def running(self, conversation_id: str) -> list[LiveReply]:
        with self._lock:
            return [live for live in self._live.values() if live.conversation_id == conversation_id]

    def close(self) -> None:
        """Stop what runs and save it."""
        with self._lock:
            live = list(self._live.values())
        for reply in live:
            reply.generation.cancel()
        for reply in live:
            reply.saved.wait(2.0)
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
            for reply in live:
                try:
                    self._write(reply)
                except StorageError:
                    # It stays live, so the next round tries again; the person sees the text meanwhile.
                    continue

    def _write(self, reply: LiveReply) -> None:
        generation = reply.generation
        end = generation.end
        text, reasoning = generation.text, generation.reasoning
        if end is None:
            if len(text) + len(reasoning) != reply.written_chars:
                self._store.update_reply(reply.message_id, content=text, reasoning=reasoning, state="streaming")
                reply.written_chars = len(text) + len(reasoning)
            return
        self._store.update_reply(
            reply.message_id,
            content=text,
            reasoning=reasoning,
            state=state_of(end),
            error=end.message if isinstance(end, Failed) else "",
            stats=stats_of(end),
        )
        with self._lock:
            del self._live[generation.id]
            self._ended[generation.id] = reply
            if len(self._ended) > KEPT_AFTER_END:
                self._ended.popitem(last=False)
        reply.saved.set()


def state_of(end: Finished | Failed) -> MessageState:
    if isinstance(end, Failed):
        return "failed"
    return "stopped" if end.reason == "cancelled" else "complete"


def stats_of(end: Finished | Failed) -> dict[str, float | str]:
    """What the page shows under an answer."""
    if isinstance(end, Failed):
        return {}
    return {
        "finish_reason": end.reason,
        "tokens_per_second": round(end.tokens_per_second, 2),
        "first_token_seconds": round(end.first_token_seconds, 3),
        "prompt_tokens": end.usage.prompt_tokens,
        "completion_tokens": end.usage.completion_tokens,
        "cached_tokens": end.usage.cached_tokens,
        "context_length": end.context_length,
        "dropped_messages": end.dropped_messages,
    }
