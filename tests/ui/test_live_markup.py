"""Markdown in pieces shows what the whole shows."""

import random
import time

import pytest

from modules.ui.live_markup import LiveMarkup
from modules.ui.markup import render_message
from tests.ui.test_markup import read

DOCUMENTS = [
    "Just one line",
    "Two lines\nof one paragraph\n\nand another",
    "# Title\n\nText **bold** and *italic*.\n\n## Second\n\nMore",
    "- one\n- two\n  - nested\n  - more\n- three\n\nafter",
    "1. first\n\n   its text\n\n2. second\n\n3. third",
    "- loose\n\n- list\n\n- here\n\nend",
    "```python\ndef f(x):\n    return x\n```\n\nafter the code",
    "before\n\n```\nno language\n\nblank line inside\n```",
    "```js\nnever closed\nlet x = 1",
    "| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n\nafter",
    "> quote\n> goes on\nlazily\n\nout",
    "$$\nx^2\n$$\n\nand $y$ inline",
    "Title\n=====\n\nSub\n---\n\ntext",
    "text\n***\nmore\n\n---\n\nend",
    "    indented code\n    second\n\ntext",
    "one\n\n\n\n\ntwo",
    "- item\n\n  ```py\n  x = 1\n  ```\n\n- next",
    "<b>raw</b>\n\n<script>x</script>\n\ntext",
    "a\n\n1986. A great year\n\nb",
    "![img](https://x.example/a.png)\n\n[link](https://y.example)",
    "Line with trailing spaces  \nhard break\n\nnext",
    "* a\n* b\n\n\n1. c\n2. d",
    "~~~\ntilde fence\n~~~\ntext right after",
    "Emoji 🙂 and العربية\n\nand 日本語",
    "\\[ x = 1 \\]\n\ndone",
]


def assemble(document: str, pieces: list[str]) -> str:
    live = LiveMarkup()
    html, tail = "", ""
    for piece in pieces:
        update = live.feed(piece)
        html += "".join(update.blocks)
        tail = update.tail
    return html + tail


def structure(html: str) -> tuple[list[str], str]:
    reader = read(html)
    return [tag for tag, _ in reader.tags if tag != "span"], "".join(reader.text.split())


@pytest.mark.parametrize("document", DOCUMENTS, ids=range(len(DOCUMENTS)))
def test_any_cut_shows_the_same(document: str) -> None:
    whole = structure(render_message(document))
    assert structure(assemble(document, list(document))) == whole
    for place in range(len(document) + 1):
        assert structure(assemble(document, [document[:place], document[place:]])) == whole
    chance = random.Random(1)
    for _ in range(10):
        pieces, rest = [], document
        while rest:
            length = chance.randint(1, 9)
            pieces.append(rest[:length])
            rest = rest[length:]
        assert structure(assemble(document, pieces)) == whole


def test_finished_blocks_are_never_sent_again() -> None:
    live = LiveMarkup()
    sent: list[str] = []
    for word in ("First paragraph.\n\n", "Second paragraph.\n\n", "Third paragraph."):
        sent += live.feed(word).blocks
    assert len(sent) == 2
    assert "Second" not in live.feed(" more").tail


def test_cost_does_not_grow_with_what_came_before() -> None:
    """The 400th paragraph costs about what the 10th did."""
    live = LiveMarkup()
    costs: list[float] = []
    for number in range(400):
        started = time.perf_counter()
        for word in f"Paragraph {number} with some words in it.\n\n".split(" "):
            live.feed(word + " " if not word.endswith("\n") else word)
        costs.append(time.perf_counter() - started)
    assert sorted(costs[-50:])[25] < 3 * sorted(costs[10:60])[25]
