"""The actions of the Models view on the hub, downloads, servers and imports."""

from collections.abc import Callable
from typing import Any

from modules.app import App
from modules.ui.actions import View


class HubTab:
    """Called by the page on Gradio's threads."""

    def __init__(self, app: App) -> None:
        self._app = app

    def actions(self) -> dict[str, Callable[[Any], View]]:
        """By the names the page calls them by."""
        return {}
