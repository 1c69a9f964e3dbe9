"""What a process of its own costs an extension: `python -m tests.benchmarks.isolation`.

The same extension in this process and in one of its own, in turn, through the registry as replies go through it.
"""

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from modules.extensions.steps import Draft
from modules.extensions.testing import Trial, tried
from modules.types.generation import Event, Finished, TextDelta
from modules.types.messages import Message
from modules.types.reply_params import ReplyParams
from tests.extensions import isolated_subject

ROUNDS = 5
CALLS = 200
PIECES = 400
LONG_CONVERSATION = tuple(Message("user", "word " * 100) for _ in range(400))


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        here, apart = (made(Path(scratch) / place, isolated=place == "apart") for place in ("here", "apart"))
        with tried(here) as near, tried(apart) as far:
            print(f"card: {far.extensions.find('subject').note}")
            rows: tuple[tuple[str, Callable[[Trial], float]], ...] = (
                ("filter_reply, 1,000 characters", filtering),
                ("filter_messages, 400 messages of 500 characters", filtering_messages),
                ("stream_transformer, a piece", streaming),
            )
            for name, seconds in rows:
                compare(name, lambda seconds=seconds: (seconds(near), seconds(far)))


def made(place: Path, *, isolated: bool) -> Path:
    folder = place / "subject"
    folder.mkdir(parents=True)
    shutil.copy(isolated_subject.__file__, folder / "main.py")
    manifest = f'name = "subject"\ntitle = "Subject"\nversion = "1"\nisolated = {str(isolated).lower()}\n'
    (folder / "extension.toml").write_text(manifest)
    return folder


def compare(name: str, measure: Callable[[], tuple[float, float]]) -> None:
    measured = [measure() for _ in range(ROUNDS)]
    near, far = (statistics.median(column) * 1000 for column in zip(*measured, strict=True))
    lowest, highest = (chosen(far - near for near, far in measured) * 1000 for chosen in (min, max))
    print(f"{name}: {near:.3f} ms here, {far:.3f} ms apart, {far - near:+.3f} ms ({lowest:+.3f}..{highest:+.3f})")


def filtering(trial: Trial) -> float:
    return timed(lambda: trial.filter("filter_reply", "a " * 500), CALLS)


def filtering_messages(trial: Trial) -> float:
    return timed(lambda: trial.filter("filter_messages", LONG_CONVERSATION), CALLS // 20)


def timed(call: Callable[[], object], times: int) -> float:
    started = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - started) / times


def streaming(trial: Trial) -> float:
    ended: list[Event] = []
    stages = trial.extensions.draft(Draft((), ReplyParams()), trial.context()).stages
    stream = trial.extensions.reply_stream(stages, trial.context(), ended.append)
    assert stream is not None
    started = time.perf_counter()
    for _ in range(PIECES):
        stream.take(TextDelta("a word "))
    stream.take(Finished("stop"))
    while not ended or not isinstance(ended[-1], Finished):
        time.sleep(0.0002)
    return (time.perf_counter() - started) / PIECES


if __name__ == "__main__":
    main()
