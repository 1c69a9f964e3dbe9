"""A web page as text: headings, lists, code and links stay, what only browsers need goes."""

import codecs
import re
from collections.abc import Mapping
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

HTML_TYPES = frozenset({"text/html", "application/xhtml+xml"})
TEXT_TYPES = frozenset({"application/json", "application/xml", "application/ld+json"})
UNREAD = frozenset({"script", "style", "noscript", "template", "svg", "iframe", "object", "canvas", "select", "button"})
# They have no end of their own.
VOID = frozenset(["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"])
BLOCKS = "address article aside blockquote div dl figure footer form header main nav ol p pre section table ul"
HEADINGS: Mapping[str, str] = {f"h{level}": "#" * level + " " for level in range(1, 7)}
PARAGRAPHS = frozenset({*BLOCKS.split(), *HEADINGS})
LINES = frozenset({"br", "dd", "dt", "li", "tr", "option"})
# What an element ends that is still open before it.
ENDS: Mapping[str, frozenset[str]] = {
    **{tag: frozenset({"p"}) for tag in PARAGRAPHS},
    "li": frozenset({"li", "p"}),
    "dt": frozenset({"dt", "dd", "p"}),
    "dd": frozenset({"dt", "dd", "p"}),
    "tr": frozenset({"tr", "td", "th", "p"}),
    "td": frozenset({"td", "th", "p"}),
    "th": frozenset({"td", "th", "p"}),
    "body": frozenset({"head"}),
}
CHARSET = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([A-Za-z0-9_.:-]{1,40})""", re.IGNORECASE)
HEAD_BYTES = 4096
# Deeper than any page that people read.
DEPTH = 2000


def page_text(content: bytes, media_type: str, url: str) -> str:
    """Raises ValueError for what is no text."""
    kind = media_type.lower()
    if kind in HTML_TYPES or (not kind and content.lstrip()[:1] == b"<"):
        return html_text(decoded(content), url)
    if kind.startswith("text/") or kind in TEXT_TYPES or kind.endswith(("+json", "+xml")):
        return decoded(content)
    raise ValueError(f"This is no page but a file ({media_type or 'of no kind'}), which this tool cannot read.")


def decoded(content: bytes) -> str:
    """By its byte order mark, by what the page says, as UTF-8, or else as Western European."""
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if content.startswith(mark):
            return content.decode(name, errors="replace")
    said = CHARSET.search(content[:HEAD_BYTES])
    for name in (said.group(1).decode("ascii") if said else "utf-8", "utf-8", "cp1252"):
        try:
            return content.decode(name)
        except (UnicodeDecodeError, LookupError):
            continue
    return content.decode("cp1252", errors="replace")


def html_text(html: str, url: str) -> str:
    """The title first. Links are `[text](address)`, addresses complete."""
    reader = PageReader(url)
    reader.feed(html)
    reader.close()
    return reader.text()


class PageReader(HTMLParser):
    """Collects what a reader of the page would see."""

    def __init__(self, url: str) -> None:
        super().__init__(convert_charrefs=True)
        self.links: list[tuple[str, str]] = []
        self._url = url
        self._pieces: list[str] = []
        self._title: list[str] = []
        self._open: list[str] = []
        # The place in `_open` of the element whose content is left out, and of the link and the code that we are in.
        self._unread_at: int | None = None
        self._pre_at: int | None = None
        self._link: tuple[str, int] | None = None

    def text(self) -> str:
        title = " ".join("".join(self._title).split())
        body = re.sub(r"[ \t]+\n", "\n", "".join(self._pieces))
        body = re.sub(r"\n{3,}", "\n\n", body).strip()
        return f"{title}\n\n{body}" if title and not body.startswith(f"# {title}") else body

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        while self._open and self._open[-1] in ENDS.get(tag, ()):
            self._end(self._open.pop())
        if tag not in VOID:
            self._open.append(tag)
        if len(self._open) > DEPTH:
            raise ValueError(f"The page cannot be read: its elements nest deeper than {DEPTH:,}.")
        given = dict(attrs)
        if self._unread_at is None and (tag in UNREAD or is_hidden(given)) and tag not in VOID:
            self._unread_at = len(self._open) - 1
        if self._unread_at is not None:
            return
        self._begin(tag, given)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in VOID:
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        """Closes what was left open inside, as browsers do."""
        if tag not in self._open:
            return
        while self._open:
            closed = self._open.pop()
            self._end(closed)
            if closed == tag:
                return

    def handle_data(self, data: str) -> None:
        if self._unread_at is not None:
            return
        if "title" in self._open:
            self._title.append(data)
        elif "head" in self._open and "body" not in self._open:
            return
        elif self._pre_at is not None:
            self._pieces.append(data)
        else:
            self._write(re.sub(r"\s+", " ", data))

    def _begin(self, tag: str, given: Mapping[str, str | None]) -> None:
        if tag in PARAGRAPHS:
            self._break("\n\n")
        elif tag in LINES:
            self._break("\n")
        if tag in HEADINGS:
            self._pieces.append(HEADINGS[tag])
        elif tag == "li":
            self._pieces.append("- ")
        elif tag in {"td", "th"}:
            self._write(" ")
        elif tag == "pre" and self._pre_at is None:
            self._pre_at = len(self._open) - 1
        elif tag == "a" and self._link is None and (href := complete(self._url, given.get("href"))):
            self._link = (href, len(self._pieces))
        elif tag == "img" and (alt := (given.get("alt") or "").strip()):
            self._write(f"[{alt}]")

    def _end(self, tag: str) -> None:
        """`_open` is without it already."""
        place = len(self._open)
        if self._unread_at is not None:
            if place <= self._unread_at:
                self._unread_at = None
            return
        if self._pre_at == place:
            self._pre_at = None
        if tag == "a" and self._link is not None:
            href, begins = self._link
            self._link = None
            said = " ".join("".join(self._pieces[begins:]).split())
            if said:
                self.links.append((said, href))
                blank = " " if self._pieces[begins][:1].isspace() else ""
                self._pieces[begins:] = [f"{blank}[{said}]({href})"]
        if tag in PARAGRAPHS:
            self._break("\n\n")

    def _write(self, text: str) -> None:
        follows_blank = not self._pieces or self._pieces[-1][-1].isspace()
        if text := text.lstrip() if follows_blank else text:
            self._pieces.append(text)

    def _break(self, lines: str) -> None:
        self._pieces.append(lines)


def is_hidden(given: Mapping[str, str | None]) -> bool:
    style = re.sub(r"\s", "", given.get("style") or "").lower()
    is_styled_away = any(word in style for word in ("display:none", "visibility:hidden", "font-size:0", "opacity:0;"))
    return "hidden" in given or given.get("aria-hidden") == "true" or is_styled_away


def complete(url: str, href: str | None) -> str:
    """Empty for what leads to no other page."""
    if not href or href.startswith("#"):
        return ""
    try:
        found = urljoin(url, href.strip())
        return found if urlsplit(found).scheme in {"http", "https"} else ""
    except ValueError:
        return ""
