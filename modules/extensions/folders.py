"""The extensions there are: folders with a manifest, looked at without running anything of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from modules.errors import BadRequest, Conflict
from modules.extensions.manifest import Manifest
from modules.extensions.textgen.recognition import extension_name, is_textgen, manifest_of

# What the program itself brings goes by this name.
BUILTIN = "parlor"
# That, and words in addresses below /control/extensions.
RESERVED = frozenset({BUILTIN, "forget", "gallery", "install", "installed", "plan", "uploads", "views"})


@dataclass(frozen=True)
class ExtensionFolder:
    """`name` is the folder's or made of it; `fault` says why it is no sound extension, perhaps without a manifest."""

    name: str
    folder: Path
    is_bundled: bool
    manifest: Manifest | None = None
    fault: str = ""


def find_extensions(bundled: Path, own: Path) -> list[ExtensionFolder]:
    """Those that ship, then the person's own, each by name. A name counts once: the second of it is faulty."""
    found: list[ExtensionFolder] = []
    for place, is_bundled in ((bundled, True), (own, False)):
        for folder in subfolders(place):
            taken = any(one.name == name_of(folder) for one in found)
            found.append(look_at(folder, is_bundled=is_bundled, taken=taken))
    return found


def check_free(name: str, bundled: Path) -> None:
    """Raises BadRequest or Conflict for a name that is the program's own."""
    if name in RESERVED:
        raise BadRequest(f"An extension cannot be called {name}: Parlor uses that word itself.", field="name")
    if (bundled / name).exists():
        raise Conflict(f"An extension called {name} ships with Parlor; this one needs another name.", field="name")


def look_at(folder: Path, *, is_bundled: bool, taken: bool = False) -> ExtensionFolder:
    try:
        manifest = manifest_of(folder)
    except BadRequest as error:
        return ExtensionFolder(folder.name, folder, is_bundled, fault=str(error))
    name, fault = name_of(folder), ""
    if name == BUILTIN:
        fault = f"{BUILTIN} is the program itself; give this one another name."
    elif taken:
        fault = f"There is another extension called {name}; rename this one and its folder."
    elif manifest.name != name:
        fault = f"The folder is called {name}, but the manifest says {manifest.name}; give both one name."
    return ExtensionFolder(name, folder, is_bundled, manifest, fault)


def name_of(folder: Path) -> str:
    """Folders of text-generation-webui's extensions are called as their authors liked."""
    return extension_name(folder.name) if is_textgen(folder) else folder.name


def subfolders(place: Path) -> Sequence[Path]:
    """Hidden ones and those of Python left out; none where the place cannot be read."""
    try:
        entries = sorted(place.iterdir())
    except OSError:
        return ()
    return [one for one in entries if one.is_dir() and not one.name.startswith((".", "_"))]
