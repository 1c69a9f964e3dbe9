"""Markdown that is still being written: what is finished is rendered once, only the last block again and again."""

import re
from dataclasses import dataclass
from itertools import pairwise

from markdown_it.token import Token

from modules.limits import LIMITS
from modules.ui.markup import LONG_RUN, code_figure, parser, plain, render_message, sanitise, without_surrogates

# A line that begins so can only be text; others may still turn into a list, a table or an underline.
SURELY_TEXT = re.compile(r" {0,3}[^\W\d_]")


@dataclass(frozen=True)
class LiveUpdate:
    """`blocks` are finished and never sent again; `tail` replaces the tail of the update before."""

    blocks: tuple[str, ...]
    tail: str


class LiveMarkup:
    """Feed it text as it comes. The cost of a feed depends on the unfinished last block alone.

    A link whose reference is defined further down becomes a link only when the whole message is rendered.
    """

    def __init__(self) -> None:
        self._pending = ""

    def feed(self, text: str) -> LiveUpdate:
        self._pending = without_surrogates(self._pending + text)
        if len(self._pending) > LIMITS.render_chars or LONG_RUN.search(self._pending):
            return LiveUpdate((), plain(self._pending))
        tokens = [
            token for token in parser().parse(self._pending) if token.level == 0 and token.map and token.nesting >= 0
        ]
        lines = self._pending.splitlines(keepends=True)
        starts = [token.map[0] for token in tokens if token.map]
        blocks: list[str] = []
        if len(starts) > 1 and is_settled(lines, starts[-1]):
            blocks = [render_message("".join(lines[start:end])) for start, end in pairwise(starts)]
            lines = lines[starts[-1] :]
            self._pending = "".join(lines)
        return LiveUpdate(tuple(blocks), self._tail(tokens[-1] if tokens else None))

    def _tail(self, last: Token | None) -> str:
        """An open block of code is shown plainly: colouring all of it at each update would cost ever more."""
        if last is not None and last.type == "fence" and not self._pending.rstrip().endswith(last.markup):
            return sanitise(code_figure(last.content, last.info.strip().split(" ", 1)[0][:30]))
        return render_message(self._pending)


def is_settled(lines: list[str], last_start: int) -> bool:
    """Whether the last block can no longer become a part of the one before."""
    first = lines[last_start]
    return first.endswith("\n") or SURELY_TEXT.match(first) is not None
