"""A search page of the person's choice: its address with the words in it, and what it found."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import quote, urlsplit, urlunsplit

from .pages import PageReader, decoded

PLACE = "{query}"
SUMMARY_CHARS = 300
# What lists of results are called in JSON, and their fields.
LISTS = ("results", "items", "organic", "webPages", "value", "hits", "data")
URLS = ("url", "link", "href")
TITLES = ("title", "name")
SUMMARIES = ("content", "snippet", "description", "summary", "body")


@dataclass(frozen=True)
class Hit:
    title: str
    url: str
    summary: str = ""


def search_url(address: str, query: str) -> str:
    """An address without a place for the words gets them as `q`."""
    if PLACE not in address:
        address += ("&" if "?" in address else "?") + f"q={PLACE}"
    return address.replace(PLACE, quote(query, safe=""))


def is_search_address(url: str, address: str) -> bool:
    """Whether both are of one server, which may be a private one."""
    if not address:
        return False
    try:
        one, other = urlsplit(url), urlsplit(address)
        return (one.hostname, port_of(one)) == (other.hostname, port_of(other))
    except ValueError:
        return False


def port_of(parts: Any) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def hits_of(content: bytes, media_type: str, url: str) -> list[Hit]:
    """Raises ValueError for an answer that is neither JSON nor HTML."""
    text = decoded(content)
    if "json" in media_type.lower() or text.lstrip()[:1] in {"{", "["}:
        try:
            return json_hits(json.loads(text))
        except (ValueError, RecursionError) as error:
            raise ValueError("The search page did not answer JSON as it said.") from error
    if "html" in media_type.lower():
        return html_hits(text, url)
    raise ValueError(f"The search page answered {media_type or 'nothing known'}, which is neither JSON nor HTML.")


def json_hits(answer: Any) -> list[Hit]:
    found = [hit for entry in entries(answer) if (hit := hit_of(entry))]
    return list({hit.url: hit for hit in reversed(found)}.values())[::-1]


def entries(answer: Any) -> Iterator[Any]:
    """Of the first list by one of the usual names."""
    if isinstance(answer, list):
        yield from cast("list[Any]", answer)
    elif isinstance(answer, dict):
        fields = cast("dict[str, Any]", answer)
        for name in LISTS:
            if isinstance(fields.get(name), list | dict):
                yield from entries(fields[name])
                return


def hit_of(entry: Any) -> Hit | None:
    if not isinstance(entry, dict):
        return None
    fields = cast("dict[str, Any]", entry)
    url, title, summary = (first_text(fields, names) for names in (URLS, TITLES, SUMMARIES))
    if not url.startswith(("http://", "https://")):
        return None
    return Hit(title or url, url, summary[:SUMMARY_CHARS])


def first_text(fields: dict[str, Any], names: tuple[str, ...]) -> str:
    for name in names:
        if isinstance(fields.get(name), str):
            return " ".join(fields[name].split())
    return ""


def html_hits(text: str, url: str) -> list[Hit]:
    """Links that lead to other hosts, each address once."""
    reader = PageReader(url)
    reader.feed(text)
    reader.close()
    own = urlsplit(url).hostname
    found: dict[str, Hit] = {}
    for title, link in reader.links:
        bare = urlunsplit(urlsplit(link)._replace(fragment=""))
        if urlsplit(bare).hostname != own and bare not in found:
            found[bare] = Hit(title, bare)
    return list(found.values())
