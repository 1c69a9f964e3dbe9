"""A folder's worth of files into a new repository on the hub: all of them in one commit, or none."""

import io
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from modules.errors import Cancelled, Conflict, HubError, NotFound
from modules.library.hub.answers import RepositoryAnswer, parse_answer
from modules.library.hub.client import checked_repository
from modules.library.hub.connection import HubConnection

Report = Callable[[float | None, str], None]
# What a hub itself puts into a new repository.
OF_THE_HUB = frozenset({".gitattributes"})
# Each file is read to be named by its hash, and again to be sent.
READINGS = 2


class HubPusher:
    """Any thread. Nothing is asked before it is called."""

    def __init__(self, hub: HubConnection) -> None:
        self._hub = hub

    def check(self, repository: str) -> str:
        """The repository's address. Asks the hub.

        Raises BadRequest for what is no name, Conflict for one that holds files already, HubAccessError or HubError.
        """
        name = checked_repository(repository)
        try:
            told = self._hub.get(f"/api/models/{name}/revision/main", {"blobs": "true"})
            answer = parse_answer(RepositoryAnswer, told.json())
        except NotFound:
            return f"{self._hub.endpoint}/{name}"
        if any(file.path not in OF_THE_HUB for file in answer.files()):
            raise Conflict(
                f"{name} has files already, and they are not overwritten. Choose another name.", field="repository"
            )
        return f"{self._hub.endpoint}/{name}"

    def push(
        self,
        repository: str,
        files: Mapping[str, Path | bytes],
        *,
        is_private: bool,
        title: str,
        report: Report,
        cancelled: Callable[[], bool],
    ) -> str:
        """Returns the repository's address. `files` go by their names there; `title` is the commit's.

        Raises as `check` does, and Cancelled: then there may be an empty repository, and no more.
        """
        from huggingface_hub import CommitOperationAdd

        address = self.check(repository)
        name = checked_repository(repository)
        progress = Reading(READINGS * sum(size_of(content) for content in files.values()), report, cancelled)
        try:
            with self._hub.api() as api:
                api.create_repo(name, private=is_private, exist_ok=True)
                watched = {path: WatchedFile(content, progress) for path, content in files.items()}
                try:
                    addition: Any = CommitOperationAdd
                    operations = [addition(path, file) for path, file in watched.items()]
                    api.create_commit(name, operations, commit_message=title)
                finally:
                    for file in watched.values():
                        file.close()
        except (RuntimeError, ValueError) as error:
            # The library wraps what a file's reading raised.
            progress.check()
            raise HubError(f"{self._hub.host} did not take the files: {str(error)[:300]}") from error
        return address


class Reading:
    """How much has been read of all files together. Any thread."""

    def __init__(self, total: int, report: Report, cancelled: Callable[[], bool]) -> None:
        self._total = max(total, 1)
        self._report = report
        self._cancelled = cancelled
        self._lock = threading.Lock()
        self._done = 0

    def add(self, count: int) -> None:
        """Raises Cancelled."""
        self.check()
        with self._lock:
            self._done += count
            share = min(self._done / self._total, 1.0)
        self._report(share, "sending the files")

    def check(self) -> None:
        if self._cancelled():
            raise Cancelled("The upload was cancelled.")


class WatchedFile(io.BufferedIOBase):
    """A file or bytes, whose readings are counted and end when nobody wants them any more."""

    def __init__(self, content: Path | bytes, reading: Reading) -> None:
        self._file: Any = content.open("rb") if isinstance(content, Path) else io.BytesIO(content)
        self._reading = reading

    def read(self, size: int | None = -1, /) -> bytes:
        content: bytes = self._file.read(-1 if size is None else size)
        self._reading.add(len(content))
        return content

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        self._file.close()
        super().close()


def size_of(content: Path | bytes) -> int:
    return content.stat().st_size if isinstance(content, Path) else len(content)
