"""Which names a file binds, what it uses of the other program, and which of its functions call which."""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from modules.extensions.textgen.support import is_module

# The packages that are not here, but have stand-ins.
STAND_INS = frozenset({"modules", "gradio"})
SETTINGS = "modules.shared.settings"
Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = Function | ast.ClassDef
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
Scope = Function | ast.Lambda | Comprehension


@dataclass(frozen=True)
class Use:
    """A name that is used; `function` is the outermost function or class around it, empty at module level."""

    name: str
    place: str
    function: str


def uses(tree: ast.Module, file: str) -> list[Use]:
    """Of the stand-ins, and of keys of `state` and of the settings that the script does not bring or ask for itself."""
    found = Names(file)
    found.visit(tree)
    return [use for use in found.uses if use.name not in found.own_keys]


def reached(trees: Iterable[ast.Module], names: Iterable[str], *, at_import: bool) -> frozenset[str]:
    """Functions and classes of these names, and those that they name; `at_import`: also what runs without a call.

    Goes by names alone, so it may reach too many, but for those that are found by texts.
    """
    calls: dict[str, set[str]] = {}
    waiting = set(names)
    for tree in trees:
        for node in tree.body:
            if isinstance(node, Definition):
                calls.setdefault(node.name, set()).update(mentioned(node))
                if at_import and node.decorator_list:
                    waiting.add(node.name)
            elif at_import:
                waiting |= mentioned(node)
    found = set[str]()
    while waiting:
        name = waiting.pop()
        if name in calls and name not in found:
            found.add(name)
            waiting |= calls[name]
    return frozenset(found)


def mentioned(node: ast.AST) -> set[str]:
    return {
        one.id if isinstance(one, ast.Name) else one.attr
        for one in ast.walk(node)
        if isinstance(one, ast.Name | ast.Attribute)
    }


def bound_in(scope: ast.Module | Scope) -> set[str]:
    """Names that get a value in it, its parameters among them; what other scopes within bind is theirs."""
    names = set[str]()
    if isinstance(scope, Function | ast.Lambda):
        names |= parameters(scope)
    for node in within(scope):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.ExceptHandler(name=str(name)):
                names.add(name)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                names.add(node.name)
            case ast.alias():
                names.add(bound_by(node))
            case _:
                pass
    return names


def parameters(function: Function | ast.Lambda) -> set[str]:
    return {one.arg for one in ast.walk(function.args) if isinstance(one, ast.arg)}


def within(scope: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(scope):
        yield node
        if not isinstance(node, Scope | ast.ClassDef):
            yield from within(node)


class Names(ast.NodeVisitor):
    """Follows what imports have named, as far as nothing else has the name."""

    def __init__(self, file: str) -> None:
        self.uses: list[Use] = []
        self.own_keys: set[str] = set()
        self._file = file
        self._function = ""
        self._known: dict[str, str] = {}
        # Whether `state` is what a function was given.
        self._has_state = False

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
            self._function = child.name if isinstance(child, Definition) else ""
            self.visit(child)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._visit_scope(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._visit_scope(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._visit_scope(node)

    def visit_ListComp(self, node: ast.ListComp) -> None:
        self._visit_scope(node)

    def visit_SetComp(self, node: ast.SetComp) -> None:
        self._visit_scope(node)

    def visit_DictComp(self, node: ast.DictComp) -> None:
        self._visit_scope(node)

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> None:
        self._visit_scope(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if name := self._dotted(node):
            self._use(name, node)
        else:
            self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        if node.id in self._known:
            self._use(self._known[node.id], node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        match node.slice:
            case ast.Constant(value=str(key)) if owner := self._dictionary(node.value):
                if isinstance(node.ctx, ast.Load):
                    self._use(f'{owner}["{key}"]', node)
                else:
                    self.own_keys.add(f'{owner}["{key}"]')
            case _:
                self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        """A script that asks whether there is a key can do without it."""
        match node:
            case ast.Compare(left=ast.Constant(value=str(key)), comparators=[dictionary]) if owner := self._dictionary(
                dictionary
            ):
                self.own_keys.add(f'{owner}["{key}"]')
            case _:
                self.generic_visit(node)

    def _visit_scope(self, node: Scope) -> None:
        outer = self._known, self._has_state
        bound = bound_in(node) - {bound_by(inner) for inner in within(node) if isinstance(inner, ast.alias)}
        self._known = {name: meaning for name, meaning in self._known.items() if name not in bound}
        if "state" in bound:
            self._has_state = isinstance(node, Function | ast.Lambda) and "state" in parameters(node)
        self.generic_visit(node)
        self._known, self._has_state = outer

    def _dictionary(self, node: ast.expr) -> str:
        """What a dictionary of the other program is called; empty for any other thing."""
        if isinstance(node, ast.Name) and node.id == "state":
            return "state" if self._has_state else ""
        return SETTINGS if self._dotted(node) == SETTINGS else ""

    def _bind(self, alias: ast.alias, name: str) -> None:
        if name.partition(".")[0] in STAND_INS:
            self._known[bound_by(alias)] = name

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


def bound_by(alias: ast.alias) -> str:
    return alias.asname or alias.name.partition(".")[0]
