"""Presets by name: those that ship, and the person's own, of which deleted ones are kept."""

import threading
from dataclasses import replace
from pathlib import Path

from modules.errors import BadRequest, Conflict, NotFound, StorageError
from modules.limits import LIMITS
from modules.storage.files import quarantine, resolve_name, write_atomically
from modules.storage.preset_files import read_preset, written_preset
from modules.types.presets import Preset

SUFFIX = ".yaml"
DELETED = ".deleted"


class PresetStore:
    """One `NAME.yaml` each; a person's own goes before a shipped one of the same name. Any thread may call."""

    def __init__(self, shipped: Path, own: Path) -> None:
        self._shipped = shipped
        self._own = own
        self._deleted = own / DELETED
        self._lock = threading.RLock()

    def presets(self) -> list[Preset]:
        """By name; damaged ones too, with their problem."""
        return [self._read(name) for name in self.names()]

    def names(self) -> list[str]:
        return sorted({*names_in(self._shipped), *names_in(self._own)}, key=str.casefold)

    def deleted(self) -> list[str]:
        """Names that `restore` brings back."""
        return sorted({*names_in(self._deleted)} - {*self.names()}, key=str.casefold)

    def get(self, name: str) -> Preset:
        """Raises NotFound with the names there are."""
        if name not in self.names():
            raise NotFound(
                f"There is no preset called {name[:120]!r}. There are: {', '.join(self.names())}.", field="preset"
            )
        return self._read(name)

    def save(self, preset: Preset) -> Preset:
        """As the person's own. A damaged file of that name is set aside."""
        with self._lock:
            path = self._check_name(preset.name)
            name = path.name.removesuffix(SUFFIX)
            text = written_preset(preset)
            if problem := read_preset(preset.name, text).problem:
                raise BadRequest(problem)
            own = names_in(self._own)
            if name not in own and len(own) >= LIMITS.presets:
                raise BadRequest(f"There are {LIMITS.presets} presets of yours already, which is the limit.")
            self._make_folders()
            if path.is_file() and self._read(name).problem:
                quarantine(moved(path, self._deleted / path.name))
            write_atomically(path, text.encode())
            return self._read(name)

    def check_free(self, name: str) -> Path:
        """Where it would be. Raises BadRequest for what is no name, Conflict for one that is taken."""
        path = self._check_name(name)
        if path.name.removesuffix(SUFFIX) in self.names():
            raise Conflict(f"There is a preset called {name} already; choose another name.", field="name")
        return path

    def copy(self, name: str, new_name: str) -> Preset:
        """The same bytes under another name. Raises as `check_free` does."""
        with self._lock:
            source, target = self._own_file(name), self.check_free(new_name)
            try:
                write_atomically(target, source.read_bytes())
            except OSError as error:
                raise StorageError(f"The preset {name} could not be copied: {error.strerror}.") from error
            return self._read(target.name.removesuffix(SUFFIX))

    def remove(self, name: str) -> None:
        """Its file, for good: it was copied."""
        with self._lock:
            self._own_file(name).unlink(missing_ok=True)

    def check_deletable(self, name: str) -> Preset:
        """Raises NotFound, or BadRequest for one that ships."""
        preset = self.get(name)
        if preset.is_shipped:
            raise BadRequest(f"{name} comes with Parlor and cannot be deleted; restore undoes changes.", field="name")
        return preset

    def delete(self, name: str) -> None:
        """A copy is kept. Raises as `check_deletable` does."""
        with self._lock:
            self.check_deletable(name)
            self._make_folders()
            moved(self._own_file(name), self._deleted / (name + SUFFIX))

    def restore(self, name: str) -> Preset:
        """A shipped one as it shipped, keeping a copy of the changed one; a deleted one as it was."""
        with self._lock:
            if self._file(self._shipped, name).is_file():
                if self._file(self._own, name).is_file():
                    self._make_folders()
                    moved(self._own_file(name), self._deleted / (name + SUFFIX))
            elif name in self.deleted():
                moved(self._file(self._deleted, name), self.check_free(name))
            else:
                raise NotFound(f"No deleted preset is called {name[:120]!r}.", field="name")
            return self._read(name)

    def _read(self, name: str) -> Preset:
        try:
            own, shipped = self._file(self._own, name), self._file(self._shipped, name)
            is_own, is_shipped = own.is_file(), shipped.is_file()
            with (own if is_own else shipped).open("rb") as file:
                content = file.read(LIMITS.preset_bytes + 1)
            preset = read_preset(name, content.decode("utf-8-sig"))
        except BadRequest as error:
            return Preset(name, problem=str(error))
        except UnicodeDecodeError:
            return Preset(name, problem=f"The preset {name} cannot be read: it is not UTF-8.")
        except OSError as error:
            return Preset(name, problem=f"The preset {name} cannot be read: {error.strerror}.")
        return replace(preset, is_shipped=is_shipped, is_changed=is_own and is_shipped)

    def _own_file(self, name: str) -> Path:
        path = self._file(self._own, name)
        if not path.is_file():
            raise NotFound(f"No preset of yours is called {name[:120]!r}.", field="name")
        return path

    def _file(self, folder: Path, name: str) -> Path:
        return resolve_name(folder, name, SUFFIX)

    def _check_name(self, name: str) -> Path:
        """Names that differ in case only would be one file on some systems."""
        path = self._file(self._own, name)
        bare = path.name.removesuffix(SUFFIX)
        for other in self.names():
            if other != bare and other.casefold() == bare.casefold():
                raise Conflict(f"There is a preset called {other} already; choose another name.", field="name")
        return path

    def _make_folders(self) -> None:
        try:
            self._deleted.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"The folder of your presets cannot be made: {error.strerror}.") from error


def names_in(folder: Path) -> list[str]:
    return [path.name.removesuffix(SUFFIX) for path in folder.glob("*" + SUFFIX) if path.is_file()]


def moved(source: Path, target: Path) -> Path:
    try:
        source.replace(target)
    except OSError as error:
        raise StorageError(f"{source.name} could not be moved: {error.strerror}.") from error
    return target
