"""How busy a run over many rows keeps the engine's slots, and its speed against the same requests sent at once.

usage: python -m tests.benchmarks.batch [rows]        (needs the starter model)
Busy is the share of the time, from the first request to the last row's start, in which no slot is empty.
"""

import sys
import tempfile
import threading
import time
from pathlib import Path

from modules.app import App, build_app
from modules.engines.loaded import LoadedModel
from modules.paths import PROJECT
from modules.services.batch_runs import RunPlan
from modules.settings import Settings
from modules.types.batch_runs import Table
from modules.types.generation import Finished

ROWS = 60
SLOTS = 4
LOOK_SECONDS = 0.001
GOAL = 0.9
TOKENS = 48
TEMPLATE = f"""
prompt: 'Write about {{{{ text }}}}.'
variables: [{{name: text}}]
parameters: {{max_tokens: {TOKENS}, temperature: 0.0, ignore_eos: true}}
"""
LABELS = """
prompt: 'Is {{ text }} an animal, a plant or a thing?'
variables: [{name: text}]
constraint: {kind: choice, source: [animal, plant, thing]}
output: labels
"""
THINGS = ("a horse", "an oak tree", "the sea", "a spoon", "the moon", "a rose", "winter", "bread")


class Watch:
    """Looks at the engine a thousand times a second until the rows have all been begun."""

    def __init__(self, loaded: LoadedModel) -> None:
        self._loaded = loaded
        self._full: list[bool] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def busy(self) -> float:
        """Without the beginning, before the first request, and the end, when fewer rows are left than slots."""
        first = self._full.index(True)
        last = len(self._full) - self._full[::-1].index(True)
        return sum(self._full[first:last]) / (last - first)

    def _look(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            self._full.append(self._loaded.workload.running >= SLOTS)


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    with tempfile.TemporaryDirectory() as name:
        app = build_app(Settings(data=Path(name), models=PROJECT / "models"))
        try:
            loaded = app.models.load("starter", options={"slots": SLOTS}).result.result()
            app.prompts.save("text", TEMPLATE)
            app.prompts.save("labels", LABELS)
            at_once(app, rows)
            fastest = at_once(app, rows)
            speed, busy = as_run(app, loaded, "text", rows)
            print(f"texts: busy {busy:.3f} (goal {GOAL}), {speed:.0f} tokens/s; all at once {fastest:.0f} tokens/s")
            _, busy = as_run(app, loaded, "labels", rows)
            print(f"labels: busy {busy:.3f}")
        finally:
            app.close()


def at_once(app: App, rows: int) -> float:
    """Tokens a second of the same requests, all sent before the first is answered."""
    began = time.perf_counter()
    asked = [app.prompts.start(app.prompts.render("text", {"text": thing(row)}), "starter") for row in range(rows)]
    ends = [list(generation)[-1] for generation in asked]
    tokens = sum(end.usage.completion_tokens for end in ends if isinstance(end, Finished))
    return tokens / (time.perf_counter() - began)


def as_run(app: App, loaded: LoadedModel, template: str, rows: int) -> tuple[float, float]:
    """(tokens a second, busy)."""
    table = Table(("text",), tuple({"text": thing(row)} for row in range(rows)), "things.csv")
    with Watch(loaded) as watch:
        began = time.perf_counter()
        name = app.runs.create(RunPlan(template, {"text": "text"}, {}), table, model="starter").record.name
        while app.runs.get(name).state == "running":
            time.sleep(0.05)
        seconds = time.perf_counter() - began
    return rows * TOKENS / seconds, watch.busy


def thing(row: int) -> str:
    return f"{THINGS[row % len(THINGS)]} number {row}"


if __name__ == "__main__":
    main()
