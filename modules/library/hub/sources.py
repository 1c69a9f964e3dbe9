"""What a person may write for a model on the hub: a name, a name with a branch, or an address of its pages."""

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from modules.errors import BadRequest
from modules.library.hub.client import checked_repository, checked_revision
from modules.library.hub.connection import origin_of
from modules.limits import LIMITS

MAIN = "main"
PUBLIC_HUB, SHORT_HOST = "https://huggingface.co", "https://hf.co"
# First parts of addresses that lead to something else than a model.
OTHER_THINGS = frozenset({"datasets", "spaces", "buckets", "collections", "papers", "docs", "api", "blog", "kernels"})


@dataclass(frozen=True)
class Source:
    """A repository at a revision; `path` is one file of it, empty for whatever there is to choose from."""

    repository: str
    revision: str = MAIN
    path: str = ""


def parse_source(text: str, endpoint: str) -> Source:
    """`endpoint` is the configured hub. Raises BadRequest that says what is supported."""
    text = text.strip()
    if not text or len(text) > LIMITS.hub_source_chars:
        raise unsupported(endpoint, f"A source has 1 to {LIMITS.hub_source_chars} characters.")
    if "://" in text:
        return from_address(text, endpoint)
    repository, colon, revision = text.partition(":")
    if repository.count("/") != 1:
        raise unsupported(endpoint, f"{text[:120]!r} names no model.")
    return checked(repository, revision if colon else MAIN)


def from_address(text: str, endpoint: str) -> Source:
    prefix = next((prefix for prefix in prefixes(endpoint) if is_below(text, prefix)), None)
    if prefix is None:
        raise unsupported(endpoint, "The address is of another host than the configured hub.")
    path = urlsplit(text).path.removeprefix(urlsplit(prefix).path).strip("/")
    parts = [unquote(part) for part in path.split("/")]
    if parts[0] in OTHER_THINGS:
        raise unsupported(endpoint, f"This is an address of {parts[0]}, not of a model.")
    match parts:
        case [user, model] | [user, model, "tree" | "blob" | "resolve", "main"]:
            return checked(f"{user}/{model}", MAIN)
        case [user, model, "tree", revision]:
            return checked(f"{user}/{model}", revision)
        case [user, model, "blob" | "resolve", revision, *inside] if inside and inside[-1].lower().endswith(".gguf"):
            return checked(f"{user}/{model}", revision, "/".join(inside))
        case [_, _, "blob" | "resolve", *_]:
            raise unsupported(endpoint, "An address of one file must be of a .gguf file.")
        case _:
            raise unsupported(endpoint, "This page of the hub is not a model's.")


def prefixes(endpoint: str) -> tuple[str, ...]:
    return (endpoint, SHORT_HOST) if origin_of(endpoint) == origin_of(PUBLIC_HUB) else (endpoint,)


def is_below(text: str, prefix: str) -> bool:
    try:
        same = origin_of(text) == origin_of(prefix)
    except BadRequest:
        return False
    path = urlsplit(prefix).path.rstrip("/")
    return same and urlsplit(text).path.startswith(f"{path}/")


def checked(repository: str, revision: str, path: str = "") -> Source:
    return Source(checked_repository(repository), checked_revision(revision), path)


def unsupported(endpoint: str, fault: str) -> BadRequest:
    return BadRequest(
        f"{fault} Supported are user/model, user/model:branch, {endpoint}/user/model, and the address of a .gguf file "
        "there.",
        field="source",
    )
