"""What the Models view's hub, downloads, servers and import talk to, without any of them."""

import time
from dataclasses import asdict
from typing import Any

from modules.library.hub.sources import parse_source
from modules.ui.card_markup import render_card

View = dict[str, Any]

CONTEXTS = [4096, 8192, 16_384, 32_768]
CARD = """# Tiny Model

<div align="center"><img src="https://pics.example/logo.png" alt="Logo"></div>

A **small** model for [everything](./docs.md). It was trained on two things.

| Benchmark | Score |
|---|--:|
| Riddles | 12.5 |

```python
print("hello")
```
"""


def entry(repository: str = "maker/tiny-GGUF", **values: Any) -> View:
    return {
        "repository": repository,
        "task": "text-generation",
        "licence": "apache-2.0",
        "formats": ["gguf"],
        "parameters": 7_615_616_512,
        "downloads": 1_234_567,
        "likes": 345,
        "updated": time.time() - 3 * 86_400,
        "gate": "open",
        "private": False,
        **values,
    }


def estimate(fit: str = "cpu", memory: float = 5e9, speed: float | None = 9.0) -> View:
    band = {"value": speed, "low": speed * 0.7, "high": speed * 1.3} if speed else None
    return {
        "fit": fit,
        "memory": {"value": memory, "low": memory * 0.95, "high": memory * 1.05},
        "speed": band,
        "note": "",
    }


def choice(name: str, size: float, fit: str = "cpu", **values: Any) -> View:
    """Its memory grows with the context, so that a test sees which one is shown."""
    return {
        "name": name,
        "format": "gguf",
        "size_bytes": size,
        "files": 1,
        "problem": "",
        "projector_bytes": None,
        "standings": [standing(name), standing(f"{name}-with-reader")],
        "estimates": {str(context): estimate(fit, size + context * 1e5, 60e9 / size) for context in CONTEXTS},
        **values,
    }


def standing(name: str, **values: Any) -> View:
    """Where a choice stands on this machine: nothing is there, unless said otherwise."""
    return {
        "download_id": f"id-{name}",
        "target": f"tiny-{name}.gguf",
        "is_here": False,
        "problem": "",
        "model": "",
        **values,
    }


def hub_model(repository: str = "maker/tiny-GGUF", card: str = CARD, **values: Any) -> View:
    return {
        **entry(repository),
        "revision": "main",
        "page": f"https://hub.example/{repository}",
        "card": render_card(card, f"https://hub.example/{repository}/blob/main/"),
        "has_access": True,
        "files": [
            {"path": "tiny-Q4_K_M.gguf", "size_bytes": 4_700_000_000},
            {"path": "README.md", "size_bytes": 3_100},
        ],
        "contexts": CONTEXTS,
        "context": 8192,
        "choices": [
            choice("Q2_K", 3.0e9),
            choice("Q4_K_M", 4.7e9, projector_bytes=600_000_000),
            choice("Q8_0", 8.1e9, "partly"),
            choice("F16", 15.2e9, "no"),
        ],
        "recommended": {str(context): {"place": 1, "reason": "The largest that fits."} for context in CONTEXTS},
        **values,
    }


def download(identity: str = "d1", state: str = "running", **values: Any) -> View:
    return {
        "id": identity,
        "source": "maker/tiny-GGUF",
        "target": f"tiny-{identity}",
        "model": f"tiny-{identity}",
        "state": state,
        "size_bytes": 4_700_000_000,
        "done_bytes": 1_175_000_000,
        "files": 2,
        "files_done": 1,
        "created": time.time(),
        "bytes_per_second": 12_300_000.0 if state == "running" else 0.0,
        "seconds_left": 290.0 if state == "running" else 0.0,
        "ended": None,
        "note": "",
        "error": "",
        **values,
    }


class FakeHubPage:
    """Public fields are set by tests. Answers on Gradio's threads."""

    def __init__(self) -> None:
        self.pages: list[View] = [{"entries": [entry()], "next": ""}]
        self.model: View = hub_model()
        self.account: View = {"user": None, "has_token": False, "from_environment": False}
        self.downloads: list[View] = []
        self.next_id = ""
        self.servers: list[View] = []
        self.found: list[View] = []
        self.jobs: list[View] = [job("done")]

    def hub_state(self, _values: View) -> View:
        return {"name": "hub.example", "address": "https://hub.example"}

    def hub_search(self, values: View) -> View:
        return self.pages[int(values["cursor"] or 0)]

    def hub_source(self, values: View) -> View:
        return asdict(parse_source(values["source"], "https://hub.example"))

    def hub_model(self, _values: View) -> View:
        return self.model

    def hub_account(self, _values: View) -> View:
        return self.account

    def hub_token(self, _values: View) -> View:
        self.account = {"user": "someone", "has_token": True, "from_environment": False}
        return self.account

    def hub_forget(self, _values: View) -> View:
        self.account = {"user": None, "has_token": False, "from_environment": False}
        return {}

    def download_list(self, _values: View) -> View:
        return {"downloads": self.downloads}

    def download_start(self, _values: View) -> View:
        self.downloads.insert(0, download(self.next_id or f"d{len(self.downloads) + 1}"))
        return {"download": self.downloads[0]}

    def download_pause(self, values: View) -> View:
        return self._turn(values["id"], "paused")

    def download_resume(self, values: View) -> View:
        return self._turn(values["id"], "running")

    def download_cancel(self, values: View) -> View:
        return self._turn(values["id"], "cancelled")

    def download_remove(self, values: View) -> View:
        self.downloads = [one for one in self.downloads if one["id"] != values["id"]]
        return {}

    def remote_list(self, _values: View) -> View:
        return {"servers": self.servers}

    def remote_add(self, values: View) -> View:
        added = server(values["name"], address=values["address"], has_key=bool(values["api_key"]))
        self.servers.append(added)
        return {"server": added}

    def remote_refresh(self, _values: View) -> View:
        return {"server": self.servers[0]}

    def remote_remove(self, values: View) -> View:
        self.servers = [one for one in self.servers if one["name"] != values["name"]]
        return {}

    def import_found(self, _values: View) -> View:
        return {"models": self.found}

    def import_model(self, _values: View) -> View:
        return {"job": self.jobs[0]}

    def import_job(self, _values: View) -> View:
        return {"job": self.jobs.pop(0) if len(self.jobs) > 1 else self.jobs[0]}

    def _turn(self, identity: str, state: str) -> View:
        turned = next(one for one in self.downloads if one["id"] == identity)
        turned.update(download(identity, state))
        return {"download": turned}


def server(name: str = "office", **values: Any) -> View:
    return {
        "name": name,
        "address": "http://192.168.1.20:8000",
        "has_key": False,
        "models": ["big-model", "small-model"],
        "checked": time.time() - 300,
        "error": "",
        "reachable": True,
        "last_heard": time.time() - 300,
        **values,
    }


def job(state: str, **values: Any) -> View:
    return {"id": "j1", "state": state, "progress": None, "note": "", "error": "", **values}
