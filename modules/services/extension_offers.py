"""What enabled extensions add to the page and to HTTP, together."""

from dataclasses import dataclass

from modules.errors import Refused
from modules.extensions.registry import Extensions
from modules.services.extension_commands import ExtensionCommands
from modules.services.extension_looks import ExtensionLooks
from modules.services.extension_routes import ExtensionRoutes
from modules.services.extension_uploads import ExtensionUploads, StagedUpload
from modules.services.extension_views import ExtensionViews
