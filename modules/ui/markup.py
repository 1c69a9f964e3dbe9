"""Markdown from a model, which is hostile text, as HTML that is safe to place in the page.

The Markdown renderer passes no raw HTML, and the finished HTML still goes through a sanitiser: whatever a renderer
lets slip ends there. Nothing is loaded from elsewhere: images become links that need a click.
"""

import html
import re
import time
from collections.abc import MutableMapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import nh3
from latex2mathml.converter import convert as latex_to_mathml
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from mdit_py_plugins.dollarmath import dollarmath_plugin
from pygments import highlight
from pygments.formatters.html import HtmlFormatter
from pygments.lexers import get_lexer_by_name  # pyright: ignore[reportUnknownVariableType]
from pygments.util import ClassNotFound

from modules.limits import LIMITS
from modules.ui.markup_rules import LATEX_CHARS, draw_tasks, find_bare_address, find_bracket_math, mark_direction

HIGHLIGHTED_CHARS = 100_000
# Formulas and code that come after this much time are shown plainly.
RENDER_SECONDS = 1.0
LANGUAGE_CHARS = 30
COPY_BUTTON = '<button type="button" class="copy-code">Copy</button>'
MAX_NESTING = 30
# Emphasis and bracket runs beyond this make Markdown parsers slow, and no person writes them.
LONG_RUN = re.compile(r"([\[\]()*_`~<>$|\\!#])\1{499}|(?:[>\-+*] ?){300}|(?:[\[\]()*_`~<>$!] ?){2000}")

