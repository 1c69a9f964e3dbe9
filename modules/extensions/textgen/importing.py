"""Runs a script with an import statement of its own, which finds stand-ins for the program it was written for."""

import ast
import builtins
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from modules.errors import BadRequest
from modules.extension_packages import package_name
from modules.extensions.textgen.names import STAND_INS
from modules.extensions.textgen.own_paths import with_own_paths
from modules.extensions.textgen.source import OWN_PACKAGE, SCRIPT, file_of


class ScriptImports:
    """What `import` does in one extension's files, and only there: nothing in `sys.modules` goes by their names.

    `modules...` and gradio are the stand-ins, `extensions.NAME...` and relative names the files of the folder,
    whatever the author called it; everything else is imported as usual.
    """

    def __init__(self, folder: Path, name: str, stand_ins: Mapping[str, object]) -> None:
        """`stand_ins` are what the top names `modules` and `gradio` mean."""
        self._folder = folder
        self._stand_ins = stand_ins
        self._name = name.replace("-", "_")
        self._root = ModuleType(OWN_PACKAGE)
        self._loaded: dict[str, ModuleType] = {}

    def script(self) -> ModuleType:
        """Runs the script. Raises whatever it raises."""
        return self._own(f"{OWN_PACKAGE}.{self._name}.{Path(SCRIPT).stem}")

    def __call__(
        self,
        name: str,
        importer: Mapping[str, Any] | None = None,
        names: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> Any:
        """As `builtins.__import__`: names of the module that imports, and of the place in it."""
        top = name.partition(".")[0]
        if level == 0 and top in STAND_INS:
            return self._stand_in(name, whole=bool(fromlist))
        if level == 0 and top != OWN_PACKAGE:
            return builtins.__import__(name, importer, names, fromlist or (), 0)
        package = str((importer or {}).get("__package__", ""))
        written = importlib.util.resolve_name("." * level + name, package)
        full = self._canonical(written, fromlist or ())
        module = self._own(full)
        if "." in written:
            # `import extensions.NAME.x` looks for NAME in the root, as the author called it.
            setattr(self._root, written.split(".")[1], self._own(f"{OWN_PACKAGE}.{self._name}"))
        for wanted in fromlist or ():
            if not hasattr(module, wanted) and self._file(f"{full}.{wanted}"):
                self._own(f"{full}.{wanted}")
        return module if fromlist else self._root

    def _stand_in(self, name: str, *, whole: bool) -> object:
        """`import a.b` means a, `from a.b import c` means a.b."""
        top, *rest = name.split(".")
        found = self._stand_ins[top]
        for part in rest if whole else ():
            found = getattr(found, part)
        return found

    def _canonical(self, name: str, fromlist: Sequence[str]) -> str:
        """With the name that the extension has here. Another is another extension's, unless there is such a file."""
        _, _, rest = name.partition(".")
        own, _, inner = rest.partition(".")
        full = ".".join(part for part in (OWN_PACKAGE, self._name, inner) if part)
        candidates = [full, *(f"{full}.{wanted}" for wanted in fromlist)]
        if own.lower().replace("-", "_") != self._name and not any(map(self._file, candidates)):
            raise ModuleNotFoundError(f"No module named {name!r}: extensions do not import each other", name=name)
        return full

    def _own(self, name: str) -> ModuleType:
        """The module, with those it lies in; each is run once."""
        if name == OWN_PACKAGE:
            return self._root
        if found := self._loaded.get(name):
            return found
        parent = self._own(name.rpartition(".")[0])
        module = ModuleType(name)
        path = self._file(name)
        is_package = path is None or path.name == "__init__.py"
        if path is None and not self._place(name).is_dir():
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        vars(module).update(
            # Faults are placed by it.
            __name__=".".join([package_name(self._name), *name.split(".")[2:]]),
            __builtins__={**vars(builtins), "__import__": self},
            __package__=name if is_package else name.rpartition(".")[0],
        )
        self._loaded[name] = module
        # Where dataclasses and their like look for what annotations mean; it goes when the extension is unloaded.
        sys.modules[module.__name__] = module
        setattr(parent, name.rpartition(".")[2], module)
        if path is not None:
            module.__file__ = str(path)
            try:
                exec(compiled(path, self._folder), vars(module))
            except BaseException:
                del self._loaded[name], sys.modules[module.__name__]
                raise
        return module

    def _file(self, name: str) -> Path | None:
        inner = name.split(".")[2:]
        return file_of(self._folder, inner) if inner else None

    def _place(self, name: str) -> Path:
        return self._folder.joinpath(*name.split(".")[2:])


def compiled(path: Path, folder: Path) -> CodeType:
    """The file with its extension's folder where that is named as it lies in the other program."""
    try:
        tree = with_own_paths(ast.parse(path.read_bytes(), str(path)), folder)
        return compile(tree, str(path), "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        raise BadRequest(f"{path.name} is not Python: {error}", field=path.name) from error
