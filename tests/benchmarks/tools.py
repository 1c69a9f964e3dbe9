"""Whether the starter model's calls are calls, and its answers use the results: `python -m tests.benchmarks.tools [N [THREADS]]`.

N calls (120) that must be made on each engine, all questions in turn, at temperatures from 0 to 1.5: right is one call
of a tool that there is, whose arguments follow its schema by an independent judge. A call that ends by its length
counts as a failure. Then whole rounds: the named call, a made-up result, and whether the answer holds it.
"""

import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event as Flag
from typing import Any

from jsonschema import Draft202012Validator

from modules.children import Launcher
from modules.engines.protocol import Engine
from modules.engines.tool_grammar import call_constraint
from modules.prompts.renderer import TemplateRenderer
from modules.replies.pipeline import ReplyPipeline
from modules.types.generation import Event, Finished, GenerationRequest, TextDelta
from modules.types.messages import Message
from modules.types.sampling import SamplingParams
from modules.types.tools import ToolCall, ToolSpec, ToolUse
from tests.benchmarks.structured import starter_engines

CALLS = 120
MAX_TOKENS = 300
ANSWER_TOKENS = 60
TEMPERATURES = (0.0, 0.3, 0.7, 1.0, 1.5)


def schema(required: Sequence[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


TEXT = {"type": "string", "maxLength": 40}
INTEGER = {"type": "integer", "minimum": -1_000_000, "maximum": 1_000_000}
LINE = schema(("item", "count"), item=TEXT, count={"type": "integer", "minimum": 1, "maximum": 99})
TOOLS = (
    ToolSpec("add", "Adds two whole numbers.", schema(("a", "b"), a=INTEGER, b=INTEGER)),
    ToolSpec("weather", "Tells the weather in a city.", schema(("city",), city=TEXT, unit={"enum": ["C", "F"]})),
    ToolSpec("now", "Tells the time of now.", {"type": "object", "properties": {}, "additionalProperties": False}),
    ToolSpec("search", "Finds pages by words.", schema(("words",), words=TEXT, most={"type": "integer", "minimum": 1, "maximum": 20})),
    ToolSpec("order", "Orders things.", schema(("lines",), lines={"type": "array", "items": LINE, "minItems": 1, "maxItems": 3}, gift={"type": "boolean"})),
)  # fmt: skip
# What is asked, the tool for it, what that answers, and what an answer must then hold.
ROUNDS = (
    ("What is 12 plus 30?", "add", "42", "42"),
    ("What is the weather in Rome?", "weather", "Rain, 9 degrees", "9"),
    ("What time is it?", "now", "17:45", "17:45"),
    ("What is the capital of Zubrowka?", "search", "Lutz is the capital of Zubrowka.", "Lutz"),
    ("Order three pens for me.", "order", "Ordered. The number is 7731.", "7731"),
)


@dataclass(frozen=True)
class Reply:
    text: str
    calls: tuple[ToolCall, ...]
    reason: str


class Asker:
    """One engine, asked as the program asks it."""

    def __init__(self, engine: Engine, renderer: TemplateRenderer) -> None:
        self._engine = engine
        self._renderer = renderer

    def ask(self, messages: Sequence[Message], use: ToolUse, knobs: SamplingParams, tokens: int) -> Reply:
        can = self._engine.capabilities
        prompt, form = self._renderer.chat(
            messages,
            template=can.chat_template,
            bos_token=can.bos_token,
            eos_token=can.eos_token,
            tools=use.tools if use.may_call else (),
        )
        ids = tuple(self._engine.tokenize(prompt))
        request = GenerationRequest(prompt, ids, tokens, sampling=knobs, constraint=call_constraint(use, form))
        pipeline = ReplyPipeline(calls=form if use.may_call else None, calls_are_held=True)
        events: list[Event] = []
        self._engine.generate(request, lambda event: events.extend(pipeline.feed(event)), Flag())
        text = "".join(event.text for event in events if isinstance(event, TextDelta))
        calls = tuple(event for event in events if isinstance(event, ToolCall))
        return Reply(text, calls, next(event.reason for event in events if isinstance(event, Finished)))


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else CALLS
    threads = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    launcher = Launcher()
    renderer = TemplateRenderer(launcher)
    with tempfile.TemporaryDirectory() as place:
        for name, engine in starter_engines(Path(place), threads).items():
            asker = Asker(engine, renderer)
            started = time.perf_counter()
            failures = forced(asker, count)
            seconds = time.perf_counter() - started
            print(f"{name}: {count - len(failures)} of {count} calls right in {seconds:.0f} s", *failures, sep="\n  ")
            misses = rounds(asker)
            print(f"{name}: {len(ROUNDS) - len(misses)} of {len(ROUNDS)} answers hold the result", *misses, sep="\n  ")
            engine.close()
    renderer.close()
    launcher.close()


def forced(asker: Asker, count: int) -> list[str]:
    """What went wrong, in words."""
    failures: list[str] = []
    for number in range(count):
        question = ROUNDS[number % len(ROUNDS)][0]
        knobs = SamplingParams(temperature=TEMPERATURES[number // len(ROUNDS) % len(TEMPERATURES)], seed=number)
        use = ToolUse(TOOLS, "required", parallel=False)
        reply = asker.ask([Message("user", question)], use, knobs, MAX_TOKENS)
        if fault := fault_of(reply):
            failures.append(f"{question} temperature {knobs.temperature}, seed {number}: {fault}: {reply.text[:200]!r}")
    return failures


def fault_of(reply: Reply) -> str:
    """Empty for one call that is right."""
    if reply.reason != "tool_calls" or len(reply.calls) != 1 or reply.text:
        return f"ended by {reply.reason} with {len(reply.calls)} calls"
    (call,) = reply.calls
    tool = next((one for one in TOOLS if one.name == call.name), None)
    if tool is None:
        return f"there is no tool {call.name}"
    errors = list(Draft202012Validator(tool.parameters).iter_errors(json.loads(call.arguments)))
    return str(errors[0].message) if errors else ""


def rounds(asker: Asker) -> list[str]:
    """Answers that do not hold the result of the call they were given."""
    misses: list[str] = []
    greedy = SamplingParams(temperature=0.0)
    for question, tool, result, wanted in ROUNDS:
        asked = [Message("user", question)]
        called = asker.ask(asked, ToolUse(TOOLS, "required", tool), greedy, MAX_TOKENS)
        told = [*asked, Message("assistant", "", called.calls)]
        told += [Message("tool", result, tool_call_id=call.id) for call in called.calls]
        answer = asker.ask(told, ToolUse(TOOLS, "none"), greedy, ANSWER_TOKENS)
        if wanted not in answer.text:
            misses.append(f"{question} {result} -> {answer.text[:200]!r}")
    return misses


if __name__ == "__main__":
    main()
