"""What extensions ask of the program, from within their hooks and elsewhere."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from modules.app import App
from modules.types.generation import Finished
from tests.extensions.programs import ASKED, begin, program, reply, wait_until, write_extension

ASKING = """
from dataclasses import replace
from modules.extensions import Message, hook

class Kept:
    host = None

@hook
def started(host):
    Kept.host = host
    (host.data / "note.txt").write_text("here")
    host.log("I am here")

@hook
def filter_reply(text):
    return Kept.host.reply([Message("user", "instead of " + text)])

@hook
def job_finished(job):
    Kept.host.log(f"{job.name} {job.state} {job.error}")

@hook
def generation_finished(text, reason, context):
    Kept.host.log(f"{context.source} {reason} {text}")

@hook
def conversation_saved(conversation_id):
    Kept.host.log(f"saved {conversation_id}")
"""


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    write_extension(tmp_path, "asking", ASKING, "[touches]\nmodels = true\nnetwork = ['example.org']\n")
    with program(tmp_path) as app:
        app.extensions.enable("asking")
        yield app


def logged(app: App, text: str) -> bool:
    return wait_until(lambda: any(text in line for line in app.extensions.log("asking")))


def test_a_folder_and_a_log_of_its_own(app: App, tmp_path: Path) -> None:
    assert (tmp_path / "data" / "extension-data" / "asking" / "note.txt").read_text() == "here"
    assert logged(app, "I am here")


def test_time_that_the_model_takes_is_not_the_extension_s(tmp_path: Path) -> None:
    """The script takes longer than any hook may, twice: for the reply, and for what the extension asks."""
    script = tmp_path / "script.json"
    script.write_text('[{"text": "slow ", "delay_ms": 400}, {"text": "words", "delay_ms": 400}]')
    write_extension(tmp_path, "asking", ASKING)
    with program(tmp_path, script=script) as app:
        app.extensions.enable("asking")
        assert reply(app) == "slow words"
        assert app.extensions.faults("asking") == []


def test_a_stop_ends_what_an_extension_waits_for(tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text('[{"text": "begun "}, {"text": "word", "delay_ms": 3000}]')
    write_extension(
        tmp_path, "asking", ASKING.replace("filter_reply(text)", "filter_prompt(prompt)").replace("+ text", "")
    )
    with program(tmp_path, script=script) as app:
        app.models.load("echo").result.result()
        app.extensions.enable("asking")
        generation = begin(app)
        time.sleep(0.5)
        started = time.monotonic()
        generation.cancel()
        list(generation)
        assert time.monotonic() - started < 2
        assert isinstance(generation.end, Finished)
        assert app.extensions.faults("asking") == []


def test_observers_are_told(app: App) -> None:
    view = app.chat.send(None, ASKED, None, 0)
    assert logged(app, f"page stop instead of {ASKED}")
    assert logged(app, f"saved {view.conversation.id}")
    saved = app.chat.open(view.conversation.id).messages[-1]
    assert wait_until(lambda: app.chat.message(saved.id).content == f"instead of {ASKED}")
    app.jobs.start("some work", lambda _report, _cancelled: None)
    assert logged(app, "some work done")
