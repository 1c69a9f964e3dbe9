"""The notebook's actions as the page calls them, and the stream it follows."""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from modules.app import App, build_app
from modules.engines.generation import Generation
from modules.serve.web import build_api
from modules.settings import Settings
from modules.types.generation import Finished, TextDelta, TokenChoice, TokenLogprob
from modules.ui.notebook_stream import notebook_updates
from modules.ui.notebook_tab import NotebookTab
from modules.ui.views import View

SCRIPT = [{"text": "and \U0001f600 "}, {"text": "so on"}]
Call = Callable[..., View]


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    script = tmp_path / "script.json"
    script.write_text(json.dumps(SCRIPT))
    app = build_app(Settings(data=tmp_path / "data", models=tmp_path / "models", model="echo", echo_script=script))
    yield app
    app.close()


@pytest.fixture
def call(app: App) -> Call:
    actions = NotebookTab(app).actions()
    return lambda name, **values: actions[f"notebook_{name}"](values)


async def all_updates(app: App, generation_id: str) -> list[View]:
    live = app.notebook.live(generation_id)
    return [update async for update in notebook_updates(app, live, 5.0) if update]


def follow(app: App, view: View) -> list[View]:
    return asyncio.run(all_updates(app, view["generations"][0]["id"]))


def test_a_document_is_written_saved_and_taken_back(app: App, call: Call) -> None:
    view = call("create", title="Tale", folder="Stories", text="\U0001f600 Go ")
    document = view["document"]["id"]
    assert (view["text"], view["spans"], view["can_undo"], view["generated"]) == ("\U0001f600 Go ", [], False, False)
    begun = call("generate", id=document, version=view["version"])
    assert begun["generations"] == [
        {"id": begun["generations"][0]["id"], "version": begun["version"], "start": 6, "removed": 0, "prefix": ""}
    ]
    *updates, end = follow(app, begun)
    assert "".join(one["text"] for one in updates if one["kind"] == "delta") == "and \U0001f600 so on"
    assert end["version"] == begun["version"]
    assert (end["kind"], end["state"], end["error"], end["length"]) == ("end", "complete", "", 12)
    assert end["stats"]["completion_tokens"] == 2
    done = call("open", id=document)
    assert (done["text"], done["generated"], done["can_undo"]) == ("\U0001f600 Go and \U0001f600 so on", True, True)
    saved = call("save", id=document, version=done["version"], start=10, removed=3, text="x\r\n")
    assert (saved["length"], saved["tokens"]) == (17, 6)
    assert call("text", id=document, version=saved["version"])["text"] == "\U0001f600 Go and x\nso on"
    assert call("state", id=document) == {
        "revision": saved["revision"],
        "version": saved["version"],
        "generations": [],
    }
    undone = call("undo", id=document, version=saved["version"])
    assert (undone["text"], undone["can_redo"]) == (done["text"], True)
    redone = call("redo", id=document, version=undone["version"])
    assert redone["version"] == saved["version"]
    versions = call("versions", id=document)
    assert not versions["more"]
    assert [(one["kind"], one["inserted"], one["removed"], one["on_path"]) for one in versions["versions"]] == [
        ("typed", 2, 2, True),
        ("generated", 11, 0, True),
        ("created", 5, 0, True),
    ]
    listed = call("list", search="so on", folder="Stories")
    assert [(one["id"], "<mark>so</mark>" in one["snippet"]) for one in listed["documents"]] == [(document, True)]
    assert listed["folders"] == ["Stories"]


@pytest.mark.parametrize(
    ("name", "values", "code", "field"),
    [
        ("save", {"start": 1, "removed": 0}, "invalid_request", "start"),
        ("save", {"start": 0, "removed": 1}, "invalid_request", "removed"),
        ("save", {"start": 99, "text": "x"}, "invalid_request", "start"),
        ("generate", {"cursor": 1}, "invalid_request", "cursor"),
        ("generate", {"cursor": 99}, "invalid_request", "cursor"),
        ("select", {"target": 99}, "not_found", "version"),
        ("undo", {}, "invalid_request", "version"),
        ("undo", {"version": 99}, "conflict", "version"),
        ("regenerate", {}, "invalid_request", "version"),
        ("alternative", {"owner": 1, "index": 0}, "not_found", "index"),
        ("token", {"owner": 1, "index": 0}, "not_found", "index"),
        ("tokens", {"start": 0, "end": 1}, "invalid_request", "end"),
        ("move", {"folder": "a/../b"}, "invalid_request", "folder"),
        ("rename", {"title": ""}, "invalid_request", "title"),
        ("open", {"id": "nothing"}, "not_found", "id"),
    ],
)
def test_what_is_wrong_is_named(call: Call, name: str, values: View, code: str, field: str) -> None:
    view = call("create", text="\U0001f600")
    answer = call(name, **{"id": view["document"]["id"], "version": view["version"], **values})
    assert (answer["error"]["code"], answer["error"].get("field")) == (code, field)
    assert call("open", id=view["document"]["id"]) == view


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("settings", {"memory": "x" * 50_001}, "The memory has more than 50,000 characters, which is the limit."),
        ("move", {"folder": "x" * 1001}, "The folder's name has more than 1,000 characters, which is the limit."),
        ("list", {"search": "x" * 501}, "The search has more than 500 characters, which is the limit."),
        ("generate", {"count": 9}, "Parlor does not understand what this page asks. Reload the page and try again."),
        ("save", {"start": 2**60}, "Parlor does not understand what this page asks. Reload the page and try again."),
    ],
)
def test_what_is_too_long_is_told_in_sentences(call: Call, name: str, values: View, message: str) -> None:
    assert call(name, **values) == {"error": {"message": message, "code": "invalid_request"}}


