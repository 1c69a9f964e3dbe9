"""A new extension that works from the first moment: the files of `skeleton_files/` under a name of one's own."""

import re
import shutil
from pathlib import Path

from modules.errors import BadRequest, Conflict, StorageError
from modules.extensions.folders import check_free

FILES = Path(__file__).parent / "skeleton_files"
NAME = re.compile(r"[a-z][a-z0-9-]{0,47}")


def create_extension(name: str, place: Path, bundled: Path) -> Path:
    """The new folder `place/name`. Raises BadRequest for a name that cannot be one, Conflict where there is something
    of that name, in `place` or among the `bundled` ones, StorageError."""
    if NAME.fullmatch(name) is None:
        raise BadRequest(
            "An extension's name has small letters, digits and dashes, begins with a letter and is 48 long at most: "
            "word-counter.",
            field="name",
        )
    check_free(name, bundled)
    folder = place / name
    try:
        folder.mkdir(parents=True)
    except FileExistsError as error:
        raise Conflict(f"{folder} is there already; choose another name or place.", field="name") from error
    except OSError as error:
        raise StorageError(f"{folder} could not be made: {error.strerror}.") from error
    try:
        for source in sorted(FILES.rglob("*")):
            if source.is_file() and "__pycache__" not in source.parts:
                write(source, folder / named(source.relative_to(FILES).as_posix(), name.replace("-", "_")), name)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise StorageError(f"{folder} could not be written: {error.strerror}.") from error
    return folder


def write(source: Path, target: Path, name: str) -> None:
    target.parent.mkdir(exist_ok=True)
    target.write_text(named(source.read_text(encoding="utf-8"), name), encoding="utf-8")


def named(text: str, name: str) -> str:
    title = " ".join(re.findall(r"[a-z0-9]+", name)).capitalize()
    return text.replace("skeleton", name).replace("Skeleton", title)
