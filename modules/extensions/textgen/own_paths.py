"""Paths that a script writes as its folder lies in the other program: they mean where it lies here."""

import ast
import re
from pathlib import Path

# From that program's own folder, in which it runs: `extensions/NAME/file`, whatever the author calls the extension.
OWN_FOLDER = re.compile(r"(?:\./)?(?:user_data/)?extensions/[^/\s]+(?=/|$)")


def with_own_paths(tree: ast.Module, folder: Path) -> ast.Module:
    """The same tree, changed: texts that begin with such a path begin with `folder`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and (match := OWN_FOLDER.match(node.value)):
            node.value = str(folder) + node.value[match.end() :]
    return tree
