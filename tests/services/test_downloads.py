"""Downloads as people handle them: in line, paused, resumed, cancelled, killed, and published whole or not at all."""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from modules.errors import Busy, Conflict, DownloadError, NotFound
from modules.paths import PROJECT
from tests.hub.downloading import RULES, content, fetched, files_below, service_on, wait_until
from tests.hub.fake_hub import FakeHub, Fault
from tests.program import clean_environment

NAME = "m-Q4_K_M.gguf"
SIZE = 600_000
STALL = Fault("stall", after=300_000)
SHARDS = ("Q8_0/m-Q8_0-00001-of-00002.gguf", "Q8_0/m-Q8_0-00002-of-00002.gguf")


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub() as hub:
        hub.add("user/model", {NAME: content(SIZE), "README.md": b"# It"})
        yield hub


def test_a_set_becomes_a_folder(hub: FakeHub, tmp_path: Path) -> None:
    hub.add("user/set", {name: content(SIZE, seed) for seed, name in enumerate(SHARDS)})
    service = service_on(hub, tmp_path)
    assert fetched(service, "user/set").target == "set-Q8_0"
    published = files_below(tmp_path)
    assert published.pop("set-Q8_0/.parlor-source.json")
    assert published == {f"set-Q8_0/{Path(name).name}": content(SIZE, seed) for seed, name in enumerate(SHARDS)}
    with pytest.raises(Conflict, match="there already"):
        service.start("user/set")


def test_the_commit_is_fixed_at_the_start(hub: FakeHub, tmp_path: Path) -> None:
    service = service_on(hub, tmp_path)
    assert fetched(service, "user/model").state == "done"
    resolved = [request.path for request in hub.requests if "/resolve/" in request.path]
    assert resolved
    assert all(f"/resolve/{hub.repositories['user/model'].commit}/" in path for path in resolved)


def test_the_same_twice_is_one_download(hub: FakeHub, tmp_path: Path) -> None:
    hub.fault(NAME, STALL)
    service = service_on(hub, tmp_path, rules=replace(RULES, patience=replace(RULES.patience, stall=20)))
    first = service.start("user/model")
    wait_until(lambda: service.get(first.id).done_bytes == 300_000)
    assert service.start(f"{hub.endpoint}/user/model", choice="q4_k_m").id == first.id
    assert len(service.downloads()) == 1
    other = service_on(hub, tmp_path)
    assert other.start("user/model").id == first.id
    assert other.get(first.id).note == "another Parlor works on it"
    with pytest.raises(Busy):
        other.cancel(first.id)
    assert service.cancel(first.id).state == "cancelled"
    assert sum(NAME in request.path for request in hub.requests) == 2


def test_nothing_is_overwritten(hub: FakeHub, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"mine")
    service = service_on(hub, tmp_path)
    with pytest.raises(Conflict, match="not overwritten"):
        service.start("user/model")
    (tmp_path / NAME).unlink()
    hub.fault(NAME, STALL)
    download = service.start("user/model")
    wait_until(lambda: service.get(download.id).done_bytes == 300_000)
    (tmp_path / NAME).write_bytes(b"mine")
    ended = service.wait(download.id, 10)
    assert (ended.state, "not overwritten" in ended.error) == ("failed", True)
    assert files_below(tmp_path) == {NAME: b"mine"}


def test_two_run_and_others_wait_in_line(hub: FakeHub, tmp_path: Path) -> None:
    for number in range(4):
        hub.add(f"user/n{number}", {f"n{number}-Q4_0.gguf": content(SIZE, number)})
        hub.fault(f"n{number}-Q4_0.gguf", Fault("stall", after=1000))
    service = service_on(hub, tmp_path)
    begun = [service.start(f"user/n{number}") for number in range(4)]
    assert [one.state for one in begun] == ["running", "running", "queued", "queued"]
    assert service.pause(begun[3].id).state == "paused"
    assert [service.wait(one.id, 10).state for one in begun[:3]] == ["done"] * 3
    assert service.wait(service.resume(begun[3].id).id, 10).state == "done"
    assert [one.id for one in service.downloads()] == [one.id for one in reversed(begun)]
    assert len(files_below(tmp_path)) == 4


def test_cancel_and_remove(hub: FakeHub, tmp_path: Path) -> None:
    hub.fault(NAME, STALL, STALL)
    service = service_on(hub, tmp_path)
    download = service.start("user/model")
    wait_until(lambda: service.get(download.id).done_bytes == 300_000)
    with pytest.raises(Conflict):
        service.remove(download.id)
    with pytest.raises(Conflict):
        service.resume(download.id)
    assert service.cancel(download.id).state == "cancelled"
    assert not list(tmp_path.rglob("*.part"))
    with pytest.raises(Conflict):
        service.cancel(download.id)
    assert service.remove(download.id).state == "cancelled"
    assert service.downloads() == []
    for method in (service.pause, service.resume, service.cancel, service.remove, service.wait):
        with pytest.raises(NotFound):
            method("../" + download.id)


