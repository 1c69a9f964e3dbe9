"""A script's controls as a view of the page: fields, and one button that hands over what was changed."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from modules.extensions.contracts import Button, Field, FieldKind, Heading, Part, Text, ViewEvent
from modules.extensions.textgen.controls import CHANGES, INPUTS, LAYOUTS, SHOWN, Control, Interface

APPLY = "apply"
KINDS: Mapping[str, FieldKind] = {"Slider": "number", "Number": "number", "Checkbox": "switch"}


class ScriptView:
    """`changed` is called after each event, when a script may have other parameters."""

    def __init__(self, interface: Interface, changed: Callable[[], None]) -> None:
        self._interface = interface
        self._changed = changed

    def __call__(self, event: ViewEvent) -> Sequence[Part]:
        """Raises what the script's own functions raise."""
        if event.button:
            return [*self._happened(event), *self._parts()]
        for control in self._interface.controls:
            control.compute()
        return self._parts()

    def _happened(self, event: ViewEvent) -> list[Part]:
        """What was wrong with a value, which is not handed over then."""
        faults: list[Part] = []
        for name, control in self._inputs():
            if name not in event.values:
                continue
            try:
                value = value_of(control, event.values[name])
            except ValueError as error:
                faults.append(Text(f"{control.label or name}: {error}"))
                continue
            if control.update({"value": value}):
                self._interface.happen(control, CHANGES)
        for name, control in self._named("Button"):
            if name == event.button:
                self._interface.happen(control, ("click",))
        self._changed()
        return faults

    def _inputs(self) -> list[tuple[str, Control]]:
        return [pair for kind in sorted(INPUTS) for pair in self._named(kind)]

    def _named(self, kind: str) -> list[tuple[str, Control]]:
        """Names by their places, which stay the same as long as the extension is enabled."""
        return [(f"control-{i}", one) for i, one in enumerate(self._interface.controls) if one.kind == kind]

    def _parts(self) -> list[Part]:
        parts: list[Part] = []
        for place, control in enumerate(self._interface.controls):
            if control.is_visible and (part := part_of(f"control-{place}", control)):
                parts.append(part)
        if any(isinstance(part, Field) for part in parts):
            parts.append(Button(APPLY, "Apply", is_main=True))
        return parts


def part_of(name: str, control: Control) -> Part | None:
    """None for what is not shown by itself."""
    value = control.value
    if control.kind in LAYOUTS:
        return Heading(control.label) if control.label else None
    if control.kind in SHOWN:
        return Text(str(value or ""))
    if control.kind == "Button":
        return Button(name, str(value or control.label or "Run"))
    if control.kind not in INPUTS:
        return None
    choices = control.choices
    shown = next((choice for choice, one in choices.items() if one == value), value) if choices else value
    return Field(name, control.label or control.kind, kind_of(control), shown, tuple(choices), help_of(control))


def kind_of(control: Control) -> FieldKind:
    if control.kind in KINDS:
        return KINDS[control.kind]
    if control.kind in {"Dropdown", "Radio"}:
        return "text" if control.given.get("allow_custom_value") else "choice"
    if control.given.get("type") == "password":
        return "secret"
    return "lines" if control.given.get("lines", 1) > 1 else "text"


def help_of(control: Control) -> str:
    hint = str(control.given.get("info") or control.given.get("placeholder") or "")
    if control.kind != "Slider":
        return hint
    return " ".join(part for part in (hint, f"From {low(control)} to {high(control)}.") if part)


def value_of(control: Control, value: Any) -> Any:
    """What a person entered, as the script expects it. Raises ValueError with a sentence."""
    if control.kind == "Checkbox":
        return bool(value)
    if control.kind in {"Slider", "Number"}:
        return number_of(control, value)
    if control.kind in {"Dropdown", "Radio"}:
        choices = control.choices
        if value in choices:
            return choices[value]
        if not control.given.get("allow_custom_value"):
            raise ValueError(f"{value!r} is none of its choices.")
    return "" if value is None else str(value)


def number_of(control: Control, value: Any) -> float:
    """A whole one where the script's own numbers are whole."""
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise ValueError("It must be a number.") from error
    if control.kind == "Slider" and not low(control) <= number <= high(control):
        raise ValueError(f"It must be from {low(control)} to {high(control)}.")
    own = [control.value, control.given.get("step", 1)] if control.kind == "Slider" else [control.value]
    is_whole = control.given.get("precision") == 0 or all(isinstance(one, int) for one in own)
    return int(number) if is_whole and number == int(number) else number


def low(control: Control) -> float:
    return control.given.get("minimum", 0)


def high(control: Control) -> float:
    return control.given.get("maximum", 100)
