"""A model hub on loopback that huggingface_hub and Parlor talk to, with a second listener for files, and faults on order.

with FakeHub() as hub:
    hub.add("user/model", {"model.gguf": b"...", "config.json": b"{}"})
    hub.fault("model.gguf", Fault("drop", after=1000))          # the first request for it; times=3 for the first three
    ... HubConnection(hub.endpoint, lambda: None) ...
    hub.requests                                                 # what was asked, by whom, and how many bytes went out
"""

import hashlib
import json
import re
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, Self
from urllib.parse import parse_qs, quote, unquote, urlsplit

from tests.hub.taking import Taking

LARGE_BYTES = 10_000
PAGE = 30
PIECE = 16 * 1024
FaultKind = Literal[
    "drop",  # the connection ends after `after` bytes of the body
    "stall",  # nothing comes after `after` bytes of the body, for `seconds`
    "hang",  # not even a status, for `seconds`
    "ignore_range",  # 200 and the whole file
    "shift_range",  # 206 that begins `after` bytes later than asked
    "change_etag",  # the file is another one from now on, as long as it lasts
    "flip",  # one bit of byte `after` of the body is wrong
    "short",  # the file ends `after` bytes early, and the headers agree
    "long",  # the file has `after` bytes more, and the headers agree
    "status",  # `status`, with `headers`
]
Listener = Literal["hub", "files"]


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one answer. `where` is the listener it befalls; `after` counts bytes."""

    kind: FaultKind
    after: int = 0
    status: int = 500
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    seconds: float = 60.0
    where: Listener = "files"


@dataclass
class Request:
    """One request as it came, and how many bytes of a file's content were sent for it."""

    listener: Listener
    method: str
    path: str
    query: dict[str, list[str]]
    range: str
    if_range: str
    authorization: str
    status: int = 0
    sent: int = 0


@dataclass
class Repository:
    name: str
    files: dict[str, bytes]
    gated: bool | str = False
    private: bool = False
    about: dict[str, Any] = field(default_factory=dict[str, Any])
    branches: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def commit(self) -> str:
        digest = hashlib.sha1(self.name.encode())
        for path, content in sorted(self.files.items()):
            digest.update(path.encode("utf-8", "surrogatepass") + hashlib.sha1(content).digest())
        return digest.hexdigest()


