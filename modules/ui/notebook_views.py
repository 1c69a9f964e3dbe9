"""Documents as the page shows them; places and lengths are in UTF-16 units, as the page counts."""

from collections.abc import Sequence
from itertools import pairwise

from modules.services.inference import TokenPiece
from modules.services.notebook import DocumentView, Writing
from modules.storage.document_tokens import probability
from modules.types.document import Branch, Document, DocumentHit, TokenRun, Version, WrittenToken
from modules.types.generation import TokenChoice
from modules.ui.actions import View
from modules.ui.markup import snippet_html
from modules.ui.positions import Positions


def open_view(shown: DocumentView) -> View:
    """All of it."""
    text, version = shown.traced.text, shown.version
    positions = Positions(text)
    return {
        "document": document_view(shown.document),
        "version": version.id,
        "text": text,
        "spans": [run_view(run, positions) for run in shown.runs],
        "can_undo": shown.can_undo,
        "can_redo": shown.can_redo,
        "generated": version.kind == "generated",
        "state": version.state,
        # "error" would be an action's own.
        "failure": version.error,
        "model": version.model,
        "stats": version.stats,
        "generations": [writing_view(one, positions) for one in shown.writing],
    }


def document_view(document: Document) -> View:
    return {
        "id": document.id,
        "title": document.title,
        "folder": document.folder,
        "revision": document.revision,
        "created": document.created,
        "updated": document.updated,
        "memory": document.memory,
        "note": document.note,
        "note_depth": document.note_depth,
    }


def hit_view(hit: DocumentHit) -> View:
    document = hit.document
    return {
        "id": document.id,
        "title": document.title,
        "folder": document.folder,
        "updated": document.updated,
        "snippet": snippet_html(hit.snippet) if hit.snippet else "",
    }


def run_view(run: TokenRun, positions: Positions) -> View:
    places = [run.start]
    for length in run.lengths:
        places.append(places[-1] + length)
    units = list(map(positions.units, places))
    return {
        "version": run.version,
        "first": run.first,
        "start": units[0],
        "chars": [after - before for before, after in pairwise(units)],
        "probabilities": list(run.probabilities),
    }


def writing_view(writing: Writing, positions: Positions) -> View:
    start = positions.units(writing.start)
    return {
        "id": writing.generation_id,
        "version": writing.version,
        "start": start,
        "removed": positions.units(writing.start + writing.removed) - start,
        "prefix": writing.prefix,
    }


def version_view(version: Version) -> View:
    """A row of the list of versions. Its lengths are in characters, for people."""
    return {
        "version": version.id,
        "parent": version.parent,
        "kind": version.kind,
        "created": version.created,
        "length": version.length,
        "inserted": version.inserted_chars,
        "removed": version.removed,
        "preview": version.preview,
        "state": version.state,
        "model": version.model,
        "on_path": version.on_path,
    }


def branch_view(branch: Branch) -> View:
    return version_view(branch.leaf) | {"fork": branch.fork}


def token_view(written: WrittenToken) -> View:
    """A generated token and what might have stood in its place."""
    return {
        "token": choice_view(written.token.chosen),
        "alternatives": [choice_view(one) for one in written.token.alternatives],
    }


def choice_view(choice: TokenChoice) -> View:
    return {
        "id": choice.id,
        "text": choice.token,
        "bytes": bytes(choice.token_bytes).hex(),
        "probability": probability(choice.logprob),
    }


def pieces_view(pieces: Sequence[TokenPiece]) -> View:
    return {
        "tokens": [
            {"id": one.id, "text": one.piece.decode(errors="replace"), "bytes": one.piece.hex()} for one in pieces
        ]
    }
