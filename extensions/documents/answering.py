"""A question gets passages to be answered from, and each sentence of the answer the mark it deserves."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from time import monotonic

from modules.extensions import Message

from .marks import NOT_FOUND, sources, supported, without_marks
from .search import Found
from .splitting import end_of_sentence
from .support import Evidence, is_claim, supporting

INSTRUCTION = (
    "Answer the question from these passages of the person's documents. If they do not hold the answer, say so."
)
# A question of fewer words may go on from the one before it, which then says what "it" is.
WORDS_ALONE = 6
EARLIER_CHARACTERS = 300
# How long text may wait for the mark before it; the last marks wait once more. Words alone decide after that.
MARK_SECONDS = 0.12
FENCE = "```"
HELD_BACK = " \t\r\n\"'“‘(["

# The vector of a sentence, once it is known; None where there is none.
Embedding = Callable[[str], "Future[Sequence[float] | None]"]


@dataclass(frozen=True)
class Answering:
    """What one reply is checked against."""

    given: tuple[Evidence, ...]
    by_words_only: bool


def questions_of(messages: Sequence[Message]) -> tuple[str, str]:
    """What is looked for: the last question, and the same with what it may go on from."""
    asked = [message.content for message in messages if message.role == "user"] or [""]
    if len(asked) > 1 and len(asked[-1].split()) < WORDS_ALONE:
        return asked[-1], f"{asked[-2][-EARLIER_CHARACTERS:]} {asked[-1]}"
    return asked[-1], asked[-1]


def with_passages(messages: Sequence[Message], found: Sequence[Found]) -> tuple[Message, ...]:
    """The conversation without marks, and its last question behind the passages, each with its number."""
    plain = [replace(one, content=without_marks(one.content)) if one.role == "assistant" else one for one in messages]
    last = max((place for place, one in enumerate(plain) if one.role == "user"), default=None)
    if last is None or not found:
        return tuple(plain)
    passages = "\n\n".join(f"[{number}] {one.passage.text}" for number, one in enumerate(found, 1))
    asked = f"{passages}\n\n{INSTRUCTION}\n\n{plain[last].content}"
    plain[last] = replace(plain[last], content=asked)
    return tuple(plain)


@dataclass(frozen=True)
class Told:
    """A stretch of the reply, and the sentence that ends with it, whose mark follows."""

    text: str
    sentence: str
    vector: "Future[Sequence[float] | None]"


class Marking:
    """A stream transformer: text goes on at once, except what stands behind a sentence whose mark is not known yet."""

    def __init__(self, answering: Answering, embedding: Embedding, clock: Callable[[], float] = monotonic) -> None:
        self._answering = answering
        self._embedding = embedding
        self._clock = clock
        self._waiting: list[Told] = []
        # The sentence that is being written, and how much of it has been shown.
        self._sentence = ""
        self._shown = 0
        self._in_code = False
        self._cited: set[int] = set()
        self._is_empty = True

    def feed(self, text: str) -> str:
        self._sentence += text
        self._is_empty = self._is_empty and not text.strip()
        while (end := end_of_sentence(self._sentence)) is not None:
            self._finish(end)
        marked = self._marked(MARK_SECONDS)
        return marked if self._waiting else marked + self._unfinished()

    def end(self) -> str:
        self._finish(len(self._sentence.rstrip()))
        marked = self._marked(MARK_SECONDS)
        for told in self._waiting:
            marked += told.text + self._mark(told.sentence, None)
        self._waiting = []
        rest = self._sentence[self._shown :]
        self._sentence = ""
        # A reply that was stopped before its first word has no sources.
        return marked + rest + ("" if self._is_empty else self._sources())

    def _finish(self, end: int) -> None:
        """The sentence ends here; what follows begins the next one."""
        sentence, unseen = self._sentence[:end], self._sentence[self._shown : end]
        if sentence.count(FENCE) % 2:
            self._in_code = not self._in_code
        is_checked = not self._in_code and FENCE not in sentence and is_claim(sentence)
        vector: Future[Sequence[float] | None]
        if is_checked and not self._answering.by_words_only:
            vector = self._embedding(sentence.strip())
        else:
            vector = Future()
            vector.set_result(None)
        self._waiting.append(Told(unseen, sentence if is_checked else "", vector))
        self._sentence, self._shown = self._sentence[end:], max(self._shown - end, 0)

    def _marked(self, seconds: float) -> str:
        """What can be shown of the sentences that have ended, in order."""
        deadline = self._clock() + seconds
        shown = ""
        while self._waiting:
            told = self._waiting[0]
            try:
                vector = told.vector.result(max(deadline - self._clock(), 0))
            except TimeoutError:
                break
            shown += told.text + self._mark(told.sentence, vector)
            self._waiting.pop(0)
        return shown

    def _mark(self, sentence: str, vector: Sequence[float] | None) -> str:
        if not sentence:
            return ""
        place = supporting(sentence, self._answering.given, vector)
        if place is None:
            return NOT_FOUND
        self._cited.add(place + 1)
        return supported(place + 1, self._answering.given[place].passage)

    def _sources(self) -> str:
        passages = [one.passage for one in self._answering.given]
        return sources(passages, self._cited, by_words_only=self._answering.by_words_only)

    def _unfinished(self) -> str:
        """Of the sentence being written, all but what may stand behind a mark: space, and what opens a quotation."""
        end = max(len(self._sentence.rstrip(HELD_BACK)), self._shown)
        text, self._shown = self._sentence[self._shown : end], end
        return text
