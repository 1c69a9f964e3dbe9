"""What the Notebook talks to, without a model: documents as trees in memory, and texts that follow a script."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from modules.ui.document_markup import render_document

View = dict[str, Any]
Token = tuple[str, float]

PAUSE = "pause"  # A step at which a script waits until the test, or the person, lets it go on.
OTHERS = [" dog", " cat", " sea"]


@dataclass
class Placed:
    """A generated token where it stands in a text."""

    owner: int
    index: int
    start: int
    text: str
    probability: float


class Splice(NamedTuple):
    start: int
    removed: int
    text: str = ""


@dataclass
class Version:
    number: int
    parent: int | None
    kind: str
    start: int
    removed: int
    inserted: str
    text: str
    placed: list[Placed]
    tokens: list[Token] = field(default_factory=list[Token])
    state: str = "complete"
    error: str = ""
    chosen: int | None = None
    # The text that a model writes into, with its tokens, where that is not the parent's.
    base: tuple[str, list[Placed]] | None = None
    created: float = field(default_factory=time.time)


@dataclass
class Document:
    id: str
    title: str
    folder: str
    versions: dict[int, Version]
    head: int
    revision: int = 1
    memory: str = ""
    note: str = ""
    note_depth: int = 3
    running: dict[str, int] = field(default_factory=dict[str, int])
    ended: dict[str, int] = field(default_factory=dict[str, int])
    leads: dict[str, list[Token]] = field(default_factory=dict[str, list[Token]])
    updated: float = field(default_factory=time.time)

    def view(self) -> View:
        names = ("id", "title", "folder", "revision", "updated", "memory", "note", "note_depth")
        return {"created": 0, **{name: getattr(self, name) for name in names}}


class FakeNotebook:
    """Public fields are set by tests. `scripts` are played in turn, the last one again and again."""

    def __init__(self) -> None:
        self.documents: dict[str, Document] = {}
        self.deleted: dict[str, Document] = {}
        self.scripts: list[list[list[Token] | str]] = [
            [[(" once", 0.95), (" upon", 0.5)], [(" a", 0.2), (" time", 0.02)]]
        ]
        self.step_seconds = 0.01
        # How the next text ends, if not well.
        self.failure = ""
        self.go_on = threading.Event()
        self._played = 0
        self._count = 0
        self._versions = 0

    def add(self, title: str, text: str, folder: str = "") -> Document:
        self._count += 1
        document = Document(f"d{self._count}", title, folder, {}, 0)
        self._put(document, None, "created", Splice(0, 0, text))
        self.documents[document.id] = document
        return document

    def type_elsewhere(self, document: Document, start: int, removed: int, text: str) -> None:
        """As another tab would."""
        self._put(document, document.head, "typed", Splice(start, removed, text))

    def text(self, document: Document) -> str:
        return document.versions[document.head].text

    # --- actions ---

    def notebook_state(self, values: View) -> View:
        document = self.documents.get(values["id"])
        if document is None:
            return {"revision": None}
        return {
            "revision": document.revision,
            "version": document.head,
            "generations": self._generations(document),
        }

    def notebook_list(self, values: View) -> View:
        found = [one for one in self.documents.values() if values["search"] in one.title + self.text(one)]
        found.sort(key=lambda one: -one.updated)
        shown = [
            {"snippet": "", **{name: one.view()[name] for name in ("id", "title", "folder", "updated")}}
            for one in found
        ]
        return {"documents": shown, "folders": sorted({one.folder for one in self.documents.values() if one.folder})}

    def notebook_create(self, values: View) -> View:
        return self._view(self.add("Untitled", values.get("text", ""), values.get("folder", "")))

    def notebook_open(self, values: View) -> View:
        if values["id"] not in self.documents:
            return {"error": {"message": "There is no such document.", "code": "not_found", "field": "id"}}
        return self._view(self.documents[values["id"]])

    def notebook_save(self, values: View) -> View:
        document = self.documents.get(values["id"])
        if document is None:
            return {"error": {"message": "There is no such document.", "code": "not_found", "field": "id"}}
        if refusal := self._refusal(document, values):
            return refusal
        where = Splice(values["start"], values["removed"], values["text"])
        self._put(document, document.head, "typed", where)
        length = len(self.text(document))
        return {
            "version": document.head,
            "revision": document.revision,
            "updated": document.updated,
            "length": length,
            "tokens": length // 5,
        }

    def notebook_undo(self, values: View) -> View:
        document = self.documents[values["id"]]
        if refusal := self._refusal(document, values):
            return refusal
        parent = document.versions[document.head].parent
        if parent is not None:
            document.versions[parent].chosen = document.head
            self._turn(document, parent)
        return self._view(document)

    def notebook_redo(self, values: View) -> View:
        document = self.documents[values["id"]]
        chosen = document.versions[document.head].chosen
        if chosen is not None:
            self._turn(document, chosen)
        return self._view(document)

    def notebook_select(self, values: View) -> View:
        document = self.documents[values["id"]]
        if refusal := self._refusal(document, values):
            return refusal
        self._turn(document, values["target"])
        return self._view(document)

    def notebook_generate(self, values: View) -> View:
        document = self.documents[values["id"]]
        if refusal := self._refusal(document, values):
            return refusal
        length = len(self.text(document))
        start = length if values["cursor"] is None else values["cursor"]
        removed = 0 if values["mode"] == "insert" else length - start
        return self._write(document, document.head, Splice(start, removed), values["count"])

    def notebook_regenerate(self, values: View) -> View:
        document = self.documents[values["id"]]
        target = document.versions[values.get("target") or document.head]
        assert target.parent is not None
        return self._write(document, target.parent, Splice(target.start, target.removed), values["count"])

    def notebook_alternative(self, values: View) -> View:
        document = self.documents[values["id"]]
        owner = document.versions[values["owner"]]
        assert owner.parent is not None
        chosen = self._alternatives(owner.tokens[values["index"]])[values["choice"]]
        place = owner.start + sum(len(text) for text, _ in owner.tokens[: values["index"]])
        rest = owner.start + len(owner.inserted) - place
        base = Version(0, None, "", 0, 0, "", *spliced(owner, place, rest, ""))
        return self._write(document, owner.parent, Splice(place, 0), 1, (base, chosen))

    def notebook_pick(self, values: View) -> View:
        document = self.documents[values["id"]]
        for number in document.running.values():
            if number != values["target"]:
                document.versions[number].state = "stopped"
        self._turn(document, values["target"])
        return self._view(document)

    def notebook_stop(self, values: View) -> View:
        document = self.documents[values["id"]]
        for number in document.running.values():
            document.versions[number].state = "stopped"
        return {}

    def notebook_token(self, values: View) -> View:
        token = self.documents[values["id"]].versions[values["owner"]].tokens[values["index"]]
        return {
            "token": token_view(token),
            "alternatives": [token_view(one) for one in self._alternatives(token)],
        }

    def notebook_tokens(self, values: View) -> View:
        text = self.documents[values["id"]].versions[values["version"]].text[values["start"] : values["end"]]
        words = text.replace(" ", "\n ").split("\n")
        return {
            "tokens": [{"id": place, "text": word, "bytes": word.encode().hex()} for place, word in enumerate(words)]
        }

    def notebook_count(self, values: View) -> View:
        if values["id"] not in self.documents:
            return {"error": {"message": "There is no such document.", "code": "not_found", "field": "id"}}
        return {"tokens": len(self.documents[values["id"]].versions[values["version"]].text) // 5, "context": 2048}

    def notebook_versions(self, values: View) -> View:
        document = self.documents[values["id"]]
        before = values.get("before") or 2**53
        rows = [self._row(document, one) for one in document.versions.values() if one.number < before]
        rows.sort(key=lambda row: -row["version"])
        return {"versions": rows[:100], "more": len(rows) > 100}

    def notebook_branches(self, values: View) -> View:
        document = self.documents[values["id"]]
        parents = {one.parent for one in document.versions.values()}
        path = self._path(document, document.head)
        leaves = [one for one in document.versions.values() if one.number not in parents]
        rows: list[View] = []
        for leaf in leaves:
            own = self._path(document, leaf.number)
            row = self._row(document, leaf)
            rows.append({**row, "on_path": document.head in own, "fork": max(set(own) & set(path))})
        return {"branches": sorted(rows, key=lambda row: -row["version"])}

    def notebook_text(self, values: View) -> View:
        version = self.documents[values["id"]].versions[values["version"]]
        return {"text": version.text, "spans": spans_of(version.placed)}

    def notebook_rename(self, values: View) -> View:
        return self._changed(values["id"], title=values["title"])

    def notebook_move(self, values: View) -> View:
        return self._changed(values["id"], folder=values["folder"])

    def notebook_move_folder(self, values: View) -> View:
        for one in self.documents.values():
            if one.folder == values["folder"]:
                one.folder = values["new_folder"]
        return {"folders": [values["new_folder"]]}

    def notebook_settings(self, values: View) -> View:
        shown = {name: values[name] for name in ("memory", "note", "note_depth")}
        return self._changed(values["id"], **shown)

    def notebook_delete(self, values: View) -> View:
        self.deleted[values["id"]] = self.documents.pop(values["id"])
        return {}

    def notebook_restore(self, values: View) -> View:
        self.documents[values["id"]] = self.deleted.pop(values["id"])
        return {"document": self.documents[values["id"]].view()}

    def notebook_from_chat(self, values: View) -> View:
        return self._view(self.add("From chat", f"The conversation {values['conversation']}."))

    def notebook_markup(self, values: View) -> View:
        return {"html": render_document(values["text"], values["form"])}

    # --- what is being written ---

    async def frames(self, generation: str) -> AsyncIterator[View]:
        """The script from its beginning, then the end; the version is finished when the first reader got there."""
        document = next(one for one in self.documents.values() if generation in one.running | one.ended)
        version = document.versions[(document.running | document.ended)[generation]]
        if generation in document.ended:
            yield delta([], version.tokens)
            yield end_of(version)
            return
        written = document.leads.get(generation, [])
        if written:
            yield delta([], written)
        for step in self.scripts[min(self._scripts_of(generation), len(self.scripts) - 1)]:
            if isinstance(step, str):
                while not self.go_on.is_set() and version.state != "stopped":
                    await asyncio.sleep(0.01)
                continue
            if version.state == "stopped":
                break
            yield delta(written, step)
            written = [*written, *step]
            version.tokens = written
            await asyncio.sleep(self.step_seconds)
        self._finish(document, generation, version, written)
        yield end_of(version)

    def has_stream(self, generation: str) -> bool:
        return any(generation in one.running | one.ended for one in self.documents.values())

    def _scripts_of(self, generation: str) -> int:
        return int(generation.split("-")[1])

    def _write(
        self, document: Document, parent: int, where: Splice, count: int, lead: tuple[Version, Token] | None = None
    ) -> View:
        """`lead`: what is written into instead of the parent, and the token it begins with."""
        for _ in range(count):
            version = self._new(document, parent, "generated", where)
            version.state = "streaming"
            generation = f"n{version.number}-{self._played}"
            self._played += 1
            document.running[generation] = version.number
            if lead:
                version.base = (lead[0].text, lead[0].placed)
                document.leads[generation] = [lead[1]]
                version.tokens = [lead[1]]
            if count == 1:
                self._turn(document, version.number)
        if count > 1 and document.head != parent:
            self._turn(document, parent)
        return self._view(document)

    def _finish(self, document: Document, generation: str, version: Version, written: list[Token]) -> None:
        if document.running.pop(generation, None) is None:
            return
        document.ended[generation] = version.number
        if not written:
            del document.versions[version.number]
            return
        assert version.parent is not None
        version.inserted = "".join(text for text, _ in written)
        version.tokens = written
        base = document.versions[version.parent]
        if version.base:
            base = replace(base, text=version.base[0], placed=version.base[1])
        version.text, version.placed = spliced(base, version.start, version.removed, version.inserted)
        place = version.start
        for index, (text, probability) in enumerate(written):
            version.placed.append(Placed(version.number, index, place, text, probability))
            place += len(text)
        version.placed.sort(key=lambda one: one.start)
        version.error = self.failure
        if version.state == "streaming":
            version.state = "failed" if self.failure else "complete"
        self.failure = ""
        document.revision += 1

    # --- the tree ---

    def _put(self, document: Document, parent: int | None, kind: str, where: Splice) -> None:
        self._turn(document, self._new(document, parent, kind, where).number)

    def _new(self, document: Document, parent: int | None, kind: str, where: Splice) -> Version:
        self._versions += 1
        base = document.versions.get(parent or 0)
        text, placed = spliced(base, *where) if base else (where.text, [])
        version = Version(self._versions, parent, kind, where.start, where.removed, where.text, text, placed)
        document.versions[version.number] = version
        return version

    def _turn(self, document: Document, number: int) -> None:
        document.head = number
        parent = document.versions[number].parent
        if parent is not None:
            document.versions[parent].chosen = number
        document.revision += 1
        document.updated = time.time()

    def _refusal(self, document: Document, values: View) -> View | None:
        if document.running:
            return {"error": {"message": "A model writes into it.", "code": "conflict", "field": "id"}}
        if values["version"] != document.head:
            return {"error": {"message": "Another tab changed it.", "code": "conflict", "field": "version"}}
        return None

    def _path(self, document: Document, number: int) -> list[int]:
        path: list[int] = []
        current: int | None = number
        while current is not None:
            path.append(current)
            current = document.versions[current].parent
        return path

    def _row(self, document: Document, version: Version) -> View:
        return {
            "version": version.number,
            "parent": version.parent,
            "kind": version.kind,
            "created": version.created,
            "length": len(version.text),
            "inserted": len(version.inserted),
            "removed": version.removed,
            "preview": version.inserted[:120],
            "state": version.state,
            "model": "small" if version.kind == "generated" else "",
            "on_path": version.number in self._path(document, document.head),
        }

    def _generations(self, document: Document) -> list[View]:
        return [
            {
                "id": generation,
                "version": number,
                "start": document.versions[number].start,
                "removed": document.versions[number].removed,
                "prefix": "",
            }
            for generation, number in document.running.items()
            if document.versions[number].state != "stopped" or number == document.head
        ]

    def _view(self, document: Document) -> View:
        head = document.versions[document.head]
        text, placed = head.text, head.placed
        if head.number in document.running.values() and head.parent:
            parent = document.versions[head.parent]
            text, placed = head.base or (parent.text, parent.placed)
        return {
            "document": document.view(),
            "version": head.number,
            "text": text,
            "spans": spans_of(placed),
            "can_undo": head.parent is not None,
            "can_redo": head.chosen is not None,
            "generated": head.kind == "generated",
            "state": head.state,
            "failure": head.error,
            "model": "",
            "stats": {},
            "generations": self._generations(document),
        }

    def _changed(self, identity: str, **values: Any) -> View:
        document = self.documents[identity]
        for name, value in values.items():
            setattr(document, name, value)
        document.revision += 1
        return {"document": document.view()}

    def _alternatives(self, token: Token) -> list[Token]:
        return [token, *((text, 0.1) for text in OTHERS if text != token[0])]


def spliced(base: Version, start: int, removed: int, text: str) -> tuple[str, list[Placed]]:
    """The text and its tokens after a splice: those behind it move, those it touches go."""
    end, shift = start + removed, len(text) - removed
    placed = [one for one in base.placed if one.start + len(one.text) <= start]
    placed += [
        Placed(one.owner, one.index, one.start + shift, one.text, one.probability)
        for one in base.placed
        if one.start >= end and one.start + len(one.text) > start
    ]
    return base.text[:start] + text + base.text[end:], placed


def spans_of(placed: list[Placed]) -> list[View]:
    spans: list[View] = []
    for one in placed:
        last = spans[-1] if spans else None
        follows = (
            last is not None
            and last["version"] == one.owner
            and last["first"] + len(last["chars"]) == one.index
            and last["start"] + sum(last["chars"]) == one.start
        )
        if last is None or not follows:
            last = {"version": one.owner, "first": one.index, "start": one.start, "chars": [], "probabilities": []}
            spans.append(last)
        last["chars"].append(len(one.text))
        last["probabilities"].append(one.probability)
    return spans


def token_view(token: Token) -> View:
    text, probability = token
    return {"id": sum(text.encode()), "text": text, "bytes": text.encode().hex(), "probability": probability}


def end_of(version: Version) -> View:
    return {
        "kind": "end",
        "version": version.number if version.tokens else None,
        "state": version.state,
        "error": version.error,
        "stats": {},
        "length": len(version.inserted),
    }


def delta(before: list[Token], tokens: list[Token]) -> View:
    """`before` is what the stream has sent already."""
    place = sum(len(text) for text, _ in before)
    sent: list[list[float]] = []
    for text, probability in tokens:
        sent.append([place, len(text), probability])
        place += len(text)
    return {"kind": "delta", "text": "".join(text for text, _ in tokens), "tokens": sent}
