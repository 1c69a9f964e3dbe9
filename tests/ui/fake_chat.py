"""What the chat page talks to, without a model: conversations in memory, and replies that follow a script."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gradio
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from fastapi.staticfiles import StaticFiles

from modules.ui.asset_files import ASSETS
from modules.ui.page import build_page, page_options
from tests.ui.fake_hub_page import FakeHubPage
from tests.ui.fake_models import FakeModels
from tests.ui.fake_notebook import FakeNotebook
from tests.ui.fake_params import FakeParams

View = dict[str, Any]
Event = dict[str, Any]

STATS = {
    "tokens_per_second": 42.4,
    "first_token_seconds": 0.12,
    "prompt_tokens": 300,
    "completion_tokens": 12,
    "cached_tokens": 0,
    "context_length": 8192,
    "dropped_messages": 0,
}
ACTIONS = (
    "chat_",
    "models_",
    "adapter_",
    "hub_",
    "download_",
    "remote_",
    "import_",
    "notebook_",
    "params_",
    "preset_",
    "structure_",
)
PAUSE = "pause"  # A step at which a script waits until the test, or the person, lets it go on.


def delta(text: str, *blocks: str, reasoning: str = "") -> Event:
    return {"kind": "delta", "blocks": list(blocks), "tail": f"<p>{text}</p>" if text else "", "reasoning": reasoning}


def progress(stage: str, **values: Any) -> Event:
    return {"kind": "progress", "stage": stage, "fraction": 0, "position": 0, "note": "", **values}


class FakeChat:
    """Public fields are set by tests; `calls` lists what the page asked for. Answers on Gradio's threads."""

    def __init__(self) -> None:
        self.library = FakeModels()
        self.hub = FakeHubPage()
        self.notebook = FakeNotebook()
        self.params = FakeParams()
        self.starter: View = {"present": True, "size_bytes": 98_362_432, "job": None}
        self.notices: list[str] = []
        self.tools: list[View] = []
        self.chosen_tools: list[str] = []
        self.persistent = True
        self.conversations: dict[str, View] = {}
        self.deleted: dict[str, View] = {}
        self.messages: dict[str, View] = {}
        self.script: list[Event | str] = [delta("", "<p>Hello there.</p>")]
        self.outcome: View = {}
        self.refusals: dict[str, View] = {}
        self.calls: list[tuple[str, View]] = []
        self.go_on = threading.Event()
        self.accepts_sends = threading.Event()
        self.accepts_sends.set()
        self.refuses_streams = False
        self.cuts_streams = False
        self.outage = 0  # The status that everything is refused with; 401 leads to the sign-in screen.
        self._running: dict[str, str] = {}
        self._count = 0

    def actions(self) -> dict[str, Callable[[Any], View]]:
        acts = {
            name: act
            for fake in (self, self.library, self.hub, self.notebook, self.params)
            for name, act in actions_of(fake).items()
        }
        return {name: self._recorded(name, act) for name, act in acts.items()}

    def refuse(self, name: str, message: str, code: str = "storage_failed") -> None:
        """The next call of that name fails."""
        self.refusals[name] = {"error": {"message": message, "code": code}}

    def add(self, title: str, *texts: str, updated: float | None = None, **last: Any) -> str:
        """A finished conversation, the person's turn first; `last` changes the last message's view."""
        conversation = self._new_id("c")
        path = [self._message("user" if place % 2 == 0 else "assistant", text) for place, text in enumerate(texts)]
        self.conversations[conversation] = {
            "id": conversation,
            "title": title,
            "folder": "",
            "revision": 1,
            "updated": time.time() if updated is None else updated,
            "path": path,
        }
        if path:
            self.messages[path[-1]].update(last)
        return conversation

    def chat_state(self, values: View) -> View:
        opened = self.conversations.get(values.get("id") or "")
        return {
            **self.library.state(),
            "starter": self.starter,
            "notices": self.notices,
            "persistent": self.persistent,
            "revision": opened["revision"] if opened else None,
        }

    def chat_list(self, values: View) -> View:
        found = [one for one in self.conversations.values() if values["search"] in one["title"]]
        found.sort(key=lambda one: -one["updated"])
        shown = ("id", "title", "folder", "updated")
        listed = [{"snippet": "", **{name: one[name] for name in shown}} for one in found]
        folders = sorted({one["folder"] for one in self.conversations.values() if one["folder"]})
        return {"conversations": listed, "folders": folders}

    def add_turn(self, identity: str, *texts: str) -> None:
        """As another tab would."""
        path = [self._message("user" if place % 2 == 0 else "assistant", text) for place, text in enumerate(texts)]
        self.conversations[identity]["path"].extend(path)
        self.conversations[identity]["revision"] += 1

    def chat_open(self, values: View) -> View:
        return self._thread(values["id"], values["known"])

    def chat_messages(self, values: View) -> View:
        return {"messages": {one: self.messages[one] for one in values["ids"]}}

    def chat_send(self, values: View) -> View:
        self.accepts_sends.wait(60)
        identity = values["id"] or self.add(values["text"][:40])
        self.conversations[identity]["path"].append(self._message("user", values["text"]))
        return self._reply(identity, values)

    def chat_regenerate(self, values: View) -> View:
        self._cut(values["id"], values["message_id"])
        return self._reply(values["id"], values, beside=values["message_id"])

    def chat_edit_reply(self, values: View) -> View:
        self._cut(values["id"], values["message_id"])
        reply = self._message("assistant", values["text"], model="")
        return self._added(values["id"], reply, values, beside=values["message_id"])

    def chat_continue(self, values: View) -> View:
        return self.chat_regenerate(values)

    def chat_stop(self, _values: View) -> View:
        self.outcome = {"state": "stopped"}
        self.go_on.set()
        return {}

    def chat_tools(self, _values: View) -> View:
        return {"tools": self.tools, "ids": self.chosen_tools, "mode": "free"}

    def chat_choose_tools(self, values: View) -> View:
        self.chosen_tools = values["tools"]
        return {}

    def chat_version(self, values: View) -> View:
        """Of a message at the end of the path."""
        conversation = self.conversations[values["id"]]
        conversation["path"][-1] = values["message_id"]
        conversation["revision"] += 1
        return self._thread(values["id"], values["known"])

    def chat_rename(self, values: View) -> View:
        self.conversations[values["id"]]["title"] = values["title"]
        return {"conversation": self.conversations[values["id"]]}

    def chat_move(self, values: View) -> View:
        self.conversations[values["id"]]["folder"] = values["folder"]
        return {"conversation": self.conversations[values["id"]]}

    def chat_move_folder(self, values: View) -> View:
        for one in self.conversations.values():
            if one["folder"] == values["folder"]:
                one["folder"] = values["new_folder"]
        return {}

    def chat_delete(self, values: View) -> View:
        self.deleted[values["id"]] = self.conversations.pop(values["id"])
        return {}

    def chat_restore(self, values: View) -> View:
        self.conversations[values["id"]] = self.deleted.pop(values["id"])
        return {"conversation": self.conversations[values["id"]]}

    def chat_starter(self, _values: View) -> View:
        self.starter["job"] = {"id": "j1", "state": "running", "progress": 0.25, "note": "Downloading", "error": ""}
        return {"job": self.starter["job"]}

    def chat_cancel_job(self, values: View) -> View:
        self.starter["job"] = {"id": values["job_id"], "state": "cancelled", "progress": None, "note": "", "error": ""}
        return {"job": self.starter["job"]}

    async def frames(self, generation: str) -> AsyncIterator[str]:
        """The script from its beginning, then the end; the message is finished when the first reader got there."""
        for step in self.script:
            if isinstance(step, str):
                while not self.go_on.is_set():
                    if self.cuts_streams:
                        return
                    await asyncio.sleep(0.02)
                continue
            yield frame(step)
        view = self.messages[self._running[generation]]
        html = "".join(block for step in self.script if isinstance(step, dict) for block in step.get("blocks", []))
        view.update({"html": html, "text": html, "state": "complete", "stats": STATS, "generation_id": None})
        view.update(self.outcome)
        yield frame({"kind": "end", "view": view})

    def has_stream(self, generation: str) -> bool:
        return generation in self._running and not self.refuses_streams

    def _recorded(self, name: str, act: Callable[[View], View]) -> Callable[[Any], View]:
        def call(values: Any) -> View:
            self.calls.append((name, values))
            refusal = self.refusals.pop(name, None)
            return act(values) if refusal is None else refusal

        return call

    def _reply(self, identity: str, values: View, beside: str | None = None) -> View:
        generation = self._new_id("g")
        reply = self._message("assistant", "", state="streaming", generation_id=generation)
        self._running[generation] = reply
        return self._added(identity, reply, values, beside)

    def _added(self, identity: str, reply: str, values: View, beside: str | None) -> View:
        siblings = [*(self.messages[beside]["siblings"] if beside else []), reply]
        for one in siblings:
            self.messages[one]["siblings"] = siblings
        self.conversations[identity]["path"].append(reply)
        self.conversations[identity]["revision"] += 1
        return self._thread(identity, values["known"])

    def _cut(self, identity: str, message: str) -> None:
        path = self.conversations[identity]["path"]
        del path[path.index(message) :]

    def _thread(self, identity: str, known: list[str]) -> View:
        if identity not in self.conversations:
            return {"error": {"message": "There is no such conversation.", "code": "not_found"}}
        conversation = self.conversations[identity]
        path = conversation["path"]
        sent = [one for one in path if one not in known or self.messages[one]["state"] == "streaming"]
        return {
            "conversation": {name: conversation[name] for name in ("id", "title", "revision")},
            "path": path,
            "siblings": {
                one: self.messages[one]["siblings"] for one in path if len(self.messages[one]["siblings"]) > 1
            },
            "messages": {one: self.messages[one] for one in sent[-60:]},
        }

    def _message(self, role: str, text: str, **values: Any) -> str:
        identity = self._new_id("m")
        self.messages[identity] = {
            "id": identity,
            "role": role,
            "html": text,
            "text": text,
            "reasoning": "",
            "state": "complete",
            "model": "small",
            "error": "",
            "stats": {},
            "siblings": [identity],
            "generation_id": None,
            **values,
        }
        return identity

    def _new_id(self, letter: str) -> str:
        self._count += 1
        return f"{letter}{self._count}"


