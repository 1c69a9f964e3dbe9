"""Every hook in every way that it can go wrong: no reply is lost, and no start fails."""

import shutil
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from modules.app import App
from modules.errors import BadRequest
from modules.extensions.checks import LISTS, SINGLES
from modules.extensions.contracts import RequestContext
from modules.extensions.hooks import FILTERS, OBSERVERS, Hooks
from modules.types.jobs import Job
from tests.extensions.programs import ASKED, program, reply, wait_until, write_extension

HOOKS = tuple(name for name in vars(Hooks) if not name.startswith("_"))
ARGUMENTS = {
    "filter_messages": "messages, context",
    "filter_prompt": "prompt, context",
    "filter_request": "params, context",
    "filter_reply": "text, context",
    "write_reply": "prompt, context",
    "stream_transformer": "context",
    "logits_processors": "context",
    "started": "host",
    "model_loaded": "model, engine",
    "generation_started": "context",
    "generation_finished": "text, reason, context",
    "conversation_saved": "conversation_id",
    "job_finished": "job",
}
FLOODS = {
    "filter_messages": "(*messages, *(Message('user', 'x' * 1000) for _ in range(10_000)))",
    "filter_prompt": "'x' * 10_000_000",
    "filter_request": "replace(params, stop=('x',) * 100_000)",
    "filter_reply": "'x' * 10_000_000",
    "custom_css": "'x' * 10_000_000",
    "custom_js": "'x' * 10_000_000",
}
# What is in the body of the hook; FLOOD, ARGUMENTS and the like are filled in.
WAYS = {
    "raise": "raise ValueError('no')",
    "none": "return None",
    "wrong type": "return object()",
    "sleep": "time.sleep(60)",
    "exit": "raise SystemExit(3)",
    "interrupt": "raise KeyboardInterrupt",
    "recursion": "return recurse(0)",
    "flood": "return FLOOD",
    "delete keys": "spoil(ALL); raise KeyError('gone')",
    "thread left behind": "Thread(target=time.sleep, args=(60,)).start(); raise RuntimeError('after a thread')",
}
PRELUDE = """
import time
from dataclasses import replace
from threading import Thread
from modules.extensions import hook, Message, Tool

def recurse(depth):
    return recurse(depth + 1) + 1

def spoil(handed):
    for one in handed:
        for name, value in list(getattr(one, "__dict__", {}).items()):
            for change in ("clear",):
                if isinstance(value, (list, dict, set)):
                    getattr(value, change)()
        sampling = getattr(one, "sampling", None)
        if sampling is not None:
            sampling.banned_tokens.append(-5)
            sampling.dry_sequence_breakers.clear()
"""


def code_of(hook: str, way: str) -> str:
    arguments = ARGUMENTS.get(hook, "")
    flood = FLOODS.get(hook, "['x'] * 100_000")
    body = WAYS[way].replace("FLOOD", flood).replace("ALL", f"({arguments}{',' if arguments else ''})")
    return f"{PRELUDE}\n@hook\ndef {hook}({arguments}):\n    {body}\n"


@pytest.fixture(scope="module")
def app_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("matrix")


@pytest.fixture(scope="module")
def app(app_folder: Path) -> Iterator[App]:
    with program(app_folder) as app:
        assert reply(app) == ASKED
        yield app


