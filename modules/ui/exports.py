"""Documents and conversations as files that a person keeps: text, Markdown, HTML, Word."""

import html
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

from modules.app import App
from modules.storage.files import fault_of, is_allowed
from modules.types.conversation import StoredMessage
from modules.types.messages import Role
from modules.ui.asset_files import ASSETS
from modules.ui.exported_calls import heading_of, markdown_of, plain_text_of
from modules.ui.markup import COPY_BUTTON, escape_text, render_message, without_surrogates

ExportForm = Literal["txt", "md", "html", "docx"]
MEDIA_TYPES: dict[ExportForm, str] = {
    "txt": "text/plain; charset=utf-8",
    "md": "text/markdown; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
}
SPEAKERS: dict[Role, str] = {"system": "System", "user": "User", "assistant": "Assistant"}
FILE_NAME_CHARS = 80
# Nothing runs and nothing is loaded, wherever the file is opened.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
LOOK = """
:root { --parlor-text: #2b2723; --parlor-muted: #6c635a; --parlor-border: #e4ded6; --parlor-accent: #b94e17;
  --parlor-code-background: #f4f0ea; color-scheme: light; }
body { margin: 0; background: #fffdfa; color: var(--parlor-text); font: 17px/1.65 Charter, Georgia, serif; }
main { max-width: 42rem; margin: 0 auto; padding: 3rem 1.25rem 5rem; overflow-wrap: break-word; }
main > h1 { margin: 0 0 1.5rem; font-size: 1.9rem; line-height: 1.25; }
section + section { margin-top: 2rem; padding-top: 1.5rem; border-top: 1px solid var(--parlor-border); }
section > h2 { margin: 0 0 0.6rem; color: var(--parlor-muted); font: 600 0.85rem/1.4 system-ui, sans-serif; }
.typed { white-space: pre-wrap; }
@media print { body { background: none; } main { max-width: none; padding: 0; } }
"""


@dataclass(frozen=True)
class Part:
    """A stretch of text under a heading of ours, or none; one that is no Markdown is kept just as it was typed.

    `plain` is the same for a file without Markdown, where that is another.
    """

    heading: str
    text: str
    is_markdown: bool = True
    plain: str = ""


@dataclass(frozen=True)
class Work:
    """What is exported."""

    title: str
    parts: Sequence[Part]


@dataclass(frozen=True)
class ExportFile:
    name: str
    media_type: str
    content: bytes

    @property
    def disposition(self) -> str:
        """The Content-Disposition header: a download under its own name, in ASCII for old programs."""
        plain = self.name.encode("ascii", "replace").decode().replace("?", "_")
        return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(self.name, safe='')}"


def export_document(app: App, document_id: str, form: ExportForm) -> ExportFile:
    """The text that is shown now. Raises NotFound, and BadRequest where it is too long for the form."""
    document = app.notebook.document(document_id)
    text = app.notebook.text(document_id, document.head).text
    return export(Work(document.title, [Part("", text)]), form)


def export_conversation(app: App, conversation_id: str, form: ExportForm) -> ExportFile:
    """The messages that are shown now, with calls of tools, without reasoning. Raises as `export_document` does."""
    view = app.chat.open(conversation_id)
    parts = [part for message in view.messages for part in parts_of(message)]
    return export(Work(view.conversation.title, parts), form)


def parts_of(message: StoredMessage) -> Iterator[Part]:
    speaker, is_markdown = SPEAKERS[message.role], message.role == "assistant"
    for piece in message.pieces if message.calls else (message.content,):
        if isinstance(piece, str):
            yield Part(speaker, piece, is_markdown)
        else:
            yield Part(heading_of(piece), markdown_of(piece), plain=plain_text_of(piece))


def export(work: Work, form: ExportForm) -> ExportFile:
    return ExportFile(file_name(work.title, form), MEDIA_TYPES[form], content_of(work, form))


def content_of(work: Work, form: ExportForm) -> bytes:
    match form:
        case "txt":
            return without_surrogates(as_text(work)).encode()
        case "md":
            return without_surrogates(as_markdown(work)).encode()
        case "html":
            return as_html(work).encode()
        case "docx":
            from modules.ui.word_export import word_file

            return word_file(work.title, [(part.heading, part.text, part.is_markdown) for part in work.parts])


def as_text(work: Work) -> str:
    """A document is its text and nothing else."""
    texts = ((part.heading, part.plain or part.text) for part in work.parts)
    return "\n\n".join(f"{heading}:\n{text}" if heading else text for heading, text in texts)


def as_markdown(work: Work) -> str:
    if not any(part.heading for part in work.parts):
        return as_text(work)
    return "\n\n".join([f"# {work.title}", *(f"## {part.heading}\n\n{part.text}" for part in work.parts)]) + "\n"


def as_html(work: Work) -> str:
    """One file that needs no other."""
    title = escape_text(work.title)
    style = LOOK + (ASSETS / "markup.css").read_text(encoding="utf-8")
    sections = "\n".join(section_html(part) for part in work.parts)
    return f"""<!doctype html>
<html>
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{html.escape(POLICY)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{title}</title>
<style>{style}</style>
</head>
<body class="parlor-root">
<main>
<h1 dir="auto">{title}</h1>
{sections}
</main>
</body>
</html>
"""


def section_html(part: Part) -> str:
    heading = f"<h2>{escape_text(part.heading)}</h2>" if part.heading else ""
    if not part.is_markdown:
        return f'<section>{heading}<div class="typed" dir="auto">{escape_text(part.text)}</div></section>'
    body = render_message(part.text).replace(COPY_BUTTON, "")
    return f'<section>{heading}<div class="markup">{body}</div></section>'


def file_name(title: str, form: ExportForm) -> str:
    """The title as far as every system takes it as a name."""
    composed = unicodedata.normalize("NFC", title)
    spaced = "".join(one if is_allowed(one) else " " for one in composed)
    bare = " ".join(spaced.split())[:FILE_NAME_CHARS].strip(".- ")
    return f"{bare if bare and not fault_of(bare) else 'Untitled'}.{form}"
