"""Servers that run models for us: added, asked for their models, removed; never asked by themselves."""

import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from modules.engines.host import EngineHost
from modules.engines.remote.kind import REMOTE
from modules.errors import BadRequest, NotFound, ParlorError
from modules.limits import LIMITS
from modules.storage.files import fault_of
from modules.storage.remote_servers import RemoteServerStore
from modules.types.local_model import LocalModel
from modules.types.remote import Endpoint, RemoteServer

FORMAT = "remote"


class RemoteService:
    """Any thread may call; `add` and `refresh` wait for the server, some seconds at most."""

    def __init__(self, store: RemoteServerStore, host: EngineHost) -> None:
        self._store = store
        self._host = host

    def servers(self) -> list[RemoteServer]:
        return self._store.servers()

    def add(self, name: str, address: str, api_key: str = "") -> RemoteServer:
        """Ask it for its models and keep it, in the place of one of that name; one that cannot be asked says so.

        Raises BadRequest for a name, an address or a key that cannot be.
        """
        # The fetcher takes a while to import.
        from modules.engines.remote.server import address_of

        check_name(name)
        check_key(api_key)
        server = self._ask(RemoteServer(name, address_of(address), bool(api_key)), api_key)
        self._unload_models(name)
        return server

    def refresh(self, name: str) -> RemoteServer:
        """Ask again; what was known stays when it does not answer. Raises NotFound."""
        server = self._find(name)
        endpoint = self._store.endpoint(name, "")
        return self._ask(server, endpoint.key if endpoint else "")

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

    def _find(self, name: str) -> RemoteServer:
        server = self._store.get(name)
        if server is None:
            known = ", ".join(one.name for one in self.servers()) or "none"
            raise NotFound(f"There is no server called {name[:200]!r}. There are: {known}.", field="name")
        return server

    def _ask(self, server: RemoteServer, key: str) -> RemoteServer:
        try:
            models, error = listed_models(Endpoint(server.address, "", key))
            server = replace(server, models=models, checked=time.time(), error=error)
        except ParlorError as error:
            server = replace(server, error=str(error))
        self._store.put(server, key)
        return server

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
        server, _, name = model.id.partition("/")
        return replace(model, endpoint=store.endpoint(server, name))

    return with_endpoint


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
    fault = fault_of(name)
    if not fault and len(name) > LIMITS.server_name_chars:
        fault = f"it is longer than {LIMITS.server_name_chars} characters"
    if fault:
        raise BadRequest(f"A server cannot be called this: {fault}.", field="name")


def check_key(key: str) -> None:
    """What may stand in a header; the key itself is never repeated."""
    if len(key) > LIMITS.server_key_chars or not re.fullmatch(r"[\x21-\x7e]*", key):
        raise BadRequest(
            f"A key has at most {LIMITS.server_key_chars:,} letters, digits and signs, without blanks.", field="api_key"
        )
