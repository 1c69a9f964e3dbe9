"""Errors as OpenAI's clients know them: {"error": {message, type, param, code}} and a status."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic_core import ErrorDetails
from starlette.exceptions import HTTPException

from modules import errors
from modules.types.faults import fault_of
from modules.types.generation import Failed

# The class's nearest ancestor in this table decides.
STATUS: dict[type[errors.ParlorError], int] = {
    errors.ParlorError: 500,
    errors.BadRequest: 400,
    errors.Conflict: 409,
    errors.NotFound: 404,
    errors.Busy: 429,
    errors.ModelBusy: 503,
    # Nobody reads it; the number is the one that web servers log for this.
    errors.Cancelled: 499,
    errors.ModelError: 503,
    errors.WorkerDied: 503,
    errors.Forbidden: 403,
    errors.InstallError: 502,
    errors.StorageError: 503,
    errors.HubError: 502,
    errors.HubAccessError: 403,
    errors.DownloadError: 503,
    errors.FetchError: 502,
}
RETRY_SECONDS = 5
SHOWN_PATH_CHARS = 200
NO_ROUTE = "There is no route {}. /v1/openapi.json lists them all."


def install_error_shapes(app: FastAPI) -> None:
    app.add_exception_handler(errors.ParlorError, on_parlor_error)
    app.add_exception_handler(RequestValidationError, on_validation_error)
    app.add_exception_handler(HTTPException, on_http_error)
    app.add_exception_handler(Exception, on_unexpected_error)


def error_object(message: str, status: int, field: str | None, code: str | None) -> dict[str, Any]:
    kind = "invalid_request_error" if status < 500 else "server_error"
    return {"error": {"message": message, "type": kind, "param": field, "code": code}}


def raise_if_failed(end: object) -> None:
    """Turn a generation's Failed end back into the error it was."""
    if isinstance(end, Failed):
        raise end.error()


def status_of(error: errors.ParlorError) -> int:
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


async def on_parlor_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, errors.ParlorError)
    status = status_of(error)
    field = error.field if isinstance(error, errors.BadRequest | errors.NotFound) else None
    headers = {"Retry-After": str(RETRY_SECONDS)} if status in {429, 503} else None
    return JSONResponse(error_object(str(error), status, field, error.code), status, headers)


async def on_validation_error(_request: Request, error: Exception) -> JSONResponse:
    """The first thing that is wrong, with the field's path; never the value, which may be huge or secret."""
    assert isinstance(error, RequestValidationError)
    first = most_telling(error)
    place = ".".join(named(first))
    message = f"{place} {fault_of(first)}." if place else str(first["msg"])
    return JSONResponse(error_object(message, 400, place or None, "invalid_request"), 400)


def most_telling(error: RequestValidationError) -> ErrorDetails:
    """The first error; where a field may be of several kinds, that of the kind which the value is nearest to."""
    errors: list[ErrorDetails] = list(error.errors())
    place = named(errors[0])
    rivals = [one for one in errors if named(one)[: len(place)] == place]
    return max(rivals, key=lambda one: (len(named(one)), not one["type"].endswith("_type")))


def named(error: ErrorDetails) -> list[str]:
    """The path of the field as the caller wrote it, without the names of our own types and checks."""
    parts = [str(part) for part in error["loc"]]
    return [part for part in parts if part != "body" and not {"[", "("} & set(part)]


async def on_http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    asked = f"{request.method} {request.url.path[:SHOWN_PATH_CHARS]}"
    message = NO_ROUTE.format(asked) if error.status_code in {404, 405} else str(error.detail)
    return JSONResponse(error_object(message, error.status_code, None, None), error.status_code, error.headers)


async def on_unexpected_error(_request: Request, _error: Exception) -> JSONResponse:
    return JSONResponse(error_object("Something went wrong inside Parlor; its log says what.", 500, None, "error"), 500)