MATHML = frozenset(
    {
        *("math", "mrow", "mi", "mn", "mo", "ms", "mtext", "mspace", "mfrac", "msqrt", "mroot", "mstyle", "merror"),
        *("mpadded", "mphantom", "mfenced", "menclose", "msub", "msup", "msubsup", "munder", "mover", "munderover"),
        *("mmultiscripts", "mprescripts", "mtable", "mtr", "mtd"),
    }
)
TAGS = frozenset(
    {
        *("p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "strong", "em", "s", "code", "pre", "blockquote"),
        *("ul", "ol", "li", "a", "table", "thead", "tbody", "tr", "th", "td"),
        *("figure", "figcaption", "button", "div", "span"),
    }
)
ATTRIBUTES = {
    **{tag: {"dir"} for tag in ("p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "blockquote", "table")},
    "a": {"href", "title", "class", "target"},
    "ol": {"start", "dir"},
    "li": {"class"},
    "th": {"class"},
    "td": {"class"},
    "figure": {"class"},
    "button": {"type", "class"},
    "div": {"class"},
    "span": {"class"},
    "pre": {"class", "dir"},
    "math": {"display"},
    "mo": {"stretchy", "fence", "separator", "lspace", "rspace", "form", "minsize", "maxsize"},
    "mfrac": {"linethickness"},
    "mspace": {"width"},
    "mtable": {"columnalign"},
    "mtd": {"columnalign"},
    "mi": {"mathvariant"},
    "mstyle": {"displaystyle", "scriptlevel"},
    "mover": {"accent"},
    "munder": {"accentunder"},
}
# Macros can double themselves until the memory is gone.
MACROS = re.compile(r"\\(?:(?:re|provide)?newcommand|provide|[gex]?def|let|newenvironment|Declare)")
# The brackets around a matrix, as the converter leaves them: ( [ { | and the double bar. They have to grow with it.
OPENING_FENCE = re.compile(r"<mo>(&#x(?:00028|0005B|0007B|0007C|02016|02225);)</mo>(?=<mtable)")
CLOSING_FENCE = re.compile(r"(?<=</mtable>)<mo>(&#x(?:00029|0005D|0007D|0007C|02016|02225);)</mo>")
SNIPPET_LEAD_CHARS = 30
PLAIN_VALUE = re.compile(r"[A-Za-z0-9 .%_-]{0,60}")


def render_message(text: str) -> str:
    """The whole message. Text that is too long or built to be slow is shown as it is."""
    text = without_surrogates(text)
    if is_shown_plainly(text):
        return plain(text)
    try:
        return sanitise(parser().render(text, {"deadline": time.monotonic() + RENDER_SECONDS}))
    except RecursionError:
        return plain(text)


def is_shown_plainly(text: str) -> bool:
    """Too long to be read as Markdown, or built to be slow."""
    return len(text) > LIMITS.render_chars or LONG_RUN.search(text) is not None


def escape_text(text: str) -> str:
    """A person's own words, shown just as they were typed."""
    return html.escape(without_surrogates(text))


def snippet_html(snippet: str) -> str:
    """A search result's lines, its matches marked; the first of them stands near the beginning, where it is seen."""
    lead, mark, rest = snippet.partition("\x02")
    if mark and len(lead) > SNIPPET_LEAD_CHARS:
        lead = "…" + lead[-SNIPPET_LEAD_CHARS:].partition(" ")[2]
    return escape_text(lead + mark + rest).replace("\x02", "<mark>").replace("\x03", "</mark>")


def plain(text: str) -> str:
    return f'<pre class="plain" dir="auto">{escape_text(text)}</pre>'


def sanitise(rendered: str) -> str:
    """Only what is listed above remains; links open elsewhere and tell nobody where they were clicked."""
    return nh3.clean(
        rendered,
        tags=set(TAGS | MATHML),
        attributes=ATTRIBUTES,
        attribute_filter=plain_attribute,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer",
    )


def plain_attribute(_tag: str, name: str, value: str) -> str | None:
    if name in {"href", "title"}:
        return value
    return value if PLAIN_VALUE.fullmatch(value) else None


@lru_cache(maxsize=1)
def parser() -> MarkdownIt:
    """Parsing keeps nothing between calls, so one serves every thread."""
    return build_parser(html=False, breaks=True)


def build_parser(*, html: bool, breaks: bool) -> MarkdownIt:
    """`html` lets raw tags through to the result, which then needs a sieve made for strangers' tags."""
    markdown = MarkdownIt("commonmark", {"html": html, "breaks": breaks, "maxNesting": MAX_NESTING})
    markdown.enable(["table", "strikethrough"])
    markdown.use(dollarmath_plugin, allow_space=False, allow_digits=False)
    markdown.inline.ruler.before("escape", "math_brackets", find_bracket_math)
    markdown.inline.ruler.push("bare_address", find_bare_address)
    markdown.core.ruler.push("direction", mark_direction)
    markdown.core.ruler.push("tasks", draw_tasks)
    for rule in ("math_inline", "math_inline_double", "math_block", "math_brackets"):
        markdown.add_render_rule(rule, render_math)
    markdown.add_render_rule("fence", render_code)
    markdown.add_render_rule("code_block", render_code)
    markdown.add_render_rule("image", render_image)
    markdown.add_render_rule("link_open", render_link)
    markdown.add_render_rule("table_open", render_table_open)
    markdown.add_render_rule("table_close", render_table_close)
    markdown.add_render_rule("th_open", render_cell)
    markdown.add_render_rule("td_open", render_cell)
    return markdown


Environment = MutableMapping[str, Any]


def render_code(_self: RendererHTML, tokens: Sequence[Token], place: int, _options: Any, env: Environment) -> str:
    token = tokens[place]
    language = token.info.strip().split(" ", 1)[0][:LANGUAGE_CHARS] if token.info else ""
    colours = None if is_late(env) else highlighted(token.content, language)
    return code_figure(token.content, language, colours)


def code_figure(content: str, language: str, inner: str | None = None) -> str:
    """A block of code with its language and a button to copy it; `inner` is highlighted HTML."""
    caption = f'<span class="language">{html.escape(language)}</span>'
    body = html.escape(content) if inner is None else inner
    return (
        f'<figure class="code"><figcaption>{caption}{COPY_BUTTON}</figcaption><pre><code>{body}</code></pre></figure>\n'
    )


def highlighted(content: str, language: str) -> str | None:
    if not language or len(content) > HIGHLIGHTED_CHARS:
        return None
    try:
        lexer = get_lexer_by_name(language, stripnl=False)
    except ClassNotFound:
        return None
    return highlight(content, lexer, HtmlFormatter(nowrap=True))


def render_math(_self: RendererHTML, tokens: Sequence[Token], place: int, _options: Any, env: Environment) -> str:
    token = tokens[place]
    if is_late(env):
        return f"<code>{html.escape(token.content)}</code>"
    if token.type == "math_block":
        return f'<div class="formula">{formula_html(token.content, block=True)}</div>\n'
    return formula_html(token.content, block=token.type == "math_inline_double" or token.markup == "\\[")


def formula_html(source: str, *, block: bool) -> str:
    """MathML, which browsers draw themselves; a formula that cannot be read is shown as it was written."""
    try:
        if len(source) > LATEX_CHARS or MACROS.search(source):
            raise ValueError(source)
        drawn = latex_to_mathml(source.strip(), display="block" if block else "inline")
        drawn = OPENING_FENCE.sub(r'<mo stretchy="true" fence="true" form="prefix">\1</mo>', drawn)
        return CLOSING_FENCE.sub(r'<mo stretchy="true" fence="true" form="postfix">\1</mo>', drawn)
    except Exception:  # noqa: BLE001 - the converter raises whatever a hostile formula makes it raise
        return f"<code>{html.escape(source)}</code>"


def render_image(self: RendererHTML, tokens: Sequence[Token], place: int, options: Any, env: Environment) -> str:
    """A link with the host's name: nothing leaves this machine before a person clicks."""
    token = tokens[place]
    address = str(token.attrs.get("src", ""))
    alternative = self.renderInlineAsText(token.children, options, env)
    host = host_of(address) or "no address"
    label = html.escape(f"Image: {alternative} ({host})" if alternative else f"Image ({host})")
    href = html.escape(address)
    return f'<a class="remote-image" href="{href}" target="_blank" title="{href}">{label}</a>'


def render_link(self: RendererHTML, tokens: Sequence[Token], place: int, options: Any, _env: Environment) -> str:
    """The real target can be read before it is clicked."""
    token = tokens[place]
    token.attrSet("title", str(token.attrs.get("href", "")))
    token.attrSet("target", "_blank")
    return self.renderToken(tokens, place, options, {})


def render_table_open(self: RendererHTML, tokens: Sequence[Token], place: int, options: Any, _env: Environment) -> str:
    return '<div class="table">' + self.renderToken(tokens, place, options, {})


def render_table_close(self: RendererHTML, tokens: Sequence[Token], place: int, options: Any, _env: Environment) -> str:
    return self.renderToken(tokens, place, options, {}) + "</div>\n"


def render_cell(self: RendererHTML, tokens: Sequence[Token], place: int, options: Any, _env: Environment) -> str:
    """Alignment as a class, because styles in attributes do not pass."""
    token = tokens[place]
    style = str(token.attrs.pop("style", ""))
    if style:
        token.attrSet("class", style.replace("text-align:", "align-"))
    return self.renderToken(tokens, place, options, {})


def is_late(environment: Environment) -> bool:
    return time.monotonic() > environment["deadline"]


def host_of(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def without_surrogates(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")
