"""Bodies are strict JSON: no NaN, no Infinity, no lone surrogates, no NUL; the error says so and stays short."""

import json
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, cast

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import AfterValidator, BaseModel, ConfigDict, model_validator

from modules.types.faults import fault_of_text


class StrictRoute(APIRoute):
    """A route whose body is parsed by `parse`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def strict_handle(request: Request) -> Response:
            return await handle(StrictRequest(request.scope, request.receive))

        return strict_handle


class StrictRequest(Request):
    async def json(self) -> Any:
        return parse(await self.body())


class WireModel(BaseModel):
    """A body: right types only, unknown fields passed over, null the same as absent."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def null_is_absent(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        fields = cast(dict[Any, Any], values)
        return {name: value for name, value in fields.items() if value is not None}


def parse(body: bytes) -> Any:
    """Raises RequestValidationError naming the place."""
    try:
        return json.loads(body.decode("utf-8"), parse_constant=refuse_constant, parse_int=bounded_int)
    except (ValueError, RecursionError) as error:
        reason = f"it is not valid JSON: {error}" if not isinstance(error, UnicodeDecodeError) else "it is not UTF-8"
        raise refusal(f"The body cannot be read: {reason[:200]}.") from error


def refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def bounded_int(digits: str) -> int:
    if len(digits) > 20:
        raise ValueError("a whole number has more than 20 digits")
    return int(digits)


def refusal(message: str) -> RequestValidationError:
    return RequestValidationError([{"type": "json_invalid", "loc": ("body",), "msg": message, "input": None}])


def check_characters(text: str) -> str:
    if fault := fault_of_text(text):
        raise ValueError(fault)
    return text


Text = Annotated[str, AfterValidator(check_characters)]
