"""Servers that run models for us: added, asked for their models, removed; asked by themselves only while loaded."""

import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from modules.engines.host import EngineHost
from modules.engines.remote.kind import REMOTE
from modules.engines.status import ModelStatus
from modules.errors import BadRequest, KeyRefused, NotFound, ParlorError
from modules.limits import LIMITS
from modules.services.server_contacts import ServerContacts
from modules.storage.files import fault_of
from modules.storage.remote_servers import RemoteServerStore
from modules.types.generation import Failed, Finished
from modules.types.local_model import LocalModel
from modules.types.remote import Endpoint, RemoteServer

FORMAT = "remote"
# The code of what is refused only because nobody answers there.
SILENT = "server_silent"


class RemoteService:
    """Any thread may call; `add` and `refresh` wait for the server, some seconds at most."""

    def __init__(self, store: RemoteServerStore, host: EngineHost, contacts: ServerContacts | None = None) -> None:
        self._store = store
        self._host = host
        self._contacts = contacts or ServerContacts()

    def servers(self) -> list[RemoteServer]:
        return [self._as_known(server) for server in self._store.servers()]

    def add(self, name: str, address: str, api_key: str = "", *, needs_answer: bool = False) -> RemoteServer:
        """Ask it for its models and keep it, in the place of one of that name.

        One that cannot be asked says so in its `error`, or, where it `needs_answer`, is not kept. Raises BadRequest for
        that, and for a name, an address or a key that cannot be.
        """
        # The fetcher takes a while to import.
        from modules.engines.remote.server import address_of

        check_name(name)
        check_key(api_key)
        server = RemoteServer(name, address_of(address), bool(api_key))
        server, failure = self._asked(server, api_key)
        if needs_answer and failure is not None:
            field = "api_key" if isinstance(failure, KeyRefused) else "address"
            raise BadRequest(f"{failure} Correct it, or add the server all the same.", field, SILENT)
        self._store.put(server, api_key)
        self._unload_models(name)
        return self._as_known(server)

    def refresh(self, name: str) -> RemoteServer:
        """Ask again; what was known stays when it does not answer. Raises NotFound."""
        server = self._find(name)
        endpoint = self._store.endpoint(name, "")
        server, _ = self._asked(server, endpoint.key if endpoint else "")
        self._store.update(server)
        return self._as_known(server)

    def remove(self, name: str) -> None:
        """Its models are unloaded, its key is forgotten. Raises NotFound."""
        self._find(name)
        self._store.remove(name)
        self._unload_models(name)

    def models(self) -> list[LocalModel]:
        """Of all servers, as they said when they were asked last."""
        return [
            LocalModel(f"{server.name}/{model}", f"{model} ({server.name})", FORMAT, created=server.checked or 0.0)
            for server in self.servers()
            for model in server.models
        ]

    def model(self, model_id: str) -> LocalModel | None:
        return next((model for model in self.models() if model.id == model_id), None)

    def with_contact(self, status: ModelStatus) -> ModelStatus:
        """With whether its server still answers, where it is a loaded model of one.

        When the last word of the server is old it is asked again, and the next status tells what came of that.
        """
        if status.engine != REMOTE.name or status.state != "ready":
            return status
        endpoint = self._store.endpoint(server_name(status.id), "")
        if endpoint is None:
            return status
        self._contacts.check_if_old(endpoint.address, lambda: self._models_of(endpoint))
        contact = self._contacts.of(endpoint.address)
        return replace(status, reachable=contact.reachable, last_heard=contact.last_heard, error=contact.error)

    def ended(self, model: LocalModel, end: Finished | Failed) -> None:
        """What a request to a model tells of its server."""
        endpoint = self._store.endpoint(server_name(model.id), "") if model.format == FORMAT else None
        if endpoint is None:
            return
        if isinstance(end, Failed):
            self._contacts.doubt(endpoint.address)
        elif end.usage.completion_tokens:
            self._contacts.heard(endpoint.address)

    def _as_known(self, server: RemoteServer) -> RemoteServer:
        """With what requests since the start have told."""
        contact = self._contacts.of(server.address)
        if contact.reachable is None:
            return replace(server, last_heard=server.checked)
        heard = max(contact.last_heard or 0.0, server.checked or 0.0) or None
        return replace(server, reachable=contact.reachable, last_heard=heard, error=contact.error)

    def _find(self, name: str) -> RemoteServer:
        server = self._store.get(name)
        if server is None:
            known = ", ".join(one.name for one in self.servers()) or "none"
            raise NotFound(f"There is no server called {name[:200]!r}. There are: {known}.", field="name")
        return server

    def _asked(self, server: RemoteServer, key: str) -> tuple[RemoteServer, ParlorError | None]:
        """The server with what it says of its models, or with why it does not."""
        try:
            models, remark = self._models_of(Endpoint(server.address, "", key))
        except ParlorError as failure:
            return replace(server, error=str(failure)), failure
        return replace(server, models=models, checked=time.time(), error=remark), None

    def _models_of(self, endpoint: Endpoint) -> tuple[tuple[str, ...], str]:
        """As `listed_models`, and it is kept whether the server answered."""
        try:
            models, remark = listed_models(endpoint)
        except ParlorError as failure:
            self._contacts.tried(endpoint.address, failure)
            raise
        self._contacts.tried(endpoint.address, None, remark)
        return models, remark

    def _unload_models(self, name: str) -> None:
        """Their workers know an address and a key that are no longer so."""
        for status in self._host.statuses():
            if status.engine == REMOTE.name and status.id.startswith(f"{name}/"):
                # It may have gone by itself meanwhile.
                with suppress(NotFound):
                    self._host.unload(status.id)


