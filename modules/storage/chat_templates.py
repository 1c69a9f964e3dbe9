"""Chat templates by name: those that ship, and the person's own."""

from pathlib import Path

from modules.errors import BadRequest
from modules.limits import LIMITS
from modules.storage.files import resolve_name

SUFFIX = ".jinja"


class ChatTemplates:
    """One `NAME.jinja` each; a person's own goes before a shipped one of the same name."""

    def __init__(self, shipped: Path, own: Path) -> None:
        self._folders = (own, shipped)

    def names(self) -> list[str]:
        found = {path.stem for folder in self._folders for path in folder.glob("*" + SUFFIX) if path.is_file()}
        return sorted(found)

    def text(self, name: str) -> str:
        """Raises BadRequest with the names there are, or what is wrong with the file."""
        if name not in self.names():
            raise BadRequest(
                f"There is no chat template called {name[:120]!r}. There are: {', '.join(self.names())}. "
                "Put one of your own into the folder templates of your data folder.",
                field="options.chat_template",
            )
        path = next(path for folder in self._folders if (path := resolve_name(folder, name, SUFFIX)).is_file())
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise BadRequest(
                f"The chat template {name} cannot be read: {reason}.", field="options.chat_template"
            ) from error
        if not text.strip() or len(text) > LIMITS.template_chars:
            raise BadRequest(
                f"The chat template {name} is empty, or longer than {LIMITS.template_chars:,} characters.",
                field="options.chat_template",
            )
        return text
