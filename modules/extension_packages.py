"""The folders of extensions as importable packages: `parlor_extension_NAME`, in the program and in its workers."""

import sys
from collections.abc import Iterable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType

PREFIX = "parlor_extension_"
# An extension's requirements, in its own folder.
REQUIREMENTS = ".packages"


def package_name(extension: str) -> str:
    return PREFIX + extension.replace("-", "_")


class PackageFinder(MetaPathFinder):
    """Finds the packages that were added, and nothing else. Any thread may call."""

    def __init__(self) -> None:
        self._folders: dict[str, Path] = {}

    def install(self) -> None:
        sys.meta_path.append(self)

    def uninstall(self) -> None:
        """Also unloads every package that is left."""
        for package in tuple(self._folders):
            self.remove(package)
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def add(self, package: str, folder: Path) -> None:
        """From now on `package` is `folder`, and its requirements can be imported, after everything else's."""
        self._folders[package] = folder
        requirements = str(folder / REQUIREMENTS)
        if requirements not in sys.path and (folder / REQUIREMENTS).is_dir():
            sys.path.append(requirements)

    def remove(self, package: str) -> None:
        """Its modules are imported anew the next time; so are its requirements, unless they are native code."""
        folder = self._folders.pop(package, None)
        if folder is None:
            return
        requirements = folder / REQUIREMENTS
        if str(requirements) in sys.path:
            sys.path.remove(str(requirements))
        forget([name for name in tuple(sys.modules) if name.partition(".")[0] == package])
        if requirements.is_dir():
            forget(required_modules(requirements))

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package, *parts = fullname.split(".")
        folder = self._folders.get(package)
        if folder is None:
            return None
        place = folder.joinpath(*parts)
        initial = place / "__init__.py"
        if initial.is_file():
            return spec_from_file_location(
                fullname, initial, loader=Source(fullname, str(initial)), submodule_search_locations=[str(place)]
            )
        source = place.with_name(place.name + ".py")
        if parts and source.is_file():
            return spec_from_file_location(fullname, source, loader=Source(fullname, str(source)))
        if not place.is_dir():
            return None
        spec = ModuleSpec(fullname, None, is_package=True)
        spec.submodule_search_locations = [str(place)]
        return spec


class Source(SourceFileLoader):
    """Compiles each time: nothing is written into the folder, and what was changed a moment ago counts."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


def required_modules(folder: Path) -> list[str]:
    """What was imported from `folder`, but for packages with native code, which can be loaded once only."""
    inside: dict[str, list[str]] = {}
    native: set[str] = set()
    for name, module in tuple(sys.modules.items()):
        file = vars(module).get("__file__")
        if isinstance(file, str) and Path(file).is_relative_to(folder):
            top = name.partition(".")[0]
            inside.setdefault(top, []).append(name)
            if not file.endswith(".py"):
                native.add(top)
    return [name for top, names in inside.items() if top not in native for name in names]


def forget(names: Iterable[str]) -> None:
    for name in names:
        sys.modules.pop(name, None)
