"""The model hub: search, a model's own page, its files. Errors are sentences for a person."""

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from urllib.parse import quote

from modules.errors import BadRequest, HubAccessError, NotFound
from modules.library.hub.answers import (
    REPOSITORY,
    AccountAnswer,
    CommitAnswer,
    ListAnswer,
    RepositoryAnswer,
    parse_answer,
)
from modules.library.hub.choices import choices_of
from modules.library.hub.connection import HubConnection, Parameters
from modules.library.hub.shapes import ShapeReader, file_path
from modules.types.hub import HubEntry, HubFile, HubModel, HubQuery, HubResults, Sorting
from modules.types.local_model import ModelShape

REVISION_CHARS = 250
CURSOR = re.compile(r"[!-~]{1,4000}")
PAGE_ENTRIES = 30
CARD = "README.md"
MAX_CARD_BYTES = 1024 * 1024
FRONT_MATTER = re.compile(r"\A---[ \t]*\r?\n.*?^---[ \t]*(\r?\n|\Z)", re.DOTALL | re.MULTILINE)
SORTINGS: dict[Sorting, str] = {
    "downloads": "downloads",
    "likes": "likes",
    "recent": "lastModified",
    "trending": "trendingScore",
}
# What an entry needs, so that no model of the list must be asked for by itself.
EXPANDED = (
    "downloads", "gated", "gguf", "lastModified", "likes", "pipeline_tag", "private", "safetensors", "tags",
)  # fmt: skip
UNITS = ((10**9, "B"), (10**6, "M"), (10**3, "K"))


class HubClient:
    """Any thread; nothing is asked before it is called. The token is asked for each time, so that it may change."""

    def __init__(self, endpoint: str, token: Callable[[], str | None]) -> None:
        """Raises BadRequest when the endpoint is no http or https address."""
        self._hub = HubConnection(endpoint, token)
        self._shapes = ShapeReader(self._hub)

    def __repr__(self) -> str:
        return f"HubClient({self._hub.endpoint!r})"

    def search(self, query: HubQuery) -> HubResults:
        """A page of models. Raises BadRequest or HubError."""
        path, parameters = "/api/models", search_parameters(query)
        if query.cursor:
            path, parameters = f"{path}?{checked_cursor(query.cursor)}", None
        answer = self._hub.get(path, parameters)
        found = parse_answer(ListAnswer, {"models": answer.json()}).models[:PAGE_ENTRIES]
        entries = tuple(entry for one in found if is_within(entry := one.entry(), query))
        return HubResults(entries, cursor_of(answer.next))

    def model(self, repository: str, revision: str = "main") -> HubModel:
        """Files, card, what can be downloaded. Raises NotFound, BadRequest, HubAccessError or HubError."""
        answer = self._repository(repository, revision)
        entry, files = answer.entry(), answer.files()
        gguf = answer.gguf
        told = ModelShape(
            architecture=gguf.architecture[:100] if gguf else "",
            parameters=entry.parameters,
            context_length=gguf.context_length if gguf else 0,
        )
        has_access = entry.gate == "open" or self._has_access(entry.repository)
        choices = self._shapes.shaped(entry.repository, answer.sha, choices_of(files), told)
        return HubModel(
            entry=entry,
            revision=revision,
            commit=answer.sha,
            card=self._card(entry.repository, answer.sha, files),
            files=files,
            choices=choices,
            has_access=has_access,
        )

    def files(self, repository: str, revision: str = "main") -> tuple[str, tuple[HubFile, ...]]:
        """(the commit that the revision stands for now, its files). Names are as the hub has them: check them.

        Raises NotFound, BadRequest, HubAccessError or HubError.
        """
        answer = self._repository(repository, revision)
        return answer.sha, answer.files()

    def dataset_commit(self, repository: str, revision: str = "main") -> str:
        """What the revision of a dataset stands for now. Raises as `files` does."""
        path = f"/api/datasets/{checked_repository(repository)}/revision/{quote(checked_revision(revision), safe='')}"
        return parse_answer(CommitAnswer, self._hub.get(path, {"expand": "sha"}).json()).sha

    def account(self) -> str | None:
        """Whose the token is; None without one, or where a mirror knows no accounts.

        Raises HubAccessError when the hub does not accept it, or HubError.
        """
        if not self._hub.has_token():
            return None
        try:
            return parse_answer(AccountAnswer, self._hub.get("/api/whoami-v2").json()).name
        except NotFound:
            return None

    def _repository(self, repository: str, revision: str) -> RepositoryAnswer:
        path = f"/api/models/{checked_repository(repository)}/revision/{quote(checked_revision(revision), safe='')}"
        return parse_answer(RepositoryAnswer, self._hub.get(path, {"blobs": "true"}).json())

    def _has_access(self, repository: str) -> bool:
        """A mirror that does not know the question gets the benefit of the doubt."""
        with suppress(NotFound):
            try:
                self._hub.get(f"/api/models/{repository}/auth-check")
            except HubAccessError:
                return False
        return True

    def _card(self, repository: str, commit: str, files: Sequence[HubFile]) -> str:
        """Its beginning when it is very long; empty where there is none or it is not shown to us."""
        if not any(file.path == CARD and file.size_bytes for file in files):
            return ""
        try:
            answer = self._hub.get(file_path(repository, commit, CARD), first_bytes=MAX_CARD_BYTES)
        except (NotFound, HubAccessError):
            return ""
        return FRONT_MATTER.sub("", answer.content.decode("utf-8", "replace"), count=1).strip()


