"""What the program itself brings, by the same hooks as extensions: its engines, two tools, the page's own tabs."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from modules.engines.protocol import EngineKind
from modules.engines.registry import ENGINES
from modules.extensions.arithmetic import calculate
from modules.extensions.contracts import Part, Tab, Tool, ToolContext, ViewEvent
from modules.extensions.hooks import hook

TABS = {
    "chat": "Chat",
    "notebook": "Notebook",
    "templates": "Templates",
    "models": "Models",
    "finetune": "Finetune",
    "extensions": "Extensions",
}


@hook
def engines() -> Sequence[EngineKind]:
    return ENGINES


@hook
def tools() -> Sequence[Tool]:
    return (
        Tool(
            "clock",
            "Tells the date, the weekday and the time of day here.",
            {"type": "object", "properties": {}, "additionalProperties": False},
            tell_time,
            needs_approval=False,
        ),
        Tool(
            "calculator",
            "Works out arithmetic, such as (3 + 4) * 2.5 or sqrt(2) ** 3.",
            {
                "type": "object",
                "properties": {"expression": {"type": "string", "maxLength": 400}},
                "required": ["expression"],
                "additionalProperties": False,
            },
            tell_result,
            needs_approval=False,
        ),
    )


@hook
def tabs() -> Sequence[Tab]:
    """The page draws these itself, so that their views give no parts."""
    return tuple(Tab(name, title, no_parts) for name, title in TABS.items())


def tell_time(_arguments: Mapping[str, Any], _context: ToolContext) -> str:
    return datetime.now().astimezone().strftime("%A, %d %B %Y, %H:%M:%S (UTC%z)")


def tell_result(arguments: Mapping[str, Any], _context: ToolContext) -> str:
    return calculate(str(arguments["expression"]))


def no_parts(_event: ViewEvent) -> Sequence[Part]:
    return ()
