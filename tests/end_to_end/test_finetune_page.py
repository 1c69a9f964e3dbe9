"""The Finetune view as a person uses it: in a real browser, with a tiny model that really learns."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser import Watched
from tests.engines.tiny_models import make_folder
from tests.program import RunningProgram
from tests.training.tiny_tokenizers import byte_tokenizer, save

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

HOSTILE = '<img src=x onerror="document.title=1">'
ROLES_WRONG = {"messages": [{"role": "user", "content": "Hi"}, {"role": "narrator", "content": "So it was."}]}
LEARNING_MS = 120_000


def chat(question: str, answer: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


def write_chats(path: Path, *further: dict[str, Any]) -> Path:
    chats = [chat(f"Question {number}?", f"Arr, number {number}!") for number in range(24)]
    path.write_text("".join(json.dumps(one) + "\n" for one in [*chats, *further]))
    return path


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProgram]:
    folder = tmp_path_factory.mktemp("finetune-program")
    make_folder(folder / "models" / "tiny", "llama", vocab_size=300, initializer_range=0.02)
    save(byte_tokenizer(), folder / "models" / "tiny")
    (folder / "data" / "datasets").mkdir(parents=True)
    write_chats(folder / "data" / "datasets" / "chats.jsonl")
    with RunningProgram(folder, "--admin-key", "test-admin", "--threads", "1") as program:
        yield program


@pytest.fixture
def window(browser: Browser, program: RunningProgram) -> Iterator[Watched]:
    window = Watched(browser, program.url)
    yield window
    # What the program refuses is told in the browser's console too.
    assert [one for one in window.complaints if not re.search(r"status of 40[0-9]", one)] == []
    window.close()


def begin_run(program: RunningProgram, name: str, steps: int, **fields: Any) -> None:
    recipe = {"model": "tiny", "name": name, "data": {"dataset": "chats.jsonl"}, "steps": steps, **fields}
    with program.control() as client:
        response = client.post("/control/training/start", json={"recipe": recipe}, timeout=120)
    assert response.status_code == 200, response.text


def open_run(window: Watched, name: str) -> Page:
    window.page.goto(f"{window.url}/?view=finetune&run={name}")
    expect(window.page.get_by_role("heading", name=name, exact=True)).to_be_visible()
    return window.page


def loss_chart(page: Page) -> Locator:
    return page.locator(".tune-run:not([hidden]) .run-chart.large")


def state_of(page: Page) -> Locator:
    return page.locator(".run-head .state")


def test_from_a_file_to_the_adapter_in_chat(window: Watched, tmp_path: Path) -> None:
    page = window.open()
    page.get_by_role("button", name="Finetune", exact=True).click()
    expect(page).to_have_url(re.compile(r"\?view=finetune$"))
    go_on = page.get_by_role("region", name="Model", exact=True).get_by_role("button", name="Go on")
    go_on.click()
    expect(page.get_by_role("alert").filter(has_text="Choose the model that is to learn first.")).to_be_visible()
    page.get_by_role("radio", name=re.compile("^tiny")).check()
    expect(page.get_by_role("alert")).to_have_count(0)

    path = write_chats(tmp_path / "arr.jsonl", chat(HOSTILE, "Arr!"), ROLES_WRONG)
    page.locator(".drop input[type=file]").set_input_files(path)
    view = page.locator(".finetune-view")
    expect(view.get_by_label("Format")).to_have_value("messages")
    expect(view.get_by_text(re.compile("26 rows · 25 samples · 1 that cannot be used"))).to_be_visible()
    expect(view.locator(".tune-where", has_text="Row 26, message 2, role")).to_be_visible()
    view.get_by_role("region", name="Data").get_by_role("button", name="Go on").click()

    expect(view.get_by_label("Name of the result")).to_have_value("arr")
    view.get_by_label("Ask it meanwhile").fill("Question 3?")
    view.get_by_label("Length of the training").select_option("steps")
    view.get_by_label("How many").fill("8")
    before = view.get_by_role("region", name="Before it starts")
    expect(before.get_by_text("8 steps")).to_be_visible(timeout=60_000)
    expect(before.locator("svg.histogram")).to_be_visible()
    # The answer's first letter is the first token that is learned: this tokenizer's tokens are letters.
    expect(before.locator(".lens-sample").first.locator(".lens-token.trained").first).to_have_text("A")

    before.get_by_role("button", name="Start", exact=True).click()
    expect(page).to_have_url(re.compile(r"run=arr$"), timeout=60_000)
    expect(state_of(page)).to_have_text("Done", timeout=LEARNING_MS)
    expect(page.get_by_text("Step 8 of 8")).to_be_visible()
    expect(loss_chart(page).locator("path.curve")).to_have_count(2)
    expect(page.locator(".answer-prompt")).to_have_text("Question 3?")
    page.get_by_role("slider", name="Loss by step").focus()
    page.keyboard.press("Home")
    expect(loss_chart(page).locator(".chart-readout")).to_contain_text("step 0")

    # Another tab, and this one read anew, show the same.
    figures = page.locator(".tune-run .figures").first.inner_text()
    other = window.watch(window.context.new_page())
    other.goto(page.url)
    expect(other.locator(".tune-run .figures").first).to_have_text(re.compile(re.escape(figures.split("\n")[1])))
    other.close()
    page.reload()
    expect(loss_chart(page).locator("path.curve")).to_have_count(2)

    page.get_by_role("button", name="Use in chat").click()
    expect(page.get_by_label("Message", exact=True)).to_be_focused(timeout=60_000)
    expect(page.get_by_role("button", name="Model: tiny, loaded, with arr")).to_be_visible()
    expect(page.get_by_text("arr is switched on.")).to_be_visible()
    assert page.locator("img[src=x]").count() == 0


def test_an_exported_model_answers_in_chat(window: Watched, program: RunningProgram) -> None:
    begin_run(program, "kept", 2)
    page = open_run(window, "kept")
    expect(state_of(page)).to_have_text("Done", timeout=LEARNING_MS)
    page.get_by_text("Export it", exact=True).click()
    page.get_by_role("button", name="Export: A whole model").click()
    use = page.get_by_role("button", name="Use kept-merged in chat")
    use.click(timeout=LEARNING_MS)
    expect(page.get_by_label("Message", exact=True)).to_be_focused(timeout=LEARNING_MS)
    expect(page.get_by_role("button", name="Model: kept-merged, loaded")).to_be_visible(timeout=LEARNING_MS)
    page.get_by_label("Message", exact=True).fill("Question 3?")
    page.keyboard.press("Enter")
    expect(page.locator("article.assistant .body").last).not_to_be_empty(timeout=LEARNING_MS)
    with program.control() as client:
        models = client.get("/control/models").json()["models"]
    assert "kept-merged" in [one["id"] for one in models if one["state"] == "ready"]


def test_errors_stand_where_they_belong(window: Watched, program: RunningProgram) -> None:
    begin_run(program, "taken", 2)
    page = window.page
    page.goto(f"{window.url}/?view=finetune")
    page.get_by_role("radio", name=re.compile("^tiny")).check()
    page.get_by_role("radio", name=re.compile("^chats.jsonl")).check()
    view = page.locator(".finetune-view")
    name = view.get_by_label("Name of the result")
    expect(name).to_have_value("chats")
    name.fill("taken")
    start = view.get_by_role("button", name="Start", exact=True)
    expect(name).to_have_attribute("aria-invalid", "true", timeout=60_000)
    expect(view.get_by_role("alert").filter(has_text="There is a run called taken already")).to_be_visible()
    expect(start).to_be_disabled()
    name.fill("not-taken")
    expect(start).to_be_enabled(timeout=60_000)
    expect(name).not_to_have_attribute("aria-invalid", "true")
    page.get_by_text("All options", exact=True).click()
    targets = view.get_by_label("Targets", exact=True)
    targets.fill("no_such_layer")
    targets.blur()
    expect(view.get_by_role("region", name="Before it starts").get_by_text("no_such_layer")).to_be_visible(
        timeout=60_000
    )
    expect(start).to_be_disabled()
    view.get_by_role("button", name="Targets: back to what is chosen for you").click()
    expect(start).to_be_enabled(timeout=60_000)

    batch = view.locator(".option-row", has=page.get_by_label("Batch size", exact=True)).locator(".option-reason")
    why = batch.inner_text()
    assert why
    rank = view.get_by_label("Rank", exact=True)
    rank.fill("-5")
    rank.blur()
    expect(rank).to_have_attribute("aria-invalid", "true", timeout=60_000)
    expect(start).to_be_disabled()
    expect(batch).to_have_text(why)
    expect(view.get_by_text("What follows is the plan from before the last change.")).to_be_visible()
    rank.fill("4")
    rank.blur()
    expect(start).to_be_enabled(timeout=60_000)
    expect(rank).not_to_have_attribute("aria-invalid", "true")


def test_a_run_is_stopped_resumed_compared_and_deleted(window: Watched, program: RunningProgram) -> None:
    begin_run(program, "first", 3, learning_rate=0.001)
    begin_run(program, "second", 2000, learning_rate=0.002)
    page = open_run(window, "second")
    expect(loss_chart(page).locator("path.curve.look-1")).to_have_count(1, timeout=LEARNING_MS)
    other = window.watch(window.context.new_page())
    other.goto(page.url)
    expect(state_of(other)).to_have_text("Running")
    page.get_by_role("button", name="Stop and save").click()
    expect(state_of(page)).to_have_text("Stopped", timeout=LEARNING_MS)
    expect(state_of(other)).to_have_text("Stopped")
    result = page.get_by_role("region", name="The result")
    expect(result).to_contain_text(
        re.compile(r"The adapter second is ready\. The run was stopped at step \d+ of 2,000")
    )
    expect(result.get_by_role("button", name="Use in chat")).to_be_enabled()
    other.get_by_role("button", name="Resume").click()
    expect(state_of(page)).to_have_text("Running", timeout=LEARNING_MS)
    other.close()
    page.get_by_role("button", name="Stop and save").click()
    expect(state_of(page)).to_have_text("Stopped", timeout=LEARNING_MS)

    page.get_by_role("button", name="All runs").click()
    expect(page.get_by_role("button", name=re.compile("^second"))).to_contain_text(
        re.compile(r"Stopped at step \d+ of 2,000\. These are the weights of step \d+\.")
    )
    page.get_by_label("Compare first").check()
    page.get_by_label("Compare second").check()
    page.get_by_role("button", name="Compare 2").click()
    expect(page.get_by_role("row", name=re.compile("Learning rate"))).to_contain_text("0.0010.002")
    expect(loss_chart(page).locator("path.curve.look-2")).to_have_count(2)
    page.reload()
    expect(page.get_by_role("row", name=re.compile("Learning rate"))).to_be_visible()

    page.go_back()
    page.get_by_role("button", name=re.compile("^second")).click()
    page.get_by_role("button", name="Delete", exact=True).click()
    toast = page.locator(".toast", has_text="What it learned stays in models/adapters/second.")
    toast.get_by_role("button", name="Undo").click()
    expect(state_of(page)).to_have_text("Stopped")
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_role("button", name=re.compile("^first"))).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("^second"))).to_have_count(0)
