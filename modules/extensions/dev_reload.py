"""Extensions loaded anew when a file of theirs changes: what `--dev` does for who writes one."""

import threading
from collections.abc import Callable
from pathlib import Path

from modules.children import Launcher
from modules.errors import BadRequest, ParlorError
from modules.extensions.facts import Extension
from modules.extensions.folders import look_at
from modules.extensions.guard import Unfit
from modules.extensions.isolation.process import IsolatedProcess
from modules.extensions.registry import Extensions

LOOK_SECONDS = 1.0
# What the extension's card calls it.
RELOAD = "reload"
# A file's path, time of change and size.
Seen = frozenset[tuple[str, int, int]]


class Reloader:
    """Looks once a second, on a thread of its own, from `start` on. `tell` gets a sentence for each outcome.

    What cannot be loaded is tried in a process of its own first, so that the version from before goes on.
    """

    def __init__(
        self, extensions: Extensions, tell: Callable[[str], None], *, look_seconds: float = LOOK_SECONDS
    ) -> None:
        self._extensions = extensions
        self._tell = tell
        self._look_seconds = look_seconds
        self._launcher = Launcher()
        self._seen: dict[str, Seen] = {}
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="extension reloader", daemon=True)

    def start(self) -> None:
        self.look()
        self._thread.start()

    def close(self) -> None:
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join()
        self._launcher.close()

    def look(self) -> None:
        """Reload those that have changed since the last look. One thread at a time."""
        found = self._extensions.all()
        # Of those that are disabled too: what changes soon after one is enabled has then changed since a look before.
        before, self._seen = self._seen, {one.name: files_of(one.folder) for one in found}
        for one in found:
            has_changed = one.name in before and before[one.name] != self._seen[one.name]
            if has_changed and one.state != "disabled":
                self._reload(one)

    def _watch(self) -> None:
        while not self._closed.wait(self._look_seconds):
            self.look()

    def _reload(self, extension: Extension) -> None:
        try:
            self._try(extension.folder)
            self._extensions.enable(extension.name)
        except (ParlorError, Unfit, ValueError) as error:
            goes_on = " The version from before goes on." if extension.state == "enabled" else ""
            self._extensions.record_fault(extension.name, RELOAD, f"failed: {error}{goes_on}")
            self._tell(f"{extension.name} was not reloaded: {error}{goes_on}")
        else:
            self._extensions.write_log(extension.name, "reloaded, for its files have changed")
            self._tell(f"{extension.name} was reloaded.")

    def _try(self, folder: Path) -> None:
        """Raises what keeps it from being loaded."""
        found = look_at(folder, is_bundled=False)
        if found.fault:
            raise BadRequest(found.fault)
        trial = IsolatedProcess(self._launcher, folder, {}, lambda _sentence: None, lambda: None)
        trial.start()
        trial.close()


def files_of(folder: Path) -> Seen:
    """Without what is hidden, its requirements among it, and what Python writes. A file that goes meanwhile is gone."""
    seen: set[tuple[str, int, int]] = set()
    for path in folder.rglob("*"):
        inside = path.relative_to(folder).parts
        if any(part.startswith(".") or part == "__pycache__" for part in inside):
            continue
        try:
            facts = path.stat()
        except OSError:
            continue
        if path.is_file():
            seen.add((str(path), facts.st_mtime_ns, facts.st_size))
    return frozenset(seen)
