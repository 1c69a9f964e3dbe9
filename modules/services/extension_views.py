"""Tabs and panels that extensions give: which there are, and what they show after a button was pressed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal, cast

from modules.errors import NotFound
from modules.extensions.checks import kind_of, sound_text
from modules.extensions.contracts import Button, Field, Heading, Panel, Part, Progress, Tab, Table, Text, ViewEvent
from modules.extensions.guard import Unfit
from modules.extensions.registry import Extensions
from modules.limits import LIMITS
from modules.services.extension_uploads import ExtensionUploads

VIEW_SECONDS = 10.0
PARTS = (Heading, Text, Field, Button, Table, Progress)
Place = Literal["tab", "panel"]


@dataclass(frozen=True)
class OfferedView:
    """A view that an enabled extension gives."""

    extension: str
    place: Place
    name: str
    title: str


class ExtensionViews:
    """Any thread may call."""

    def __init__(self, extensions: Extensions, uploads: ExtensionUploads) -> None:
        self._extensions = extensions
        self._uploads = uploads

    def offered(self) -> tuple[OfferedView, ...]:
        """Those of all enabled extensions, tabs first."""
        return tuple(
            OfferedView(extension, place, view.name, view.title)
            for place in ("tab", "panel")
            for extension, view in self._given(place)
        )

    def show(
        self,
        extension: str,
        place: Place,
        name: str,
        *,
        button: str = "",
        values: Mapping[str, Any] | None = None,
        conversation_id: str | None = None,
    ) -> tuple[Part, ...]:
        """What the view shows after this. Of a file that was sent, `values` have `{"upload": ID}`.

        Raises NotFound, and ExtensionFault where the view fails or gives what cannot be shown.
        """
        found = [view for owner, view in self._given(place) if owner == extension and view.name == name]
        if not found:
            raise NotFound(f"The extension {extension[:60]} shows no {place} {name[:60]!r} now.", field="view")
        event = ViewEvent(
            button=button,
            values={key: self._value(extension, value) for key, value in (values or {}).items()},
            conversation_id=conversation_id,
            settings=self._extensions.settings(extension),
        )
        view = found[0].view
        parts = self._extensions.call(
            extension, f"{place} {name}", lambda: showable(view(event)), seconds=VIEW_SECONDS, returns=tuple
        )
        return cast(tuple[Part, ...], parts)

    def _given(self, place: Place) -> list[tuple[str, Tab | Panel]]:
        kind, hook = (Tab, "tabs") if place == "tab" else (Panel, "panels")
        given = self._extensions.collect(hook)
        return [(one.extension, one.item) for one in given if isinstance(one.item, kind)]

    def _value(self, extension: str, value: Any) -> Any:
        """A file's value is the path of what was sent."""
        if not isinstance(value, Mapping):
            return value
        sent = cast(Mapping[str, Any], value)
        return str(self._uploads.path(extension, str(sent.get("upload", ""))))


def showable(parts: object) -> tuple[Part, ...]:
    """Raises Unfit for what no page could show."""
    if not isinstance(parts, Sequence) or isinstance(parts, str | bytes):
        raise Unfit(f"returned {kind_of(parts)} instead of a list of parts.")
    shown = tuple(cast(Sequence[object], parts))
    if len(shown) > LIMITS.extension_parts:
        raise Unfit(f"returned {len(shown):,} parts; {LIMITS.extension_parts} are the limit.")
    checked: list[Part] = []
    for part in shown:
        if not isinstance(part, PARTS):
            raise Unfit(f"returned a list with {kind_of(part)} in it; a part of a view is expected.")
        check_texts(part)
        checked.append(part)
    return tuple(checked)


def check_texts(part: Part) -> None:
    """Whatever an extension puts in the place of a text would reach the page as something else."""
    match part:
        case Heading(text=text):
            texts: list[Any] = [text]
        case Text(markdown=markdown):
            texts = [markdown]
        case Button(name=name, label=label):
            texts = [name, label]
        case Field(name=name, label=label, help=help_text, choices=choices):
            texts = [name, label, help_text, *choices]
            if not isinstance(part.value, str | int | float | bool | None):
                raise Unfit(f"gave the field {name} {kind_of(part.value)} as its value.")
            if isinstance(part.value, float) and not isfinite(part.value):
                raise Unfit(f"gave the field {name} a value that is no number.")
            texts += [part.value] if isinstance(part.value, str) else []
        case Progress(note=note, fraction=fraction):
            texts = [note]
            if fraction is not None and not 0 <= fraction <= 1:
                raise Unfit("gave a Progress a fraction that is not between 0 and 1.")
        case Table(columns=columns, rows=rows):
            if len(rows) > LIMITS.extension_rows:
                raise Unfit(f"returned a table of {len(rows):,} rows; {LIMITS.extension_rows:,} are the limit.")
            texts = [*columns, *(cell for row in rows for cell in row)]
    for text in texts:
        if not isinstance(text, str):
            raise Unfit(f"returned a {type(part).__name__} with {kind_of(text)} where a text belongs.")
        if len(text) > LIMITS.render_chars:
            raise Unfit(f"returned a text of {len(text):,} characters; {LIMITS.render_chars:,} are the limit.")
        sound_text(text)