def test_after_a_close_it_can_be_resumed(hub: FakeHub, tmp_path: Path) -> None:
    hub.fault(NAME, STALL)
    service = service_on(hub, tmp_path)
    download = service.start("user/model")
    wait_until(lambda: service.get(download.id).done_bytes == 300_000)
    service.close()
    again = service_on(hub, tmp_path)
    (shown,) = again.downloads()
    assert (shown.state, shown.done_bytes) == ("paused", 300_000)
    assert "stopped" in shown.note
    assert again.wait(again.resume(download.id).id, 10).state == "done"
    assert hub.sent_bytes(NAME) == SIZE
    assert files_below(tmp_path) == {NAME: content(SIZE)}


@pytest.mark.alone
def test_speed_and_time_left(hub: FakeHub, tmp_path: Path) -> None:
    hub.bytes_per_second = 400_000
    service = service_on(hub, tmp_path)
    download = service.start("user/model")
    time.sleep(0.8)
    shown = service.get(download.id)
    assert 150_000 < shown.bytes_per_second < 800_000
    assert 0.1 < shown.seconds_left < 3
    service.close()


def test_too_little_space_is_said_before_the_start(hub: FakeHub, tmp_path: Path) -> None:
    service = service_on(hub, tmp_path, rules=replace(RULES, margin_bytes=2**60))
    with pytest.raises(DownloadError, match="GB free"):
        service.start("user/model")
    assert service.downloads() == []
    assert hub.sent_bytes() == 0


def test_a_run_that_ended_just_after_publishing(hub: FakeHub, tmp_path: Path) -> None:
    hub.add("user/set", {name: content(SIZE, seed) for seed, name in enumerate(SHARDS)})
    for source in ("user/model", "user/set"):
        service = service_on(hub, tmp_path)
        download = fetched(service, source)
        record = tmp_path / ".downloads" / download.id / "download.json"
        record.write_text(record.read_text().replace('"done"', '"running"'))
        if source == "user/model":
            (record.parent / "files").mkdir()
            os.link(tmp_path / NAME, record.parent / "files" / NAME)
        sent = hub.sent_bytes()
        again = service_on(hub, tmp_path)
        assert again.get(download.id).state == "paused"
        assert again.wait(again.resume(download.id).id, 10).state == "done"
        assert hub.sent_bytes() == sent


# The command line, in a process of its own.


def command(hub: FakeHub, folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    places = ["--models", str(folder / "models"), "--data", str(folder / "data"), "--hub-endpoint", hub.endpoint]
    return subprocess.Popen(
        [sys.executable, str(PROJECT / "webui.py"), "download", *arguments, *places],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=clean_environment(),
    )


def ended(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    out, errors = process.communicate(timeout=60)
    return process.returncode, out, errors


def test_the_command_says_what_became_of_it(hub: FakeHub, tmp_path: Path) -> None:
    hub.add("user/many", {NAME: content(SIZE), "m-Q8_0.gguf": content(SIZE, 1)})
    status, out, errors = ended(command(hub, tmp_path, "user/many"))
    assert (status, out) == (2, "")
    assert "Q4_K_M" in errors
    assert "Q8_0" in errors
    status, out, errors = ended(command(hub, tmp_path, "user/many", "--file", "*q8*"))
    assert (status, out) == (0, "Downloaded and verified: m-Q8_0.gguf\n"), errors
    assert files_below(tmp_path / "models") == {"m-Q8_0.gguf": content(SIZE, 1)}
    for arguments, expected, said in (
        (["user/none"], 1, "no model of that name"),
        (["user/many", "--choice", "Q8_0"], 1, "there already"),
        (["https://example.com/user/many"], 2, "another host"),
        ([], 2, "SOURCE"),
    ):
        status, out, errors = ended(command(hub, tmp_path, *arguments))
        assert (status, out, said in errors) == (expected, "", True), errors


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_command_goes_on_where_it_was(hub: FakeHub, tmp_path: Path, stop: signal.Signals) -> None:
    hub.fault(NAME, STALL)
    process = command(hub, tmp_path, "user/model")
    staging = tmp_path / "models" / ".downloads"
    wait_until(lambda: sum(part.stat().st_size for part in staging.rglob("*.part")) == 300_000, 30)
    process.send_signal(stop)
    status, _, errors = ended(process)
    if stop == signal.SIGINT:
        assert status == 130
        assert "webui.py download user/model" in errors
    assert files_below(tmp_path / "models") == {}
    assert ended(command(hub, tmp_path, "user/model"))[0] == 0
    assert hub.sent_bytes(NAME) == SIZE
    assert files_below(tmp_path / "models") == {NAME: content(SIZE)}


def test_a_full_disk_keeps_what_came(hub: FakeHub, tmp_path: Path) -> None:
    places = ["--models", str(tmp_path / "models"), "--data", str(tmp_path / "data"), "--hub-endpoint", hub.endpoint]
    process = subprocess.run(
        [sys.executable, str(PROJECT / "webui.py"), "download", "user/model", *places],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000)),
        cwd=tmp_path,
        env=clean_environment(),
        check=False,
    )
    assert process.returncode == 1
    assert "The disk is full" in process.stderr
    assert files_below(tmp_path / "models") == {}
    service = service_on(hub, tmp_path / "models")
    (shown,) = service.downloads()
    assert (shown.state, shown.done_bytes) == ("failed", 200_000)
    before = hub.sent_bytes()
    assert service.wait(service.resume(shown.id).id, 20).state == "done"
    assert hub.sent_bytes() - before == SIZE - 200_000
