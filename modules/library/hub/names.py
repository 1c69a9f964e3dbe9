"""Names that files on a hub may have here."""

from collections.abc import Sequence

from modules.errors import BadRequest
from modules.storage.foreign_names import unsafe_names
from modules.types.hub import HubFile


def check_names(files: Sequence[HubFile]) -> None:
    """Raises BadRequest that lists the names when one is unsafe.

    One is enough to refuse them all: who names a file so means no good, or did not make this for others.
    """
    if listed := unsafe_names([file.path for file in files]):
        raise BadRequest(f"Nothing is downloaded: the repository has unsafe file names: {listed}.", field="file")
