"""Which folders are extensions of text-generation-webui, and the manifest that they do not have."""

import re
from pathlib import Path

from modules.extensions.manifest import MANIFEST, Manifest, Touches, read_manifest
from modules.extensions.textgen.source import SCRIPT

REQUIREMENTS = "requirements.txt"
REQUIREMENTS_BYTES = 64 * 1024
DESCRIPTION = "An extension for text-generation-webui. It names no permissions: it can do what the program can."


def is_textgen(folder: Path) -> bool:
    """A folder with a script and without a manifest."""
    return (folder / SCRIPT).is_file() and not (folder / MANIFEST).exists()


def manifest_of(folder: Path, name: str = "") -> Manifest:
    """Of any extension's folder. Raises BadRequest as `read_manifest` does.

    `name` is what one without a manifest is called, where that is not the folder's own name.
    """
    return generated_manifest(folder, name) if is_textgen(folder) else read_manifest(folder)


def generated_manifest(folder: Path, name: str = "") -> Manifest:
    """`name` is the folder's where none is given, in the form that names have here."""
    called = name or folder.name
    return Manifest(
        name=extension_name(called),
        title=re.sub(r"[\W_]+", " ", called).strip().capitalize()[:80] or "Extension",
        version="0",
        description=DESCRIPTION,
        entry=Path(SCRIPT).stem,
        requirements=requirements_of(folder),
        touches=Touches(network=["*"], files=["*"], models=True),
    )


def extension_name(called: str) -> str:
    """Lower case, dashes, a letter first."""
    plain = re.sub(r"[^a-z0-9]+", "-", called.lower()).strip("-")
    return (plain if plain[:1].isalpha() else f"x-{plain}".rstrip("-"))[:48].rstrip("-")


def requirements_of(folder: Path) -> list[str]:
    """The lines of its requirements.txt, without comments; none where it cannot be read."""
    try:
        with (folder / REQUIREMENTS).open("rb") as file:
            text = file.read(REQUIREMENTS_BYTES).decode("utf-8", errors="replace")
    except OSError:
        return []
    lines = [line.partition(" #")[0].strip() for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith("#") and len(line) <= 400][:100]
