"""Reasoning apart from the answer: `<think> ... </think>` at the beginning of a reply."""

from modules.replies.stops import overlap

OPENING = "<think>"
CLOSING = "</think>"


class ReasoningSplitter:
    """Cuts a stream into (reasoning, answer) parts.

    `inside` is true when the prompt itself ends with the opening tag, as some chat templates make it.
    The line breaks after either tag belong to neither part.
    """

    def __init__(self, *, inside: bool = False) -> None:
        self._state = "inside" if inside else "start"
        self._held = ""
        self._after_tag = inside

    def feed(self, text: str) -> tuple[str, str]:
        """The parts that are certain now; either may be empty."""
        self._held += text
        if self._state == "start":
            self._look_for_opening()
        reasoning = self._release_reasoning() if self._state == "inside" else ""
        answer = self._release(len(self._held)) if self._state == "answer" else ""
        return reasoning, answer

    def flush(self) -> tuple[str, str]:
        """What was held back, now that no more text comes."""
        held, self._held = self._held, ""
        return (held, "") if self._state == "inside" else ("", held)

    def _look_for_opening(self) -> None:
        beginning = self._held.lstrip()
        if beginning.startswith(OPENING):
            self._held = beginning[len(OPENING) :]
            self._state, self._after_tag = "inside", True
        elif not OPENING.startswith(beginning):
            self._state = "answer"

    def _release_reasoning(self) -> str:
        place = self._held.find(CLOSING)
        if place < 0:
            return self._release(len(self._held) - overlap(self._held, CLOSING))
        reasoning = self._release(place)
        self._held = self._held[len(CLOSING) :]
        self._state, self._after_tag = "answer", True
        return reasoning

    def _release(self, length: int) -> str:
        text, self._held = self._held[:length], self._held[length:]
        if self._after_tag:
            text = text.lstrip("\n")
            self._after_tag = not text
        return text