def ask_for_everything(app: App) -> None:
    """Whatever the program may ask of extensions, in one go."""
    context = RequestContext("id", "api", "echo", "echo")
    for hook in (*LISTS, *SINGLES):
        app.extensions.collect(hook, context)
    app.extensions.notify("model_loaded", model="echo", engine="echo")
    app.extensions.notify("conversation_saved", conversation_id="1")
    app.extensions.notify("job_finished", job=Job("1", "job", "done", 1.0, "", time.time()))


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("way", WAYS)
def test_a_reply_survives_whatever_a_hook_does(app: App, app_folder: Path, hook: str, way: str) -> None:
    name = f"{hook}-{way}".replace("_", "-").replace(" ", "-")
    write_extension(app_folder, name, code_of(hook, way))
    is_enabled = hook not in {"settings_model", "engines"}
    if is_enabled:
        app.extensions.enable(name)
    else:
        with pytest.raises(BadRequest, match=hook):
            app.extensions.enable(name)
    assert reply(app) == ASKED
    ask_for_everything(app)
    if is_enabled:
        app.extensions.disable(name)
    # Observers return nothing, so that anything else is passed over; who writes no reply says None.
    fails = not (hook in OBSERVERS and way in {"none", "wrong type", "flood"}) and (hook, way) != (
        "write_reply",
        "none",
    )
    if fails:
        assert wait_until(lambda: hook in [fault.hook for fault in app.extensions.faults(name)])
    assert reply(app) == ASKED
    # Each folder that is there is read whenever one is looked for.
    shutil.rmtree(app_folder / "data" / "extensions" / name)


STREAM_WAYS = {
    **{way: body for way, body in WAYS.items() if way not in {"flood", "delete keys"}},
    "flood": "return 'x' * 10_000_000",
}


@pytest.mark.parametrize("method", ["feed", "end"])
@pytest.mark.parametrize("way", STREAM_WAYS)
def test_a_stream_survives_whatever_its_transformer_does(app: App, app_folder: Path, method: str, way: str) -> None:
    name = f"stream-{method}-{way}".replace(" ", "-")
    bodies = {"feed": "return text", "end": "return ''"} | {method: STREAM_WAYS[way]}
    write_extension(
        app_folder,
        name,
        f"""{PRELUDE}
class Transformer:
    def feed(self, text):
        {bodies["feed"]}
    def end(self):
        {bodies["end"]}

@hook
def stream_transformer():
    return Transformer()
""",
    )
    app.extensions.enable(name)
    assert reply(app) == ASKED
    assert [fault.hook for fault in app.extensions.faults(name)] == ["stream_transformer"]
    app.extensions.disable(name)


IMPORT_WAYS = {
    "raise": "raise ValueError('no')",
    "exit": "import sys; sys.exit(3)",
    "interrupt": "raise KeyboardInterrupt",
    "missing": "import a_package_that_nobody_has",
    "syntax": "def (",
    "recursion": "def f(): return f()\nf()",
    "endless": "import time\ntime.sleep(60)",
    "unknown hook": "from modules.extensions import hook\n@hook\ndef filter_everything(text): return text",
    "wrong argument": "from modules.extensions import hook\n@hook\ndef filter_reply(words): return words",
}


def test_a_program_starts_whatever_its_extensions_do(tmp_path: Path) -> None:
    names: list[str] = []
    for way, code in IMPORT_WAYS.items():
        names.append(f"import-{way}".replace(" ", "-"))
        write_extension(tmp_path, names[-1], code)
    for hook in ("started", "settings_model", "engines"):
        for way in WAYS:
            names.append(f"{hook}-{way}".replace("_", "-").replace(" ", "-"))
            write_extension(tmp_path, names[-1], code_of(hook, way))
    names.append("gone")
    with program(tmp_path):
        pass
    with sqlite3.connect(tmp_path / "data" / "parlor.db") as database:
        rows = [(name, place) for place, name in enumerate(names, start=1)]
        database.executemany("INSERT INTO extension (name, place) VALUES (?, ?)", rows)
    with program(tmp_path) as app:
        assert reply(app) == ASKED
        cards = {card.name: card for card in app.extensions.all()}
        for way in IMPORT_WAYS:
            card = cards[f"import-{way}".replace(" ", "-")]
            assert card.state == "failed", way
            assert card.fault
        assert "a_package_that_nobody_has" in cards["import-missing"].fault
        assert "filter_everything" in cards["import-unknown-hook"].fault
        assert "words" in cards["import-wrong-argument"].fault
        assert cards["started-raise"].state == "enabled"


def test_the_matrix_knows_every_hook() -> None:
    assert set(FILTERS) | set(OBSERVERS) <= set(HOOKS)
    assert set(ARGUMENTS) <= set(HOOKS)
