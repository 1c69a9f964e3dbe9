"""The model hub: search, a model's own page, its files. Errors are sentences for a person."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from modules.errors import BadRequest
from modules.library.hub.answers import RepositoryAnswer, parse_answer
from modules.library.hub.connection import HubConnection
from modules.types.hub import HubFile

REPOSITORY = re.compile(r"\w[\w.-]{0,95}/\w[\w.-]{0,95}", re.ASCII)
REVISION_CHARS = 250


class HubClient:
    """Any thread; nothing is asked before it is called. The token is asked for each time, so that it may change."""

    def __init__(self, endpoint: str, token: Callable[[], str | None]) -> None:
        """Raises BadRequest when the endpoint is no http or https address."""
        self._hub = HubConnection(endpoint, token)

    def __repr__(self) -> str:
        return f"HubClient({self._hub.endpoint!r})"

    def files(self, repository: str, revision: str = "main") -> tuple[str, tuple[HubFile, ...]]:
        """(the commit that the revision stands for now, its files). Names are as the hub has them: check them.

        Raises NotFound, BadRequest, HubAccessError or HubError.
        """
        answer = self._repository(repository, revision)
        return answer.sha, answer.files()

    def _repository(self, repository: str, revision: str) -> RepositoryAnswer:
        path = f"/api/models/{checked_repository(repository)}/revision/{quote(checked_revision(revision), safe='')}"
        return parse_answer(RepositoryAnswer, self._ask(path, {"blobs": "true"}))

    def _ask(self, path: str, parameters: dict[str, str | list[str]] | None = None) -> Any:
        return self._hub.get(path, parameters).json()


def checked_repository(repository: str) -> str:
    if not REPOSITORY.fullmatch(repository) or ".." in repository or "--" in repository:
        raise BadRequest("A repository is named like user/model, in letters, digits and . _ -", field="repository")
    return repository


def checked_revision(revision: str) -> str:
    printable = revision.isprintable() and not revision.startswith("-") and ".." not in revision
    if not 0 < len(revision) <= REVISION_CHARS or not printable:
        raise BadRequest(f"A revision is a branch, tag or commit of up to {REVISION_CHARS} letters.", field="revision")
    return revision
