"""What enabled extensions add to the page and to HTTP, together."""

from modules.extensions.registry import Extensions
from modules.services.extension_commands import ExtensionCommands
from modules.services.extension_looks import ExtensionLooks
from modules.services.extension_routes import ExtensionRoutes
from modules.services.extension_uploads import ExtensionUploads, StagedUpload
from modules.services.extension_views import ExtensionViews
from modules.services.install_policy import InstallPolicy

# Where files wait that belong to no extension: no extension can have this name.
ARCHIVES = "_archives"


class ExtensionOffers:
    """Any thread may call."""

    def __init__(self, extensions: Extensions, uploads: ExtensionUploads, policy: InstallPolicy) -> None:
        self.views = ExtensionViews(extensions, uploads)
        self.commands = ExtensionCommands(extensions)
        self.routes = ExtensionRoutes(extensions)
        self.looks = ExtensionLooks(extensions)
        self.uploads = uploads
        self._extensions = extensions
        self._policy = policy

    def upload(self, extension: str, file_name: str) -> StagedUpload:
        """A file for this extension's views. Raises NotFound, BadRequest or StorageError."""
        return self.uploads.stage(self._extensions.find(extension).name, file_name)

    def upload_archive(self, file_name: str) -> StagedUpload:
        """A zip that an extension may be installed from. Raises Forbidden, BadRequest or StorageError."""
        self._policy.check()
        return self.uploads.stage(ARCHIVES, file_name)

    def archive_path(self, upload: str) -> str:
        """Raises NotFound."""
        return str(self.uploads.path(ARCHIVES, upload))

    def close(self) -> None:
        self.uploads.close()
