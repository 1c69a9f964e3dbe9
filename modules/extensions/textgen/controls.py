"""Stands in for gradio: keeps what a script's `ui` builds, and what it wants to happen."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import isgenerator
from typing import Any, Self, cast

from modules.errors import BadRequest
from modules.extensions.textgen.support import refusal

# What arguments without a name mean.
POSITIONAL: Mapping[str, tuple[str, ...]] = {
    "Slider": ("minimum", "maximum", "value", "step"),
    "Dropdown": ("choices", "value"),
    "Radio": ("choices", "value"),
    "Accordion": ("label",),
    "Tab": ("label",),
    "TabItem": ("label",),
}
LAYOUTS = frozenset({"Accordion", "Blocks", "Box", "Column", "Group", "Row", "Tab", "TabItem", "Tabs"})
INPUTS = frozenset({"Slider", "Number", "Checkbox", "Textbox", "Dropdown", "Radio"})
SHOWN = frozenset({"Markdown", "HTML"})
KINDS = LAYOUTS | INPUTS | SHOWN | {"Button", "State"}
# What happens when a person changes a value; a script's own changes are the first alone.
CHANGES = ("change", "input", "release", "submit", "blur", "select")
EVENTS = (*CHANGES, "click")
# More than a script can mean: its changes cause each other.
STEPS = 200


@dataclass(eq=False)
class Listener:
    """Calls a function with the values of `inputs`, and gives what it returns to `outputs`."""

    function: Callable[..., Any] | None
    inputs: Sequence["Control"] = ()
    outputs: Sequence["Control"] = ()
    following: list["Listener"] = field(default_factory=list["Listener"])

    def then(self, fn: Any = None, inputs: Any = None, outputs: Any = None, **given: Any) -> "Listener":
        listener = listener_of(fn, inputs, outputs, given)
        self.following.append(listener)
        return listener

    success = then


class Control:
    """One thing of the interface, or within an event the new values of one."""

    def __init__(self, kind: str, given: Mapping[str, Any]) -> None:
        self.kind = kind
        self.given = dict(given)
        self.listeners: dict[str, list[Listener]] = {}
        if kind == "Dropdown" and given.get("multiselect"):
            raise BadRequest("A Dropdown with `multiselect` cannot be used: one of its choices can be chosen.")
        self._compute = given["value"] if callable(given.get("value")) else None
        self.compute()

    @property
    def value(self) -> Any:
        if "value" in self.given:
            return self.given["value"]
        return self.given.get("minimum", 0) if self.kind == "Slider" else None

    @property
    def label(self) -> str:
        return str(self.given.get("label") or "")

    @property
    def is_visible(self) -> bool:
        return self.given.get("visible") is not False

    @property
    def choices(self) -> dict[str, Any]:
        """What each choice is called, and its value."""
        listed: list[Any] = list(self.given.get("choices") or [])
        pairs = [(cast("tuple[Any, Any]", one) if isinstance(one, tuple) else (one, one)) for one in listed]
        return {str(name): value for name, value in pairs}

    def compute(self) -> None:
        """A value that a function gives is asked for anew whenever the page is opened."""
        if self._compute is not None:
            self.given["value"] = self._compute()

    def update(self, new: Mapping[str, Any]) -> bool:
        """Whether its value is another now."""
        before = self.value
        self.given.update(new)
        return self.value != before

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        pass

    def on(self, event: str, fn: Any = None, inputs: Any = None, outputs: Any = None, **given: Any) -> Listener:
        listener = listener_of(fn, inputs, outputs, given)
        self.listeners.setdefault(event, []).append(listener)
        return listener

    def change(self, fn: Any = None, inputs: Any = None, outputs: Any = None, **given: Any) -> Listener:
        return self.on("change", fn, inputs, outputs, **given)

    def input(self, fn: Any = None, inputs: Any = None, outputs: Any = None, **given: Any) -> Listener:
        return self.on("input", fn, inputs, outputs, **given)

    def release(self, fn: Any = None, inputs: Any = None, outputs: Any = None, **given: Any) -> Listener:
        return self.on("release", fn, inputs, outputs, **given)

    def submit(self, fn: Any = None, inputs: Any = None, outputs: Any = None, **given: Any) -> Listener:
        return self.on("submit", fn, inputs, outputs, **given)

    def blur(self, fn: Any = None, inputs: Any = None, outputs: Any = None, **given: Any) -> Listener:
        return self.on("blur", fn, inputs, outputs, **given)

    def select(self, fn: Any = None, inputs: Any = None, outputs: Any = None, **given: Any) -> Listener:
        return self.on("select", fn, inputs, outputs, **given)

    def click(self, fn: Any = None, inputs: Any = None, outputs: Any = None, **given: Any) -> Listener:
        return self.on("click", fn, inputs, outputs, **given)


class Interface:
    """Top-level name `gradio` of a script; `controls` is what its `ui` has built, in order."""

    def __init__(self, log: Callable[[str], None]) -> None:
        self.controls: list[Control] = []
        self._is_recording = False
        self._log = log
        self._names: dict[str, Any] = {
            **{kind: Maker(kind, self._keep) for kind in KINDS},
            "update": Maker("update", lambda _control: None),
            "skip": lambda: Control("update", {}),
            "Info": log,
            "Warning": log,
            "Error": ControlError,
        }

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name not in self._names:
            raise BadRequest(refusal(f"gradio.{name}"))
        return self._names[name]

    def record(self, build: Callable[[], object]) -> None:
        """Runs a script's `ui`. Raises whatever it raises, and keeps nothing then."""
        self._is_recording = True
        try:
            build()
        except BaseException:
            self.controls.clear()
            raise
        finally:
            self._is_recording = False

    def happen(self, control: Control, events: Sequence[str]) -> None:
        """Calls all who listen, and those who listen to what they change. Raises whatever they raise."""
        waiting = deque(listener for event in events for listener in control.listeners.get(event, ()))
        for _ in range(STEPS):
            if not waiting:
                return
            listener = waiting.popleft()
            changed = self._call(listener)
            waiting.extend(listener.following)
            waiting.extend(follower for one in changed for follower in one.listeners.get("change", ()))
        raise BadRequest(f"The controls changed each other {STEPS} times without an end.")

    def _call(self, listener: Listener) -> list[Control]:
        """The controls that have another value now."""
        if listener.function is None:
            return []
        answer = listener.function(*(control.value for control in listener.inputs))
        if isgenerator(answer):
            answer = last_of(answer)
        if not listener.outputs:
            return []
        pairs = pairs_of(listener.outputs, answer)
        return [control for control, new in pairs if control.update(given_by(new))]

    def _keep(self, control: Control) -> None:
        if self._is_recording:
            self.controls.append(control)


