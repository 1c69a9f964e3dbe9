"""What is wrong with a value, in words for a person."""

from typing import Any

from pydantic_core import ErrorDetails

SHOWN_CHARS = 60


def fault_of(error: ErrorDetails) -> str:
    """The limit, to follow the name of what it limits."""
    limits = error.get("ctx", {})
    match error["type"]:
        case "missing":
            return "is missing"
        case "extra_forbidden":
            return "is not known"
        case "less_than_equal":
            return f"can be {plain(limits['le'])} at most"
        case "greater_than_equal":
            return f"must be at least {plain(limits['ge'])}"
        case "less_than":
            return f"must be below {plain(limits['lt'])}"
        case "greater_than":
            return f"must be above {plain(limits['gt'])}"
        case "int_type" | "int_parsing" | "int_from_float":
            return "must be a whole number"
        case "float_type" | "float_parsing" | "finite_number":
            return "must be a number"
        case "bool_type" | "bool_parsing":
            return "must be true or false"
        case "string_type":
            return "must be text"
        case "string_unicode":
            return "holds half of a surrogate pair, which is not a character"
        case "list_type":
            return "must be a list"
        case "dict_type" | "model_type" | "model_attributes_type":
            return "must be a mapping"
        case "union_tag_not_found":
            return "has no type"
        case "union_tag_invalid":
            return f"must have one of the types {limits['expected_tags']}"
        case "literal_error":
            return f"must be one of {limits['expected']}"
        case "string_too_long":
            return f"can have {limits['max_length']:,} characters at most"
        case "string_too_short":
            return "must not be empty"
        case "too_short" if limits["min_length"] == 1:
            return "must not be empty"
        case "too_long":
            return f"can have {limits['max_length']:,} entries at most"
        case "value_error":
            return f"is wrong: {limits['error']}"
        case _:
            return f"is wrong: {error['msg']}"


def plain(limit: float) -> str:
    """5 of 5.0, and 4,194,304 of 4194304."""
    return f"{int(limit):,}" if limit == int(limit) else f"{limit:,}"


def fault_of_text(text: str) -> str:
    """What neither JSON nor the database can hold; empty when there is nothing."""
    if "\0" in text:
        return "the NUL character is not allowed"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "it holds half of a surrogate pair, which is not a character"
    return ""


def shown(value: Any) -> str:
    """Short enough for a sentence."""
    if isinstance(value, str) and len(value) > SHOWN_CHARS:
        return f"{len(value):,} characters"
    text = repr(value)
    return text if len(text) <= SHOWN_CHARS else text[: SHOWN_CHARS - 3] + "..."
