"""Folders of conversations and documents: paths of names, each there as long as something lies in it."""

import re
from collections.abc import Iterable

from modules.errors import BadRequest
from modules.limits import LIMITS
from modules.storage.database import storable


def as_folder(path: str, field: str = "folder") -> str:
    """Names joined by "/", without blanks around them; raises BadRequest for what is no such path."""
    names = [" ".join(storable(name, field).split()) for name in path.strip().strip("/").split("/")]
    if names == [""]:
        return ""
    if len(names) > LIMITS.folder_depth:
        raise BadRequest(f"Folders lie at most {LIMITS.folder_depth} deep.", field=field)
    for name in names:
        if not 1 <= len(name) <= LIMITS.folder_name_chars:
            raise BadRequest(f"A folder's name has 1 to {LIMITS.folder_name_chars} characters.", field=field)
        if name in {".", ".."} or re.search(r"[\\\x00-\x1f\x7f]", name):
            raise BadRequest(f"A folder cannot be called {name!r}.", field=field)
    return "/".join(names)


def is_within(folder: str, around: str) -> bool:
    return not around or folder == around or folder.startswith(around + "/")


def with_outer(folders: Iterable[str]) -> list[str]:
    """And those around them, in the order of their names; the empty name is none."""
    names = [folder.split("/") for folder in folders if folder]
    return sorted({"/".join(parts[:depth]) for parts in names for depth in range(1, len(parts) + 1)})


def moved_folders(folders: Iterable[str], folder: str, new_folder: str) -> dict[str, str]:
    """New names by old ones, of those that are `folder` or lie in it, to be given in this order. Raises BadRequest."""
    old, new = as_folder(folder), as_folder(new_folder, "new_folder")
    if not old:
        raise BadRequest("Name the folder that is to be moved.", field="folder")
    if is_within(new, old) and new != old:
        raise BadRequest("A folder cannot be moved into itself.", field="new_folder")
    # Work/Work becomes Work when Work is dissolved: by then, what was in Work must have left it.
    inside = sorted((one for one in folders if is_within(one, old)), key=len)
    return {one: as_folder(f"{new}{one[len(old) :]}", "new_folder") for one in inside}
