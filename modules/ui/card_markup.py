"""Model cards to safe HTML: strangers' Markdown with raw tags in it, of which only what is for reading remains."""

import html
import re
import time
from collections.abc import Callable, MutableMapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import urljoin

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from pygments.token import STANDARD_TYPES

from modules.limits import LIMITS
from modules.ui.markup import (
    ATTRIBUTES,
    LONG_RUN,
    MATHML,
    RENDER_SECONDS,
    TAGS,
    build_parser,
    plain,
    without_surrogates,
)

# What people write by hand in cards, beyond what Markdown makes.
RAW_TAGS = frozenset(
    {
        *("details", "summary", "b", "i", "u", "sub", "sup", "kbd", "samp", "var", "small", "del", "ins", "mark"),
        *("dl", "dt", "dd", "abbr", "q", "cite", "caption", "tfoot"),
    }
)
# Classes by the page's own renderers alone: a stranger's tag must not look or lie like a part of the page.
CLASSES = {
    "a": {"remote-image"},
    "li": {"task"},
    "figure": {"code"},
    "button": {"copy-code"},
    "div": {"table", "formula"},
    "pre": {"plain"},
    "span": {"language", "remote-image", *STANDARD_TYPES.values()} - {""},
    **{tag: {"align-left", "align-center", "align-right"} for tag in ("th", "td")},
}
CARD_ATTRIBUTES = {
    "*": set[str](),
    **{tag: names - {"class", "title"} for tag, names in ATTRIBUTES.items()},
    **{tag: {"colspan", "rowspan"} for tag in ("th", "td")},
}
SAFE_ADDRESS = re.compile(r"(?:https?://|mailto:)", re.IGNORECASE)
# Bounded, so that many openings without an end take no longer than their number.
IMAGE = re.compile(r"""<img\b((?:[^<>"']|"[^"<>]{0,2000}"|'[^'<>]{0,2000}'){0,2000})>""", re.IGNORECASE)
ALTERNATIVE = re.compile(r"""\salt\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)
# Tags within tags take the square of their number.
MOST_TAGS = 10_000
SPAN = re.compile(r"[0-9]{1,2}")


def render_card(text: str, page: str, whole_bytes: int = 0) -> str:
    """`page` is the address of the model's files on its hub, which the card's relative links mean; `whole_bytes` is
    the size of the whole card, where `text` may be its beginning.

    A card that is too long is cut, and says so. Nothing in the result loads anything or leaves the card's own box:
    images are words, links open elsewhere.
    """
    text = without_surrogates(text)
    whole_bytes = max(whole_bytes, len(text.encode()))
    shown, is_cut = text[: LIMITS.render_chars], len(text) > LIMITS.render_chars
    rendered = (
        plain(shown)
        if shown.count("<") > MOST_TAGS or LONG_RUN.search(shown)
        else rendered_card(shown, page, is_cut=is_cut)
    )
    return rendered + cut_note(len(shown.encode()), whole_bytes) if is_cut else rendered


def rendered_card(text: str, page: str, *, is_cut: bool) -> str:
    """Of a text that `is_cut` the last block is left out, unless it is all there is."""
    markdown, environment = card_parser(), {"deadline": time.monotonic() + RENDER_SECONDS}
    try:
        tokens = markdown.parse(text, environment)
        whole = tokens[: last_block(tokens)] if is_cut else tokens
        rendered = markdown.renderer.render(whole or tokens, markdown.options, environment)
    except RecursionError:
        return plain(text)
    return nh3.clean(
        rendered,
        tags=set(TAGS | MATHML | RAW_TAGS),
        attributes=CARD_ATTRIBUTES,
        attribute_filter=attribute_of(page),
        allowed_classes=CLASSES,
        set_tag_attribute_values={"a": {"target": "_blank"}},
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer",
    )


def last_block(tokens: Sequence[Token]) -> int:
    """Where the last outermost block begins."""
    return max((place for place, token in enumerate(tokens) if token.level == 0 and token.nesting >= 0), default=0)


def cut_note(shown_bytes: int, whole_bytes: int) -> str:
    sizes = f"{shown_bytes / 1000:,.0f} kB of {whole_bytes / 1000:,.0f} kB"
    return f'<p class="cut">This is the beginning of the card, {sizes}. The rest is on its page on the hub.</p>'


def attribute_of(page: str) -> Callable[[str, str, str], str | None]:
    def keep(_tag: str, name: str, value: str) -> str | None:
        if name == "href":
            return absolute(page, value)
        if name in {"colspan", "rowspan"}:
            return value if SPAN.fullmatch(value) else None
        return value

    return keep


def absolute(page: str, address: str) -> str | None:
    """None for what leads nowhere outside: places in the card itself, scripts, files."""
    if address.startswith("#"):
        return None
    try:
        target = urljoin(page, address)
    except ValueError:
        return None
    return target if SAFE_ADDRESS.match(target) else None


@lru_cache(maxsize=1)
def card_parser() -> MarkdownIt:
    markdown = build_parser(html=True, breaks=False)
    markdown.add_render_rule("html_block", render_raw)
    markdown.add_render_rule("html_inline", render_raw)
    markdown.add_render_rule("image", render_image)
    return markdown


def render_raw(_self: RendererHTML, tokens: Sequence[Token], place: int, _options: Any, _env: Any) -> str:
    """As it was written but for its images; what else may stay is decided on the whole."""
    return IMAGE.sub(lambda tag: image_words(alternative_in(tag[1])), tokens[place].content)


def render_image(
    self: RendererHTML, tokens: Sequence[Token], place: int, options: Any, env: MutableMapping[str, Any]
) -> str:
    return image_words(self.renderInlineAsText(tokens[place].children, options, env))


def alternative_in(attributes: str) -> str:
    found = ALTERNATIVE.search(attributes)
    return html.unescape(next((group for group in found.groups() if group), "")) if found else ""


def image_words(alternative: str) -> str:
    """Words rather than a link: in cards most images stand inside a link already."""
    words = f"Image: {alternative}" if alternative else "Image"
    return f'<span class="remote-image">{html.escape(words)}</span>'
