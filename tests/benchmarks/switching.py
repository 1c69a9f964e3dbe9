"""How soon a request for another loaded model reaches that model's engine: two models, asked in turn.

usage: python -m tests.benchmarks.switching [rounds]        (needs the starter model)
Prints from Inference.chat to the engine's queue, and over HTTP from the request to the end of an answer of one word.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

import httpx

from modules.app import build_app
from modules.library.starter import STARTER
from modules.paths import PROJECT
from modules.settings import Settings
from modules.types.messages import Message
from modules.types.reply_params import ReplyParams
from tests.conftest import link_or_copy
from tests.program import RunningProgram

ROUNDS = 40
MODELS = ("starter", "echo")
LOOK_SECONDS = 0.0002
GOAL_MS = 50.0


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "models").mkdir()
        link_or_copy(PROJECT / "models" / STARTER.file_name, folder / "models" / STARTER.file_name)
        show("Inference.chat to the engine's queue", submissions(folder, rounds))
        show("the same over HTTP, to the end of an answer of one token", answers(folder, rounds))


def submissions(folder: Path, rounds: int) -> list[float]:
    """Milliseconds until the engine's queue has the request."""
    app = build_app(Settings(data=folder / "data", models=folder / "models"))
    try:
        loaded = {model: app.models.load(model).result.result() for model in MODELS}
        found: list[float] = []
        for number in range(2 * rounds):
            model = MODELS[number % 2]
            began = time.perf_counter()
            generation = app.inference.chat([Message("user", f"word {number}")], ReplyParams(max_tokens=1), model)
            while generation.end is None and not loaded[model].workload.running:
                time.sleep(LOOK_SECONDS)
            found.append(1000 * (time.perf_counter() - began))
            list(generation)
        return found
    finally:
        app.close()


def answers(folder: Path, rounds: int) -> list[float]:
    arguments = ("--no-ui", "--model", "starter", "--admin-key", "test-admin")
    with RunningProgram(folder, *arguments) as program, program.client() as client:
        program.wait_until_loaded(120)
        for model in MODELS:
            ask(client, model, 0)
        return [ask(client, MODELS[number % 2], number) for number in range(2 * rounds)]


def ask(client: httpx.Client, model: str, number: int) -> float:
    body = {"model": model, "messages": [{"role": "user", "content": f"word {number}"}], "max_tokens": 1}
    began = time.perf_counter()
    client.post("/v1/chat/completions", json=body).raise_for_status()
    return 1000 * (time.perf_counter() - began)


def show(what: str, milliseconds: list[float]) -> None:
    print(
        f"{what}: median {statistics.median(milliseconds):.1f} ms, worst {max(milliseconds):.1f} ms "
        f"(goal {GOAL_MS:.0f} ms to the queue)"
    )


if __name__ == "__main__":
    main()
