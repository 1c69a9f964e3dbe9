"""The extensions there are, read from folders and the database while another Parlor may be running."""

from dataclasses import dataclass

from modules.extensions.folders import ExtensionFolder, find_extensions
from modules.paths import Paths
from modules.storage.extension_installs import read_installs
from modules.storage.extension_states import read_enabled
from modules.types.extension_installs import InstallRecord


@dataclass(frozen=True)
class ListedExtension:
    """`record` is None for one that ships, or was put there by hand."""

    found: ExtensionFolder
    is_enabled: bool
    record: InstallRecord | None


def listed_extensions(paths: Paths) -> list[ListedExtension]:
    """Nothing of them is imported."""
    enabled, records = read_enabled(paths.database), read_installs(paths.database)
    return [
        ListedExtension(
            found, found.name in enabled and not found.fault, None if found.is_bundled else records.get(found.name)
        )
        for found in find_extensions(paths.extensions, paths.own_extensions)
    ]
