"""A row becomes a sample, or a BadRequest whose field says in words where in the row it is wrong."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal, cast

from modules.errors import BadRequest
from modules.limits import LIMITS
from modules.training.datasets.recognition import Recognition, as_list
from modules.training.datasets.rows import Row
from modules.training.datasets.utf8 import NOT_UTF8, holds_foreign_bytes
from modules.types.datasets import ColumnRole, Example, RowProblem, Turn
from modules.types.faults import fault_of_text, shown

Role = Literal["system", "user", "assistant"]
ROLES: Mapping[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
}
TOOL_ROLES = frozenset(
    {"tool", "function", "function_call", "function_response", "tool_call", "tool_response", "ipython"}
)
TOOL_KEYS = ("tool_calls", "function_call", "tool_call_id")
NO_TOOLS = "Tool calls are not supported."


def converted(row: Row, recognition: Recognition) -> Example | RowProblem:
    try:
        return example_of_row(row, recognition)
    except BadRequest as error:
        return RowProblem(row.number, (error.field or "")[:200], str(error), row.file)


def example_of_row(row: Row, recognition: Recognition) -> Example:
    """Raises BadRequest."""
    cells = Cells(row, recognition.mapping)
    match recognition.format:
        case "messages" | "sharegpt":
            example = chat(row, cells, (*cells.system(), *cells.turns("messages")))
        case "alpaca":
            asked = "\n\n".join(text for text in (cells.text("instruction"), cells.optional("input")) if text)
            answer = Turn("assistant", cells.text("output"))
            example = chat(row, cells, (*cells.system(), Turn("user", asked), answer))
        case "completion" if cells.is_list("completion"):
            example = chat(row, cells, (*cells.system(), *cells.prompt_turns(), *cells.turns("completion")))
        case "completion" if system := cells.system():
            turns = (*system, Turn("user", cells.text("prompt")), Turn("assistant", cells.text("completion")))
            example = chat(row, cells, turns)
        case "completion":
            prompt, completion = cells.text("prompt"), cells.text("completion")
            example = Example(prompt=prompt, completion=completion, row=row.number, file=row.file)
        case "text":
            example = Example(text=cells.text("text"), row=row.number, file=row.file)
    if sum(map(len, texts_of(example))) > LIMITS.dataset_row_bytes:
        raise BadRequest(f"The row has more than {LIMITS.dataset_row_bytes:,} characters, which is the limit.")
    return example


def chat(row: Row, cells: "Cells", turns: tuple[Turn, ...]) -> Example:
    """Raises BadRequest for a chat from which no answer could be learned, or that stops at a question."""
    place = cells.place("messages") or cells.place("completion")
    if not any(turn.role == "assistant" for turn in turns):
        raise BadRequest("No turn is the assistant's, so there is nothing to learn.", field=place)
    if turns[-1].role != "assistant":
        raise BadRequest(f"The chat ends with a turn of the {turns[-1].role}, not of the assistant.", field=place)
    return Example(turns=turns, row=row.number, file=row.file)


def texts_of(example: Example) -> Iterator[str]:
    yield from (turn.content for turn in example.turns)
    yield from (example.prompt, example.completion, example.text)


class Cells:
    """A row's cells by the roles they play. All raise BadRequest saying where."""

    def __init__(self, row: Row, mapping: Mapping[ColumnRole, str]) -> None:
        self._cells = row.cells
        self._mapping = mapping

    def column(self, role: ColumnRole) -> str:
        return self._mapping.get(role, "")

    def place(self, role: ColumnRole) -> str:
        """In words; empty where there is no such column."""
        column = self.column(role)
        return f"column {column}" if column else ""

    def value(self, role: ColumnRole) -> Any:
        return self._cells.get(self.column(role))

    def is_list(self, role: ColumnRole) -> bool:
        return isinstance(self.value(role), list)

    def text(self, role: ColumnRole) -> str:
        column = self.column(role)
        if column not in self._cells:
            raise BadRequest("The row has no such column.", field=self.place(role))
        return checked_text(self._cells[column], self.place(role))

    def optional(self, role: ColumnRole) -> str:
        """Empty where there is nothing."""
        value = self.value(role)
        is_empty = value is None or (isinstance(value, str) and not value.strip())
        return "" if is_empty else checked_text(value, self.place(role))

    def system(self) -> tuple[Turn, ...]:
        text = self.optional("system")
        return (Turn("system", text),) if text else ()

    def prompt_turns(self) -> tuple[Turn, ...]:
        """What stands before a completion is not to be learned, whoever says it."""
        if not self.is_list("prompt"):
            return (Turn("user", self.text("prompt"), is_trained=False),)
        return tuple(Turn(turn.role, turn.content, is_trained=False) for turn in self.turns("prompt"))

    def turns(self, role: ColumnRole) -> tuple[Turn, ...]:
        place = self.place(role)
        messages = as_list(self.value(role))
        if messages is None:
            raise BadRequest("Here belongs a list of messages.", field=place)
        if not messages:
            raise BadRequest("The chat has no messages.", field=place)
        # Of a row that is one chat the number is enough.
        before = "" if role == "messages" else f"{place}, "
        return tuple(turn_of(message, f"{before}message {number}") for number, message in enumerate(messages, start=1))


