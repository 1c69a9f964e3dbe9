"""HTML files: their text, without scripts, styles and navigation."""

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

from .blocks import Block, Headings
from .plain import text_of

SKIPPED = frozenset({"script", "style", "noscript", "template", "nav", "svg", "iframe", "object", "select", "button"})
HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
BREAKS = HEADINGS | {
    *("address", "article", "aside", "blockquote", "body", "dd", "div", "dl", "dt", "figcaption", "figure", "footer"),
    *("form", "header", "hr", "li", "main", "ol", "p", "pre", "section", "table", "tr", "ul", "title"),
}
CELLS = frozenset({"td", "th"})


class PageText(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.blocks: list[Block] = []
        self._headings = Headings()
        self._words: list[str] = []
        # The element that is skipped, and how many of its name are open within it.
        self._skipped = ""
        self._depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._skipped:
            self._depth += tag == self._skipped
        elif tag in SKIPPED:
            self._skipped, self._depth = tag, 1
        elif tag in BREAKS:
            self._end_block()
        elif tag == "br" or tag in CELLS:
            self._words.append("\n" if tag == "br" else " ")

    def handle_endtag(self, tag: str) -> None:
        if self._skipped:
            self._depth -= tag == self._skipped
            if not self._depth:
                self._skipped = ""
        elif tag in HEADINGS:
            text, self._words = "".join(self._words), []
            self._headings.enter(int(tag[1]), text)
        elif tag == "title":
            self._words = []
        elif tag in BREAKS:
            self._end_block()

    def handle_data(self, data: str) -> None:
        if not self._skipped:
            self._words.append(data)

    def close(self) -> None:
        super().close()
        self._end_block()

    def _end_block(self) -> None:
        text = " ".join("".join(self._words).split())
        self._words = []
        if text:
            self.blocks.append(Block(text, heading=str(self._headings)))


def read_html(path: Path) -> Iterator[Block]:
    page = PageText()
    page.feed(text_of(path))
    page.close()
    yield from page.blocks
