"""What extensions ask of the program, from within their hooks and elsewhere."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from modules.app import App
from modules.errors import ExtensionFault
from modules.types.generation import Finished
from tests.canary import Canary, answering, http_answer
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


def test_a_stop_ends_what_the_filter_of_a_finished_reply_waits_for(tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text('[{"text": "begun "}, {"text": "word", "delay_ms": 1500}]')
    write_extension(tmp_path, "asking", ASKING)
    with program(tmp_path, script=script) as app:
        app.extensions.enable("asking")
        generation = begin(app)
        assert wait_until(lambda: generation.text == "begun word", 20)
        time.sleep(0.3)
        started = time.monotonic()
        generation.cancel()
        list(generation)
        assert time.monotonic() - started < 1
        assert generation.text == "begun word"
        assert app.extensions.faults("asking") == []


def test_a_transformer_is_not_waited_for_while_it_asks_the_program(tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text('[{"text": "slow ", "delay_ms": 400}, {"text": "words", "delay_ms": 400}]')
    transformer = """
class Asking:
    def feed(self, text):
        return Kept.host.reply([Message("user", text)])
    def end(self):
        return ""

@hook
def stream_transformer():
    return Asking()
"""
    write_extension(tmp_path, "asking", ASKING.replace("@hook\ndef filter_reply", "def filter_reply") + transformer)
    with program(tmp_path, script=script) as app:
        app.extensions.enable("asking")
        assert reply(app) == "slow words"
        assert [fault.hook for fault in app.extensions.faults("asking")] == ["stream_transformer"]


def test_observers_are_told(app: App) -> None:
    view = app.chat.send(None, ASKED, None, 0)
    assert logged(app, f"page stop instead of {ASKED}")
    assert logged(app, f"saved {view.conversation.id}")
    saved = app.chat.open(view.conversation.id).messages[-1]
    assert wait_until(lambda: app.chat.message(saved.id).content == f"instead of {ASKED}")
    app.jobs.start("some work", lambda _report, _cancelled: None)
    assert logged(app, "some work done")


FETCHING = """
from modules.extensions import Command, hook
from pydantic import BaseModel

class Kept:
    host = None

class Settings(BaseModel):
    address: str = ""

@hook
def settings_model():
    return Settings

@hook
def started(host):
    Kept.host = host

@hook
def commands():
    return [Command("fetch", "Fetches.", lambda rest, context: str(Kept.host.fetch(rest))),
            Command("embed", "Embeds.", lambda rest, context: str(Kept.host.embed([rest])))]
"""


def test_addresses_are_those_of_the_manifest_and_private_ones_those_that_the_person_set(tmp_path: Path) -> None:
    write_extension(tmp_path, "fetching", FETCHING, "[touches]\nnetwork = ['example.org']\n")
    with program(tmp_path) as app, Canary(answering(http_answer(b"hello"))) as canary:
        url = canary.url
        app.extensions.enable("fetching")
        fetch = next(given.item for given in app.extensions.collect("commands") if given.item.name == "fetch")

        def fetched(address: str) -> str:
            return app.extensions.call("fetching", "fetch", fetch.run, address, None, seconds=5, returns=str)

        with pytest.raises(ExtensionFault, match=r"may not ask 127.0.0.1; its manifest names these hosts: example.org"):
            fetched(url)
        app.extensions.set_settings("fetching", {"address": url})
        assert fetched(url).startswith("(b'hello'")
        assert app.extensions.faults("fetching") == []


def test_vectors_come_from_an_extension_where_no_model_embeds(tmp_path: Path) -> None:
    write_extension(tmp_path, "fetching", FETCHING)
    write_extension(
        tmp_path,
        "embedding",
        "from modules.extensions import EmbeddingModel, hook\n"
        "@hook\ndef embedding_models(): return [EmbeddingModel('m', 1, lambda texts: [(1.0,) for _ in texts])]",
    )
    with program(tmp_path) as app:
        app.extensions.enable("fetching")
        embed = next(given.item for given in app.extensions.collect("commands") if given.item.name == "embed")

        def embedded() -> str:
            return app.extensions.call("fetching", "embed", embed.run, "text", None, seconds=5, returns=str)

        with pytest.raises(ExtensionFault, match="No embedding model"):
            embedded()
        app.extensions.enable("embedding")
        assert embedded() == "[(1.0,)]"
