"""The gallery: a file that ships, one of the person's own, or one at an address."""

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modules.paths import PROJECT
from modules.services.extension_gallery import GALLERY_BYTES, GalleryService

GOOD = {
    "name": "shout",
    "title": "Shout",
    "description": "Louder replies.",
    "author": "Ann",
    "source": "https://example.com/shout.git",
    "commit": "a" * 40,
}
PACKAGE = {"name": "whisper", "title": "Whisper", "source": "parlor-whisper", "later": "a field of another version"}


def written(folder: Path, *entries: Any) -> GalleryService:
    (folder / "gallery.json").write_text(json.dumps({"extensions": entries}))
    return GalleryService("", folder / "gallery.json")


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Of a server on loopback that answers with a gallery, or not."""
    served = {"/gallery.json": json.dumps({"extensions": [GOOD, {**GOOD, "name": "local", "source": "/etc"}]}).encode()}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = served.get(self.path)
            self.send_response(200 if body else 404)
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as it is called there
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_entries_and_words(tmp_path: Path) -> None:
    gallery = written(tmp_path, GOOD, PACKAGE)
    found = gallery.search()
    assert (found.problems, [entry.name for entry in found.entries]) == ((), ["shout", "whisper"])
    assert [entry.pinned_source for entry in found.entries] == [
        f"https://example.com/shout.git#{'a' * 40}", "parlor-whisper",
    ]  # fmt: skip
    assert [entry.name for entry in gallery.search("LOUDER ann").entries] == ["shout"]
    assert gallery.search("ann whisper").entries == ()


@pytest.mark.parametrize(
    ("entry", "part"),
    [
        ({}, "name is missing"),
        ("shout", "it must be a mapping"),
        ({**GOOD, "name": "../shout"}, "name is wrong"),
        ({**GOOD, "title": 3}, "title must be text"),
        ({**GOOD, "commit": "main"}, "commit is wrong"),
        ({**GOOD, "source": "http://example.com/x"}, "no source of an extension"),
        ({**GOOD, "source": "parlor-shout"}, "no git address"),
        (GOOD, "there is a shout above"),
    ],
)
def test_bad_entries_are_named_and_passed_over(tmp_path: Path, entry: Any, part: str) -> None:
    found = written(tmp_path, GOOD, entry, PACKAGE).search()
    assert [one.name for one in found.entries] == ["shout", "whisper"]
    (problem,) = found.problems
    assert problem.startswith("Entry 2 of the gallery was passed over: ")
    assert part in problem


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"extensions": {}}', "[" * 100_000, " " * (GALLERY_BYTES + 1), "\xff"]
)
def test_what_is_no_gallery(tmp_path: Path, content: str) -> None:
    (tmp_path / "gallery.json").write_bytes(content.encode("latin-1"))
    found = GalleryService("", tmp_path / "gallery.json").search()
    assert (found.entries, len(found.problems)) == ((), 1)


def test_at_an_address(address: str, tmp_path: Path) -> None:
    found = GalleryService(f"{address}/gallery.json", tmp_path / "none").search()
    assert [entry.name for entry in found.entries] == ["shout"]
    # Nobody elsewhere names folders of this machine.
    assert found.problems == ("Entry 2 of the gallery was passed over: its source is a file or folder of one machine.",)
    assert GalleryService(f"{address}/nothing", tmp_path / "none").search().problems == (
        "The gallery answered with status 404.",
    )
    assert "cannot be reached" in GalleryService("http://127.0.0.1:9/", tmp_path / "none").search().problems[0]


def test_a_file_of_the_persons_own(tmp_path: Path) -> None:
    local = {"name": "mine", "title": "Mine", "source": str(tmp_path)}
    written(tmp_path, local)
    found = GalleryService(str(tmp_path / "gallery.json"), tmp_path / "none").search()
    assert [entry.source for entry in found.entries] == [str(tmp_path)]
    assert "cannot be read" in GalleryService(str(tmp_path / "no.json"), tmp_path / "none").search().problems[0]


def test_the_one_that_ships_is_sound() -> None:
    assert GalleryService("", PROJECT / "extensions" / "gallery.json").search().problems == ()
