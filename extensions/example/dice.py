"""Dice: as a tool of models, as a view beside a conversation, and as a command."""

import random
import re
from collections.abc import Mapping
from typing import Any

from modules.extensions import Button, Field, Part, RequestContext, Text, Tool, ToolContext, ViewEvent

SPOKEN = re.compile(r"(\d{0,3})d(\d{1,4})")
MOST = 100


def rolled(count: int, sides: int) -> str:
    """Raises ValueError, whose sentence the person and the model are told."""
    if not (1 <= count <= MOST and 2 <= sides <= 1000):
        raise ValueError(f"1 to {MOST} dice with 2 to 1000 sides can be rolled, not {count} with {sides}.")
    dice = [random.randint(1, sides) for _ in range(count)]
    return f"{sum(dice)} ({' + '.join(map(str, dice))})" if count > 1 else str(dice[0])


def run(arguments: Mapping[str, Any], _context: ToolContext) -> str:
    return rolled(int(arguments.get("count", 1)), int(arguments["sides"]))


def view(event: ViewEvent) -> list[Part]:
    """`event.values` are the fields as they were when the button was pressed."""
    spoken = str(event.values.get("dice", "2d6"))
    parts: list[Part] = [Field("dice", "Dice", value=spoken, help="2d6 is two dice with six sides")]
    if event.button == "roll":
        parts.append(Text(f"**{spoken_roll(spoken)}**"))
    return [*parts, Button("roll", "Roll", is_main=True)]


def command(rest: str, _context: RequestContext) -> str:
    return spoken_roll(rest or "1d6")


def spoken_roll(spoken: str) -> str:
    if (found := SPOKEN.fullmatch(spoken.strip())) is None:
        return f"`{spoken}` names no dice; 2d6 is two dice with six sides."
    try:
        return rolled(int(found[1] or 1), int(found[2]))
    except ValueError as error:
        return str(error)


TOOL = Tool(
    "roll_dice",
    "Rolls dice and tells the sum. Use it whenever chance decides.",
    {
        "type": "object",
        "properties": {
            "sides": {"type": "integer", "minimum": 2, "maximum": 1000},
            "count": {"type": "integer", "minimum": 1, "maximum": MOST},
        },
        "required": ["sides"],
        "additionalProperties": False,
    },
    run,
    needs_approval=False,
)
