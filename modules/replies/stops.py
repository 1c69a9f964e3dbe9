"""Stop strings in a stream: nothing of a stop string ever leaves, however the text is cut."""


class StopMatcher:
    """Feed it text as it comes; it holds back only what may still become a stop string."""

    def __init__(self, stops: tuple[str, ...]) -> None:
        self._stops = stops
        self._held = ""
        self.matched = False

    def feed(self, text: str) -> str:
        """The text that may go out now. Once a stop string was seen, always empty."""
        if not self._stops:
            return text
        if self.matched:
            return ""
        pending = self._held + text
        places = [place for stop in self._stops if (place := pending.find(stop)) >= 0]
        if places:
            self.matched = True
            self._held = ""
            return pending[: min(places)]
        keep = max(overlap(pending, stop) for stop in self._stops)
        self._held = pending[len(pending) - keep :]
        return pending[: len(pending) - keep]

    def flush(self) -> str:
        """What was held back, now that no more text comes."""
        held, self._held = self._held, ""
        return held


def overlap(text: str, stop: str) -> int:
    """Length of the longest end of `text` that is a beginning of `stop`, shorter than the whole of it."""
    for length in range(min(len(text), len(stop) - 1), 0, -1):
        if text.endswith(stop[:length]):
            return length
    return 0
