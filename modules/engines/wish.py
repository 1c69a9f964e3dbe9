"""What is to be loaded, and how."""

from dataclasses import dataclass
from typing import Any

from modules.engines.budget import Memory
from modules.types.local_model import LocalModel

NOTHING = Memory()


@dataclass(frozen=True)
class Wish:
    """`chat_template` is the text that replaces the model's own, `needed` the memory the model is expected to take."""

    model: LocalModel
    engine: str
    options: dict[str, Any]
    chat_template: str = ""
    needed: Memory = NOTHING

    def is_same(self, other: "Wish") -> bool:
        """Not by `needed`, which depends on the moment."""
        return self._what() == other._what() and self.chat_template == other.chat_template

    def is_met_by(self, other: "Wish", chat_template: str) -> bool:
        """By a model that was loaded for the `other` wish and has this template now.

        The text of a chosen template counts too: its file may have been edited since.
        """
        return self._what() == other._what() and self.chat_template in {"", chat_template}

    def _what(self) -> tuple[str, str, dict[str, Any]]:
        return self.model.id, self.engine, self.options
