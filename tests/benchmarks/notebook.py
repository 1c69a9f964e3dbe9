"""What the notebook costs the server: `python -m tests.benchmarks.notebook`.

An update of the stream into a text of 5,000 tokens with ten alternatives each: what the server computes between the
engine's event and the frame that goes out, and what saving it costs twice a second. Then opening a document, undoing and
saving in it after 100,000 versions. Nothing else should compute meanwhile.
"""

import asyncio
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from modules.app import App, build_app
from modules.engines.generation import Generation
from modules.services.document_writer import LiveVersion
from modules.services.journal import LiveText
from modules.services.version_record import VersionRecord
from modules.settings import Settings
from modules.storage.database import Database
from modules.storage.document_versions import VersionStore
from modules.storage.documents import DocumentStore
from modules.storage.version_rows import insert_version, show
from modules.types.document import Draft, Splice
from modules.types.generation import Finished, TextDelta, TokenChoice, TokenLogprob
from modules.ui.notebook_stream import ShownTokens, notebook_updates
from modules.ui.notebook_tab import NotebookTab

TOKENS = 5_000
UPDATES = 200
VERSIONS = 100_000
ROUNDS = 20


def main() -> None:
    versions = int(sys.argv[1]) if len(sys.argv) > 1 else VERSIONS
    with tempfile.TemporaryDirectory() as place:
        app = build_app(Settings(data=Path(place) / "data", models=Path(place) / "models"))
        stream_into_long_text(app, Path(place))
        many_versions(app, Path(place), versions)
        app.close()


def stream_into_long_text(app: App, folder: Path) -> None:
    database = Database.open(folder / "stream.db")
    documents, store = DocumentStore(database), VersionStore(database)
    document = documents.create("Long", "", "Once ")
    (version,) = store.begin(document.id, document.head, Draft(document.head, Splice(5, 0, "")), count=1, model="m")
    generation = Generation()
    live: LiveVersion = LiveText(generation, document.id, VersionRecord(store, version, "", ()))
    for number in range(TOKENS):
        generation.put(delta(number))
    shown = ShownTokens(live)
    report("the first update of a reader that comes late", [timed(lambda: json.dumps(shown.update(generation.events)))])
    live.record.write(generation)
    updates, saves = list[float](), list[float]()
    for number in range(UPDATES):
        event = delta(number)
        generation.put(event)
        updates.append(timed(lambda event=event: json.dumps(shown.update([event]))))
        saves.append(timed(lambda: live.record.write(generation)))
    report(f"an update of the stream after {TOKENS:,} tokens", updates)
    report("saving one token more", saves)
    generation.put(Finished("stop"))
    live.record.write(generation)
    live.saved.set()

    async def follow() -> int:
        return len([one async for one in notebook_updates(app, live, 5.0)])

    report("following it from the beginning", [timed(lambda: asyncio.run(follow()))])
    traced = store.text(document.id, version.id)
    report("its tokens, where they stand", [timed(lambda: store.runs(traced)) for _ in range(ROUNDS)])
    database.close()


def many_versions(app: App, folder: Path, count: int) -> None:
    """Typing here and there into a text of about 20,000 characters, with 5,000 generated tokens in it."""
    database = Database.open(folder / "data" / "parlor.db")
    documents, store = DocumentStore(database), VersionStore(database)
    document = documents.create("Old", "", "word " * 2_000)
    (version,) = store.begin(document.id, document.head, Draft(document.head, Splice(0, 0, "")), count=1, model="m")
    record = VersionRecord(store, version, "", ())
    generation = Generation()
    for number in range(TOKENS // 2):
        generation.put(delta(number))
    generation.put(Finished("stop"))
    record.write(generation)
    with database.transaction() as connection:
        # One after the other would wait for the disk each time.
        base, random_places = version.id, random.Random(1)
        length = store.get(document.id, base).length
        for number in range(count):
            removed = 5 if length > 20_000 else 0
            splice = Splice(random_places.randrange(length - 5), removed, f"{number % 1000:3d} ")
            parent, base = base, insert_version(connection, document.id, base, "typed", splice)
            show(connection, document.id, parent, base)
            length += 4 - removed
    database.close()
    actions = NotebookTab(app).actions()
    opened = actions["notebook_open"]({"id": document.id})
    base = opened["version"]
    size = (folder / "data" / "parlor.db").stat().st_size
    print(f"{count:,} versions, text of {len(opened['text']):,} characters, database {size / 2**20:.0f} MiB")
    report("opening", [timed(lambda: actions["notebook_open"]({"id": document.id})) for _ in range(ROUNDS)])
    saves: list[float] = []
    for number in range(ROUNDS):
        started = time.perf_counter()
        values = {"id": document.id, "version": base, "start": number, "removed": 0, "text": "x"}
        base = actions["notebook_save"](values)["version"]
        saves.append(time.perf_counter() - started)
    report("saving", saves)
    undone: list[float] = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        base = actions["notebook_undo"]({"id": document.id, "version": base})["version"]
        undone.append(time.perf_counter() - started)
    report("undoing", undone)
    for name in ("versions", "branches"):
        report(f"listing {name}", [timed(lambda name=name: actions[f"notebook_{name}"]({"id": document.id}))])
    report("selecting the first version", [timed(lambda: select_first(actions, document.id, base))])


def select_first(actions: dict[str, Callable[..., dict[str, object]]], document: str, base: int) -> None:
    first = actions["notebook_versions"]({"id": document, "before": base})["versions"]
    assert isinstance(first, list)
    answer = actions["notebook_select"]({"id": document, "version": base, "target": first[-1]["version"]})
    assert answer["version"] == first[-1]["version"]


def delta(number: int) -> TextDelta:
    word = f" w{number % 977}"
    alternatives = tuple(TokenChoice(f" a{rank}", -0.5 * rank, tuple(f" a{rank}".encode()), rank) for rank in range(10))
    return TextDelta(word, (TokenLogprob(TokenChoice(word, -0.3, tuple(word.encode()), number), alternatives),))


def timed(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def report(name: str, seconds: list[float]) -> None:
    median, low, high = (1000 * one for one in (statistics.median(seconds), min(seconds), max(seconds)))
    print(f"{name}: {median:.1f} ms ({low:.1f}..{high:.1f})")


if __name__ == "__main__":
    main()