class Maker:
    """What a name such as gr.Slider is: makes a control, and in older scripts `gr.Slider.update(...)` changes one."""

    def __init__(self, kind: str, keep: Callable[[Control], None]) -> None:
        self._kind = kind
        self._keep = keep

    def __call__(self, *values: Any, **given: Any) -> Control:
        named = dict(zip(POSITIONAL.get(self._kind, ("value",)), values, strict=False))
        control = Control(self._kind, named | given)
        self._keep(control)
        return control

    def update(self, **given: Any) -> Control:
        return Control("update", given)


class ControlError(BadRequest):
    """What a script raises as gr.Error, with a sentence for the person."""


def listener_of(function: Any, inputs: Any, outputs: Any, given: Mapping[str, Any]) -> Listener:
    """Raises BadRequest for one that would run in the browser."""
    if given.get("js") or given.get("_js"):
        raise BadRequest("A control with `js` cannot be used: its script is written for another page.")
    return Listener(function, controls_of(inputs), controls_of(outputs))


def controls_of(given: Any) -> Sequence[Control]:
    listed = cast("list[Any]", given if isinstance(given, list | tuple) else [] if given is None else [given])
    for one in listed:
        if not isinstance(one, Control):
            raise BadRequest(f"A control listens to {one!r}, which is not a control of this extension.")
    return listed


def pairs_of(outputs: Sequence[Control], answer: Any) -> list[tuple[Control, Any]]:
    """What is new of which control; a dictionary names them itself. Raises ValueError for too few or too many."""
    if isinstance(answer, dict) and any(isinstance(key, Control) for key in cast("dict[Any, Any]", answer)):
        by_control = cast("dict[Control, Any]", answer)
        return [(control, by_control[control]) for control in outputs if control in by_control]
    answers = cast("Sequence[Any]", answer if len(outputs) > 1 else [answer])
    return list(zip(outputs, answers, strict=True))


def given_by(answer: Any) -> Mapping[str, Any]:
    """A control or update says what is new; anything else is a value."""
    return answer.given if isinstance(answer, Control) else {"value": answer}


def last_of(answers: Any) -> Any:
    last = None
    for answer in answers:
        last = answer
    return last
