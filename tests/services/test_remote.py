"""Servers that run models for us: kept, asked again, removed, and named like any other model."""

import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from modules.app import App, build_app
from modules.errors import BadRequest, NotFound
from modules.services.inference import ReplyParams
from modules.settings import Settings
from modules.types.messages import Message
from tests.canary import Canary, answering, http_answer
from tests.program import RunningProgram


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    app = build_app(Settings(data=tmp_path / "data", models=tmp_path / "models"))
    yield app
    app.close()


def names(app: App) -> list[str]:
    return [model.id for model in app.models.models()]


def test_from_adding_to_removing(app: App, echo_program: RunningProgram) -> None:
    server = app.remote.add("far", echo_program.url + "/v1/")
    assert (server.address, server.has_key, server.error) == (echo_program.url, False, "")
    assert "echo" in server.models
    assert server.checked is not None
    assert app.remote.servers() == [server]
    assert "far/echo" in names(app)
    found = app.models.find("far/echo")
    assert (found.format, found.endpoint) == ("remote", None)

    generation = app.inference.chat(
        [Message("user", "hello far away")], ReplyParams(overflow="drop_oldest"), "far/echo"
    )
    list(generation)
    assert generation.text == "hello far away"
    generation = app.inference.complete("raw text here", ReplyParams(max_tokens=2), "far/echo")
    list(generation)
    assert generation.text == "raw text "
    assert app.inference.count_tokens([Message("user", "one two three")], "far/echo").result(30).context_length == 8192
    status = app.models.status()
    assert status is not None
    assert (status.engine, status.context_length) == ("remote", 8192)
    assert app.models.remembered(found) == {}

    app.remote.remove("far")
    assert app.remote.servers() == []
    assert app.models.statuses() == []
    with pytest.raises(NotFound):
        app.models.find("far/echo")
    with pytest.raises(NotFound):
        app.remote.remove("far")


def test_a_long_conversation_loses_its_oldest_turns_or_is_refused(app: App, tmp_path: Path) -> None:
    """Both by the far server's own count."""
    arguments = ("--no-ui", "--model", "echo", "--context-length", "40")
    messages = [Message("user", f"turn {number} " + "word " * 10) for number in range(8)]
    with RunningProgram(tmp_path, *arguments, "--admin-key", "test-admin") as program:
        program.wait_until_loaded()
        app.remote.add("small", program.url)
        raw = app.inference.complete("word " * 50, ReplyParams(), "small/echo")
        list(raw)
        assert raw.end is not None
        assert raw.end.kind == "failed"
        assert raw.end.error().code == "context_length_exceeded"
        kept = app.inference.chat(messages, ReplyParams(overflow="drop_oldest"), "small/echo")
        list(kept)
        assert kept.text == messages[-1].content
        assert app.models.load("small/echo").result.result().capabilities.context_length == 40


def test_a_server_that_does_not_answer_is_kept_and_says_so(app: App) -> None:
    with Canary(answering(http_answer(b'{"data": [{"id": "one"}, {"id": "two"}]}'))) as server:
        assert app.remote.add("far", server.url).models == ("one", "two")
    gone = app.remote.refresh("far")
    assert (gone.models, gone.address) == (("one", "two"), server.url)
    assert "cannot be reached" in gone.error
    never = app.remote.add("never", "http://127.0.0.1:1")
    assert (never.models, never.checked) == ((), None)
    assert "cannot be reached" in never.error
    assert [one.name for one in app.remote.servers()] == ["far", "never"]
    generation = app.inference.chat([Message("user", "hi")], ReplyParams(), "far/one")
    list(generation)
    assert generation.end is not None
    assert "cannot be reached" in getattr(generation.end, "message", "")


def test_names_of_models_are_bounded(app: App) -> None:
    listed = ['{"id": "%s"}' % name for name in ("ok", "x" * 201, "tab\\tname", "", *(str(n) for n in range(1200)))]  # noqa: UP031
    with Canary(answering(http_answer(f'{{"data": [{", ".join(listed)}, 5, {{}}]}}'.encode()))) as server:
        added = app.remote.add("far", server.url)
    assert len(added.models) == 1000
    assert added.models[:2] == ("ok", "0")
    assert "1,201 models" in added.error


WRONG = [
    ("", "http://a.example", "", "name"),
    ("a/b", "http://a.example", "", "name"),
    ("../a", "http://a.example", "", "name"),
    ("x" * 61, "http://a.example", "", "name"),
    ("a", "a.example", "", "address"),
    ("a", "ftp://a.example", "", "address"),
    ("a", "http://user:secret@a.example", "", "address"),
    ("a", "http://a.example/v1?key=1", "", "address"),
    ("a", "http://", "", "address"),
    ("a", "file:///etc/passwd", "", "address"),
    ("a", "http://a.example", "two words", "api_key"),
    ("a", "http://a.example", "line\r\nHost: other", "api_key"),
    ("a", "http://a.example", "ü", "api_key"),
    ("a", "http://a.example", "k" * 1001, "api_key"),
]


@pytest.mark.parametrize(("name", "address", "key", "field"), WRONG)
def test_wrong_servers_are_refused_and_not_kept(app: App, name: str, address: str, key: str, field: str) -> None:
    with pytest.raises(BadRequest) as refused:
        app.remote.add(name, address, key)
    assert refused.value.field == field
    assert "secret" not in str(refused.value)
    assert app.remote.servers() == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other rights")
def test_keys_lie_in_files_that_only_their_owner_reads(app: App) -> None:
    with Canary(answering(http_answer(b'{"data": [{"id": "one"}]}'))) as server:
        app.remote.add("far", server.url, "sk-planted")
    files = [path for path in app.paths.data.rglob("*") if path.is_file()]
    holding = [path for path in files if b"sk-planted" in path.read_bytes()]
    assert holding
    assert {stat.S_IMODE(path.stat().st_mode) for path in holding} == {0o600}


def test_servers_outlive_a_restart_and_replacing_one_forgets_its_key(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data", models=tmp_path / "models")
    with Canary(answering(http_answer(b'{"data": [{"id": "one"}]}'))) as server:
        app = build_app(settings)
        app.remote.add("far", server.url, "sk-planted")
        app.close()
        app = build_app(settings)
        app.remote.refresh("far")
        assert b"Bearer sk-planted" in server.requests[-1]
        assert not app.remote.add("far", server.url).has_key
        app.remote.refresh("far")
        app.close()
        assert all(b"sk-planted" not in request for request in server.requests[2:])