def turn_of(message: Any, place: str) -> Turn:
    """Of OpenAI's form (role, content) or ShareGPT's (from, value)."""
    if not isinstance(message, dict):
        raise BadRequest("A message is an object with a role and a content.", field=place)
    fields = cast("dict[str, Any]", message)
    speaker, said = ("from", "value") if "from" in fields and "role" not in fields else ("role", "content")
    role = known_role(fields.get(speaker), f"{place}, {speaker}")
    if any(fields.get(name) for name in TOOL_KEYS):
        raise BadRequest(NO_TOOLS, field=place)
    content = content_text(fields.get(said), f"{place}, {said}")
    return Turn(role, content, weight(fields.get("weight"), f"{place}, weight"))


def known_role(value: Any, place: str) -> Role:
    name = checked_text(value, place).strip().lower()
    if name in TOOL_ROLES:
        raise BadRequest(NO_TOOLS, field=place)
    if name not in ROLES:
        raise BadRequest(f"The role {shown(name)} is unknown; known are {', '.join(ROLES)}.", field=place)
    return ROLES[name]


def content_text(value: Any, place: str) -> str:
    """Text, or a list of parts that are text."""
    if not isinstance(value, list):
        return checked_text(value, place)
    texts: list[str] = []
    for number, part in enumerate(cast("list[Any]", value), start=1):
        fields = cast("dict[str, Any]", part) if isinstance(part, dict) else {}
        kind = fields.get("type")
        if kind != "text":
            what = f"of the kind {shown(kind)}" if isinstance(kind, str) else "without a kind"
            raise BadRequest(
                f"A part {what} is not supported; only text is, no images.", field=f"{place}, part {number}"
            )
        texts.append(checked_text(fields.get("text"), f"{place}, part {number}, text"))
    return checked_text("".join(texts), place)


def weight(value: Any, place: str) -> bool:
    """OpenAI's mark for what is to be learned; absent it is."""
    if value is None:
        return True
    if isinstance(value, bool) or not isinstance(value, int | float) or value not in {0, 1}:
        raise BadRequest("A weight is 0 or 1.", field=place)
    return value == 1


def checked_text(value: Any, place: str) -> str:
    if value is None:
        raise BadRequest("It is empty: null.", field=place)
    if not isinstance(value, str):
        raise BadRequest(f"Here belongs text, not {kind_of(value)}.", field=place)
    if not value.strip():
        raise BadRequest("It is empty.", field=place)
    if fault := fault_of_text(value):
        raise BadRequest(NOT_UTF8 if holds_foreign_bytes(value) else f"It is no clean text: {fault}.", field=place)
    return value


def kind_of(value: Any) -> str:
    match value:
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case list():
            return "a list"
        case dict():
            return "an object"
        case bytes():
            return "bytes"
        case _:
            return f"a {type(value).__name__}"
