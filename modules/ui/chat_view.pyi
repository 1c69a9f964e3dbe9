"""The chat as one component of ours on stock Gradio: an empty root, filled by the script in assets/."""

from collections.abc import Callable, Mapping
from typing import Any

import gradio

from modules.ui.asset_files import assets_address

Call = Callable[[Any], dict[str, Any]]

from gradio.events import Dependency

class ChatView(gradio.HTML):
    """`actions` are what the script may call, by name; each takes one dict and returns one."""

    def __init__(self, actions: Mapping[str, Call]) -> None:
        script = f"{assets_address()}/chat.js"
        super().__init__(
            value="",
            html_template='<div class="parlor-root"></div>',
            js_on_load=f'import("{script}").then((chat) => chat.mount(element.querySelector(".parlor-root"), server));',
            server_functions=[as_function(name, action) for name, action in actions.items()],
            elem_id="parlor-chat",
            apply_default_css=False,
        )
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block
    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component


def as_function(name: str, action: Call) -> Call:
    """Gradio marks what it exposes, and a method cannot be marked."""

    def call(values: Any) -> dict[str, Any]:
        return action(values)

    call.__name__ = name
    return call