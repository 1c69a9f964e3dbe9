"""What columns are taken for, and what becomes of a row."""

from typing import Any

import pytest

from modules.errors import BadRequest
from modules.limits import LIMITS
from modules.training.datasets.conversion import converted
from modules.training.datasets.recognition import recognise
from modules.training.datasets.rows import Row
from modules.types.datasets import Example, RowProblem

ASKED = {"role": "user", "content": "q"}
ANSWERED = {"role": "assistant", "content": "a"}
CHAT = [ASKED, ANSWERED]
SHARED = [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]
DEEP: list[Any] = []
for _ in range(900):
    DEEP = [DEEP]


def rows(*cells: dict[str, Any]) -> list[Row]:
    return [Row(number, one, "f") for number, one in enumerate(cells, start=1)]


def result(cells: dict[str, Any], **said: Any) -> Example | RowProblem:
    found = rows(cells)
    return converted(found[0], recognise(found, **said))


def turns(cells: dict[str, Any], **said: Any) -> list[tuple[str, str, bool]]:
    example = result(cells, **said)
    assert isinstance(example, Example), example
    return [(turn.role, turn.content, turn.is_trained) for turn in example.turns]


@pytest.mark.parametrize(
    ("cells", "format", "is_certain"),
    [
        ({"messages": CHAT}, "messages", True),
        ({"id": 1, "Conversations": CHAT}, "messages", True),
        ({"conversations": SHARED, "source": "x"}, "sharegpt", True),
        ({"messages": '[{"role": "user", "content": "q"}]'}, "messages", True),
        ({"messages": "[{'role': 'user', 'content': 'q'}]"}, "messages", True),
        ({"messages": "[{'role': open('f')}]"}, "text", False),
        ({"odd name": CHAT, "score": 1}, "messages", False),
        ({"instruction": "q", "output": "a"}, "alpaca", True),
        ({"instruction": "q", "input": "", "output": "a", "text": "all"}, "alpaca", False),
        ({"prompt": "q", "completion": "a"}, "completion", True),
        ({"question": "q", "answer": "a", "id": "7"}, "completion", True),
        ({"prompt": "q", "response": "a"}, "completion", True),
        ({"input": "q", "output": "a"}, "completion", True),
        ({"text": "t"}, "text", True),
        ({"messages": CHAT, "text": "t"}, "messages", False),
        ({"story": "t", "year": 1}, "text", False),
    ],
)
def test_formats_are_recognised(cells: dict[str, Any], format: str, is_certain: bool) -> None:  # noqa: A002
    found = recognise(rows(cells))
    assert (found.format, found.is_certain, found.fault) == (format, is_certain, "")


def test_a_person_says_what_was_not_recognised() -> None:
    odd = rows({"q": "ask", "r": "reply"})
    assert "q, r" in recognise(odd).fault
    assert "the completion" in recognise(odd, "completion", {"prompt": "q"}).fault
    for chosen in ("auto", "completion"):
        found = recognise(odd, chosen, {"prompt": "q", "completion": "r"})
        assert (found.format, found.fault, found.is_certain) == ("completion", "", True)
    assert recognise(rows({"instruction": "i", "output": "o", "text": "t"}), "text").mapping == {"text": "text"}
    with pytest.raises(BadRequest, match="no column 'x'"):
        recognise(odd, "auto", {"text": "x"})
    with pytest.raises(BadRequest, match="no single format"):
        recognise(odd, "auto", {"text": "q", "prompt": "r"})
    assert recognise([]).fault
    assert turns({"conversations": SHARED}, chosen="messages") == turns({"messages": CHAT}, chosen="sharegpt")


def test_chats() -> None:
    plain = [("user", "q", True), ("assistant", "a", True)]
    assert turns({"messages": CHAT}) == plain
    assert turns({"conversations": SHARED}) == plain
    assert turns({"messages": '[{"role":"user","content":"q"},{"role":"assistant","content":"a"}]'}) == plain
    assert turns({"messages": CHAT, "system": "s"}) == [("system", "s", True), *plain]
    parts = [{"type": "text", "text": "q"}, {"type": "text", "text": "r"}]
    assert turns({"messages": [{"role": "human", "content": parts}, ANSWERED]})[0] == ("user", "qr", True)
    marked = {"messages": [ASKED, {**ANSWERED, "weight": 0}, ASKED, {**ANSWERED, "weight": 1, "tool_calls": None}]}
    assert [trained for _, _, trained in turns(marked)] == [True, False, True, True]