def search_parameters(query: HubQuery) -> Parameters:
    filters = [query.format] if query.format else []
    if query.licence:
        filters.append(f"license:{query.licence}")
    least = f"min:{short_count(query.least_parameters)}" if query.least_parameters else ""
    most = f"max:{short_count(query.most_parameters)}" if query.most_parameters else ""
    given: dict[str, str | list[str]] = {
        "search": query.words.strip(),
        "pipeline_tag": query.task,
        "filter": filters,
        "num_parameters": ",".join(bound for bound in (least, most) if bound),
        "sort": SORTINGS[query.sorting],
        "limit": str(PAGE_ENTRIES),
        "expand": list(EXPANDED),
    }
    return {name: value for name, value in given.items() if value}


def short_count(count: int) -> str:
    """As the hub writes it: 7B, 1500M, 12345."""
    return next((f"{count // unit}{letter}" for unit, letter in UNITS if count % unit == 0), str(count))


def is_within(entry: HubEntry, query: HubQuery) -> bool:
    """Whether its parameters are in the range asked for; hubs that do not know the filter pass over it."""
    if not entry.parameters:
        return True
    return query.least_parameters <= entry.parameters <= (query.most_parameters or entry.parameters)


def cursor_of(link: str) -> str:
    """What the hub's link to the next page asks. Of its address nothing is kept: only the configured hub is asked."""
    asked = link.partition("?")[2].partition("#")[0]
    return asked if CURSOR.fullmatch(asked) else ""


def checked_cursor(cursor: str) -> str:
    if not CURSOR.fullmatch(cursor) or "#" in cursor:
        raise BadRequest("This is not the cursor of a page of results.", field="cursor")
    return cursor


def checked_repository(repository: str) -> str:
    if not REPOSITORY.fullmatch(repository) or ".." in repository or "--" in repository:
        raise BadRequest("A repository is named like user/model, in letters, digits and . _ -", field="repository")
    return repository


def checked_revision(revision: str) -> str:
    printable = revision.isprintable() and not revision.startswith("-") and ".." not in revision
    if not 0 < len(revision) <= REVISION_CHARS or not printable:
        raise BadRequest(f"A revision is a branch, tag or commit of up to {REVISION_CHARS} letters.", field="revision")
    return revision