class PageServer:
    """The page on a free port. Gradio takes seconds to mount, so one serves a module; `chat` is set per test."""

    def __init__(self) -> None:
        self.chat = FakeChat()
        self.url = ""

    def actions(self) -> dict[str, Callable[[Any], View]]:
        def forwarded(name: str) -> Callable[[Any], View]:
            def call(values: Any) -> View:
                return self.chat.actions()[name](values)

            return call

        names = [*FakeChat().actions(), "chat_edit"]
        return {name: forwarded(name) for name in names}

    async def follow(self, generation_id: str) -> Response:
        if not self.chat.has_stream(generation_id):
            return JSONResponse({}, 404)
        return StreamingResponse(self.chat.frames(generation_id), media_type="text/event-stream")

    async def follow_writing(self, generation_id: str) -> Response:
        notebook = self.chat.notebook
        if not notebook.has_stream(generation_id):
            return JSONResponse({}, 404)
        framed = (frame(event) async for event in notebook.frames(generation_id))
        return StreamingResponse(framed, media_type="text/event-stream")

    async def refuse_in_outage(self, request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        status, path = self.chat.outage, request.url.path
        if path == "/health":
            return JSONResponse({"status": "ok", "ui": "starting" if status == 503 else "ready"})
        if status == 401 and path == "/":
            return RedirectResponse("/login", 303)
        if status and (path.startswith("/ui/") or "component_server" in path):
            return JSONResponse({}, status)
        return await call_next(request)


@contextmanager
def running_page() -> Iterator[PageServer]:
    served = PageServer()
    inner = FastAPI()
    inner.get("/ui/generations/{generation_id}/events", response_model=None)(served.follow)
    inner.get("/ui/notebook/generations/{generation_id}/events", response_model=None)(served.follow_writing)
    inner.get("/control/extensions/views")(lambda: {"views": [], "commands": [], "looks": [], "loading": []})
    inner.mount("/parlor-assets/{version}", StaticFiles(directory=ASSETS))
    inner.middleware("http")(served.refuse_in_outage)
    page = build_page(served.actions())
    gradio.mount_gradio_app(inner, page, path="/", run_history=False, footer_links=[], ssr_mode=False, **page_options())
    server = uvicorn.Server(
        uvicorn.Config(inner, host="127.0.0.1", port=0, log_level="critical", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    served.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        yield served
    finally:
        served.chat.go_on.set()
        served.chat.notebook.go_on.set()
        server.should_exit = True
        thread.join(10)


def actions_of(
    fake: FakeChat | FakeModels | FakeHubPage | FakeNotebook | FakeParams,
) -> dict[str, Callable[[View], View]]:
    names = [name for name in dir(fake) if name.startswith(ACTIONS)]
    return {name: getattr(fake, name) for name in names}


def frame(event: Event) -> str:
    return f"data: {json.dumps(event)}\n\n"
