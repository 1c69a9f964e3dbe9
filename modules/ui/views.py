"""Stored things as the page shows them: plain values whose HTML is already safe."""

from collections import OrderedDict
from threading import Lock

from modules.services.chat import ConversationView
from modules.services.tools import OfferedTool
from modules.types.conversation import Conversation, SearchHit, StoredMessage
from modules.types.jobs import Job
from modules.types.tools import CallRecord
from modules.ui.actions import View
from modules.ui.markup import escape_text, render_message, snippet_html

NEWEST_SENT = 60
KEPT_RENDERINGS = 2000
DESCRIPTION_CHARS = 300


class MessageViews:
    """Renders messages, each finished one once; keeps the newest renderings. Any thread may call."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: OrderedDict[str, str] = OrderedDict()

    def view(self, message: StoredMessage, generation_id: str | None = None) -> View:
        return {
            "id": message.id,
            "role": message.role,
            "html": "" if message.calls else self._html(message),
            "parts": self._parts(message),
            "text": message.content,
            "reasoning": message.reasoning,
            "state": message.state,
            "model": message.model,
            "error": message.error,
            "stats": message.stats,
            "siblings": list(message.siblings),
            "generation_id": generation_id,
        }

    def thread(self, shown: ConversationView, known: set[str]) -> View:
        """The whole path by id, and the newest messages that the page does not have yet."""
        wanted = [message for message in shown.messages if message.id not in known or message.state == "streaming"]
        return {
            "conversation": conversation_view(shown.conversation),
            "path": [message.id for message in shown.messages],
            # Also of messages the page has already: a new version makes their list longer.
            "siblings": {message.id: list(message.siblings) for message in shown.messages if len(message.siblings) > 1},
            "messages": {
                message.id: self.view(message, shown.generations.get(message.id)) for message in wanted[-NEWEST_SENT:]
            },
        }

    def _html(self, message: StoredMessage) -> str:
        if message.role == "user":
            return escape_text(message.content)
        return "" if message.state == "streaming" else self._rendered(message.id, message.content)

    def _parts(self, message: StoredMessage) -> list[View]:
        """The texts and calls of a reply that has some, in their order; while it is written, they come as a stream."""
        if not message.calls or message.state == "streaming":
            return []
        return [
            {"html": self._rendered(f"{message.id} {number}", piece)}
            if isinstance(piece, str)
            else {"call": call_view(piece)}
            for number, piece in enumerate(message.pieces)
        ]

    def _rendered(self, key: str, text: str) -> str:
        with self._lock:
            html = self._kept.get(key)
        if html is None:
            html = render_message(text)
            with self._lock:
                self._kept[key] = html
                if len(self._kept) > KEPT_RENDERINGS:
                    self._kept.popitem(last=False)
        return html


def conversation_view(conversation: Conversation) -> View:
    return {
        "id": conversation.id,
        "title": conversation.title,
        "folder": conversation.folder,
        "revision": conversation.revision,
    }


def hit_view(hit: SearchHit) -> View:
    conversation = hit.conversation
    return {
        "id": conversation.id,
        "title": conversation.title,
        "folder": conversation.folder,
        "updated": conversation.updated,
        "snippet": snippet_html(hit.snippet) if hit.snippet else "",
    }


def tool_view(tool: OfferedTool) -> View:
    return {"id": tool.id, "title": tool.name, "description": tool.tool.description[:DESCRIPTION_CHARS]}


def call_view(call: CallRecord) -> View:
    """As a card shows it."""
    return {
        "id": call.id,
        "name": call.name,
        "extension": call.extension,
        "arguments": call.arguments,
        "state": call.state,
        "result": call.result,
        "error": call.error,
        "seconds": call.seconds,
    }


def job_view(job: Job | None) -> View | None:
    if job is None:
        return None
    return {"id": job.id, "state": job.state, "progress": job.progress, "note": job.note, "error": job.error}