def model_for_worker(store: RemoteServerStore) -> Callable[[LocalModel], LocalModel]:
    """What adds to a remote model how its worker reaches it; nobody else learns that."""

    def with_endpoint(model: LocalModel) -> LocalModel:
        if model.format != FORMAT:
            return model
        name = model.id.partition("/")[2]
        return replace(model, endpoint=store.endpoint(server_name(model.id), name))

    return with_endpoint


def server_name(model_id: str) -> str:
    """The name of the server that a remote model is on."""
    return model_id.partition("/")[0]


def listed_models(endpoint: Endpoint) -> tuple[tuple[str, ...], str]:
    """(the names of the server's models, what is wrong with the list)."""
    from modules.engines.remote.server import Server

    names = dict.fromkeys(str(entry["id"]) for entry in Server(endpoint).model_list())
    usable = [name for name in names if name.isprintable() and 0 < len(name) <= LIMITS.remote_model_chars]
    if not usable:
        return (), "The server answered, but names no model."
    if len(usable) > LIMITS.remote_models:
        return tuple(
            usable[: LIMITS.remote_models]
        ), f"It has {len(usable):,} models; {LIMITS.remote_models:,} are kept."
    return tuple(usable), ""


def check_name(name: str) -> None:
    """Raises BadRequest with what to write instead."""
    if not name:
        raise BadRequest(
            "Give the server a name, such as office. Its models are called by it: office/some-model.", "name"
        )
    if len(name) > LIMITS.server_name_chars:
        raise BadRequest(
            f"A server's name has at most {LIMITS.server_name_chars} characters; this one has {len(name):,}.", "name"
        )
    if fault := fault_of(name):
        raise BadRequest(f"A server cannot be called this: {fault}.", field="name")


def check_key(key: str) -> None:
    """What may stand in a header; the key itself is never repeated."""
    if len(key) > LIMITS.server_key_chars or not re.fullmatch(r"[\x21-\x7e]*", key):
        raise BadRequest(
            f"A key has at most {LIMITS.server_key_chars:,} letters, digits and signs of ASCII, without blanks. "
            "Copy it again.",
            field="api_key",
        )
