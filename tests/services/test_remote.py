"""Servers that run models for us: kept, asked again, removed, and named like any other model."""

import socket
import stat
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest

from modules.app import App, build_app
from modules.children import Launcher
from modules.engines.host import EngineHost
from modules.engines.status import ModelStatus
from modules.errors import BadRequest, NotFound
from modules.services.remote import RemoteService
from modules.services.server_contacts import FRESH_SECONDS, ServerContacts
from modules.settings import Settings
from modules.storage.database import Database
from modules.storage.remote_servers import RemoteServerStore
from modules.types.generation import Failed, Finished, Usage
from modules.types.messages import Message
from modules.types.remote import RemoteServer
from modules.types.reply_params import ReplyParams
from tests.canary import Canary, answering, http_answer
from tests.hub.downloading import wait_until
from tests.program import RunningProgram

FAR_ONE = ModelStatus("far/one", "remote", "ready")


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def alone(folder: Path, *kept: RemoteServer) -> Generator[tuple[RemoteService, Clock]]:
    """The service without the rest of the program, and the clock it goes by."""
    clock, launcher, database = Clock(), Launcher(), Database.open(folder / "servers.sqlite")
    store, host = RemoteServerStore(database), EngineHost(launcher)
    for server in kept:
        store.put(server, "")
    yield RemoteService(store, host, ServerContacts(clock)), clock
    host.close()
    database.close()
    launcher.close()


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
    assert (status.engine, status.context_length, status.reachable) == ("remote", 8192, True)
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


def test_where_an_answer_is_needed_a_silent_server_is_not_kept(app: App) -> None:
    with pytest.raises(BadRequest, match=r"cannot be reached.* Correct it, or add the server all the same") as refused:
        app.remote.add("never", "http://127.0.0.1:1", "key", needs_answer=True)
    assert (refused.value.field, refused.value.code) == ("address", "server_silent")
    with Canary(answering(http_answer(b"{}", "401 Unauthorized"))) as server:
        with pytest.raises(BadRequest, match="refused the key") as refused:
            app.remote.add("far", server.url, "wrong", needs_answer=True)
        assert (refused.value.field, refused.value.code) == ("api_key", "server_silent")
    assert app.remote.servers() == []


def test_a_server_that_dies_and_comes_back_is_told_in_the_status_of_its_models(tmp_path: Path) -> None:
    listing = answering(http_answer(b'{"data": [{"id": "one"}]}'))
    with alone(tmp_path) as (remote, clock):
        with Canary(listing) as server:
            remote.add("far", server.url)
            told = remote.with_contact(FAR_ONE)
            assert (told.reachable, told.last_heard, told.error) == (True, clock.now, "")
        heard = clock.now
        clock.now += FRESH_SECONDS - 1
        assert remote.with_contact(FAR_ONE).reachable, "nobody has asked since"
        clock.now += 2
        wait_until(lambda: remote.with_contact(FAR_ONE).reachable is False)
        told = remote.with_contact(FAR_ONE)
        assert (told.state, told.last_heard) == ("ready", heard)
        assert "cannot be reached" in told.error
        [known] = remote.servers()
        assert (known.reachable, known.models, known.error) == (False, ("one",), told.error)
        with Canary(listing) as back:
            remote.add("far", back.url)
            assert remote.with_contact(FAR_ONE).error == ""


def test_who_asks_for_a_status_never_waits_for_a_server(tmp_path: Path) -> None:
    released = Event()

    def answer(_request: bytes, connection: socket.socket) -> None:
        released.wait(5)
        connection.sendall(http_answer(b'{"data": [{"id": "one"}]}'))

    with Canary(answer) as server, alone(tmp_path, RemoteServer("far", server.url, False)) as (remote, _):
        began = time.monotonic()
        for _ in range(20):
            assert remote.with_contact(FAR_ONE).reachable is None
        assert time.monotonic() - began < 1
        released.set()
        wait_until(lambda: remote.with_contact(FAR_ONE).reachable is True)
        assert len(server.requests) == 1


def test_requests_tell_of_their_server(app: App) -> None:
    with Canary(answering(http_answer(b'{"data": [{"id": "one"}]}'))) as server:
        app.remote.add("far", server.url)
        model = app.models.find("far/one")
        app.remote.ended(model, Failed("It broke.", "FetchError"))
        app.remote.with_contact(FAR_ONE)
        wait_until(lambda: len(server.requests) == 2)
    app.remote.ended(model, Finished("stop", Usage(3, 5)))
    assert app.remote.with_contact(FAR_ONE).reachable
    [far] = app.remote.servers()
    assert far.last_heard is not None
    assert far.checked is not None
    assert far.last_heard > far.checked


def test_an_unknown_name_is_answered_with_those_of_servers_too(app: App) -> None:
    with Canary(answering(http_answer(b'{"data": [{"id": "one"}]}'))) as server:
        app.remote.add("far", server.url)
    with pytest.raises(NotFound, match="There are: echo, far/one"):
        app.models.find("far/other")


def test_a_server_removed_while_it_is_asked_stays_away(app: App) -> None:
    def answer(_request: bytes, connection: socket.socket) -> None:
        if app.remote.servers():
            app.remote.remove("far")
        connection.sendall(http_answer(b'{"data": [{"id": "one"}]}'))

    with Canary(answer) as server:
        app.remote.add("far", server.url)
        app.remote.refresh("far")
    assert app.remote.servers() == []


@pytest.mark.parametrize(
    ("name", "address", "said"),
    [
        ("", "http://a.example", "Give the server a name, such as office"),
        ("x" * 61, "http://a.example", "at most 60 characters; this one has 61"),
        ("a", "", "Give the server's address. Write it as http://192"),
        ("a", "192.168.1.20:8000", "begins with http:// or https://. Write it as http://192"),
        ("a", "localhost:8000", "begins with http:// or https://"),
        ("a", "http://a b", "no blanks"),
        ("a", "http://a:99999", "ports go from 1 to 65,535"),
        ("a", "http://", "names no host"),
        ("a", "http://me:pw@a.example", "before the @"),
    ],
)
def test_what_is_wrong_is_told_with_what_to_write(app: App, name: str, address: str, said: str) -> None:
    with pytest.raises(BadRequest) as refused:
        app.remote.add(name, address)
    assert said in str(refused.value)


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
