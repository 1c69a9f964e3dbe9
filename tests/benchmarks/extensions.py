"""What ten enabled extensions that do nothing cost: milliseconds a message, and a share of the streaming speed.

`python -m tests.benchmarks.extensions`: one program on the echo engine, asked in turn with none and with all of them.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from modules.app import App
from modules.extensions.budgets import USUAL
from modules.extensions.contracts import RequestContext
from modules.extensions.steps import Draft
from modules.types.messages import Message
from modules.types.reply_params import ReplyParams
from tests.extensions.programs import begin, program, write_extension

EXTENSIONS = 10
ROUNDS = 5
MESSAGES = 50
WORDS = 500
# About what the starter model writes on two cores.
WORD_MS = 5.0
NOOP = """
from modules.extensions import hook

class Same:
    def feed(self, text):
        return text
    def end(self):
        return ""

@hook
def filter_messages(messages): return messages
@hook
def filter_prompt(prompt): return prompt
@hook
def filter_request(params): return params
@hook
def filter_reply(text): return text
@hook
def stream_transformer(): return Same()
@hook
def logits_processors(): return ()
@hook
def generation_started(context): pass
@hook
def generation_finished(text): pass
"""


def switch(app: App, *, on: bool) -> None:
    for number in range(EXTENSIONS):
        (app.extensions.enable if on else app.extensions.disable)(f"noop-{number}")


@dataclass(frozen=True)
class Cost:
    """Of one message or one delta, in milliseconds: on the clock, and of the program's own processor time."""

    wall: float
    cpu: float


def cost_of(act: Callable[[], object], count: int, per: int = 1) -> Cost:
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(count):
        act()
    items = count * per
    return Cost((time.perf_counter() - wall) * 1000 / items, (time.process_time() - cpu) * 1000 / items)


def hooks_of_a_message(app: App) -> None:
    """Without the program around them."""
    context = RequestContext("id", "api", "echo", "echo")
    app.extensions.draft(Draft((Message("user", "hello"),), ReplyParams()), context)
    app.extensions.chain("filter_prompt", "hello", context)
    app.extensions.chain("filter_reply", "hello", context)


def measured(app: App, what: str) -> Cost:
    match what:
        case "message":
            return cost_of(lambda: list(begin(app, "hello")), MESSAGES)
        case "hooks alone":
            return cost_of(lambda: hooks_of_a_message(app), MESSAGES)
        case _:
            return cost_of(lambda: list(begin(app, "go")), 1, WORDS)


def compared(folder: Path, what: str, delay_ms: float) -> tuple[Cost, Cost]:
    """(with none, with all of them): medians of runs that take turns."""
    script = folder / "script.json"
    script.write_text(json.dumps([{"text": f"word{place} ", "delay_ms": delay_ms} for place in range(WORDS)]))
    for number in range(EXTENSIONS):
        write_extension(folder, f"noop-{number}", NOOP)
    none: list[Cost] = []
    all_of_them: list[Cost] = []
    with program(folder, USUAL, script if what == "delta" else None) as app:
        app.models.load("echo").result.result()
        measured(app, what)
        for _ in range(ROUNDS):
            none.append(measured(app, what))
            switch(app, on=True)
            all_of_them.append(measured(app, what))
            switch(app, on=False)
    return median(none), median(all_of_them)


def median(costs: Sequence[Cost]) -> Cost:
    return Cost(statistics.median(one.wall for one in costs), statistics.median(one.cpu for one in costs))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for what, delay_ms in (("message", 0.0), ("hooks alone", 0.0), ("delta", WORD_MS), ("delta", 0.0)):
            place = Path(folder) / f"{what}-{delay_ms}"
            place.mkdir()
            none, ten = compared(place, what, delay_ms)
            pace = f", a delta each {delay_ms:g} ms" if delay_ms else ""
            print(
                f"{what}{pace}: {none.wall:.3f} ms with none, {ten.wall:.3f} ms with {EXTENSIONS} "
                f"({ten.wall - none.wall:+.3f} ms, {ten.wall / max(none.wall, 1e-6) - 1:+.1%}); "
                f"processor time {ten.cpu - none.cpu:+.3f} ms"
            )


if __name__ == "__main__":
    main()
