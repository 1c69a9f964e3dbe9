"""Looking around on a whole hub, with paging, gates, and large files on another origin."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from modules.errors import NotFound
from modules.library.hub.client import HubClient
from modules.types.hub import HubQuery
from tests.hub.fake_hub import FakeHub


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub() as hub:
        yield hub


def names(client: HubClient, query: HubQuery) -> list[str]:
    """Of all pages."""
    found: list[str] = []
    while True:
        page = client.search(query)
        found += [entry.repository for entry in page.entries]
        if not page.next:
            return found
        query = HubQuery(cursor=page.next)


def test_all_pages_of_a_search(hub: FakeHub) -> None:
    for number in range(70):
        tags = ["gguf", "license:mit"] if number % 2 else ["safetensors"]
        hub.add(f"user/model-{number}", {}, downloads=number, tags=tags)
    client = HubClient(hub.endpoint, lambda: None)
    assert names(client, HubQuery("model")) == [f"user/model-{number}" for number in range(69, -1, -1)]
    assert names(client, HubQuery(format="gguf", licence="mit")) == [f"user/model-{n}" for n in range(69, 0, -2)]
    assert names(client, HubQuery("nothing like it")) == []


@pytest.mark.parametrize("redirect", [301, 302, 303, 307, 308])
def test_a_header_from_another_origin(hub: FakeHub, starter_file: Path, redirect: int) -> None:
    hub.redirect = redirect
    hub.add("user/model", {"m-Q4_0.gguf": starter_file.read_bytes()[:1_000_000], "README.md": b"x" * 20_000})
    page = HubClient(hub.endpoint, lambda: hub.token).model("user/model")
    assert page.choices[0].shape.layers == 30
    assert len(page.card) == 20_000
    assert hub.sent_bytes(".gguf") <= 256 * 1024
    told = {
        listener: {one.authorization for one in hub.requests if one.listener == listener}
        for listener in ("hub", "files")
    }
    assert told == {"hub": {f"Bearer {hub.token}"}, "files": {""}}


def test_gates_open_with_the_token(hub: FakeHub, starter_file: Path) -> None:
    hub.add("user/gated", {"m-Q4_0.gguf": starter_file.read_bytes()[:1_000_000], "README.md": b"text"}, gated="auto")
    closed = HubClient(hub.endpoint, lambda: None).model("user/gated")
    assert (closed.has_access, closed.entry.gate, closed.card, closed.choices[0].shape.layers) == (
        False,
        "automatic",
        "",
        0,
    )
    opened = HubClient(hub.endpoint, lambda: hub.token).model("user/gated")
    assert (opened.has_access, opened.card, opened.choices[0].shape.layers) == (True, "text", 30)


def test_private_ones_are_not_there_without_the_token(hub: FakeHub) -> None:
    hub.add("user/secret", {"config.json": b"{}"}, private=True)
    with pytest.raises(NotFound, match="private"):
        HubClient(hub.endpoint, lambda: None).model("user/secret")
    client = HubClient(hub.endpoint, lambda: hub.token)
    assert client.model("user/secret").entry.private
    assert (names(client, HubQuery()), client.account()) == (["user/secret"], "someone")
