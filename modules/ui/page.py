"""The page: stock Gradio around our own components."""

from collections.abc import Callable, Mapping
from typing import Any

import gradio
from gradio.themes import Base

from modules.ui.asset_files import ASSETS, assets_address
from modules.ui.page_view import page_view

STYLES = (
    "page.css", "parts.css", "markup.css", "models.css", "hub.css", "notebook.css", "templates.css", "params.css",
    "finetune.css", "finetune_run.css", "extensions.css", "tools.css",
)  # fmt: skip


def build_page(actions: Mapping[str, Callable[[Any], dict[str, Any]]]) -> gradio.Blocks:
    with gradio.Blocks(title="Parlor", analytics_enabled=False, fill_width=True, fill_height=True) as page:
        page_view(actions)
    return page


def page_options() -> dict[str, Any]:
    """What `mount_gradio_app` is told of the page's look; nothing of it is loaded from elsewhere."""
    address = assets_address()
    styles = "".join(f'<link rel="stylesheet" href="{address}/{name}">' for name in STYLES)
    preload = f'<link rel="modulepreload" href="{address}/page.js">'
    return {
        "head": f'<meta name="color-scheme" content="light dark">{preload}{styles}',
        "favicon_path": str(ASSETS / "icon.svg"),
        "theme": Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]),
    }