class FakeHub:
    """`endpoint` is the hub's address, `files_endpoint` where large files lie: another origin.

    `token` opens gated and private repositories. `redirect` is the status that sends to the files' listener; 0 serves
    all files from the hub itself.
    """

    def __init__(self, token: str = "hf_right", redirect: int = 302, user: str = "someone") -> None:
        self.token, self.redirect, self.user = token, redirect, user
        self.repositories: dict[str, Repository] = {}
        self.requests: list[Request] = []
        # Large files that were taken, by their SHA-256, before a commit says what they are.
        self.uploads: dict[str, bytes] = {}
        self.bytes_per_second = 0.0
        self.lock = threading.Lock()
        self._faults: dict[str, list[Fault]] = {}
        self._closing = threading.Event()
        self._servers = [self._listen("hub"), self._listen("files")]
        self.endpoint, self.files_endpoint = (f"http://127.0.0.1:{server.server_port}" for server in self._servers)

    def __enter__(self) -> Self:
        for server in self._servers:
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def add(
        self,
        name: str,
        files: Mapping[str, bytes],
        *,
        gated: bool | str = False,
        private: bool = False,
        **about: Any,
    ) -> Repository:
        """`about` are further fields of its entry: downloads, likes, tags, pipeline_tag, lastModified, gguf ..."""
        repository = Repository(name, dict(files), gated, private, about)
        self.repositories[name] = repository
        return repository

    def fault(self, path: str, *faults: Fault, times: int = 1) -> None:
        """For the next requests of this path in whatever repository (`*`: any), each fault `times` times, in order."""
        with self.lock:
            self._faults.setdefault(path, []).extend(fault for fault in faults for _ in range(times))

    def heal(self) -> None:
        with self.lock:
            self._faults.clear()

    def next_fault(self, path: str, listener: Listener) -> Fault | None:
        with self.lock:
            for key in (path, "*"):
                waiting = self._faults.get(key, [])
                if waiting and waiting[0].where == listener:
                    return waiting.pop(0)
        return None

    def sent_bytes(self, path: str = "") -> int:
        """Of the contents of files whose path ends so."""
        with self.lock:
            return sum(request.sent for request in self.requests if request.path.endswith(path))

    def wait(self, seconds: float) -> None:
        """As a server that hangs does; ends with the hub."""
        self._closing.wait(seconds)

    def _listen(self, listener: Listener) -> ThreadingHTTPServer:
        hub = self

        class Answering(Answer):
            def __init__(self, *arguments: Any) -> None:
                self.hub, self.listener = hub, listener
                super().__init__(*arguments)

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Clients that leave are no news."""

        return Server(("127.0.0.1", 0), Answering)


class Answer(Taking, BaseHTTPRequestHandler):
    """One connection to one of the two listeners."""

    protocol_version = "HTTP/1.1"
    hub: FakeHub
    listener: Listener
    request_seen: Request

    def setup(self) -> None:
        # Little lies in the system's buffers, so that what was sent is about what was read.
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, PIECE)
        super().setup()

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Tests read `requests` instead."""

    def _answer(self) -> None:
        address = urlsplit(self.path)
        path = unquote(address.path)
        self.request_seen = Request(
            self.listener,
            self.command,
            path,
            parse_qs(address.query),
            self.headers.get("Range", ""),
            self.headers.get("If-Range", ""),
            self.headers.get("Authorization", ""),
        )
        with self.hub.lock:
            self.hub.requests.append(self.request_seen)
        if self.command in {"POST", "PUT"}:
            self.take(path)
        elif path == "/api/whoami-v2":
            self._whoami()
        elif path == "/api/models":
            self._search()
        elif found := re.fullmatch(r"/api/datasets/([^/]+/[^/]+)/tree/([^/]+)(?:/(.+))?", path):
            self._list_folder(found[1], found[2], found[3] or "")
        elif found := re.fullmatch(
            r"/api/(?:models|datasets)/([^/]+/[^/]+)(?:/(revision|tree|auth-check)(?:/(.+))?)?", path
        ):
            self._about(found[1], found[2] or "revision", found[3] or "main")
        elif found := re.fullmatch(r"/(?:datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path, re.DOTALL):
            self._resolve(found[1], found[2], found[3])
        else:
            self._refuse(404, "EntryNotFound")

    # The API

    def _whoami(self) -> None:
        if self._has_token():
            self._json({"name": self.hub.user, "type": "user", "orgs": []})
        else:
            self._refuse(401, message="Invalid credentials in Authorization header")

    def _search(self) -> None:
        asked = self.request_seen.query
        words, author = asked.get("search", [""])[0].lower(), asked.get("author", [""])[0]
        tags = {tag for value in asked.get("filter", []) for tag in value.split(",")}
        task = asked.get("pipeline_tag", [""])[0]
        found = [
            one
            for one in self.hub.repositories.values()
            if words in one.name.lower()
            and one.name.startswith(f"{author}/" if author else "")
            and tags <= set(one.about.get("tags", []))
            and task in {"", one.about.get("pipeline_tag")}
            and (not one.private or self._has_token())
        ]
        order = asked.get("sort", ["downloads"])[0]
        found.sort(key=lambda one: one.about.get(order, 0), reverse=True)
        start, limit = int(asked.get("cursor", ["0"])[0]), int(asked.get("limit", [str(PAGE)])[0])
        headers: dict[str, str] = {}
        if start + limit < len(found):
            rest = {name: value for name, value in asked.items() if name != "cursor"} | {"cursor": [str(start + limit)]}
            query = "&".join(f"{name}={quote(value)}" for name, values in rest.items() for value in values)
            headers["Link"] = f'<{self.hub.endpoint}/api/models?{query}>; rel="next"'
        self._json([self._entry(one) for one in found[start : start + limit]], headers)

    def _about(self, name: str, what: str, revision: str) -> None:
        repository = self._readable(name, revision)
        if repository is None or self._goes_wrong(f"/api/{name}"):
            return
        if what == "auth-check":
            if self._is_barred(repository):
                self._refuse(403, "GatedRepo")
            else:
                self._json({})
        elif what == "tree":
            self._json([self._tree_entry(path, content) for path, content in repository.files.items()])
        else:
            with_sizes = self.request_seen.query.get("blobs") == ["true"]
            siblings = [self._sibling(path, content, with_sizes) for path, content in repository.files.items()]
            self._json({**self._entry(repository), "siblings": siblings, "usedStorage": 0})

    def _list_folder(self, name: str, revision: str, folder: str) -> None:
        """Of a dataset, without what lies in folders below."""
        repository = self._readable(name, revision)
        if repository is None:
            return
        prefix = f"{folder}/" if folder else ""
        inside = {path: content for path, content in repository.files.items() if path.startswith(prefix)}
        below = {prefix + path.removeprefix(prefix).partition("/")[0] for path in inside} - {*inside}
        if not inside:
            self._refuse(404, "EntryNotFound")
            return
        files = [
            self._tree_entry(path, content) for path, content in inside.items() if path.count("/") == prefix.count("/")
        ]
        self._json([*files, *({"type": "directory", "path": path, "size": 0, "oid": "0" * 40} for path in below)])

    def _entry(self, one: Repository) -> dict[str, Any]:
        base = {"_id": "0" * 24, "id": one.name, "modelId": one.name, "author": one.name.partition("/")[0]}
        state = {"sha": one.commit, "gated": one.gated, "private": one.private, "disabled": False}
        counts: dict[str, Any] = {"downloads": 0, "likes": 0, "tags": [], "lastModified": "2026-01-01T00:00:00.000Z"}
        return {**base, **state, **counts, **one.about}

    def _sibling(self, path: str, content: bytes, with_sizes: bool) -> dict[str, Any]:
        if not with_sizes:
            return {"rfilename": path}
        entry = {"rfilename": path, "size": len(content), "blobId": blob_id(content)}
        large = {"sha256": sha256(content), "size": len(content), "pointerSize": 134}
        return {**entry, "lfs": large} if len(content) >= LARGE_BYTES else entry

    def _tree_entry(self, path: str, content: bytes) -> dict[str, Any]:
        entry = {"type": "file", "path": path, "size": len(content), "oid": blob_id(content)}
        large = {"oid": sha256(content), "size": len(content), "pointerSize": 134}
        return {**entry, "lfs": large} if len(content) >= LARGE_BYTES else entry

    # Files

    def _resolve(self, name: str, revision: str, path: str) -> None:
        """On the hub: the file, or where it lies. On the other listener: the file."""
        if self.listener == "hub":
            repository = self._readable(name, revision)
            if repository is None:
                return
            if self._is_barred(repository):
                self._refuse(401 if not self.headers.get("Authorization") else 403, "GatedRepo")
                return
        else:
            repository = self.hub.repositories[name]
        content = repository.files.get(path)
        if content is None:
            self._refuse(404, "EntryNotFound")
        elif self.listener == "hub" and len(content) >= LARGE_BYTES and self.hub.redirect:
            if not self._goes_wrong(path):
                self._send_elsewhere(repository, path, content)
        else:
            self._send_file(repository, path, content)

    def _send_elsewhere(self, repository: Repository, path: str, content: bytes) -> None:
        location = f"{self.hub.files_endpoint}/{repository.name}/resolve/{repository.commit}/{quote(path)}"
        linked = {"X-Linked-Etag": f'"{sha256(content)}"', "X-Linked-Size": str(len(content))}
        headers = {"Location": location, "X-Repo-Commit": repository.commit, **linked}
        self._start(self.hub.redirect, 0, headers)

    def _send_file(self, repository: Repository, path: str, content: bytes) -> None:
        large = len(content) >= LARGE_BYTES
        fault = None
        # A small file has one listener only; whatever was ordered for it happens there.
        if self.command == "GET":
            fault = self.hub.next_fault(path, self.listener)
            if fault is None and self.listener == "hub":
                fault = self.hub.next_fault(path, "files")
        if fault is not None and self._is_instead(fault):
            return
        kind = fault.kind if fault is not None else ""
        after = fault.after if fault is not None else 0
        if kind == "change_etag":
            content = bytes(byte ^ 1 for byte in content)
        elif kind == "short":
            content = content[: max(len(content) - after, 0)]
        elif kind == "long":
            content += bytes(after)
        etag = f'"{sha256(content) if large else blob_id(content)}"'
        headers = {
            "ETag": etag,
            "X-Repo-Commit": repository.commit,
            "Accept-Ranges": "bytes",
            "Last-Modified": formatdate(0, usegmt=True),
        }
        start, status = 0, 200
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.request_seen.range)
        same = self.request_seen.if_range in {"", etag}
        if self.headers.get("If-Match") not in {None, etag}:
            self._refuse(412)
            return
        body = content
        if asked and same and kind != "ignore_range":
            start = int(asked[1])
            if start >= len(content):
                self._refuse(416, headers={"Content-Range": f"bytes */{len(content)}"})
                return
            end = min(int(asked[2] or len(content) - 1), len(content) - 1)
            start += after if kind == "shift_range" else 0
            status, body = 206, content[start : end + 1]
            headers["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
        if kind == "flip":
            place = min(after, len(body) - 1)
            body = body[:place] + bytes([body[place] ^ 0x20]) + body[place + 1 :]
        self._start(status, len(body), headers)
        if self.command == "GET":
            self._send_body(body, fault)

    def _send_body(self, body: bytes, fault: Fault | None) -> None:
        cut = min(fault.after, len(body)) if fault is not None and fault.kind in {"drop", "stall"} else len(body)
        for place in range(0, cut, PIECE):
            piece = body[place : min(place + PIECE, cut)]
            self.wfile.write(piece)
            with self.hub.lock:
                self.request_seen.sent += len(piece)
            if self.hub.bytes_per_second:
                self.hub.wait(len(piece) / self.hub.bytes_per_second)
        if fault is not None and fault.kind == "stall":
            self.hub.wait(fault.seconds)
        if cut < len(body) or (fault is not None and fault.kind == "stall"):
            self._hang_up()

    # Answers

    def _goes_wrong(self, path: str) -> bool:
        fault = self.hub.next_fault(path, "hub") if self.command == "GET" else None
        return fault is not None and self._is_instead(fault)

    def _is_instead(self, fault: Fault) -> bool:
        """Whether the fault was the whole answer."""
        if fault.kind == "status":
            self._refuse(fault.status, headers=fault.headers)
            return True
        if fault.kind == "hang":
            self.hub.wait(fault.seconds)
            self._hang_up()
            return True
        return False

    def _readable(self, name: str, revision: str) -> Repository | None:
        repository = self.hub.repositories.get(name)
        if repository is None or (repository.private and not self._has_token()):
            self._refuse(404 if self.headers.get("Authorization") else 401, "RepoNotFound")
            return None
        if revision not in {"main", repository.commit, *repository.branches}:
            self._refuse(404, "RevisionNotFound")
            return None
        return repository

    def _is_barred(self, repository: Repository) -> bool:
        return bool(repository.gated) and not self._has_token()

    def _has_token(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {self.hub.token}"

    def _json(self, value: Any, headers: Mapping[str, str] | None = None, status: int = 200) -> None:
        body = json.dumps(value).encode()
        self._start(status, len(body), {"Content-Type": "application/json", **(headers or {})})
        if self.command != "HEAD":
            self.wfile.write(body)

    def _refuse(self, status: int, code: str = "", message: str = "", headers: Mapping[str, str] | None = None) -> None:
        body = json.dumps({"error": message or code or "no"}).encode()
        told = {"X-Error-Code": code, "X-Error-Message": message or code} if code else {}
        self._start(status, len(body), {"Content-Type": "application/json", **told, **(headers or {})})
        if self.command != "HEAD":
            self.wfile.write(body)

    def _start(self, status: int, length: int, headers: Mapping[str, str]) -> None:
        self.request_seen.status = status
        self.send_response(status)
        for name, value in {"Content-Length": str(length), **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def _hang_up(self) -> None:
        self.close_connection = True
        self.wfile.flush()
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def blob_id(content: bytes) -> str:
    """As git names a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
