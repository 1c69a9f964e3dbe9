"""The house plan, as far as a test can see it: layers, heavy imports, no state in modules, a true map."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from modules.paths import PROJECT

MODULES = PROJECT / "modules"
MAP = (MODULES / "README.md").read_text(encoding="utf-8")
FILES = sorted(path for path in MODULES.rglob("*.py"))
SIBLINGS = [{"engines", "library", "jobs", "training"}, {"api", "ui", "front"}]
HEAVY = {
    "gradio": ("ui", "serve"),
    "fastapi": ("api", "serve"),
    "starlette": ("api", "serve"),
    "uvicorn": ("serve",),
    "xllamacpp": ("engines/llamacpp",),
    "torch": ("engines/hf", "training", "adapter_files"),
    "transformers": ("engines/hf", "training"),
    "safetensors": ("engines/hf", "training", "adapter_files"),
    "accelerate": ("engines/hf", "training"),
    "bitsandbytes": ("engines/hf", "training"),
    "peft": ("engines/hf", "training", "adapter_files"),
    "gguf": ("engines/hf", "training"),
    "llguidance": ("engines/grammars", "engines/hf"),
    "huggingface_hub": ("library",),
    "datasets": ("training",),
    "pyarrow": ("training",),
}
# Whoever talks to another machine is named here. outbound/ holds the one fetcher; huggingface_hub, in `library` alone,
# talks to the configured hub. http.client: llama.cpp's own Unix socket.
OUTBOUND = {
    "httpx": (),
    "httpx2": ("library/hub/connection.py",),
    "httpcore": ("outbound/",),
    "requests": (),
    "aiohttp": (),
    "urllib3": (),
    "urllib.request": (),
    "http.client": ("engines/llamacpp/socket_client.py",),
}
MUTABLE = {"list", "dict", "set", "bytearray", "defaultdict", "deque", "OrderedDict", "Counter", "Lock", "RLock"}
# The checkers switched off for a whole file, or on a line for every rule at once.
EXEMPT_FILE = re.compile(r"^\s*#\s*(ruff: noqa|pyright: (basic|standard|ignore)|type: ignore)\b(?!\[)", re.MULTILINE)
EXEMPT_LINE = re.compile(r"#\s*(noqa|type: ignore|pyright: ignore)\s*($|[^:\[])", re.MULTILINE)
VAGUE = ("Manager", "Helper", "Util", "Utils", "Handler", "Data", "Info", "Base")


def layers() -> dict[str, int]:
    """From the map's own table: `| 2 | engines/ library/ jobs |`."""
    found: dict[str, int] = {}
    for number, names in re.findall(r"^\| (\d) \| (.+?) \|$", MAP, re.MULTILINE):
        for name in re.findall(r"`([a-z_]+)/?`", names):
            found[name] = int(number)
    return found


def room(path: Path) -> str:
    """The part of the house a file belongs to: its top folder, or its own name."""
    return path.relative_to(MODULES).with_suffix("").parts[0]


def imports(tree: ast.AST) -> list[str]:
    """Every module that is imported, wherever in the file; `from a import b` may be the module a.b."""
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return names


def upward(tree: ast.AST, own: str) -> list[str]:
    """Imports of this file that do not run downward."""
    table = layers()
    wrong: list[str] = []
    for name in imports(tree):
        parts = name.split(".")
        if parts[0] != "modules" or len(parts) == 1:
            continue
        other = parts[1]
        if other != own and (table[other] >= table[own] or any({own, other} <= group for group in SIBLINGS)):
            wrong.append(f"{own} imports {name}")
    return wrong


def module_state(tree: ast.Module) -> list[str]:
    """Names at module level that can be changed while the program runs."""
    wrong: list[str] = []
    for node in outside_functions(tree):
        if not isinstance(node, ast.Assign | ast.AnnAssign):
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        # A table in capitals is a constant, by its name; anything else that is a dict is state.
        constant = all(isinstance(target, ast.Name) and target.id.isupper() for target in targets)
        kinds = ast.List | ast.Set | ast.ListComp | ast.SetComp | ast.DictComp
        if isinstance(node.value, kinds) or (isinstance(node.value, ast.Dict) and not constant):
            wrong.append(ast.unparse(node)[:80])
        if isinstance(node.value, ast.Call) and last_name(node.value.func) in MUTABLE:
            wrong.append(ast.unparse(node)[:80])
    return wrong


def outside_functions(tree: ast.Module) -> list[ast.stmt]:
    """The statements that run when the module is imported, those under `if` and `try` too, without class bodies."""
    found: list[ast.stmt] = []
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if isinstance(node, ast.stmt):
            found.append(node)
        waiting += [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt | ast.ExceptHandler)]
    return found


def last_name(function: ast.expr) -> str:
    """`deque` of both `deque(...)`, `deque[int](...)` and `collections.deque(...)`."""
    if isinstance(function, ast.Subscript):
        return last_name(function.value)
    return ast.unparse(function).rpartition(".")[2]


def global_statements(tree: ast.AST) -> list[str]:
    return [f"global {', '.join(node.names)}" for node in ast.walk(tree) if isinstance(node, ast.Global)]


def misplaced(tree: ast.AST, place: str, table: dict[str, tuple[str, ...]]) -> list[str]:
    """Imports of restricted libraries from where they are not allowed."""
    return [
        f"{place} imports {name}"
        for name in imports(tree)
        for library, allowed in table.items()
        if (name == library or name.startswith(library + ".")) and not place.startswith(allowed or ("-",))
    ]


