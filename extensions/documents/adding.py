"""What a person adds on the tab or the panel: a file that was sent, or a path on this machine."""

from pathlib import Path

from modules.extensions import ViewEvent

from .desk import Desk


def added(desk: Desk, collection_id: int, event: ViewEvent) -> str:
    """Begins to read it; returns what is wrong. Raises ValueError and OSError."""
    sent, path = str(event.values.get("file") or ""), str(event.values.get("path") or "").strip()
    if sent:
        desk.add_upload(collection_id, Path(sent))
    if path:
        desk.add(collection_id, Path(path))
    return "" if sent or path else "Choose a file, or say where it lies."
