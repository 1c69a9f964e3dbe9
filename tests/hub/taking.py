"""What a hub does when somebody publishes: repositories made, large files taken by the files' listener, commits."""

import base64
import hashlib
import json
import re
from typing import Any


class Taking:
    """Mixed into a connection's answers; `hub`, `listener`, `headers` and the rest are theirs."""

    def take(self: Any, path: str) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b""
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = self._chunks()
        if self.listener == "files":
            self._take_large(path, body)
        elif not self._has_token():
            self._refuse(401)
        elif path == "/api/validate-yaml":
            self._json({"errors": [], "warnings": []})
        elif path == "/api/repos/create":
            self._create(json.loads(body))
        elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/(preupload|commit)/main", path):
            take = self._preupload if found[2] == "preupload" else self._commit
            take(self.hub.repositories[found[1]], body)
        elif re.fullmatch(r"/[^/]+/[^/]+\.git/info/lfs/objects/batch", path):
            self._batch(json.loads(body))
        else:
            self._refuse(404)

    def _chunks(self: Any) -> bytes:
        content = b""
        while size := int(self.rfile.readline(), 16):
            content += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return content

    def _create(self: Any, asked: dict[str, Any]) -> None:
        name = f"{asked['organization']}/{asked['name']}"
        if name in self.hub.repositories:
            self._json(
                {"error": "You already created this model repo", "url": f"{self.hub.endpoint}/{name}"}, status=409
            )
            return
        self.hub.add(name, {".gitattributes": b"*.safetensors filter=lfs"}, private=asked["visibility"] == "private")
        self._json({"url": f"{self.hub.endpoint}/{name}", "name": name})

    def _preupload(self: Any, _repository: Any, body: bytes) -> None:
        files = json.loads(body)["files"]
        modes = {
            file["path"]: "lfs" if file["path"].endswith((".safetensors", ".gguf")) else "regular" for file in files
        }
        self._json(
            {"files": [{"path": path, "uploadMode": mode, "shouldIgnore": False} for path, mode in modes.items()]}
        )

    def _batch(self: Any, asked: dict[str, Any]) -> None:
        objects = [
            {**one, "actions": {"upload": {"href": f"{self.hub.files_endpoint}/upload/{one['oid']}"}}}
            for one in asked["objects"]
        ]
        self._json({"transfer": "basic", "objects": objects})

    def _take_large(self: Any, path: str, body: bytes) -> None:
        if fault := self.hub.next_fault("upload", "files"):
            self._refuse(fault.status)
            return
        assert path == f"/upload/{hashlib.sha256(body).hexdigest()}"
        self.hub.uploads[path.removeprefix("/upload/")] = body
        self._json({})

    def _commit(self: Any, repository: Any, body: bytes) -> None:
        for line in body.splitlines():
            match json.loads(line):
                case {"key": "file", "value": {"path": path, "content": content}}:
                    repository.files[path] = base64.b64decode(content)
                case {"key": "lfsFile", "value": {"path": path, "oid": oid}}:
                    repository.files[path] = self.hub.uploads[oid]
                case _:
                    pass
        address = f"{self.hub.endpoint}/{repository.name}"
        self._json(
            {"commitUrl": f"{address}/commit/{repository.commit}", "commitOid": repository.commit, "success": True}
        )
