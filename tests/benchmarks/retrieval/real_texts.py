"""Real texts that lie on this machine, and questions about them that people wrote."""

import ast
import sysconfig
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from pydoc_data.topics import topics  # pyright: ignore[reportUnknownVariableType]

from extensions.documents.reading.blocks import SEPARATOR
from extensions.documents.reading.web import read_html
from tests.benchmarks.retrieval.corpus import Question

FOLDER = Path(__file__).parent
# Their texts are of another kind, or no part of an installation without the tests.
LEFT_OUT = frozenset(
    {"test", "tests", "idlelib", "lib2to3", "site-packages", "dist-packages", "pydoc_data", "encodings"}
    | {"turtledemo", "ensurepip"}
)
# Shorter ones say little more than a name.
FEWEST_WORDS = 25


@dataclass(frozen=True)
class Section:
    """A heading, outermost ones of level 1, or a stretch of text, without a title."""

    level: int
    title: str
    text: str


def reference() -> str:
    """Python's reference of the language, as the standard library carries it."""
    return "\n\n".join(topics.values())  # pyright: ignore[reportUnknownArgumentType]


def library() -> str:
    """What the modules of Python's standard library say of themselves, each text behind the name of what it is about."""
    root = Path(sysconfig.get_path("stdlib"))
    files = [file for file in sorted(root.rglob("*.py")) if LEFT_OUT.isdisjoint(file.relative_to(root).parts)]
    return "\n\n".join(text for file in files for text in docstrings(file, str(file.relative_to(root))))


def docstrings(file: Path, name: str) -> Iterator[str]:
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError):
        return
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            text = ast.get_docstring(node) or ""
            if len(text.split()) >= FEWEST_WORDS:
                yield f"{name} {'' if isinstance(node, ast.Module) else node.name}: {text}"


def page(file: Path) -> str:
    """The text of an HTML file without its headings."""
    return " ".join(block.text for block in read_html(file))


def sections(file: Path) -> list[Section]:
    """The same text in order, with its headings."""
    found: list[Section] = []
    above: list[str] = []
    for block in read_html(file):
        titles = block.heading.split(SEPARATOR) if block.heading else []
        shared = next((n for n, both in enumerate(zip(above, titles, strict=False)) if both[0] != both[1]), None)
        kept = min(len(above), len(titles)) if shared is None else shared
        found += [Section(level, title, "") for level, title in enumerate(titles[kept:], kept + 1)]
        above = titles
        found.append(Section(0, "", block.text))
    return found


def questions(file: str, text: str) -> list[Question]:
    """Those that this version of the text answers."""
    told = " ".join(text.split())
    listed = tomllib.loads((FOLDER / file).read_text(encoding="utf-8"))["question"]
    asked = [Question(one["text"], tuple(one["answers"]), one.get("is_far", False)) for one in listed]
    return [one for one in asked if any(answer in told for answer in one.answers)]
