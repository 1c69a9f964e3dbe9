"""The remote engine's declaration; the fetcher is imported only in the worker."""

from typing import TYPE_CHECKING

from pydantic import Field

from modules.engines.protocol import ADVANCED, EngineKind, EngineOptions, Report
from modules.limits import LIMITS
from modules.types.estimates import MemoryEstimate
from modules.types.local_model import LocalModel
from modules.types.machine import Machine

if TYPE_CHECKING:
    from modules.engines.remote.engine import RemoteEngine


class RemoteOptions(EngineOptions):
    """The server renders chats itself, so a chat template chosen here changes nothing."""

    context_length: int = Field(
        default=0, ge=0, le=LIMITS.context_tokens, description="Tokens one request may hold; 0 asks the server."
    )
    slots: int = Field(default=32, ge=1, le=256, description="Requests sent to the server at once.")
    silence_seconds: int = Field(
        default=300,
        ge=1,
        le=86_400,
        description="How long the server may say nothing before a request fails.",
        json_schema_extra=ADVANCED,
    )


def load(model: LocalModel, options: RemoteOptions, report: Report) -> "RemoteEngine":
    from modules.engines.remote.engine import RemoteEngine

    return RemoteEngine(model, options, report)


def estimate(_model: LocalModel, options: RemoteOptions, _machine: Machine) -> MemoryEstimate:
    return MemoryEstimate(0, context_length=options.context_length, slots=options.slots)


REMOTE = EngineKind("remote", ("remote",), RemoteOptions, load, estimate)
