"""YAML of strangers read as plain values: bounded, without tags, anchors or dates."""

import math
import re
from collections.abc import Iterator
from typing import Any, ClassVar, cast

import yaml

from modules.errors import BadRequest
from modules.limits import LIMITS
from modules.types.faults import fault_of_text

DATE = "tag:yaml.org,2002:timestamp"
NO_COLON = r"(?!\S*:)"
# Far beyond what a preset needs, and read in a moment.
MAX_EVENTS = 20_000


class PlainLoader(yaml.SafeLoader):
    """Dates stay text, as JSON has none; so does 1:30, which YAML counts in sixties and PyYAML takes long to."""

    yaml_implicit_resolvers: ClassVar = {
        first: [(tag, re.compile(NO_COLON + pattern.pattern, re.VERBOSE)) for tag, pattern in resolvers if tag != DATE]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def read_mapping(text: str) -> dict[str, Any]:
    """The mapping that the text is, of what JSON can hold. Raises BadRequest saying what is wrong, and where."""
    if len(text.encode("utf-8", "replace")) > LIMITS.preset_bytes:
        raise BadRequest(f"it is larger than {LIMITS.preset_bytes // 1024:,} KiB")
    try:
        check_events(text)
        # A subclass of SafeLoader: nothing but plain values can come of it.
        content = yaml.load(text, PlainLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise BadRequest(f"line {line}: {error.problem}") from error
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise BadRequest(f"it is no YAML ({type(error).__name__})") from error
    if not isinstance(content, dict):
        raise BadRequest("it is no list of `name: value` lines")
    found: dict[str, Any] = plain(content)
    if len(found) > LIMITS.preset_keys:
        raise BadRequest(f"it has more than {LIMITS.preset_keys} entries")
    return found


def check_events(text: str) -> None:
    """Before anything is made of it: how deep and how much it is, and that it names no types."""
    depth = 0
    events = cast("Iterator[yaml.Event]", yaml.parse(text, PlainLoader))  # pyright: ignore[reportUnknownMemberType]
    for count, event in enumerate(events):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        line = event.start_mark.line + 1
        if depth > LIMITS.preset_depth:
            raise BadRequest(f"line {line}: it is nested deeper than {LIMITS.preset_depth} levels")
        if count > MAX_EVENTS:
            raise BadRequest(f"line {line}: it has more than {MAX_EVENTS:,} parts")
        if isinstance(event, yaml.NodeEvent) and event.anchor:
            raise BadRequest(f"line {line}: anchors and aliases are not read")
        if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag:
            raise BadRequest(f"line {line}: tags such as {event.tag[:40]} are not read")


def plain(value: Any) -> Any:
    """The same, with names as text. Raises BadRequest for what JSON or the database cannot hold."""
    match value:
        case dict():
            return {plain(str(name)): plain(one) for name, one in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        case list():
            return [plain(one) for one in value]  # pyright: ignore[reportUnknownVariableType]
        case str() if fault := fault_of_text(value):
            raise BadRequest(fault)
        case float() if not math.isfinite(value):
            raise BadRequest("numbers must be finite")
        case int() if abs(value) >= 2**63:
            raise BadRequest("a number has too many digits")
        case str() | float() | int() | None:
            return value
        case _:
            raise BadRequest(f"{type(value).__name__} is no plain value")


def written(values: dict[str, Any]) -> str:
    """As `read_mapping` reads it, in this order."""
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=120)
