"""What a generation writes into a document: its text, and which of its characters each token became."""

from modules.storage.database import cleaned
from modules.types.document import WrittenToken
from modules.types.generation import Event, TextDelta, TokenLogprob


class Transcript:
    """Feed it a generation's events in their order; `tokens` are those whose text is certain.

    `start` is where the first of them begins. Texts come in pieces that need not be tokens: a character may take
    several, and what may become a stop text is held back. A token gets its text when that has come.
    """

    def __init__(self, start: int = 0) -> None:
        self._pieces: list[str] = []
        self._waiting: list[TokenLogprob] = []
        self._end = start
        self.tokens: list[WrittenToken] = []

    @property
    def text(self) -> str:
        self._pieces = ["".join(self._pieces)]
        return self._pieces[0]

    def feed(self, event: Event) -> str:
        """The text it adds."""
        if not isinstance(event, TextDelta):
            return ""
        text = plain(event.text)
        self._waiting += event.logprobs
        if text:
            self._pieces.append(text)
            self._settle(text)
        return text

    def _settle(self, text: str) -> None:
        """Give a new text to the tokens that waited: to each what it says, to the last what is left."""
        waiting, self._waiting = self._waiting, []
        rest = text
        for place, token in enumerate(waiting):
            said = plain(token.chosen.token)
            is_last = place == len(waiting) - 1
            length = len(rest) if is_last else len(said) if said and rest.startswith(said) else 0
            self.tokens.append(WrittenToken(self._end, length, token))
            self._end += length
            rest = rest[length:]
        self._end += len(rest)


def plain(text: str) -> str:
    """As documents hold it: characters the database can keep, lines that end in a line feed alone."""
    return cleaned(text).replace("\r", "")