def vague_names(tree: ast.AST) -> list[str]:
    return [node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name.endswith(VAGUE)]


def lacks_docstring(tree: ast.Module) -> bool:
    """An empty file needs none."""
    return bool(tree.body) and not ast.get_docstring(tree)


def parsed() -> list[tuple[Path, ast.Module]]:
    return [
        (path, ast.parse(path.read_text(encoding="utf-8")))
        for path in FILES
        if path.parent != MODULES or room(path) != "__init__"
    ]


def test_every_file_has_a_layer() -> None:
    assert {room(path) for path in FILES} - {"__init__"} == set(layers())


def test_imports_run_downward() -> None:
    assert [line for path, tree in parsed() for line in upward(tree, room(path))] == []
    assert upward(ast.parse("from modules.services.chat import ChatService"), "engines")
    assert upward(ast.parse("import modules.library.headers"), "engines")
    assert upward(ast.parse("from modules import services"), "engines")
    assert not upward(ast.parse("from modules.engines import host"), "services")


def test_heavy_libraries_stay_in_their_rooms() -> None:
    found = [line for path, tree in parsed() for line in misplaced(tree, path.relative_to(MODULES).as_posix(), HEAVY)]
    assert found == []
    assert misplaced(ast.parse("def f():\n    import torch.nn"), "services/x.py", HEAVY)


def test_only_named_files_talk_to_others() -> None:
    found = [
        line for path, tree in parsed() for line in misplaced(tree, path.relative_to(MODULES).as_posix(), OUTBOUND)
    ]
    assert found == []
    assert misplaced(ast.parse("import urllib.request"), "ui/x.py", OUTBOUND)
    assert misplaced(ast.parse("from urllib import request"), "ui/x.py", OUTBOUND)
    assert not misplaced(ast.parse("from urllib.parse import urlsplit"), "ui/x.py", OUTBOUND)


def test_nothing_lives_in_a_module() -> None:
    assert [f"{path.name}: {line}" for path, tree in parsed() for line in module_state(tree)] == []
    for bad in (
        "cache = {}",
        "cache: dict[str, int] = {}",
        "names = []",
        "x: list[int] = []",
        "A = dict()",
        "A = dict[str, int]()",
        "A = collections.deque()",
        "try:\n    A = [1]\nexcept ImportError:\n    pass",
    ):
        assert module_state(ast.parse(bad)), bad
    for good in ("A = {'a': 1}", "A = (1,)", "A = frozenset({1})", "def f():\n    a = []", "class A:\n    b = []"):
        assert not module_state(ast.parse(good)), good


def test_nothing_is_global() -> None:
    assert [f"{path.name}: {line}" for path, tree in parsed() for line in global_statements(tree)] == []
    assert global_statements(ast.parse("def f():\n    global x\n    x = 1"))


def test_names_say_what_things_are() -> None:
    assert [name for _, tree in parsed() for name in vague_names(tree)] == []
    assert vague_names(ast.parse("class ChatManager: pass"))


def test_every_module_says_what_it_is() -> None:
    assert [path.name for path, tree in parsed() if lacks_docstring(tree)] == []
    assert lacks_docstring(ast.parse("import os"))


def test_the_map_lists_every_file() -> None:
    files = [path for path in MODULES.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    expected = [path for path in files if path.name not in {"__init__.py", "README.md"}]
    missing = [
        path.relative_to(MODULES).as_posix()
        for path in expected
        if f"`{path.relative_to(MODULES).as_posix()}`" not in MAP
    ]
    assert missing == []
    listed = re.findall(r"^\| `([a-z_/]+\.[a-z]+)`", MAP, re.MULTILINE)
    assert [name for name in listed if not (MODULES / name).exists()] == []


def test_every_requirement_has_its_reason() -> None:
    names = re.findall(r"^([A-Za-z0-9._-]+)==", (PROJECT / "requirements.txt").read_text(), re.MULTILINE)
    assert [name for name in names if f"`{name}`" not in MAP] == []


def test_the_entry_is_short() -> None:
    assert len((PROJECT / "webui.py").read_text().splitlines()) < 60


@pytest.mark.parametrize("module", ["modules.app", "modules.cli"])
def test_starting_loads_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print(' '.join(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PROJECT
    ).stdout.split()
    assert set(loaded) & {*HEAVY, "pandas", "numpy"} == set()


def is_exempt(text: str) -> bool:
    return bool(EXEMPT_FILE.search(text) or EXEMPT_LINE.search(text))


def test_no_file_is_exempt_from_the_checkers() -> None:
    others = [path for folder in ("tests", "extensions") for path in (PROJECT / folder).rglob("*.py")]
    files = [*FILES, *others, PROJECT / "webui.py"]
    assert [path for path in files if is_exempt(path.read_text(encoding="utf-8"))] == []
    # Put together here, so that this file does not hold them.
    for bad in ("ruff: noqa", "pyright: basic", "type: ignore"):
        assert is_exempt(f"# {bad}\n"), bad
        assert is_exempt(f"x = 1\n# {bad}"), bad
    assert is_exempt("x = 1  # " + "noqa")
    assert not is_exempt("x = 1  # " + "noqa: E501 - a reason")
