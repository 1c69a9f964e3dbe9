"""The example, part by part. `python3 webui.py test extensions/example` runs this."""

import json
import math
from collections.abc import Mapping
from pathlib import Path

import pytest

from modules.errors import BadRequest
from modules.extensions import Route, RouteRequest, ToolContext, ViewEvent
from modules.extensions.testing import tried, wait_until
from modules.types.messages import Message
from modules.types.reply_params import ReplyParams

FOLDER = Path(__file__).parents[1]


def test_the_model_is_told_calm_words_and_lines_without_blanks() -> None:
    with tried(FOLDER) as example:
        told = (Message("system", "BE KIND"), Message("user", "WHERE is NASA?"))
        assert example.filter("filter_messages", told) == (told[0], Message("user", "where is nasa?"))
        assert example.filter("filter_prompt", "a  \nb\t\n c ") == "a\nb\n c "
        example.set({"calm": False, "trim": False})
        assert example.filter("filter_messages", told) == told
        assert example.filter("filter_prompt", "a  \nb") == "a  \nb"
        assert not example.faults


def test_a_reply_is_no_longer_than_was_set() -> None:
    with tried(FOLDER) as example:
        assert example.filter("filter_request", ReplyParams()).max_tokens is None
        example.set({"longest": 20})
        assert example.filter("filter_request", ReplyParams()).max_tokens == 20
        assert example.filter("filter_request", ReplyParams(max_tokens=5)).max_tokens == 5


def test_two_hyphens_become_a_dash_wherever_the_reply_is_cut() -> None:
    with tried(FOLDER) as example:
        assert example.stream(["a -", "- b", "--", " c-", "d -"]) == "a \u2013 b\u2013 c-d -"
        assert example.stream(["a\n\n-", "-", "-\n\nb --"]) == "a\n\n---\n\nb \u2013"
        assert example.stream(["a\n", "\n\n\nb"]) == "a\n\nb"
        example.set({"dashes": False, "tidy": False})
        assert example.stream(["a --\n\n\n", "b"]) == "a --\n\n\nb"


def test_dice_are_rolled_by_models_and_people() -> None:
    with tried(FOLDER) as example:
        tool = example.given("tools")[0]
        assert 3 <= int(tool.run({"sides": 6, "count": 3}, ToolContext(None)).split()[0]) <= 18
        with pytest.raises(ValueError, match="not 1 with 1"):
            tool.run({"sides": 1}, ToolContext(None))
        panel = example.given("panels")[0]
        shown = panel.view(ViewEvent("roll", {"dice": "1d6"}))
        assert shown[1].markdown.strip("*") in set("123456")
        command = example.given("commands")[0]
        assert command.run("2d1", example.context()).startswith("1 to 100 dice")
        example.set({"dice": False})
        assert (example.given("tools"), example.given("panels")) == ([], [])


def test_what_happens_is_counted_and_kept() -> None:
    with tried(FOLDER) as example:
        example.extensions.notify("generation_finished", text="two words", reason="stop", context=example.context())
        route = example.given("routes")[0]
        wait_until(lambda: counted(route) == {"a model": 2})
        assert example.given("tabs")[0].view(ViewEvent())[1].rows == (("a model", "2"),)
        example.extensions.disable(example.name)
        example.extensions.enable(example.name)
        assert example.log[-2].endswith("Counting on from 2 words.")


def counted(route: Route) -> dict[str, int]:
    body = route.answer(RouteRequest("GET", "", {}, b"")).body
    return (body if isinstance(body, Mapping) else json.loads(body))["words"]


def test_log_files_become_passages(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("".join(f"2026-01-01 10:00:{second:02} something\n" for second in range(50)))
    with tried(FOLDER) as example:
        passages = list(example.given("document_readers")[0].read(log))
        assert [passage.heading for passage in passages] == [
            "from line 1, 2026-01-01 10:00:00",
            "from line 41, 2026-01-01 10:00:40",
        ]


def test_texts_that_are_spelled_alike_are_near() -> None:
    with tried(FOLDER) as example:
        model = example.given("embedding_models")[0]
        one, other, far = model.embed(["colour", "color", "fjord big"])
        assert all(math.isclose(math.hypot(*vector), 1) and len(vector) == model.dimensions for vector in (one, far))
        assert math.dist(one, other) < math.dist(one, far)


def test_a_wrong_setting_is_named() -> None:
    with tried(FOLDER) as example, pytest.raises(BadRequest, match="longest must be at least 0"):
        example.set({"longest": -1})
