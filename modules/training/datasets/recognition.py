"""What the columns of a dataset mean: recognised by looking at the first rows, corrected by a person."""

import ast
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from modules.errors import BadRequest
from modules.training.datasets.rows import Row
from modules.types.datasets import ColumnRole, DatasetFormat

CHATS = ("messages", "conversations", "conversation", "chat", "dialogue", "dialog", "turns")
CHAT_KINDS = frozenset({"messages", "sharegpt"})
SYSTEM = ("system", "system_prompt")
SHOWN_COLUMNS = 20


@dataclass(frozen=True)
class Form:
    """A format, the roles its columns play, and names by which such columns go, the likeliest first."""

    format: DatasetFormat
    needed: Mapping[ColumnRole, tuple[str, ...]]
    optional: Mapping[ColumnRole, tuple[str, ...]] = field(default_factory=dict[ColumnRole, tuple[str, ...]])

    @property
    def roles(self) -> frozenset[ColumnRole]:
        return frozenset((*self.needed, *self.optional))


FORMS = (
    Form("messages", {"messages": CHATS}, {"system": SYSTEM}),
    Form("sharegpt", {"messages": CHATS}, {"system": SYSTEM}),
    Form(
        "alpaca",
        {"instruction": ("instruction",), "output": ("output", "response", "answer", "completion")},
        {"input": ("input", "context"), "system": SYSTEM},
    ),
    Form(
        "completion",
        {
            "prompt": ("prompt", "question", "query", "input"),
            "completion": ("completion", "response", "answer", "output"),
        },
        {"system": SYSTEM},
    ),
    Form("text", {"text": ("text", "content", "document", "body")}),
)


@dataclass(frozen=True)
class Recognition:
    """`fault` says what a person must tell before rows can be read; empty when nothing."""

    format: DatasetFormat
    mapping: Mapping[ColumnRole, str]
    is_certain: bool = True
    fault: str = ""


def recognise(
    rows: Sequence[Row],
    chosen: Literal["auto"] | DatasetFormat = "auto",
    columns: Mapping[ColumnRole, str] | None = None,
) -> Recognition:
    """`chosen` and `columns` are what a person said, and hold. Raises BadRequest where they contradict the rows."""
    said = columns or {}
    present = column_names(rows)
    if not present:
        return Recognition("text", {}, is_certain=False, fault="There is no row that can be read.")
    for role, name in said.items():
        if name not in present:
            raise BadRequest(f"There is no column {name[:80]!r}; there are {listed(present)}.", field=f"columns.{role}")
    forms = [form for form in FORMS if chosen in {"auto", form.format} and set(said) <= form.roles]
    if not forms:
        raise BadRequest(
            f"The columns said to be {', '.join(said)} belong to no single format"
            + (f", or not to {chosen}." if chosen != "auto" else "."),
            field="columns",
        )
    fitting = [one for form in forms if (one := fitted(form, rows, present, said, chosen)) is not None]
    if fitting:
        first, *others = fitting
        rivals = [one for one in others if not set(one.mapping.values()) & set(first.mapping.values())]
        return Recognition(first.format, first.mapping, is_certain=not rivals or chosen != "auto" or bool(said))
    return guessed(forms, rows, present, said)


def fitted(
    form: Form, rows: Sequence[Row], present: Sequence[str], said: Mapping[ColumnRole, str], chosen: str
) -> Recognition | None:
    """The format with its columns, where all that are needed are there. One kind of chat may be called the other."""
    taken = dict(said)
    for role, names in (*form.needed.items(), *form.optional.items()):
        if role not in taken and (name := column_named(names, present, taken.values())) is not None:
            taken[role] = name
    if not set(form.needed) <= set(taken):
        return None
    if "messages" in form.needed and kind_of_chat(values_of(rows, taken["messages"])) not in (
        CHAT_KINDS if form.format == chosen else {form.format}
    ):
        return None
    return Recognition(form.format, taken)


def guessed(
    forms: Sequence[Form], rows: Sequence[Row], present: Sequence[str], said: Mapping[ColumnRole, str]
) -> Recognition:
    """No names fit. The only column with a chat, or with texts, is likely meant; else a person must say."""
    form = forms[0] if len(forms) == 1 else FORMS[-1]
    chats = [name for name in present if kind_of_chat(values_of(rows, name)) is not None]
    if len(chats) == 1 and not said:
        kind = kind_of_chat(values_of(rows, chats[0]))
        if any(one.format == kind for one in forms) and kind is not None:
            return Recognition(kind, {"messages": chats[0]}, is_certain=False)
    texts = [name for name in present if any(isinstance(value, str) for value in values_of(rows, name))]
    if form.format == "text" and form in forms and len(texts) == 1:
        return Recognition("text", {"text": texts[0]}, is_certain=False)
    fault = (
        f"The columns {listed(present)} are not recognised as chats, instructions, prompts with answers, or texts. "
        + ("Choose the format, then say which column is what." if len(forms) > 1 else missing_roles(form, said))
    )
    return Recognition(form.format, dict(said), is_certain=False, fault=fault)


def missing_roles(form: Form, said: Mapping[ColumnRole, str]) -> str:
    return f"Say which column is the {' and which the '.join(role for role in form.needed if role not in said)}."


def kind_of_chat(values: Sequence[Any]) -> DatasetFormat | None:
    """By the first value that is a list of objects, or is one as JSON."""
    for value in values:
        turns = as_list(value)
        if turns and isinstance(turns[0], dict):
            first = cast("dict[str, Any]", turns[0])
            if "role" in first:
                return "messages"
            return "sharegpt" if "from" in first else None
    return None


def as_list(value: Any) -> list[Any] | None:
    """A list, also one that a table without lists holds as JSON or as Python writes it; None for anything else."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        value = parsed(value.strip())
    return cast("list[Any]", value) if isinstance(value, list) else None


def parsed(text: str) -> Any:
    """None for what is neither JSON nor a list of objects in Python."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text) if text.startswith("[{") else None
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None


def column_names(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row.cells))


def column_named(names: Sequence[str], present: Sequence[str], taken: Sequence[str] | Any) -> str | None:
    """Capitals and spaces around a name do not count."""
    bare = {name.strip().casefold(): name for name in reversed(present) if name not in taken}
    return next((bare[name] for name in names if name in bare), None)


def values_of(rows: Sequence[Row], column: str) -> list[Any]:
    return [value for row in rows if (value := row.cells.get(column)) is not None]


def listed(names: Sequence[str]) -> str:
    shown = ", ".join(name[:80] for name in names[:SHOWN_COLUMNS])
    return shown + (f" and {len(names) - SHOWN_COLUMNS:,} more" if len(names) > SHOWN_COLUMNS else "")
