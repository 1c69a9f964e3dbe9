"""What was downloaded of datasets on the hub, by name, as the hub's libraries lay it out."""

import shutil
from pathlib import Path

from modules.errors import NotFound
from modules.types.datasets import HubDataset

# `hub/` holds the files as they come, each dataset's in `datasets--OWNER--NAME`; beside it lie prepared rows, in
# `OWNER___NAME`.
FILES = "hub"
FILES_PREFIX = "datasets--"
LOCKS = ".locks"
PREPARED_MARK = "___"


class HubDatasets:
    """Any thread may call."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def all(self) -> list[HubDataset]:
        """By name."""
        return [described(name, paths) for name, paths in sorted(self._found().items())]

    @property
    def size_bytes(self) -> int:
        return sum(one.size_bytes for one in self.all())

    def delete(self, name: str) -> None:
        """It is downloaded again when it is used again. Raises NotFound."""
        paths = self._found().get(name)
        if paths is None:
            raise NotFound(f"Nothing was downloaded of a dataset {name[:120]!r}.", field="name")
        for path in paths:
            shutil.rmtree(path, ignore_errors=True)
            shutil.rmtree(path.parent / LOCKS / path.name, ignore_errors=True)

    def _found(self) -> dict[str, list[Path]]:
        """The folders that hold something of each dataset."""
        found: dict[str, list[Path]] = {}
        for path in (self._folder / FILES).glob(f"{FILES_PREFIX}*"):
            found.setdefault(path.name.removeprefix(FILES_PREFIX).replace("--", "/"), []).append(path)
        for path in self._folder.glob(f"[!.]*{PREPARED_MARK}*/"):
            found.setdefault(path.name.replace(PREPARED_MARK, "/", 1), []).append(path)
        return found


def described(name: str, paths: list[Path]) -> HubDataset:
    """A file that goes meanwhile counts for nothing; one that is linked to counts once."""
    size, modified = 0, 0.0
    for path in (file for folder in paths for file in folder.rglob("*")):
        try:
            if path.is_file() and not path.is_symlink():
                size += path.stat().st_size
                modified = max(modified, path.stat().st_mtime)
        except OSError:
            continue
    return HubDataset(name, size, modified)
