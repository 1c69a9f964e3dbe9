"""The routes of llama.cpp's server that exist only over its socket, which nobody else can reach."""

import http.client
import json
import secrets
import shutil
import socket
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from modules.errors import EngineError

SOCKETS_EXIST = hasattr(socket, "AF_UNIX")


class PrivateAddress:
    """Where the server listens: a Unix socket in a folder of mode 0700, a new one per launch, and a random key."""

    def __init__(self) -> None:
        self.key = secrets.token_urlsafe(32)
        self._folder = Path(tempfile.mkdtemp(prefix="parlor-"))
        self.hostname = str(self._folder / "engine.sock") if SOCKETS_EXIST else "127.0.0.1"

    def remove(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)


class SocketClient:
    """A connection per request: the server drops idle ones, and making one costs a tenth of a millisecond."""

    def __init__(self, listening_address: str, key: str) -> None:
        self._address = listening_address
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def get(self, path: str) -> Any:
        return self._request("GET", path, None)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        return self._request("POST", path, json.dumps(body))

    def _request(self, method: str, path: str, body: str | None) -> Any:
        try:
            with closing(connect(self._address)) as connection:
                connection.request(method, path, body, self._headers)
                response = connection.getresponse()
                content = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise EngineError(f"The engine did not answer {path}.") from error
        if response.status != 200:
            raise EngineError(f"The engine refused {path}: {content[:300].decode('utf-8', 'replace')}")
        return json.loads(content)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def connect(address: str) -> http.client.HTTPConnection:
    if address.startswith("unix://"):
        return UnixConnection(address.removeprefix("unix://"))
    return http.client.HTTPConnection(address.removeprefix("http://"), timeout=60)
