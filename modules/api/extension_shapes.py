"""Extensions and what they show, as /control/extensions tells of them."""

from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any

from modules.app import App
from modules.extensions.checks import FILTERED
from modules.extensions.contracts import Button, Command, Field, Heading, Panel, Part, Progress, Route, Tab, Table, Text
from modules.extensions.facts import Extension
from modules.limits import LIMITS

# Hooks whose items a card lists.
LISTED = ("tools", "tabs", "panels", "commands", "routes", "document_readers", "embedding_models", "engines")
# Hooks that change what a model reads and writes.
FILTERS = (*FILTERED, "write_reply", "stream_transformer", "logits_processors")


def listed_shapes(app: App, extensions: Iterable[Extension]) -> list[dict[str, Any]]:
    looks = {(one.extension, one.kind) for one in app.offers.looks.offered()}
    return [
        {
            **listed_shape(app, one),
            "has_script": (one.name, "js") in looks,
            "has_style": (one.name, "css") in looks,
        }
        for one in extensions
    ]


def listed_shape(app: App, extension: Extension) -> dict[str, Any]:
    manifest = extension.manifest
    about = (
        manifest.model_dump(include={"title", "version", "author", "licence", "description", "isolated", "touches"})
        if manifest
        else {"title": extension.name, "version": "", "author": "", "licence": "", "description": ""}
    )
    return {
        **about,
        "name": extension.name,
        "is_bundled": extension.is_bundled,
        "state": extension.state,
        "fault": extension.fault,
        "note": extension.note,
        "is_sound": manifest is not None and (extension.state == "failed" or not extension.fault),
        "faults": len(app.extensions.faults(extension.name)),
        "off_hooks": app.extensions.off_hooks(extension.name),
    }


def card_shape(app: App, extension: Extension) -> dict[str, Any]:
    manifest, name = extension.manifest, extension.name
    record, earlier = app.installer.records().get(name), app.installer.earlier().get(name)
    return {
        **listed_shapes(app, [extension])[0],
        "folder": str(extension.folder),
        "source": str(record.source) if record else "",
        "source_kind": record.source.kind if record else "",
        "exact": record.exact if record else "",
        "earlier": earlier.version if earlier else "",
        "homepage": manifest.homepage if manifest else "",
        "requirements": manifest.requirements if manifest else [],
        "order": app.extensions.order,
        "filters": [hook for hook in FILTERS if hook in extension.hooks],
        "gives": {hook: gives(app, name, hook) for hook in LISTED if hook in extension.hooks},
        "faults": [asdict(fault) for fault in app.extensions.faults(name)],
        "log": app.extensions.log(name),
    }


def gives(app: App, extension: str, hook: str) -> list[str]:
    """What an extension gives by this hook, each by the name that a person knows it by."""
    return [called(one.item) for one in app.extensions.collect(hook) if one.extension == extension]


def called(item: Any) -> str:
    match item:
        case Tab(title=title) | Panel(title=title):
            return title
        case Command(name=name):
            return f"/{name}"
        case Route(path=path):
            return path
        case _:
            return str(item.name)


def settings_shape(app: App, name: str) -> dict[str, Any]:
    """Secrets are told by their names alone: `values` has a text in their place where one is set."""
    schema = app.extensions.settings_schema(name)
    settings = app.extensions.settings(name)
    properties: dict[str, Any] = (schema or {}).get("properties", {})
    return {
        "schema": schema,
        "values": settings.model_dump(mode="json") if settings is not None else {},
        "secrets": [key for key, value in properties.items() if is_secret(value)],
    }


def is_secret(field: dict[str, Any]) -> bool:
    return any(one.get("format") == "password" for one in (field, *field.get("anyOf", ())))


def part_shape(part: Part, render: Callable[[str], str]) -> dict[str, Any]:
    """`render` makes safe HTML of Markdown."""
    match part:
        case Heading(text=text):
            return {"kind": "heading", "text": text}
        case Text(markdown=markdown):
            return {"kind": "text", "html": render(markdown)}
        case Button():
            return {"kind": "button", **asdict(part)}
        case Field(kind=kind):
            return {**asdict(part), "kind": "field", "field_kind": kind}
        case Progress():
            return {"kind": "progress", **asdict(part)}
        case Table(columns=columns, rows=rows, open_name=open_name):
            return {
                "kind": "table",
                "columns": columns,
                "rows": [[cell[: LIMITS.extension_cell_chars] for cell in row] for row in rows],
                "open_name": open_name,
            }
