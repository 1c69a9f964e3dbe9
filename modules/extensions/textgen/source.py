"""What a script uses of the program it was written for, found without running it."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from modules.errors import BadRequest
from modules.extensions.textgen.support import SCRIPT_FUNCTIONS, is_module, refusal, support_of

SCRIPT = "script.py"
SOURCE_BYTES = 1024 * 1024
FILES = 200
# The packages that are not here, but have stand-ins.
STAND_INS = frozenset({"modules", "gradio"})
OWN_PACKAGE = "extensions"


@dataclass(frozen=True)
class Use:
    """A name that is used; `function` is the outermost one around it, empty at module level."""

    name: str
    place: str
    function: str


@dataclass(frozen=True)
class Examined:
    """The functions that will be called, and sentences about what of the script will not work."""

    functions: frozenset[str]
    left_out: tuple[str, ...]


def examine(folder: Path) -> Examined:
    """Raises BadRequest, naming each place, for a script that cannot work here."""
    trees = dict(parsed_files(folder))
    script = trees[SCRIPT]
    defined = frozenset(node.name for node in script.body if isinstance(node, ast.FunctionDef))
    refused = [use for name, tree in trees.items() for use in uses(tree, name) if not support_of(use.name).supported]
    fatal = [use for use in refused if not is_about_controls(use)]
    if fatal:
        reasons = " ".join(dict.fromkeys(f"{use.place}: {refusal(use.name)}" for use in fatal))
        raise BadRequest(f"The script uses what is not here. {reasons}", field=SCRIPT)
    known = {row.name: row for row in SCRIPT_FUNCTIONS}
    called = {name for name in defined if name in known and known[name].supported}
    left_out = [f"{name} is not called. {known[name].how}" for name in sorted(defined & known.keys() - called)]
    if refused:
        called.discard("ui")
        reasons = " ".join(dict.fromkeys(f"{use.place}: {refusal(use.name)}" for use in refused))
        left_out.append(f"Its controls are left out. {reasons}")
    if not called:
        raise BadRequest(f"The script has no function that is called here. {' '.join(left_out)}".rstrip(), field=SCRIPT)
    return Examined(frozenset(called), tuple(left_out))


def is_about_controls(use: Use) -> bool:
    """What only `ui` needs is no reason to refuse the rest."""
    return use.function == "ui" or (use.name.startswith("gradio.") and use.function != "")


def parsed_files(folder: Path) -> Iterator[tuple[str, ast.Module]]:
    """The script, then what it imports of its own folder."""
    waiting, seen = [folder / SCRIPT], set[Path]()
    while waiting:
        path = waiting.pop(0)
        if path in seen:
            continue
        seen.add(path)
        if len(seen) > FILES:
            raise BadRequest(f"{folder.name} imports more than {FILES} files of its own.", field=SCRIPT)
        name = path.relative_to(folder).as_posix()
        tree = parse(path, name)
        yield name, tree
        waiting += [found for node in ast.walk(tree) for found in own_files(node, path, folder)]


def parse(path: Path, name: str) -> ast.Module:
    try:
        content = path.read_bytes()
        if len(content) > SOURCE_BYTES:
            raise BadRequest(f"{name} is larger than {SOURCE_BYTES // 1024} KiB.", field=name)
        return ast.parse(content, filename=name)
    except OSError as error:
        raise BadRequest(f"{name} cannot be read: {error.strerror}.", field=name) from error
    except (SyntaxError, ValueError, RecursionError) as error:
        raise BadRequest(f"{name} is not Python: {error}", field=name) from error


def own_files(node: ast.AST, path: Path, folder: Path) -> list[Path]:
    """Files of this folder that an import statement names; `extensions.NAME.x` is `x` of the extension itself."""
    if isinstance(node, ast.Import):
        dotted = [alias.name.split(".")[2:] for alias in node.names if alias.name.startswith(f"{OWN_PACKAGE}.")]
        base = folder
    elif isinstance(node, ast.ImportFrom):
        module = (node.module or "").split(".") if node.module else []
        if node.level:
            base = path.parents[node.level - 1]
        elif module[0] == OWN_PACKAGE:
            base, module = folder, module[2:]
        else:
            return []
        dotted = [module, *([*module, alias.name] for alias in node.names)]
    else:
        return []
    if not base.is_relative_to(folder):
        return []
    found = [file_of(base, names) for names in dotted if names]
    return [file for file in found if file is not None]


def file_of(base: Path, names: list[str]) -> Path | None:
    place = base.joinpath(*names)
    candidates = (place.with_suffix(".py"), place / "__init__.py")
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def uses(tree: ast.Module, file: str) -> list[Use]:
    """Of the stand-ins, and of keys of `state` that the script did not set itself."""
    found = Names(file)
    found.visit(tree)
    return [use for use in found.uses if use.name not in found.own_keys]


class Names(ast.NodeVisitor):
    """Follows what imports have named. A parameter of the same name is taken for it too."""

    def __init__(self, file: str) -> None:
        self.uses: list[Use] = []
        self.own_keys: set[str] = set()
        self._file = file
        self._function = ""
        self._known: dict[str, str] = {}

    def visit_Module(self, node: ast.Module) -> None:
        for inner in ast.walk(node):
            if isinstance(inner, ast.Import):
                for alias in inner.names:
                    self._bind(alias, alias.name if alias.asname else alias.name.partition(".")[0])
            elif isinstance(inner, ast.ImportFrom) and inner.module and not inner.level:
                for alias in inner.names:
                    self._bind(alias, f"{inner.module}.{alias.name}")
                    if alias.name == "*" and inner.module.partition(".")[0] in STAND_INS:
                        self._use(f"{inner.module}.*", inner)
        for child in node.body:
            definition = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            self._function = child.name if definition else ""
            self.visit(child)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if name := self._dotted(node):
            self._use(name, node)
        else:
            self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        if node.id in self._known:
            self._use(self._known[node.id], node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        match node:
            case ast.Subscript(value=ast.Name(id="state"), slice=ast.Constant(value=str(key))):
                if isinstance(node.ctx, ast.Load):
                    self._use(f'state["{key}"]', node)
                else:
                    self.own_keys.add(f'state["{key}"]')
            case _:
                self.generic_visit(node)

    def _bind(self, alias: ast.alias, name: str) -> None:
        if name.partition(".")[0] in STAND_INS:
            self._known[alias.asname or alias.name.partition(".")[0]] = name

    def _dotted(self, node: ast.expr) -> str:
        if isinstance(node, ast.Name):
            return self._known.get(node.id, "")
        if isinstance(node, ast.Attribute) and (base := self._dotted(node.value)):
            return f"{base}.{node.attr}"
        return ""

    def _use(self, name: str, node: ast.stmt | ast.expr) -> None:
        """A module by itself is nothing yet."""
        if is_module(name):
            return
        self.uses.append(Use(name, f"{self._file}, line {node.lineno}", self._function))
