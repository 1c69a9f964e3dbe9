"""The Parameters panel by clicks, in a real browser against parameters in memory."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser import Watched, wait_until
from tests.ui.fake_chat import FakeChat

pytestmark = pytest.mark.browser
Opened = Callable[..., tuple[Page, Locator]]


@pytest.fixture
def opened(window: Watched) -> Opened:
    def open_panel(path: str = "/") -> tuple[Page, Locator]:
        page = window.open(path)
        # Which model and which conversation they are for is known then.
        expect(page.locator(".model-name")).to_have_text("Small Model")
        expect(page.locator("article" if "c=" in path else ".welcome").first).to_be_visible()
        page.get_by_role("button", name="Parameters", exact=True).click()
        panel = page.get_by_role("complementary", name="Parameters", exact=True)
        expect(number(panel, "Temperature")).to_be_visible()
        return page, panel

    return open_panel


def number(panel: Locator, name: str) -> Locator:
    return panel.get_by_role("spinbutton", name=name, exact=True)


def presets(panel: Locator) -> Locator:
    return panel.get_by_role("combobox", name="Preset", exact=True)


def more(page: Page, deed: str) -> None:
    page.get_by_role("button", name="More about presets").click()
    page.get_by_role("button", name=deed).click()


def changes(chat: FakeChat) -> list[dict[str, Any]]:
    return [values["changes"] for name, values in chat.calls if name == "params_change"]


def test_a_beginner_sees_six_controls(opened: Opened) -> None:
    _, panel = opened()
    expect(panel.locator(".knob:visible")).to_have_count(6)


def test_a_system_prompt_is_written_above_the_knobs_and_only_for_chats(opened: Opened, chat: FakeChat) -> None:
    page, panel = opened()
    first = panel.locator(".knob").first.get_by_role("textbox", name="System prompt")
    first.fill("Answer in verse.")
    expect(panel.get_by_role("button", name="Reset System prompt")).to_be_visible()
    expect(panel.get_by_text("1 parameter changed")).to_be_visible()
    assert changes(chat) == [{"system_prompt": "Answer in verse."}]
    page.get_by_role("button", name="Notebook", exact=True).click()
    expect(first).to_be_hidden()
    page.get_by_role("button", name="Chat", exact=True).click()
    expect(first).to_be_visible()


def test_a_slider_and_its_number_are_saved_marked_and_reset(opened: Opened, chat: FakeChat) -> None:
    _, panel = opened()
    panel.get_by_role("slider", name="Temperature, slider").fill("1.25")
    expect(number(panel, "Temperature")).to_have_value("1.25")
    expect(panel.get_by_text("1 parameter changed")).to_be_visible()
    assert changes(chat) == [{"temperature": 1.25}]
    number(panel, "Temperature").fill("0.2")
    expect(panel.get_by_role("slider", name="Temperature, slider")).to_have_value("0.2")
    panel.get_by_role("button", name="Reset Temperature").click()
    expect(number(panel, "Temperature")).to_have_value("0.7")
    expect(panel.get_by_text("1 parameter changed")).to_be_hidden()
    assert changes(chat)[-1] == {"temperature": 0.7}


def test_a_wrong_value_has_its_sentence_and_keeps_no_other_from_being_saved(opened: Opened, chat: FakeChat) -> None:
    _, panel = opened()
    chat.params.wrong = {"message": "Temperature can be 5 at most, and it was 7.", "code": "x", "field": "temperature"}
    number(panel, "Temperature").fill("7")
    number(panel, "Min-p").fill("0.2")
    expect(panel.get_by_role("alert").filter(has_text="5 at most")).to_be_visible()
    expect(number(panel, "Temperature")).to_have_attribute("aria-invalid", "true")
    expect(panel.get_by_text("1 parameter changed")).to_be_visible()
    assert chat.params.scopes["everywhere"]["changes"] == {"min_p": 0.2}
    # It is not in use, and stays where it was written until it is right or taken back.
    expect(panel.get_by_role("alert").filter(has_text="Until then 0.7 stays in use.")).to_be_visible()
    expect(number(panel, "Temperature")).to_have_value("7")
    panel.get_by_role("button", name="Reset Temperature").click()
    expect(number(panel, "Temperature")).to_have_value("0.7")
    expect(panel.get_by_role("alert").filter(has_text="5 at most")).to_be_hidden()


def wait_for(chat: FakeChat, **last: Any) -> None:
    """Until that is what was changed last."""
    wait_until(lambda: changes(chat)[-1:] == [last])


def test_a_message_is_sent_after_what_was_changed_is_saved(opened: Opened, window: Watched, chat: FakeChat) -> None:
    _, panel = opened()
    number(panel, "Temperature").fill("0")
    window.ask("Hello")
    names = [name for name, _ in chat.calls]
    assert names.index("params_change") < names.index("chat_send")


def test_what_an_engine_ignores_is_grey_and_says_why(opened: Opened, chat: FakeChat) -> None:
    reason = "This model runs on llama.cpp, which does nothing with tfs."
    chat.params.refusals = {"tfs": reason}
    chat.params.scopes["everywhere"]["changes"] = {"tfs": 0.5}
    _, panel = opened()
    panel.get_by_text("All parameters").click()
    panel.get_by_label("Find a parameter").fill("tail")
    expect(panel.locator(".knob-groups .knob:visible")).to_have_count(1)
    expect(number(panel, "Tail-free")).to_be_disabled()
    expect(number(panel, "Tail-free")).to_have_value("0.5")
    expect(panel.get_by_text("refuses to write until you reset it")).to_be_visible()
    panel.get_by_role("button", name="What is Tail-free?").click()
    expect(panel.get_by_text(reason)).to_be_visible()
    expect(panel.get_by_text("Formula: tail free sampling")).to_be_visible()
    panel.get_by_role("button", name="Reset Tail-free").click()
    expect(number(panel, "Tail-free")).to_have_value("1")


def test_lists_biases_and_the_order_by_keyboard(opened: Opened, chat: FakeChat) -> None:
    chat.params.refusals = {"top_a": "Not here."}
    page, panel = opened()
    panel.get_by_text("All parameters").click()
    stops = panel.get_by_role("group", name="Stop texts")
    stops.get_by_role("button", name="Add a text").click()
    page.keyboard.type("END\\n")
    expect(panel.get_by_text("1 parameter changed")).to_be_visible()
    wait_for(chat, stop=["END\n"])
    panel.get_by_label("Find a parameter").fill("nucleus")
    expect(panel.get_by_text("Top-p stands above.")).to_be_visible()
    panel.get_by_label("Find a parameter").fill("")
    biases = panel.get_by_role("group", name="Logit bias")
    biases.get_by_role("button", name="Add a token").click()
    page.keyboard.type("12")
    page.keyboard.press("Tab")
    page.keyboard.type("-5")
    expect(panel.get_by_text("2 parameters changed")).to_be_visible()
    wait_for(chat, logit_bias={"12": -5})
    chat.params.wrong = {"message": "A bias is 100 at most.", "code": "x", "field": "logit_bias"}
    bias = biases.get_by_label("Logit bias: bias from -100 to 100")
    bias.fill("500")
    expect(bias).to_have_attribute("aria-invalid", "true")
    chat.params.wrong = None
    bias.fill("-5")
    expect(biases.locator("[aria-invalid]")).to_have_count(0)
    down = panel.get_by_role("button", name="Move Penalties down")
    down.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    expect(panel.get_by_text("3 parameters changed")).to_be_visible()
    wait_until(lambda: changes(chat)[-1]["samplers"][:3] == ["dry", "no_repeat_ngram", "penalties"])
    assert "top_a" not in changes(chat)[-1]["samplers"]


def test_presets_are_chosen_saved_renamed_deleted_and_taken_back(opened: Opened, chat: FakeChat) -> None:
    page, panel = opened()
    presets(panel).select_option("Mine")
    expect(number(panel, "Temperature")).to_have_value("0.3")
    number(panel, "Min-p").fill("0.1")
    panel.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Saved to Mine.")).to_be_visible()
    assert chat.params.presets["Mine"]["values"] == {"temperature": 0.3, "top_k": 10, "min_p": 0.1}
    assert chat.params.scopes["everywhere"] == {"preset": "Mine", "changes": {}}
    more(page, "Rename…")
    page.get_by_role("textbox", name="Name", exact=True).fill("Ours")
    page.get_by_role("button", name="Rename", exact=True).click()
    expect(presets(panel)).to_have_value("Ours")
    more(page, "Delete")
    expect(presets(panel)).to_have_value("")
    page.get_by_role("button", name="Undo").last.click()
    expect(presets(panel)).to_have_value("Ours")
    assert "Ours" in chat.params.presets
    expect(page.get_by_text("Your changes were replaced.")).to_have_count(0)


def test_a_preset_that_was_saved_over_comes_back_with_all_that_was_in_use(opened: Opened, chat: FakeChat) -> None:
    page, panel = opened()
    number(panel, "Temperature").fill("0.9")
    more(page, "Save as…")
    page.get_by_role("textbox", name="Name", exact=True).fill("Poetry")
    page.get_by_role("button", name="Replace").click()
    expect(presets(panel)).to_have_value("Poetry")
    expect(panel.get_by_text("For verse.")).to_be_visible()
    assert chat.params.presets["Poetry"]["values"] == {"temperature": 0.9}
    page.get_by_role("button", name="Undo").click()
    expect(presets(panel)).to_have_value("")
    expect(number(panel, "Temperature")).to_have_value("0.9")
    assert chat.params.presets["Poetry"]["values"] == {"temperature": 1.2}


def test_choosing_another_preset_can_be_undone(opened: Opened) -> None:
    page, panel = opened()
    number(panel, "Temperature").fill("0.9")
    presets(panel).select_option("Poetry")
    expect(panel.get_by_text("For verse.")).to_be_visible()
    expect(number(panel, "Temperature")).to_have_value("1.2")
    page.get_by_role("button", name="Undo").click()
    expect(number(panel, "Temperature")).to_have_value("0.9")


def test_two_presets_are_compared_and_a_file_comes_in(opened: Opened, chat: FakeChat, tmp_path: Path) -> None:
    page, panel = opened()
    more(page, "Compare two…")
    expect(page.get_by_role("row", name="Temperature")).to_contain_text("0.3")
    page.keyboard.press("Escape")
    file = tmp_path / "Old one.yaml"
    file.write_text("temperature: 0.5\npenalty_alpha: 0.6\n")
    panel.locator("input[type=file]").set_input_files(file)
    expect(page.get_by_text("without effect here: penalty_alpha")).to_be_visible()
    page.get_by_role("button", name="Use it").click()
    expect(presets(panel)).to_have_value("Old one")
    with page.expect_download() as download:
        more(page, "Export as a file")
    assert download.value.suggested_filename == "Old one.yaml"


def test_parameters_are_bound_to_a_conversation_and_let_go(
    opened: Opened, chat: FakeChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    change, may_bind = chat.params.params_change, threading.Event()

    def slow_to_bind(values: dict[str, Any]) -> dict[str, Any]:
        if not values["changes"]:
            may_bind.wait(60)
        return change(values)

    monkeypatch.setattr(chat.params, "params_change", slow_to_bind)
    talk = chat.add("Talk", "question", "<p>answer</p>")
    page, panel = opened(f"/?c={talk}")
    applies = panel.get_by_role("combobox", name="These apply")
    expect(applies.locator("option:checked")).to_have_text("Everywhere")
    applies.select_option("conversation")
    # Nobody waits until the program has heard of it.
    number(panel, "Temperature").fill("0.1")
    panel.locator("summary", has_text="Structured output").click()
    kind = panel.get_by_role("combobox", name="A reply must match")
    kind.select_option("regex")
    page.wait_for_timeout(500)
    may_bind.set()
    expect(panel.get_by_text("1 parameter changed")).to_be_visible()
    expect(number(panel, "Temperature")).to_have_value("0.1")
    expect(kind).to_have_value("regex")
    assert chat.params.scopes["conversation"]["changes"] == {"temperature": 0.1}
    assert chat.params.scopes["everywhere"]["changes"] == {}
    applies.select_option("everywhere")
    expect(number(panel, "Temperature")).to_have_value("0.7")
    page.get_by_role("button", name="Undo").click()
    expect(number(panel, "Temperature")).to_have_value("0.1")


def test_a_structure_is_in_use_once_it_is_right(opened: Opened, chat: FakeChat) -> None:
    _, panel = opened()
    panel.locator("summary", has_text="Structured output").click()
    panel.get_by_role("combobox", name="A reply must match").select_option("regex")
    chat.params.fault = {"message": "Unclosed group.", "line": 1, "column": 3}
    panel.get_by_role("textbox", name="Regular expression").fill("ab(c")
    expect(panel.get_by_text("Line 1, character 3: Unclosed group.")).to_be_visible()
    expect(panel.locator(".structure-place")).to_have_text("ab(c\n  ^")
    assert all(change.get("constraint") is None for change in changes(chat))
    chat.params.fault = None
    panel.get_by_role("textbox", name="Regular expression").fill("ab")
    expect(panel.get_by_text("In use.", exact=True)).to_be_visible()
    expect(panel.get_by_text("1 parameter changed")).to_be_visible()
    assert changes(chat)[-1] == {"constraint": {"kind": "regex", "source": "ab"}}
    chat.params.fault = {"message": "Unclosed group.", "line": 1, "column": 3}
    panel.get_by_role("textbox", name="Regular expression").fill("ab(")
    expect(panel.get_by_text("what you had before (Regular expression) stays in use.")).to_be_visible()
    # Each kind has a text of its own.
    kind = panel.get_by_role("combobox", name="A reply must match")
    chat.params.fault = None
    kind.select_option("choice")
    expect(panel.get_by_role("textbox", name="Texts, one a line")).to_have_value("")
    kind.blur()
    wait_for(chat, constraint=None)
    expect(kind).to_have_value("choice")
    kind.select_option("regex")
    expect(panel.get_by_role("textbox", name="Regular expression")).to_have_value("ab(")
    wait_for(chat, constraint={"kind": "regex", "source": "ab("})


def test_the_next_token_is_shown_and_nothing_is_loaded_for_it(opened: Opened, chat: FakeChat) -> None:
    page, panel = opened()
    answers: list[dict[str, Any]] = [{"is_loaded": False, "steps": []}]
    asked: list[dict[str, Any]] = []

    def answer(route: Route) -> None:
        asked.append(route.request.post_data_json)
        route.fulfill(body=json.dumps(answers[-1]), content_type="application/json")

    page.route("**/control/distribution/next", answer)
    page.get_by_label("Message", exact=True).fill("Hello")
    panel.locator("summary", has_text="Next token").click()
    expect(panel.get_by_text("is not loaded.")).to_be_visible()
    assert asked[-1]["draft"] == "Hello"
    answers.append(
        {
            "is_loaded": True,
            "steps": [
                step("model", 100, (" one", 0.5), (" two", 0.3), (" three", 0.1)),
                step("top_k", 2, (" one", 0.625), (" two", 0.375)),
            ],
        }
    )
    number(panel, "Temperature").fill("0.2")
    expect(panel.locator(".chart-step")).to_have_count(2)
    expect(panel.locator(".chart-step").last).to_contain_text("2 tokens")
    assert panel.locator(".chart-step").last.locator(".dropped .chart-token").all_inner_texts() == ["␣three"]
    panel.get_by_role("button", name="Close parameters").click()
    before = len(asked)
    page.get_by_label("Message", exact=True).fill("Hello there")
    page.wait_for_timeout(500)
    assert len(asked) == before
    assert not [name for name, _ in chat.calls if name == "models_load"]


def test_the_panel_stays_open_for_the_next_visit(
    opened: Opened, chat: FakeChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, panel = opened()
    state, may_answer = chat.params.params_state, threading.Event()

    def slow(values: dict[str, Any]) -> dict[str, Any]:
        may_answer.wait(60)
        return state(values)

    page.get_by_role("button", name="Close parameters").click()
    monkeypatch.setattr(chat.params, "params_state", slow)
    page.get_by_role("button", name="Parameters", exact=True).click()
    number(panel, "Temperature").focus()
    chat.params.scopes["everywhere"]["changes"] = {"min_p": 0.2}
    may_answer.set()
    expect(number(panel, "Min-p")).to_have_value("0.2")
    expect(number(panel, "Temperature")).to_be_focused()
    page.reload()
    expect(number(panel, "Temperature")).to_be_visible()
    number(panel, "Temperature").focus()
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(page.get_by_role("button", name="Parameters", exact=True)).to_be_focused()


def step(name: str, kept: int, *tokens: tuple[str, float]) -> dict[str, Any]:
    shown = [{"id": len(token), "token": token, "bytes": [], "probability": share} for token, share in tokens]
    return {"name": name, "kept": kept, "tokens": shown}
