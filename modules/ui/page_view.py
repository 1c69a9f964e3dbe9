"""The page as one component of ours on stock Gradio: an empty root, filled by the script in assets/."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import gradio

from modules.extensions.builtin import TABS
from modules.ui.asset_files import assets_address

Call = Callable[[Any], dict[str, Any]]


def page_view(actions: Mapping[str, Call]) -> gradio.HTML:
    """`actions` are what the script may call, by name; each takes one dict and returns one.

    An instance, not a subclass: Gradio writes a type stub beside every module that subclasses a component.
    """
    script, tabs = f"{assets_address()}/page.js", json.dumps(TABS)
    return gradio.HTML(
        value="",
        html_template='<div class="parlor-root"></div>',
        js_on_load=f'import("{script}")'
        f'.then((page) => page.mount(element.querySelector(".parlor-root"), server, {tabs}));',
        server_functions=[as_function(name, action) for name, action in actions.items()],
        elem_id="parlor-page",
        apply_default_css=False,
    )


def as_function(name: str, action: Call) -> Call:
    """Gradio marks what it exposes, and a method cannot be marked."""

    def call(values: Any) -> dict[str, Any]:
        return action(values)

    call.__name__ = name
    return call
