"""Every error the program raises on purpose, as one tree.

ParlorError
├── BadRequest            the caller sent something wrong; names the field and the limit
│   ├── SeveralChoices    a repository holds several models; one must be named
│   ├── ContextOverflow   the prompt does not fit the model's context
│   └── Conflict          someone else changed the thing first
├── NotFound              no model, conversation or job of that name
├── Busy                  too many requests wait; try again later
│   └── ModelBusy         models at work leave no room for another
├── Cancelled             whoever asked does not wait any more
├── ModelError            a model cannot be loaded
├── EngineError           an engine failed while it worked
│   ├── WorkerDied        the engine's process ended unexpectedly
│   └── KeyRefused        a server that runs models for us wants another key
├── TrainingError         a training cannot go on, or cannot begin
├── Forbidden             only the owner may do this, or not while others can reach the program
├── InstallError          an extension could not be fetched or put in place
├── StorageError          the disk or the database said no
├── StartError            the program cannot start like this (exit status 2)
├── HubError              the model hub did not answer, or not as it should
│   └── HubAccessError    the repository is gated or private, and no token opens it
├── DownloadError         a download failed; the reason says which step
├── ExtensionFault        an extension failed, or gave what it must not
└── FetchError            another machine could not be asked, or must not be
"""

from typing import Literal

ModelCause = Literal[
    "out_of_memory",
    "unsupported_architecture",
    "damaged_file",
    "missing_file",
    "bad_option",
    "missing_package",
    "gpu",
    "killed",
    "crashed",
    "timeout",
    "cancelled",
    "unknown",
]
TrainingCause = Literal["out_of_memory", "disk", "data", "model", "other"]


class ParlorError(Exception):
    """Base of the tree. `str(error)` is a sentence for a person: what was wrong and what to do."""

    code = "error"


class BadRequest(ParlorError):
    """The request is wrong. `field` names the part of it, None when it is the whole."""

    code = "invalid_request"

    def __init__(self, message: str, field: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.field = field
        if code is not None:
            self.code = code


class ContextOverflow(BadRequest):
    """The prompt has more tokens than the model's context can hold."""

    code = "context_length_exceeded"

    def __init__(self, prompt_tokens: int, context_length: int, message: str | None = None) -> None:
        """`message` is for who cannot count for itself, but was told so."""
        super().__init__(
            message
            or f"The prompt has {prompt_tokens:,} tokens, but this model's context holds {context_length:,} "
            "and one of them is needed for the reply. Shorten the conversation.",
            field="messages",
        )
        self.prompt_tokens = prompt_tokens
        self.context_length = context_length


class SeveralChoices(BadRequest):
    """What is asked for holds several; `choices` are their names and sizes in bytes."""

    code = "several_choices"

    def __init__(self, message: str, field: str, choices: tuple[tuple[str, int], ...]) -> None:
        super().__init__(message, field)
        self.choices = choices


class Conflict(BadRequest):
    """The thing was changed by someone else since the caller last saw it."""

    code = "conflict"


class NotFound(ParlorError):
    """Nothing goes by that name. `field` names the request's field that held it."""

    code = "not_found"

    def __init__(self, message: str, field: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.field = field
        if code is not None:
            self.code = code


class Busy(ParlorError):
    """Try again after `retry_after_seconds`."""

    code = "busy"

    def __init__(self, message: str, retry_after_seconds: int = 5) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class ModelBusy(Busy):
    """Models that answer or are being loaded leave no room."""

    code = "model_busy"


class Cancelled(ParlorError):
    """Whoever asked does not wait any more, so nothing is answered."""

    code = "cancelled"


class ModelError(ParlorError):
    """A model cannot be loaded; `details` holds the engine's own last words, for a fold-out."""

    code = "model_not_loaded"

    def __init__(self, message: str, details: str = "", cause: ModelCause = "unknown") -> None:
        super().__init__(message)
        self.details = details
        self.cause: ModelCause = cause


class EngineError(ParlorError):
    """An engine failed while it worked on a request."""

    code = "engine_failed"


class WorkerDied(EngineError):
    """The engine's process ended unexpectedly; the next request starts a new one."""

    code = "worker_died"


class KeyRefused(EngineError):
    """A server that runs models for us wants a key, or another one."""


class TrainingError(ParlorError):
    """A training cannot go on, or cannot begin; what it has saved stays whole."""

    code = "training_failed"

    def __init__(self, message: str, cause: TrainingCause = "other") -> None:
        super().__init__(message)
        self.cause: TrainingCause = cause


class Forbidden(ParlorError):
    """Only the owner may do this, or nobody while the program is shared."""

    code = "forbidden"


class InstallError(ParlorError):
    """An extension, or what it needs, could not be fetched or put in place."""

    code = "install_failed"


class StorageError(ParlorError):
    """The disk or the database refused to read or write."""

    code = "storage_failed"


class StartError(ParlorError):
    """The program cannot start like this; the command line exits with status 2."""

    code = "cannot_start"


class HubError(ParlorError):
    """The model hub cannot be reached, is busy, or answers what cannot be understood."""

    code = "hub_failed"


class HubAccessError(HubError):
    """The hub wants a token that may read this repository: it is gated or private, or the token is wrong."""

    code = "hub_access"


class DownloadError(ParlorError):
    """A download failed; the message names the step and the reason."""

    code = "download_failed"


class FetchError(ParlorError):
    """Another machine could not be asked, did not answer, or must not be asked at all."""

    code = "fetch_failed"


class ExtensionFault(ParlorError):
    """An extension failed, took too long or gave something of the wrong kind; the message names it."""

    code = "extension_failed"
