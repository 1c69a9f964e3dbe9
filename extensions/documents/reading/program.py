"""The child's side: reads one file and writes a line of JSON for each block, then one that says how it ended.

Run as `python -m PACKAGE.reading.program SUFFIX PATH`. Only what the one kind of file needs is imported.
"""

import json
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from .blocks import Block

MEMORY_BYTES = 2 * 2**30
CPU_SECONDS = 300
# Of each kind of file: the module here and its function.
READERS = {
    ".pdf": ("pdf", "read_pdf"),
    ".docx": ("word", "read_docx"),
    ".html": ("web", "read_html"),
    ".htm": ("web", "read_html"),
    ".md": ("plain", "read_markdown"),
    ".markdown": ("plain", "read_markdown"),
    ".txt": ("plain", "read_text"),
    ".csv": ("tables", "read_csv"),
    ".tsv": ("tables", "read_csv"),
}


def blocks_of(suffix: str, path: Path) -> Iterator[Block]:
    module, function = READERS[suffix]
    yield from vars(import_module(f".{module}", __package__))[function](path)


def main(suffix: str, path: Path) -> None:
    bound_itself()
    try:
        for block in blocks_of(suffix, path):
            say({"text": clean(block.text), "page": block.page, "heading": clean(block.heading)})
        say({"done": True})
    except MemoryError:
        say({"fault": "This file needs more memory than reading may take."})
    except RecursionError:
        say({"fault": "This file is damaged: its parts contain each other."})
    except ValueError as error:
        say({"fault": str(error)})
    except OSError as error:
        say({"fault": f"This file cannot be read: {error.strerror or error}."})
    except Exception as error:  # noqa: BLE001 - libraries raise what they like at broken files
        say({"fault": f"This file is damaged ({type(error).__name__}: {str(error)[:200]})."})


def bound_itself() -> None:
    """Where the system can: memory and processor time; the parent bounds the time on the clock everywhere."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))


def clean(text: str) -> str:
    """Without halves of characters, which neither JSON nor a database takes."""
    return text.encode("utf-8", "ignore").decode("utf-8").replace("\x00", "")


def say(line: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