def test_instructions_prompts_and_texts() -> None:
    assert turns({"instruction": "do", "input": "x", "output": "y", "system": ""}) == [
        ("user", "do\n\nx", True),
        ("assistant", "y", True),
    ]
    assert turns({"instruction": "do", "input": None, "output": "y"})[0] == ("user", "do", True)
    assert result({"question": "q", "answer": "a"}) == Example(prompt="q", completion="a", row=1, file="f")
    assert turns({"prompt": "q", "response": "a", "system_prompt": "s"}) == [
        ("system", "s", True),
        ("user", "q", True),
        ("assistant", "a", True),
    ]
    assert turns({"prompt": [ASKED], "completion": [ANSWERED]}) == [("user", "q", False), ("assistant", "a", True)]
    assert result({"text": " t\n"}) == Example(text=" t\n", row=1, file="f")


@pytest.mark.parametrize(
    ("cells", "place", "said"),
    [
        ({"messages": [ASKED, {"role": "assistant", "content": " "}]}, "message 2, content", "empty"),
        ({"messages": [ASKED, {"role": "assistant"}]}, "message 2, content", "null"),
        ({"messages": [{"role": "king", "content": "q"}, ANSWERED]}, "message 1, role", "'king' is unknown"),
        ({"messages": [ASKED, {"role": 5, "content": "q"}]}, "message 2, role", "a number"),
        ({"messages": [ASKED, {"role": DEEP, "content": "q"}]}, "message 2, role", "a list"),
        ({"messages": [ASKED, {"role": "assistant", "content": DEEP}]}, "message 2, content, part 1", "without a kind"),
        ({"messages": [ASKED, {"role": "assistant", "content": 5.5}]}, "message 2, content", "a number"),
        ({"messages": [ASKED, "hello"]}, "message 2", "an object"),
        ({"messages": [ASKED]}, "column messages", "nothing to learn"),
        ({"messages": [*CHAT, ASKED]}, "column messages", "ends with a turn of the user"),
        ({"messages": [ASKED, {**ANSWERED, "tool_calls": [1]}]}, "message 2", "Tool calls"),
        ({"messages": [ASKED, {"role": "tool", "content": "x"}]}, "message 2, role", "Tool calls"),
        ({"messages": [ASKED, {**ANSWERED, "weight": 0.5}]}, "message 2, weight", "0 or 1"),
        ({"messages": [ASKED, {**ANSWERED, "weight": []}]}, "message 2, weight", "0 or 1"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}, ANSWERED]},
            "message 1, content, part 1",
            "'image_url' is not supported",
        ),
        ({"instruction": "i", "output": None}, "column output", "null"),
        ({"instruction": "i", "input": 3, "output": "o"}, "column input", "a number"),
        ({"instruction": " ", "output": "o"}, "column instruction", "empty"),
        ({"question": "q", "answer": True}, "column answer", "true or false"),
        (
            {"prompt": [ASKED], "completion": [{**ANSWERED, "role": 5}]},
            "column completion, message 1, role",
            "a number",
        ),
        ({"text": ""}, "column text", "empty"),
        ({"text": float("nan")}, "column text", "a number"),
        ({"text": "a\0b"}, "column text", "NUL"),
        ({"text": "\ud800"}, "column text", "surrogate"),
        ({"text": b"Sch\xf6n".decode("utf-8", "surrogateescape")}, "column text", "save the file as UTF-8"),
        ({"text": "x" * (LIMITS.dataset_row_bytes + 1)}, "", "16,777,216 characters"),
    ],
)
def test_what_is_wrong_is_named(cells: dict[str, Any], place: str, said: str) -> None:
    problem = result(cells)
    assert isinstance(problem, RowProblem)
    assert (problem.row, problem.file, problem.place) == (1, "f", place)
    assert said in problem.message


def test_later_rows_may_lack_a_column() -> None:
    found = rows({"text": "t"}, {"txt": "t"}, {"messages": DEEP})
    recognition = recognise(found)
    assert [type(converted(row, recognition)) for row in found] == [Example, RowProblem, RowProblem]
