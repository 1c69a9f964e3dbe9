"""The page that a citation opens: the passage, highlighted, among what stands around it."""

from collections.abc import Sequence
from html import escape

from .marks import place_of
from .splitting import sentence_texts
from .store import StoredPassage

STYLE = (
    ":root{color-scheme:light dark}"
    "body{max-width:42rem;margin:0 auto;padding:2rem 1.2rem;font:16px/1.6 system-ui,sans-serif;overflow-wrap:anywhere}"
    "h1{font-size:1.3rem}p{opacity:.75;white-space:pre-line}#passage{opacity:1}"
    "mark{background:light-dark(#fdecc8,#5a4318);color:inherit;padding:.15em 0;box-decoration-break:clone}"
)


def passage_page(passage_id: int, around: Sequence[StoredPassage]) -> str:
    """A whole HTML page; whatever the document says is text in it. `around` holds the passage itself."""
    own = next(one for one in around if one.id == passage_id)
    title = escape(place_of(own))
    paragraphs: list[str] = []
    before = ""
    for one in around:
        text = escape(without_repetition(before, one.text, keep=one.id == passage_id))
        paragraphs.append(f'<p id="passage"><mark>{text}</mark></p>' if one.id == passage_id else f"<p>{text}</p>")
        before = one.text
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style></head>"
        f"<body><main><h1>{title}</h1>{''.join(paragraphs)}</main></body></html>"
    )


def without_repetition(before: str, text: str, *, keep: bool) -> str:
    """Without a first sentence that the passage before has ended with."""
    first = next(sentence_texts(text), "")
    return text[len(first) :].lstrip() if not keep and first and before.endswith(first) else text
