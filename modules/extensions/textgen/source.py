"""What a script uses of the program it was written for, found without running it."""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from modules.errors import BadRequest
from modules.extensions.textgen.names import Use, bound_in, reached, uses
from modules.extensions.textgen.support import SCRIPT_FUNCTIONS, refusal, support_of

SCRIPT = "script.py"
SOURCE_BYTES = 1024 * 1024
FILES = 200
OWN_PACKAGE = "extensions"


@dataclass(frozen=True)
class Examined:
    """The functions that will be called, and sentences about what of the script will not work."""

    functions: frozenset[str]
    left_out: tuple[str, ...]


def examine(folder: Path) -> Examined:
    """Raises BadRequest, naming each place, for a script that cannot work here."""
    trees = dict(parsed_files(folder))
    known = {row.name: row for row in SCRIPT_FUNCTIONS}
    defined = bound_in(trees[SCRIPT]) & known.keys()
    called = {name for name in defined if known[name].supported}
    refused = [use for name, tree in trees.items() for use in uses(tree, name) if not support_of(use.name).supported]
    # What nothing that is called leads to does no harm, and what only `ui` needs is no reason to refuse the rest.
    needed = reached(trees.values(), called - {"ui"}, at_import=True)
    of_ui = needed | reached(trees.values(), {"ui"}, at_import=False)
    if fatal := [use for use in refused if not use.function or (use.function in needed and not is_gradio(use))]:
        raise BadRequest(f"The script uses what is not here. {reasons(fatal)}", field=SCRIPT)
    left_out = [f"{name} is not called. {known[name].how}" for name in sorted(defined - called)]
    if of_controls := [use for use in refused if use.function in of_ui]:
        called.discard("ui")
        left_out.append(f"Its controls are left out. {reasons(of_controls)}")
    if not called:
        raise BadRequest(f"The script has no function that is called here. {' '.join(left_out)}".rstrip(), field=SCRIPT)
    return Examined(frozenset(called), tuple(left_out))


def is_gradio(use: Use) -> bool:
    return use.name.startswith("gradio.")


def reasons(refused: Iterable[Use]) -> str:
    return " ".join(dict.fromkeys(f"{use.place}: {refusal(use.name)}" for use in refused))


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
