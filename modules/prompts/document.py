"""What a model reads of a document: its memory, the end of its text, and the note some lines before the end."""

from collections.abc import Callable
from dataclasses import dataclass

# The text is cut at fixed steps, so that the next prompts begin alike and what was computed of them stays good.
STEPS = 8
# A token is rarely longer, so what lies further back than the budget times this need not be looked at.
CHARS_A_TOKEN = 16


@dataclass(frozen=True)
class DocumentContext:
    """`note` stands `note_depth` lines with text from the end of what is continued."""

    memory: str
    text: str
    note: str
    note_depth: int

    def prompt(self, dropped_chars: int = 0) -> str:
        """Without that many characters of the text's beginning."""
        text = with_note(self.text[dropped_chars:], self.note, self.note_depth)
        return f"{self.memory}\n{text}" if self.memory and not self.memory.endswith("\n") else self.memory + text


def fitting_prompt(context: DocumentContext, count_tokens: Callable[[str], int], budget_tokens: int) -> str:
    """The longest prompt of at most `budget_tokens` that keeps the memory and the end of the text.

    `count_tokens` is called about log2(steps) times. A memory that takes all the room is returned with little text, and
    then the prompt is longer than the budget.
    """
    text = context.text
    step = max(1, budget_tokens // STEPS * 4)
    low, high = max(0, len(text) - budget_tokens * CHARS_A_TOKEN) // step, len(text) // step
    trial = low
    while low < high:
        if count_tokens(context.prompt(cut_near(text, trial * step))) <= budget_tokens:
            high = trial
        else:
            low = trial + 1
        trial = (low + high) // 2
    return context.prompt(cut_near(text, low * step))


def cut_near(text: str, place: int) -> int:
    """Where the line or at least the word after `place` begins, if that is near."""
    if place == 0:
        return 0
    near = text[place : place + 400]
    line = near.find("\n")
    if line >= 0:
        return place + line + 1
    return place + near.find(" ") + 1


def with_note(text: str, note: str, depth: int) -> str:
    """The last line is the one that is continued, so the note stands at least before that."""
    if not note:
        return text
    lines = text.split("\n")
    place, passed = len(lines) - 1, 0
    while place > 0:
        passed += bool(lines[place].strip()) or place == len(lines) - 1
        if passed >= depth:
            break
        place -= 1
    return "\n".join([*lines[:place], note, *lines[place:]])
