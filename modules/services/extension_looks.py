"""Styles and scripts that extensions add to the page."""

import hashlib
from dataclasses import dataclass
from typing import Literal

from modules.errors import NotFound
from modules.extensions.registry import Extensions

LookKind = Literal["css", "js"]


@dataclass(frozen=True)
class OfferedLook:
    """`version` changes with the text."""

    extension: str
    kind: LookKind
    version: str


class ExtensionLooks:
    """Any thread may call."""

    def __init__(self, extensions: Extensions) -> None:
        self._extensions = extensions

    def offered(self) -> tuple[OfferedLook, ...]:
        """Of all enabled extensions, in their order."""
        return tuple(
            OfferedLook(extension, kind, hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:12])
            for kind in ("css", "js")
            for extension, text in self._given(kind)
        )

    def text(self, extension: str, kind: LookKind) -> str:
        """Raises NotFound."""
        for owner, text in self._given(kind):
            if owner == extension:
                return text
        raise NotFound(f"The extension {extension[:60]} adds no {kind} to the page now.", field="name")

    def _given(self, kind: LookKind) -> list[tuple[str, str]]:
        given = self._extensions.collect(f"custom_{kind}")
        return [(one.extension, one.item) for one in given if isinstance(one.item, str) and one.item]
