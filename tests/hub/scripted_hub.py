"""A hub on loopback that answers each path as the test says, and remembers what it was asked."""

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass(frozen=True)
class Scripted:
    """`content` is sent as it is when it is bytes, as JSON otherwise; ranges are honoured for bytes."""

    content: Any = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    seconds: float = 0.0


@dataclass(frozen=True)
class Asked:
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]


class ScriptedHub:
    """`answers` by path, without the query. What is not there is 404."""

    def __init__(self) -> None:
        self.answers: dict[str, Scripted] = {}
        self.asked: list[Asked] = []
        hub = self

        class Answering(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                headers = {name.lower(): value for name, value in self.headers.items()}
                hub.asked.append(Asked(parts.path, parse_qs(parts.query), headers))
                answer = hub.answers.get(parts.path, Scripted({"error": "nothing"}, 404))
                time.sleep(answer.seconds)
                body = answer.content if isinstance(answer.content, bytes) else json.dumps(answer.content).encode()
                status, sent = answer.status, dict(answer.headers)
                if "range" in headers and status == 200:
                    last = int(headers["range"].rpartition("-")[2])
                    status, sent["Content-Range"] = 206, f"bytes 0-{min(last, len(body) - 1)}/{len(body)}"
                    body = body[: last + 1]
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **sent}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def repository(self, name: str, files: Mapping[str, bytes], **facts: Any) -> None:
        """A repository with these files, and what the hub says of it besides."""
        told = {
            "id": name,
            "sha": COMMIT,
            "siblings": [{"rfilename": path, "size": len(content)} for path, content in files.items()],
            **facts,
        }
        self.answers[f"/api/models/{name}/revision/main"] = Scripted(told)
        for path, content in files.items():
            self.answers[f"/{name}/resolve/{COMMIT}/{path}"] = Scripted(content)

    def count(self, ending: str) -> int:
        return sum(asked.path.endswith(ending) for asked in self.asked)
