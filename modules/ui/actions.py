"""The page's edge: what every action does with the values it gets and the errors it meets."""

import functools
from collections.abc import Callable
from types import MappingProxyType
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, Field, ValidationError

from modules.errors import BadRequest, ModelError, NotFound, ParlorError

View = dict[str, Any]
Folder = Annotated[str, Field(max_length=1000)]
Tab = TypeVar("Tab")
Values = TypeVar("Values", bound=BaseModel)
# What a person types, by the name the page sends it under.
TYPED = MappingProxyType(
    {
        "text": "message",
        "title": "title",
        "search": "search",
        "new_name": "name",
        "note": "note",
        "memory": "memory",
        "folder": "folder's name",
        "new_folder": "folder's name",
        "options": "list of options",
        "source": "source",
        "address": "address",
        "api_key": "key",
        "name": "name",
        "description": "description",
        "yaml": "file",
        "words": "search",
        "token": "token",
        "path": "path",
    }
)


def action(
    values_type: type[Values],
) -> Callable[[Callable[[Tab, Values], View]], Callable[[Tab, Any], View]]:
    """For a method that reads such values: they are checked, and errors become something the page can show.

    An error is `{"error": {"message", "code"}}`, with `field` where one part of the request is wrong, and `details`
    where an engine had last words.
    """

    def decorate(method: Callable[[Tab, Values], View]) -> Callable[[Tab, Any], View]:
        @functools.wraps(method)
        def act(tab: Tab, values: Any) -> View:
            try:
                return method(tab, values_type.model_validate(values))
            except ValidationError as error:
                return {"error": {"message": sentence_of(error), "code": "invalid_request"}}
            except ParlorError as error:
                return {"error": error_view(error)}

        return act

    return decorate


def error_view(error: ParlorError) -> View:
    view: View = {"message": str(error), "code": error.code}
    if isinstance(error, BadRequest | NotFound) and error.field:
        view["field"] = error.field
    if isinstance(error, ModelError) and error.details:
        view["details"] = error.details
    return view


def sentence_of(error: ValidationError) -> str:
    """What a person typed too long is named with its limit; anything else is the page's own mistake."""
    first = error.errors()[0]
    name = TYPED.get(str(first["loc"][0])) if first["loc"] else None
    limit = first.get("ctx", {}).get("max_length")
    if name and limit:
        return f"The {name} has more than {limit:,} characters, which is the limit."
    return "Parlor does not understand what this page asks. Reload the page and try again."
