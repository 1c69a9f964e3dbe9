"""Lets models write into documents: where, with what prompt, and what comes of it."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Literal

from modules.engines.generation import Generation
from modules.errors import BadRequest, Conflict, NotFound
from modules.limits import LIMITS
from modules.prompts.document import DocumentContext
from modules.services.document_prompt import DocumentPrompt
from modules.services.inference import Inference
from modules.services.journal import Journal, LiveText
from modules.services.request_hooks import RequestSource
from modules.services.transcript import plain
from modules.services.version_record import VersionRecord
from modules.storage.document_versions import VersionStore
from modules.storage.origins import part
from modules.types.document import Document, Draft, Splice, TokenRun, WrittenToken
from modules.types.generation import Event, TextDelta, TokenLogprob
from modules.types.reply_params import ReplyParams

Mode = Literal["continue", "insert"]
LiveVersion = LiveText[VersionRecord]
# The parameters of a document (by its id) and a model.
ParametersOf = Callable[[str, str | None], ReplyParams]


class DocumentWriter:
    """Any thread may call. `base` is the head the caller knows; where it is another, Conflict is raised."""

    def __init__(self, versions: VersionStore, inference: Inference, parameters: ParametersOf) -> None:
        self._versions = versions
        self._inference = inference
        self._parameters = parameters
        self._journal: Journal[VersionRecord] = Journal()

    def generate(
        self, document: Document, base: int, model: str | None, *, cursor: int | None, mode: Mode, count: int
    ) -> None:
        length = self._versions.get(document.id, base).length
        start = length if cursor is None else cursor
        if not 0 <= start <= length:
            raise BadRequest(f"The text has {length:,} characters; the cursor is not among them.", field="cursor")
        removed = length - start if mode == "continue" else 0
        self._begin(document, base, Draft(base, Splice(start, removed, "")), model, count=count)

    def regenerate(self, document: Document, base: int, model: str | None, *, target: int, count: int) -> None:
        version = self._versions.get(document.id, target)
        if version.kind != "generated" or version.parent is None:
            raise BadRequest("The newest change was not generated, so it cannot be made anew.", field="version")
        begun = self._versions.begun(document.id, target)
        inserted = self._versions.inserted(document.id, target)
        draft = Draft(
            version.parent,
            Splice(version.start, version.removed, inserted.text[:begun]),
            tuple(part(inserted.origins, 0, begun)),
        )
        self._begin(document, base, draft, model, count=count)

    def alternative(
        self, document: Document, base: int, model: str | None, *, owner: int, index: int, choice: int
    ) -> None:
        """A sibling of the head, so that what the head says stays a branch.

        Where the token is the head's own, what stands behind the head's text stays; otherwise all behind it goes.
        """
        token = self.token(document.id, owner, index)
        chosen = chosen_alternative(token, choice)
        text = plain(chosen.chosen.token)
        version = self._versions.get(document.id, base)
        traced = self._versions.text(document.id, base)
        place = version.start + token.start if owner == base else place_of(self._versions.runs(traced), owner, index)
        # The first version has no tokens, so the head is another.
        assert version.parent is not None
        # Up to where the head changed it, its text is its parent's.
        start = min(version.start, place)
        above = self._versions.get(document.id, version.parent).length
        removed = version.removed if owner == base else above - start
        kept = tuple(part(traced.origins, start, place))
        draft = Draft(version.parent, Splice(start, removed, traced.text[start:place] + text), kept)
        self._begin(document, base, draft, model, lead=(TextDelta(text, (chosen,)),))

    def pick(self, document: Document, target: int) -> None:
        for live in self.running(document):
            if live.record.version.id != target:
                live.generation.cancel()
        self._versions.select(document.id, document.head, target)

    def stop(self, document_id: str) -> None:
        for live in self._journal.running(document_id):
            live.generation.cancel()

    def running(self, document: Document) -> list[LiveVersion]:
        """What is being written into it; of those that were cancelled only the head, for its text may still grow."""
        return [
            live
            for live in self._journal.running(document.id)
            if not live.generation.cancelled or live.record.version.id == document.head
        ]

    def require_quiet(self, document: Document) -> None:
        if self.running(document):
            raise Conflict("This document is being written; wait for the end or stop it.", field="id")

    def live(self, generation_id: str) -> LiveVersion:
        live = self._journal.text(generation_id)
        if live is None:
            raise NotFound("This generation has ended.", field="generation_id")
        return live

    def token(self, document_id: str, owner: int, index: int) -> WrittenToken:
        with suppress(NotFound):
            return self._versions.token(document_id, owner, index)
        for live in self._journal.running(document_id):
            if live.record.version.id == owner:
                transcript = live.record.transcript()
                for event in live.generation.events:
                    transcript.feed(event)
                if index < len(transcript.tokens):
                    return transcript.tokens[index]
        raise NotFound("Nothing is known of this token.", field="index")

    def close(self) -> None:
        self._journal.close()

    def _begin(
        self,
        document: Document,
        base: int,
        draft: Draft,
        model: str | None,
        *,
        count: int = 1,
        lead: tuple[Event, ...] = (),
    ) -> None:
        """Ask first: a model that cannot be asked leaves no version behind."""
        if not 1 <= count <= LIMITS.continuations:
            raise BadRequest(f"From 1 to {LIMITS.continuations} continuations can be written at once.", field="count")
        self.require_quiet(document)
        parent = self._versions.text(document.id, draft.parent).text
        before, after = parent[: draft.splice.start], parent[draft.splice.end :]
        context = DocumentContext(document.memory, before + draft.splice.inserted, document.note, document.note_depth)
        generations: list[Generation] = []
        try:
            for number in range(count):
                params = differing(self._parameters(document.id, model), number)
                generations.append(
                    self._inference.start(
                        DocumentPrompt(context, after), params, model, asked_by=RequestSource("notebook")
                    )
                )
            versions = self._versions.begin(document.id, base, draft, count=count, model=model or "")
        except Exception:
            for generation in generations:
                generation.cancel()
            raise
        for generation, version in zip(generations, versions, strict=True):
            record = VersionRecord(self._versions, version, draft.kept_text, lead)
            self._journal.follow(generation, document.id, record)


def differing(params: ReplyParams, number: int) -> ReplyParams:
    """For one of several continuations: with the same seed they would all be the same."""
    if params.sampling.seed is None or number == 0:
        return params
    return replace(params, sampling=params.sampling.model_copy(update={"seed": params.sampling.seed + number}))


def chosen_alternative(token: WrittenToken, choice: int) -> TokenLogprob:
    """The token as if that alternative had been drawn. Raises BadRequest for one that is no text of its own."""
    alternatives = token.token.alternatives
    if not 0 <= choice < len(alternatives):
        raise BadRequest(f"This token has {len(alternatives)} alternatives; this is none of them.", field="choice")
    chosen = alternatives[choice]
    if not chosen.token or "\N{REPLACEMENT CHARACTER}" in chosen.token:
        raise BadRequest("This alternative is a part of a character, or the end of the text.", field="choice")
    return TokenLogprob(chosen, alternatives)


def place_of(runs: list[TokenRun], owner: int, index: int) -> int:
    """Where a token stands in a text. Raises NotFound when it does not stand there any more."""
    for run in runs:
        if run.version == owner and run.first <= index < run.first + len(run.lengths):
            return run.start + sum(run.lengths[: index - run.first])
    raise NotFound("This token does not stand in the text any more.", field="index")
