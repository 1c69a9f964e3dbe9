"""What tests of downloads share: a service on a fake hub, with little patience, and contents that tell bytes apart."""

import random
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from modules.library.hub.transfer import Patience
from modules.services.download_run import DownloadRules
from modules.services.downloads import DownloadService
from modules.services.hub import HubService
from modules.storage.downloads import DownloadStore
from modules.types.downloads import Download
from tests.hub.fake_hub import FakeHub

PATIENCE = Patience(stall=0.5, first_wait=0.01, longest_wait=0.05, longest_asked_wait=2.0)
RULES = DownloadRules(margin_bytes=0, patience=PATIENCE)


def content(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


def service_on(hub: FakeHub, models: Path, token: str = "", rules: DownloadRules = RULES) -> DownloadService:
    account = HubService(hub.endpoint, models / "no-token-file", {"HF_TOKEN": token} if token else {})
    return DownloadService(models, DownloadStore(models / ".downloads"), account, rules)


def with_patience(patience: Patience) -> DownloadRules:
    return replace(RULES, patience=patience)


def wait_until(accept: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not accept():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def fetched(service: DownloadService, source: str, choice: str = "") -> Download:
    """Started and waited for."""
    return service.wait(service.start(source, choice=choice).id, 30)


def files_below(models: Path) -> dict[str, bytes]:
    """What is published: everything outside the staging folder."""
    found = (path for path in models.rglob("*") if path.is_file())
    relative = {path.relative_to(models).as_posix(): path for path in found}
    return {name: path.read_bytes() for name, path in relative.items() if not name.startswith(".downloads/")}