def test_a_stream_tells_tokens_where_they_stand(app: App, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    generation = Generation()
    monkeypatch.setattr("modules.services.inference.Inference.start", lambda *_, asked_by: generation)
    view = call("create", text="Go ")
    begun = call("generate", id=view["document"]["id"], version=view["version"])
    assert call("state", id=view["document"]["id"])["generations"] == [{"id": generation.id}]
    smile = TokenChoice("\U0001f600", -0.5, tuple("\U0001f600".encode()), 3)
    for event in (
        TextDelta("\U0001f600", (TokenLogprob(smile, (smile, TokenChoice("b", -1.0, (98,), 4))),)),
        TextDelta("", (TokenLogprob(TokenChoice("\ufffd", -1.0, (0xC3,), 5)),)),
        TextDelta("é", (TokenLogprob(TokenChoice("\ufffd", -0.1, (0xA9,), 6)),)),
        Finished("stop"),
    ):
        generation.put(event)
    delta, end = follow(app, begun)
    assert delta == {
        "kind": "delta",
        "text": "\U0001f600é",
        "tokens": [[0, 2, 0.6065], [2, 0, 0.3679], [2, 1, 0.9048]],
    }
    assert end["length"] == 3
    document = begun["document"]["id"]
    assert call("open", id=document)["spans"] == [
        {
            "version": begun["version"],
            "first": 0,
            "start": 3,
            "chars": [2, 0, 1],
            "probabilities": [0.6065, 0.3679, 0.9048],
        }
    ]
    known = call("token", id=document, owner=begun["version"], index=0)
    assert known["token"] == {"id": 3, "text": "\U0001f600", "bytes": "f09f9880", "probability": 0.6065}
    assert known["alternatives"][1] == {"id": 4, "text": "b", "bytes": "62", "probability": 0.3679}
    refused = call("alternative", id=document, version=begun["version"], owner=begun["version"], index=1, choice=0)
    assert refused["error"]["field"] == "choice"


def test_what_wrote_nothing_ends_without_a_version(app: App, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    generation = Generation()
    monkeypatch.setattr("modules.services.inference.Inference.start", lambda *_, asked_by: generation)
    view = call("create", text="Go ")
    begun = call("generate", id=view["document"]["id"], version=view["version"])
    generation.put(Finished("stop"))
    (end,) = follow(app, begun)
    assert (end["version"], end["state"], end["length"]) == (None, "complete", 0)
    assert call("open", id=view["document"]["id"])["version"] == view["version"]


def test_the_page_follows_over_http(app: App, call: Call) -> None:
    view = call("create", text="Go ")
    begun = call("generate", id=view["document"]["id"], version=view["version"])

    async def get(path: str) -> httpx.Response:
        transport = httpx.ASGITransport(build_api(app))
        async with httpx.AsyncClient(transport=transport, base_url="http://parlor") as client:
            return await client.get(path)

    answer = asyncio.run(get(f"/ui/notebook/generations/{begun['generations'][0]['id']}/events"))
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
    assert "".join(one.get("text", "") for one in events) == "and \U0001f600 so on"
    assert events[-1]["kind"] == "end"
    assert asyncio.run(get("/ui/notebook/generations/nothing/events")).status_code == 404


def test_places_and_branches_and_settings(app: App, call: Call) -> None:
    view = call("create", text="Go ")
    document = view["document"]["id"]
    begun = call("generate", id=document, version=view["version"], count=2)
    for one in begun["generations"]:
        asyncio.run(all_updates(app, one["id"]))
    picked = call("pick", id=document, target=begun["generations"][0]["version"])
    assert picked["text"] == "Go and \U0001f600 so on"
    branches: list[Any] = call("branches", id=document)["branches"]
    assert [(one["version"], one["fork"]) for one in branches] == [
        (begun["generations"][1]["version"], view["version"]),
        (picked["version"], picked["version"]),
    ]
    changed = call("settings", id=document, memory="m", note="n", note_depth=5)["document"]
    assert (changed["memory"], changed["note"], changed["note_depth"]) == ("m", "n", 5)
    assert call("move", id=document, folder="A/B")["document"]["folder"] == "A/B"
    assert call("move_folder", folder="A", new_folder="C") == {"folders": ["C", "C/B"]}
    assert call("tokens", id=document, version=view["version"], start=0, end=3)["tokens"][0]["text"] == "Go "
    assert call("count", id=document, version=view["version"]) == {"tokens": 1, "context": 8192}
    assert call("delete", id=document) == {}
    assert call("state", id=document) == {"revision": None}
    assert call("restore", id=document)["document"]["id"] == document
    assert call("stop", id=document) == {}
