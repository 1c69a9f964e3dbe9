"""A whole program on the echo engine, with extensions that a test writes."""

import json
import textwrap
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from modules.app import App, build_app
from modules.engines.generation import Generation
from modules.extensions.budgets import Budgets
from modules.services.request_hooks import RequestSource
from modules.settings import Settings
from modules.types.generation import Finished
from modules.types.messages import Message
from modules.types.reply_params import ReplyParams

# As usual, but for tests that wait until they are used up.
QUICK = Budgets(load=0.5, filter=0.15, collect=0.15, feed=0.1, observe=0.15, close=0.15)
ASKED = "one two three four"


@contextmanager
def program(
    folder: Path, budgets: Budgets = QUICK, script: Path | None = None, *, settles: bool = True
) -> Generator[App]:
    """Its own extensions lie in `folder`/data/extensions; those that were enabled are ready unless it `settles` not."""
    settings = Settings(
        data=folder / "data", models=folder / "models", extensions=folder / "none", model="echo", echo_script=script
    )
    app = build_app(settings, budgets=budgets)
    try:
        assert not settles or app.extensions.settled(30)
        yield app
    finally:
        app.close()


def write_extension(folder: Path, name: str, code: str, manifest: str = "") -> None:
    """As one of the program's own of that data folder."""
    write_extension_folder(folder / "data" / "extensions" / name, code, manifest)


def write_extension_folder(
    place: Path, code: str, manifest: str = "", *, title: str = "", version: str = "1.0"
) -> Path:
    """An extension of the folder's name; `manifest` are more lines of its manifest. The folder."""
    place.mkdir(parents=True, exist_ok=True)
    facts = {"name": place.name, "title": title or place.name, "version": version}
    lines = [f'{field} = "{value}"\n' for field, value in facts.items()]
    (place / "extension.toml").write_text("".join(lines) + manifest)
    (place / "main.py").write_text(textwrap.dedent(code))
    return place


def slow_script(folder: Path, words: int, delay_ms: int) -> Path:
    """What the echo engine writes instead: word0 word1 ..."""
    path = folder / "script.json"
    path.write_text(json.dumps([{"text": f"word{place} ", "delay_ms": delay_ms} for place in range(words)]))
    return path


def begin(app: App, text: str = ASKED, params: ReplyParams | None = None) -> Generation:
    return app.inference.chat([Message("user", text)], params or ReplyParams(), asked_by=RequestSource("api"))


def reply(app: App, text: str = ASKED, params: ReplyParams | None = None) -> str:
    """The whole of it; an assertion where it failed."""
    generation = begin(app, text, params)
    for _ in generation:
        pass
    assert isinstance(generation.end, Finished), generation.end
    return generation.text


def wait_until(is_so: Callable[[], bool], seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.01)
    return is_so()
