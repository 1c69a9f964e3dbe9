"""What extensions answer over HTTP, below /ext/NAME/."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modules.errors import NotFound
from modules.extensions.checks import kind_of
from modules.extensions.contracts import Audience, Route, RouteAnswer, RouteRequest
from modules.extensions.guard import Unfit
from modules.extensions.registry import Extensions
from modules.limits import LIMITS

ROUTE_SECONDS = 10.0
MEDIA_TYPE = re.compile(r"[a-z]+/[a-z0-9.+-]+(?:; ?charset=[a-z0-9-]+)?", re.IGNORECASE)


@dataclass(frozen=True)
class FoundRoute:
    """A route, and what of the asked path follows its own."""

    extension: str
    route: Route
    rest: str

    @property
    def audience(self) -> Audience:
        return self.route.audience


class ExtensionRoutes:
    """Any thread may call."""

    def __init__(self, extensions: Extensions) -> None:
        self._extensions = extensions

    def find(self, extension: str, path: str) -> FoundRoute:
        """The one whose path is the longest beginning of this one, by whole parts. Raises NotFound."""
        asked = path.strip("/")
        found = [
            FoundRoute(extension, one.item, asked[len(own) :].strip("/"))
            for one in self._extensions.collect("routes")
            if one.extension == extension and isinstance(one.item, Route)
            for own in [one.item.path.strip("/")]
            if not own or asked == own or asked.startswith(f"{own}/")
        ]
        if not found:
            raise NotFound("No extension that is enabled answers at this address.", field="path")
        return max(found, key=lambda one: len(one.route.path.strip("/")))

    def answer(self, found: FoundRoute, method: str, query: Mapping[str, str], body: bytes) -> RouteAnswer:
        """`body` of the answer is bytes. Raises ExtensionFault."""
        request = RouteRequest(method, found.rest, query, body, self._extensions.settings(found.extension))
        return self._extensions.call(
            found.extension,
            f"route {found.route.path}",
            lambda: sendable(found.route.answer(request)),
            seconds=ROUTE_SECONDS,
            returns=RouteAnswer,
        )


def sendable(answer: object) -> RouteAnswer:
    """With a body of bytes. Raises Unfit for what cannot be sent."""
    if not isinstance(answer, RouteAnswer):
        raise Unfit(f"returned {kind_of(answer)} instead of a RouteAnswer.")
    body = as_bytes(answer.body)
    if len(body) > LIMITS.extension_answer_bytes:
        raise Unfit(f"answered with more than {LIMITS.extension_answer_bytes // 2**20} MiB, which is the limit.")
    if not MEDIA_TYPE.fullmatch(answer.media_type):
        raise Unfit(f"answered with {answer.media_type[:60]!r}, which is no media type.")
    if not (200 <= answer.status < 300 or 400 <= answer.status < 600):
        raise Unfit(f"answered with status {answer.status}; 200 to 299 and 400 to 599 can be used.")
    return RouteAnswer(body, with_charset(answer), answer.status)


def with_charset(answer: RouteAnswer) -> str:
    """Text that is given as such is sent as UTF-8."""
    is_text = isinstance(answer.body, str) and "charset" not in answer.media_type.lower()
    return f"{answer.media_type}; charset=utf-8" if is_text else answer.media_type


def as_bytes(body: bytes | str | Mapping[str, Any]) -> bytes:
    match body:
        case bytes():
            return body
        case str():
            return body.encode()
        case _:
            return json.dumps(body).encode()
