"""The model hub as people and programs use it: search, a model's page, and the token that is theirs."""

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from modules.errors import BadRequest, Conflict, HubAccessError, NotFound, StartError
from modules.library.hub.client import HubClient
from modules.library.hub.connection import HubConnection, Origin, origin_of
from modules.library.hub.push import HubPusher
from modules.limits import LIMITS
from modules.storage.files import write_atomically
from modules.types.hub import HubChoice, HubModel, HubQuery, HubResults
from modules.types.local_model import LocalModel

DEFAULT_ENDPOINT = "https://huggingface.co"
ENDPOINT_VARIABLE, TOKEN_VARIABLE = "HF_ENDPOINT", "HF_TOKEN"
TOKEN = re.compile(r"[!-~]+")


@dataclass(frozen=True)
class HubAccount:
    """`user` is None without a token, with one that the hub does not accept, or where it knows no accounts."""

    user: str | None
    has_token: bool
    from_environment: bool


class StoredToken(BaseModel):
    """A token, and the hub it was given for: no other ever sees it."""

    model_config = ConfigDict(frozen=True, strict=True)

    scheme: str
    host: str
    port: int
    token: str

    @property
    def origin(self) -> Origin:
        return self.scheme, self.host, self.port


class HubService:
    """Any thread. The hub is asked when a method that says so is called, and at no other time."""

    def __init__(self, endpoint: str, token_file: Path, environment: Mapping[str, str] = os.environ) -> None:
        """An empty endpoint is the environment's, or the public hub. Raises StartError when it is no web address."""
        self.endpoint = (endpoint or environment.get(ENDPOINT_VARIABLE, "") or DEFAULT_ENDPOINT).rstrip("/")
        self._token_file = token_file
        self._from_environment = environment.get(TOKEN_VARIABLE, "").strip()
        try:
            self._client = HubClient(self.endpoint, self.token)
        except BadRequest as error:
            raise StartError(f"--hub-endpoint or {ENDPOINT_VARIABLE}: {error}") from error

    @property
    def client(self) -> HubClient:
        """For downloads: with this hub and this token."""
        return self._client

    @property
    def pusher(self) -> HubPusher:
        """For what is published there: with this hub and this token."""
        return HubPusher(HubConnection(self.endpoint, self.token))

    def search(self, query: HubQuery) -> HubResults:
        """Asks the hub. Raises BadRequest or HubError."""
        return self._client.search(query)

    def model(self, repository: str, revision: str = "main") -> HubModel:
        """Asks the hub. Raises NotFound, BadRequest, HubAccessError or HubError."""
        return self._client.model(repository, revision)

    def dataset_commit(self, repository: str, revision: str = "main") -> str:
        """Asks the hub what the revision stands for. Raises as `model` does."""
        try:
            return self._client.dataset_commit(repository, revision)
        except NotFound as error:
            raise NotFound(f"The hub has no dataset {repository[:120]}, no such revision, or it is private.") from error

    def account(self) -> HubAccount:
        """Asks the hub, if there is a token, whose it is. Raises HubError."""
        user = None
        with suppress(HubAccessError):
            user = self._client.account()
        return HubAccount(user, self.has_token, self.from_environment)

    @property
    def has_token(self) -> bool:
        return self.token() is not None

    @property
    def from_environment(self) -> bool:
        """Whether the token is HF_TOKEN, which cannot be changed here."""
        return bool(self._from_environment)

    def token(self) -> str | None:
        """What the configured hub may be sent, and no other: HF_TOKEN, or what was kept for it."""
        if self._from_environment:
            return self._from_environment
        stored = self._stored()
        return stored.token if stored and stored.origin == origin_of(self.endpoint) else None

    def set_token(self, token: str) -> HubAccount:
        """Asks the hub whether it accepts the token, and keeps it if so.

        Raises BadRequest, Conflict while HF_TOKEN is set, HubAccessError when the hub refuses it, HubError or
        StorageError; then the one before is kept.
        """
        if self.from_environment:
            raise Conflict(f"{TOKEN_VARIABLE} is set and comes first. Unset it and start Parlor anew.", field="token")
        candidate = token.strip()
        if not TOKEN.fullmatch(candidate) or len(candidate) > LIMITS.hub_token_chars:
            raise BadRequest(
                f"A token is up to {LIMITS.hub_token_chars} letters and digits without spaces, as the hub shows it.",
                field="token",
            )
        user = HubClient(self.endpoint, lambda: candidate).account()
        scheme, host, port = origin_of(self.endpoint)
        stored = StoredToken(scheme=scheme, host=host, port=port, token=candidate)
        self._token_file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self._token_file, stored.model_dump_json().encode())
        return HubAccount(user, has_token=True, from_environment=False)

    def forget_token(self) -> None:
        """Nothing happens when there is none. HF_TOKEN stays what it is."""
        self._token_file.unlink(missing_ok=True)

    def _stored(self) -> StoredToken | None:
        """None when there is none, or what is there is not ours."""
        try:
            return StoredToken.model_validate_json(self._token_file.read_bytes())
        except (OSError, ValidationError):
            return None


def as_local_model(model: HubModel, choice: HubChoice) -> LocalModel:
    """What the choice would be in the library, for an estimate before it is there."""
    return LocalModel(
        id=f"{model.entry.repository}:{choice.name}",
        title=f"{model.entry.repository.rpartition('/')[2]} {choice.name}",
        format=choice.format,
        size_bytes=choice.size_bytes,
        shape=choice.shape,
        quantization=choice.quantization,
        licence=model.entry.licence,
    )
