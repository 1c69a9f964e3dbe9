"""A settings model that lies in another process: its fields are here, what they may be is asked there."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, create_model, model_validator
from pydantic_core import PydanticCustomError, PydanticKnownError
from pydantic_core.core_schema import ErrorType

from modules.extensions.isolation.crossing import CheckedSettings, SettingsFacts, WrongValue


def settings_stand_in(facts: SettingsFacts, check: Callable[[dict[str, Any]], CheckedSettings]) -> type[BaseModel]:
    """Its JSON schema, its defaults and its verdict on each value are those of the model it stands for."""

    def checked(values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        result = check({**values})
        if (whole := result.wrong.get("")) is not None:
            raise error_of(whole)
        return {**result.values, **result.wrong}

    def told(schema: dict[str, Any]) -> None:
        schema.clear()
        schema.update(inlined(facts.schema, facts.schema.get("$defs", {})))

    validators: dict[str, Any] = {"checked": model_validator(mode="before")(checked)}
    fields: dict[str, Any] = {
        name: (Annotated[Any, AfterValidator(sound)], default) for name, default in facts.defaults.items()
    }
    return create_model(
        str(facts.schema.get("title", "Settings")),
        __config__=ConfigDict(extra="forbid", frozen=True, json_schema_extra=told),
        __validators__=validators,
        **fields,
    )


def sound(value: Any) -> Any:
    if isinstance(value, WrongValue):
        raise error_of(value)
    return value


def error_of(wrong: WrongValue) -> PydanticKnownError | PydanticCustomError:
    """As pydantic raised it over there."""
    try:
        return PydanticKnownError(cast(ErrorType, wrong.type), wrong.limits)
    except (KeyError, TypeError):
        # Braces would be read as places for limits.
        return PydanticCustomError("settings", "{sentence}", {"sentence": wrong.sentence})


def inlined(schema: Any, definitions: Mapping[str, Any], within: tuple[str, ...] = ()) -> Any:
    """A JSON schema with each definition in the place of the references to it; pydantic knows no foreign ones. Within
    itself a definition is anything."""
    if isinstance(schema, list):
        return [inlined(part, definitions, within) for part in cast(list[Any], schema)]
    if not isinstance(schema, dict):
        return schema
    members = cast(dict[str, Any], schema)
    if "$ref" in members:
        name = str(members["$ref"]).rpartition("/")[2]
        return {} if name in within else inlined(definitions[name], definitions, (*within, name))
    return {key: inlined(part, definitions, within) for key, part in members.items() if key != "$defs"}
