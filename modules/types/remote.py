"""Servers that run models for us, and how a worker reaches one of their models."""

from dataclasses import field

from pydantic.dataclasses import dataclass


@dataclass(frozen=True)
class RemoteServer:
    """`address` is without the /v1 that its routes begin with. Its key is not here, only whether there is one.

    `models` are the names that the server gave at `checked`, a time in seconds since 1970; None when it never answered.
    `error` is a sentence when the last try failed, empty otherwise. `reachable` is whether it answered the last request
    since the program's start, None before the first; `last_heard` is when it last answered any, as `checked`.
    """

    name: str
    address: str
    has_key: bool
    models: tuple[str, ...] = ()
    checked: float | None = None
    error: str = ""
    reachable: bool | None = None
    last_heard: float | None = None


@dataclass(frozen=True)
class Endpoint:
    """A model on a server. The key is shown to nobody but that server."""

    address: str
    model: str
    key: str = field(default="", repr=False)
