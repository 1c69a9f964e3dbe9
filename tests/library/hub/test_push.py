"""Files published on a hub that listens on loopback: in one commit, to a new repository, with the token for it alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from modules.errors import BadRequest, Cancelled, Conflict, HubAccessError, HubError
from modules.library.hub.connection import HubConnection
from modules.library.hub.push import HubPusher
from tests.hub.fake_hub import FakeHub, Fault

WEIGHTS = bytes(range(256)) * 400


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub() as hub:
        yield hub


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path | bytes]:
    (tmp_path / "weights").write_bytes(WEIGHTS)
    return {"README.md": b"---\nlicense: mit\n---\n# It\n", "adapter_model.safetensors": tmp_path / "weights"}


def pusher(hub: FakeHub, token: str | None = "hf_right") -> HubPusher:
    return HubPusher(HubConnection(hub.endpoint, lambda: token))


def push(
    hub: FakeHub, files: dict[str, Path | bytes], name: str = "someone/new", token: str | None = "hf_right"
) -> str:
    return pusher(hub, token).push(
        name, files, is_private=True, title="Publish it", report=lambda _share, _note: None, cancelled=lambda: False
    )


def test_published(hub: FakeHub, files: dict[str, Path | bytes]) -> None:
    shares: list[float] = []
    address = pusher(hub).push(
        "someone/new",
        files,
        is_private=True,
        title="Publish it",
        report=lambda share, _note: shares.append(share or 0.0),
        cancelled=lambda: False,
    )
    assert address == f"{hub.endpoint}/someone/new"
    repository = hub.repositories["someone/new"]
    assert repository.private
    assert repository.files["README.md"] == files["README.md"]
    assert repository.files["adapter_model.safetensors"] == WEIGHTS
    assert shares == sorted(shares)
    assert shares[-1] > 0.9
    # The token goes to the hub, and to nobody it sends to.
    assert {request.authorization for request in hub.requests if request.listener == "files"} == {""}
    assert {request.authorization for request in hub.requests if request.listener == "hub"} == {"Bearer hf_right"}


def test_an_empty_repository_is_filled_and_a_full_one_is_not(hub: FakeHub, files: dict[str, Path | bytes]) -> None:
    hub.add("someone/empty", {".gitattributes": b"x"})
    hub.add("someone/full", {"model.safetensors": b"mine"})
    push(hub, files, "someone/empty")
    assert "README.md" in hub.repositories["someone/empty"].files
    with pytest.raises(Conflict, match="has files already"):
        push(hub, files, "someone/full")
    assert hub.repositories["someone/full"].files == {"model.safetensors": b"mine"}


def test_refused(hub: FakeHub, files: dict[str, Path | bytes]) -> None:
    with pytest.raises(BadRequest):
        push(hub, files, "not a name")
    with pytest.raises(HubAccessError, match="wants a token"):
        push(hub, files, token=None)
    with pytest.raises(HubAccessError):
        push(hub, files, token="hf_wrong")
    assert hub.repositories == {}


def test_a_failed_upload_publishes_nothing(hub: FakeHub, files: dict[str, Path | bytes]) -> None:
    hub.fault("upload", Fault("status", status=403), times=20)
    with pytest.raises(HubError):
        push(hub, files)
    assert set(hub.repositories["someone/new"].files) == {".gitattributes"}
    hub.heal()
    push(hub, files)
    assert "README.md" in hub.repositories["someone/new"].files


def test_cancelled(hub: FakeHub, files: dict[str, Path | bytes]) -> None:
    with pytest.raises(Cancelled):
        pusher(hub).push(
            "someone/new", files, is_private=False, title="x", report=lambda _s, _n: None, cancelled=lambda: True
        )
    assert all("README.md" not in one.files for one in hub.repositories.values())
