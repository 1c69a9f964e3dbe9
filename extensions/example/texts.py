"""What is done to texts. Nothing here knows of hooks, so that each part can be tried alone."""

import re
from collections.abc import Iterator
from dataclasses import replace

from modules.types.messages import Message
from modules.types.reply_params import ReplyParams

SHOUTED = re.compile(r"\b[A-Z]{4,}\b")
BLANKS_AT_ENDS = re.compile(r"[ \t]+(?=\n)")
EMPTY_LINES = re.compile(r"\n{3,}")
TWO_HYPHENS = re.compile(r"(?<!-)--(?!-)")
DASH = "\u2013"
COPY_BY_DOUBLE_CLICK = """
addEventListener("dblclick", (event) => {
  const block = event.target.closest("pre");
  if (block) navigator.clipboard.writeText(block.innerText);
});
"""


def calm(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """Words of four and more capitals become small in what the person said; abbreviations are shorter."""
    return tuple(
        Message(one.role, SHOUTED.sub(lambda word: word[0].lower(), one.content)) if one.role == "user" else one
        for one in messages
    )


def trimmed(prompt: str) -> str:
    return BLANKS_AT_ENDS.sub("", prompt)


def tidy(text: str) -> str:
    return EMPTY_LINES.sub("\n\n", text)


def not_longer(params: ReplyParams, longest: int) -> ReplyParams:
    """0 leaves it as it is."""
    if not longest or (params.max_tokens is not None and params.max_tokens <= longest):
        return params
    return replace(params, max_tokens=longest)


def word_by_word(text: str) -> Iterator[str]:
    yield from re.findall(r"\S+\s*", text)


class Dashes:
    """Makes `--` a dash, but not of longer rows, which are rules and tables in Markdown. Hyphens at the end of a piece
    are held back, for the next piece may begin with more."""

    def __init__(self, *, is_on: bool) -> None:
        self._is_on = is_on
        self._held = ""

    def feed(self, text: str) -> str:
        if not self._is_on:
            return text
        text = self._held + text
        whole = text.rstrip("-")
        self._held = text[len(whole) :]
        return TWO_HYPHENS.sub(DASH, whole)

    def end(self) -> str:
        return TWO_HYPHENS.sub(DASH, self._held)
