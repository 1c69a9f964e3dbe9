"""Everything a network and a server can do to a download: what is published is whole and right, and little comes twice."""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from modules.library.hub.transfer import Patience
from modules.types.downloads import Download
from tests.hub.downloading import content, fetched, files_below, service_on, with_patience
from tests.hub.fake_hub import FakeHub, Fault, FaultKind

SIZE = 2_000_000
NAME = "m-Q4_K_M.gguf"
SEED = 7
# After these what has come is right, and must not come again.
CHEAP: tuple[FaultKind, ...] = ("drop", "stall", "hang", "status")
# After these it cannot all be trusted.
DEAR: tuple[FaultKind, ...] = ("ignore_range", "shift_range", "change_etag", "flip", "short", "long")
# What a server has sent of a body before it sees that nobody reads it: what the system's buffers hold.
UNDER_WAY_BYTES = 256 * 1024
STATUSES = (408, 416, 429, 500, 502, 503)
ROUNDS = 12


def faults() -> list[tuple[int, FaultKind, list[Fault]]]:
    """Each kind at chosen places: first the connection ends somewhere, then the fault meets the attempt to go on."""
    chance = random.Random(SEED)
    cases: list[tuple[int, FaultKind, list[Fault]]] = []
    for number in range(ROUNDS):
        for kind in (*CHEAP, *DEAR):
            cut = Fault("drop", after=chance.choice([1, SIZE - 1, chance.randrange(SIZE)]))
            after = chance.randrange(1, SIZE // 3)
            fault = Fault(kind, after=after, status=chance.choice(STATUSES), seconds=2.0)
            cases.append((number, kind, [cut, fault] if number % 3 else [fault, cut]))
    return cases


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub() as hub:
        yield hub


def test_a_hundred_faults(tmp_path: Path) -> None:
    cases = faults()
    assert len(cases) >= 100
    with ThreadPoolExecutor(12) as pool:
        endings = [pool.submit(told, tmp_path, *case) for case in cases]
    assert [line for ending in endings if (line := ending.result())] == []


def told(folder: Path, number: int, kind: FaultKind, ordered: list[Fault]) -> str:
    """What is wrong with how this ended; empty when nothing is."""
    models = folder / f"{kind}-{number}"
    whole = content(SIZE, number)
    with FakeHub() as hub:
        hub.add("user/model", {NAME: whole})
        hub.fault(NAME, *ordered)
        service = service_on(hub, models, rules=with_patience(Patience(0.6, 0.01, 0.05, 2.0)))
        download = fetched(service, "user/model")
        sent = hub.sent_bytes()
    if download.state != "done" or files_below(models) != {NAME: whole}:
        return f"{kind} {number} {ordered}: {download.state} {download.error}"
    limit = SIZE + (0 if kind in CHEAP else worthless_bytes(kind, ordered) + UNDER_WAY_BYTES)
    return "" if sent <= limit else f"{kind} {number} {ordered}: {sent} bytes, which are more than {limit}"


def worthless_bytes(kind: FaultKind, ordered: list[Fault]) -> int:
    """What has to be fetched before anyone can know that it is wrong: no server tells a hash of less than a file.

    Another file's head gives it away, unless nothing of the right one has come that it could be compared with.
    """
    is_first = ordered[0].kind == kind
    return SIZE if kind == "flip" or (kind == "change_etag" and is_first) else 0


def test_a_damaged_file_is_fetched_again_and_no_other(hub: FakeHub, tmp_path: Path) -> None:
    files = {f"model-0000{place}-of-00003.safetensors": content(SIZE, place) for place in (1, 2, 3)}
    small = {"config.json": b'{"a": 1}', "model.safetensors.index.json": b"{}"}
    hub.add("user/model", {**files, **small})
    damaged = "model-00002-of-00003.safetensors"
    hub.fault(damaged, Fault("drop", after=SIZE // 2), Fault("flip", after=SIZE // 4))
    download = fetched(service_on(hub, tmp_path), "user/model")
    assert download.state == "done", download.error
    assert hub.sent_bytes(damaged) == 2 * SIZE
    assert {hub.sent_bytes(name) for name in files if name != damaged} == {SIZE}
    assert {name: files_below(tmp_path)[f"model/{name}"] for name in files} == files


@pytest.mark.parametrize("kind", ["ignore_range", "change_etag", "shift_range"])
def test_a_server_that_never_sends_the_rest_is_asked_for_the_whole(
    hub: FakeHub, tmp_path: Path, kind: FaultKind
) -> None:
    hub.add("user/model", {NAME: content(SIZE)})
    hub.fault(NAME, Fault("drop", after=SIZE // 2))
    hub.fault(NAME, Fault(kind, after=SIZE // 4), times=2 if kind == "change_etag" else 3)
    assert fetched(service_on(hub, tmp_path), "user/model").state == "done"
    assert hub.sent_bytes() <= SIZE // 2 + SIZE + 2 * UNDER_WAY_BYTES
    assert files_below(tmp_path) == {NAME: content(SIZE)}


@pytest.mark.parametrize("kind", ["drop", "stall", "flip", "short", "long", "change_etag", "status"])
def test_faults_without_an_end_publish_nothing(hub: FakeHub, tmp_path: Path, kind: FaultKind) -> None:
    hub.add("user/model", {NAME: content(50_000)})
    hub.fault(NAME, Fault(kind, after=100, seconds=2.0), times=40)
    patience = Patience(0.2, 0.01, 0.02, 2.0, attempts=4)
    download = fetched(service_on(hub, tmp_path, rules=with_patience(patience)), "user/model")
    assert download.state == "failed"
    assert NAME in download.error
    assert files_below(tmp_path) == {}
    hub.heal()
    service = service_on(hub, tmp_path)
    assert service.wait(service.resume(download.id).id).state == "done"


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault("status", status=401, where="hub", headers={"X-Error-Code": "GatedRepo"}), "gated"),
        (Fault("status", status=403, where="hub"), "does not allow"),
        (Fault("status", status=404, where="hub", headers={"X-Error-Code": "EntryNotFound"}), "no file"),
        (Fault("status", status=429, headers={"Retry-After": "900"}), "15 minutes"),
    ],
)
def test_what_trying_again_does_not_help_ends_at_once(hub: FakeHub, tmp_path: Path, fault: Fault, said: str) -> None:
    hub.add("user/model", {NAME: content(50_000)})
    hub.fault(NAME, fault)
    download = fetched(service_on(hub, tmp_path), "user/model")
    assert (download.state, said in download.error) == ("failed", True), download.error
    assert files_below(tmp_path) == {}


def test_an_address_of_the_files_host_that_ran_out_is_asked_for_anew(hub: FakeHub, tmp_path: Path) -> None:
    hub.add("user/model", {NAME: content(50_000)})
    hub.fault(NAME, Fault("status", status=403))
    assert fetched(service_on(hub, tmp_path), "user/model").state == "done"
    assert sum(request.listener == "hub" and request.path.endswith(NAME) for request in hub.requests) == 2


def test_the_wait_a_server_asks_for_is_kept(hub: FakeHub, tmp_path: Path) -> None:
    hub.add("user/model", {NAME: content(50_000)})
    hub.fault(NAME, Fault("status", status=429, headers={"Retry-After": "1"}))
    service = service_on(hub, tmp_path)
    download = service.start("user/model")
    notes: set[str] = set()
    while (now := service.wait(download.id, 0.05)).state in {"queued", "running"}:
        notes.add(now.note)
    assert now.state == "done"
    assert any(note.startswith("waiting 1 s") and "429" in note for note in notes)
    assert ended(now) >= 1.0


def ended(download: Download) -> float:
    assert download.ended is not None
    return download.ended - download.created


def test_small_files_are_verified_too(hub: FakeHub, tmp_path: Path) -> None:
    hub.add("user/model", {"model.safetensors": content(50_000), "config.json": b'{"a": 1}', "empty.txt": b""})
    hub.fault("config.json", Fault("flip", after=3))
    assert fetched(service_on(hub, tmp_path), "user/model").state == "done"
    assert files_below(tmp_path)["model/config.json"] == b'{"a": 1}'
    assert files_below(tmp_path)["model/empty.txt"] == b""


@pytest.mark.parametrize("redirect", [301, 302, 303, 307, 308])
def test_the_token_stays_with_the_hub(tmp_path: Path, redirect: int) -> None:
    with FakeHub(redirect=redirect) as hub:
        hub.add("user/model", {NAME: content(50_000)}, gated="auto")
        hub.fault(NAME, Fault("drop", after=20_000))
        assert fetched(service_on(hub, tmp_path / "without"), "user/model").state == "failed"
        assert fetched(service_on(hub, tmp_path, token=hub.token), "user/model").state == "done"
        shown = {request.authorization for request in hub.requests if request.listener == "files"}
        resolved = {request.authorization for request in hub.requests if request.path.endswith(NAME)}
    assert shown == {""}
    assert f"Bearer {hub.token}" in resolved
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(hub.token.encode() in one for one in written)


def test_hostile_names_refuse_the_whole_download(hub: FakeHub, tmp_path: Path) -> None:
    for number, name in enumerate(
        ("../up.gguf", "/abs.gguf", "a\\..\\b.gguf", "nul.gguf", "a/../../b.gguf", "x\0.gguf")
    ):
        hub.add(f"user/bad{number}", {"m-Q4_K_M.gguf": content(20_000), name: b"x"})
        with pytest.raises(Exception, match="unsafe file names"):
            service_on(hub, tmp_path / "models").start(f"user/bad{number}")
    assert files_below(tmp_path) == {}
    assert hub.sent_bytes() == 0


def test_a_stalling_server_does_not_hold_a_pause_up(hub: FakeHub, tmp_path: Path) -> None:
    hub.add("user/model", {NAME: content(SIZE)})
    hub.fault(NAME, Fault("stall", after=400_000))
    service = service_on(hub, tmp_path, rules=with_patience(Patience(stall=30.0)))
    download = service.start("user/model")
    while service.get(download.id).done_bytes < 400_000:
        service.wait(download.id, 0.02)
    with ThreadPoolExecutor(1) as pool:
        paused = pool.submit(service.pause, download.id).result(1.0)
    assert (paused.state, paused.done_bytes) == ("paused", 400_000)
    assert service.wait(service.resume(download.id).id).state == "done"
    assert hub.sent_bytes() == SIZE
    assert files_below(tmp_path) == {NAME: content(SIZE)}
