"""The parts of the Finetune view that stand for themselves, in a real browser without a program behind them."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from modules.ui.asset_files import assets_address
from tests.browser import Watched

pytestmark = pytest.mark.browser

HOSTILE = '<img src=x onerror="document.title=1">'
BARE_STEP = {
    "kind": "step",
    "epoch": 0.1,
    "learning_rate": 0.001,
    "gradient_norm": 1.0,
    "tokens": 10,
    "trained_tokens": 5,
    "tokens_per_second": 100.0,
    "memory_bytes": 1_000_000,
    "seconds": 1.0,
}
PLAN: dict[str, Any] = {
    "recipe": {"max_length": 64, "method": "full", "batch_size": 4, "accumulation": 1, "gradient_checkpointing": None},
    "reasons": {},
    "facts": {
        "samples": 12,
        "tokens": 400,
        "trained_tokens": 100,
        "longest": 90,
        "median": 30,
        "histogram": [{"start": 0, "end": 50, "count": 10}, {"start": 50, "end": 100, "count": 2}],
        "dropped_count": 1,
        "dropped": [[7, f"Nothing is left to learn. {HOSTILE}"]],
        "truncated_count": 2,
        "truncated": [[3, 26], [9, 5]],
        "flags": [
            {"code": "no_eos", "message": "No sample ends.", "row": 0, "count": 12},
            {"code": "double_bos", "message": "It begins twice.", "row": 4, "count": 3},
        ],
    },
    "held_out": 2,
    "prediction": {
        "memory_bytes": 3_000_000_000,
        "available_bytes": 2_000_000_000,
        "seconds": None,
        "steps": 9,
        "tokens_per_second": None,
        "disk_bytes": 0,
    },
    "warnings": [],
    "refusal": "It does not fit.",
    "remedies": [
        "What would fit, all together: gradient_checkpointing on, batch_size 2 with accumulation 8, max_length 1,024.",
        "What would fit: the method lora.",
        "Unload models, or close other programs.",
    ],
}


def run(page: Page, module: str, body: str, argument: Any = None) -> Any:
    """What `body` gives, as a function of the `module` and the argument; a node named `stage` is there to be filled."""
    script = f"""async (argument) => {{
        const module = await import("{assets_address()}/{module}");
        document.querySelector(".stage")?.remove();
        const stage = document.createElement("div");
        stage.className = "stage";
        stage.style = "position: fixed; inset: 0; z-index: 100; background: white; overflow: auto; width: 700px";
        document.querySelector(".parlor-root").append(stage);
        {body}
    }}"""
    return page.evaluate(script, argument)


@pytest.fixture
def page(window: Watched) -> Page:
    return window.open()


def test_steps_behind_a_checkpoint_are_taken_anew(page: Page) -> None:
    lines = [{**BARE_STEP, "step": step, "loss": loss} for step, loss in [(1, 4.0), (2, 3.0), (3, 2.0), (2, 3.5)]]
    body = 'const metrics = new module.RunMetrics("a"); argument.forEach((line) => metrics.take(line)); return metrics.curve("loss");'
    assert run(page, "finetune_metrics.js", body, lines) == [[1, 4.0], [2, 3.5]]


def test_smoothing_is_a_mean_from_the_first_point_on(page: Page) -> None:
    found = run(page, "finetune_scale.js", "return module.smoothed([[1, 4], [2, 2], [3, 2]], 0.5);")
    assert [value for _, value in found] == pytest.approx([4.0, (0.5 * 4 * 0.5 + 0.5 * 2) / 0.75, 2.2857], rel=1e-3)


@pytest.mark.parametrize(
    ("call", "ticks"),
    [
        ("ticksOf(0, 10, 4)", [0, 5, 10]),
        ("ticksOf(0.0001, 0.00031, 3)", [0.0001, 0.0002, 0.0003]),
        ("logTicksOf(0.9, 30)", [1, 2, 5, 10, 20]),
        ("logTicksOf(0.00001, 1000)", [10**power for power in range(-5, 4)]),
    ],
)
def test_axes_have_round_places(page: Page, call: str, ticks: list[float]) -> None:
    assert run(page, "finetune_scale.js", f"return module.{call};") == pytest.approx(ticks)


def test_a_chart_is_read_by_pointer_and_keys(page: Page) -> None:
    body = """
        const chart = new module.Chart({ title: "Loss", write: (value) => value.toFixed(1) });
        stage.append(chart.node);
        chart.show([{ name: "training", points: [[1, 4], [2, 3], [3, 2]], look: 1 },
                    { name: "held out", points: [[0, 5], [3, 1]], look: 2, isMarked: true }]);
    """
    run(page, "finetune_chart.js", body)
    readout = page.locator(".stage .chart-readout")
    expect(readout).to_have_text("training 2.0 · held out 1.0")
    page.get_by_role("slider", name="Loss by step").focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    expect(readout).to_have_text("step 1 · training 4.0 · held out 5.0")
    expect(page.get_by_role("slider", name="Loss by step")).to_have_attribute("aria-valuenow", "1")
    box = page.locator(".stage .plot").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] - 15, box["y"] + 60)
    expect(readout).to_have_text("step 3 · training 2.0 · held out 1.0")


def test_a_log_scale_leaves_out_what_it_cannot_show(page: Page) -> None:
    body = """
        const chart = new module.Chart({ title: "Norm", write: String });
        stage.append(chart.node);
        chart.show([{ name: "a", points: [[1, 0], [2, 0.01], [3, NaN], [4, 10]], look: 1 }], { isLog: true });
    """
    run(page, "finetune_chart.js", body)
    path = page.locator(".stage path.curve").get_attribute("d") or ""
    assert path.startswith("M")
    assert "NaN" not in path
    assert "Infinity" not in path


def test_a_refusal_offers_what_would_fit(page: Page) -> None:
    body = """
        window.changes = [];
        const plan = new module.PlanView({ draft: { set: (changes) => window.changes.push(changes) } });
        stage.append(plan.node);
        plan.show(argument);
    """
    run(page, "finetune_plan.js", body, PLAN)
    alert = page.locator(".stage").get_by_role("alert")
    expect(alert).to_contain_text("It does not fit.")
    buttons = alert.get_by_role("button")
    expect(buttons).to_have_count(2)
    buttons.first.click()
    buttons.last.click()
    together = {"gradient_checkpointing": True, "batch_size": 2, "accumulation": 8, "max_length": 1024}
    assert page.evaluate("window.changes") == [together, {"method": "lora"}]


def test_a_plan_names_rows_and_shows_lengths(page: Page) -> None:
    body = """
        const plan = new module.PlanView({ draft: {} });
        stage.append(plan.node);
        plan.show({ ...argument, refusal: "", remedies: [] });
    """
    run(page, "finetune_plan.js", body, PLAN)
    stage = page.locator(".stage")
    expect(stage.locator("svg.histogram rect")).to_have_count(2)
    expect(stage.get_by_text("the line: cut at 64")).to_be_visible()
    expect(stage.get_by_text("Row 3 loses 26 tokens at its end.")).to_be_visible()
    expect(stage.get_by_text(f"Row 7: Nothing is left to learn. {HOSTILE}")).to_be_visible()
    expect(stage.get_by_text("not known yet")).to_be_visible()
    expect(stage.get_by_text("No sample ends.", exact=True)).to_be_visible()
    expect(stage.get_by_text("Row 4 and 2 more: It begins twice.")).to_be_visible()
    expect(stage.get_by_text("400 tokens, 2 held out to judge by")).to_be_visible()
    expect(stage.get_by_role("alert")).to_have_count(0)
    assert page.locator(".stage img").count() == 0


def test_the_lens_tells_tokens_apart_by_more_than_colour(page: Page) -> None:
    tokens = [[1, "<s>", "m"], [2, HOSTILE, "t"], [3, "\n", "t"], [4, "tail", "x"], [0, "<pad>", "p"]]
    samples = [
        {"row": row, "pack": pack, "share_trained": 0.4, "flags": [], "tokens": tokens, "hidden_tokens": 2000 * pack}
        for row, pack in [(1, 0), (2, 0), (3, 1)]
    ]
    body = """
        const lens = new module.Lens({ draft: {} });
        stage.append(lens.node);
        lens.look = () => lens.take(argument, 3);
        lens.show({ recipe: {}, held_out: 1 });
    """
    run(page, "finetune_lens.js", body, samples)
    stage = page.locator(".stage")
    expect(stage.get_by_text("1 sample is held out to judge by: the model does not learn from it")).to_be_visible()
    expect(stage.get_by_text("2,000 further tokens are not shown.")).to_have_count(1)
    expect(stage.get_by_text("Row 3 · 2,005 tokens · 40 % learned")).to_be_visible()
    expect(stage.locator(".lens-sample").first.locator(".lens-token")).to_have_text(
        ["<s>", HOSTILE, "⏎\n", "tail", "<pad>"]
    )
    expect(stage.locator(".pack-border")).to_have_count(1)
    expect(stage.locator(".lens-sample.same-pack")).to_have_count(1)
    looks = [
        stage.locator(f".lens-sample .lens-token.{state}").first.evaluate(
            "(node) => [getComputedStyle(node).textDecorationLine, getComputedStyle(node).borderBottomWidth].join()"
        )
        for state in ("trained", "masked", "truncated", "padded")
    ]
    assert len(set(looks)) == 4


def test_answers_mark_the_words_that_differ(page: Page) -> None:
    said = [(0, "I am a model."), (10, "I am a pirate."), (20, f"I be a pirate. {HOSTILE}")]
    answers = [{"kind": "answer", "step": step, "prompt": "Who are you?", "text": text} for step, text in said]
    body = "const answers = new module.Answers(); stage.append(answers.node); answers.show(argument);"
    run(page, "finetune_answers.js", body, answers)
    stage = page.locator(".stage")
    expect(stage.locator(".answer-text").last).to_have_text(f"I be a pirate. {HOSTILE}")
    stage.get_by_label("At").select_option("10")
    expect(stage.locator("del")).to_have_text(["model"])
    expect(stage.locator("ins")).to_have_text(["pirate"])


def test_answers_of_the_result_are_shown_first(page: Page) -> None:
    answers = [{"kind": "answer", "step": step, "prompt": "Who?", "text": f"At {step}."} for step in (0, 10, 20)]
    body = "window.answers = new module.Answers(); stage.append(answers.node); answers.show(argument, null);"
    run(page, "finetune_answers.js", body, answers)
    stage = page.locator(".stage")
    shown = stage.locator(".answer").last
    expect(shown).to_have_text("Step 20At 20.")
    page.evaluate("(argument) => window.answers.show(argument, 10)", answers)
    expect(shown).to_have_text("Step 10, the resultAt 10.")
    expect(stage.get_by_label("At").locator("option").first).to_have_text("the result, step 10")
    stage.get_by_label("At").select_option("20")
    expect(shown).to_have_text("Step 20At 20.")


def test_toasts_stand_above_a_dialog_and_can_be_pressed(page: Page) -> None:
    body = """
        const { Dialog } = await import(argument);
        const dialog = new Dialog("A dialog");
        const toasts = new module.Toasts({ onCutOff: () => {} });
        stage.append(dialog.node, toasts.node);
        dialog.open();
        window.undone = 0;
        const offer = { action: "Undo", onAction: () => (window.undone += 1) };
        toasts.show("Gone.", offer);
        toasts.show("Gone too.", offer);
    """
    run(page, "toasts.js", body, f"{assets_address()}/forms.js")
    toast = page.locator(".stage .toast", has_text="Gone.")
    toast.get_by_role("button", name="Undo").click()
    page.get_by_role("dialog").get_by_role("button", name="Close").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.locator(".stage .toast", has_text="Gone too.").get_by_role("button", name="Undo").click()
    assert page.evaluate("window.undone") == 2


LOOKED = {"look": {"format": "text", "is_certain": True, "columns": [], "mapping": {}, "first": [], "problems": []}}
CHECKED = {
    "check": {"rows": 7, "examples": 7, "problem_count": 0, "problems": [], "duplicate_count": 0, "duplicates": []}
}
CHECKING = {"id": "j1", "name": "check someone/data", "state": "running", "progress": None, "note": "5 rows checked"}


def answering(answer: Callable[[], Any]) -> Callable[[Route], None]:
    return lambda route: route.fulfill(json=answer())


def test_data_of_the_hub_are_checked_as_a_job(page: Page) -> None:
    job = {**CHECKING}
    answers: dict[str, Any] = {
        "datasets/look": lambda: LOOKED,
        "datasets/checks": lambda: {"job": CHECKING},
        "jobs": lambda: {"jobs": [job]},
        "datasets/checks/j1": lambda: CHECKED,
    }
    for path, answer in answers.items():
        page.route(f"**/control/{path}", answering(answer))
    body = """
        const draft = { get: () => ({ hub: "someone/data" }) };
        const look = new module.DataLook({ draft, onChosen: () => {}, onFailed: () => {} });
        stage.append(look.node);
        look.follow();
    """
    run(page, "finetune_look.js", body)
    stage = page.locator(".stage")
    expect(stage.get_by_text("5 rows checked")).to_be_visible()
    expect(stage.get_by_role("button", name="Cancel: Checking the data")).to_be_enabled()
    job["state"] = "done"
    expect(stage.get_by_text("7 rows · 7 samples · nothing broken")).to_be_visible()
    expect(stage.get_by_text("5 rows checked")).to_be_hidden()


def test_what_was_downloaded_can_be_deleted(page: Page) -> None:
    here = [{"name": "someone/data", "size_bytes": 2_000_000, "modified": 0.0}]
    page.route("**/control/datasets/hub", lambda route: route.fulfill(json={"datasets": here}))

    def delete(route: Route) -> None:
        assert route.request.post_data_json == {"name": "someone/data"}
        here.clear()
        route.fulfill(json={"status": "ok"})

    page.route("**/control/datasets/hub/delete", delete)
    body = """
        window.told = [];
        const toasts = { show: (text) => window.told.push(text), error: (error) => window.told.push(error.message) };
        const hub = new module.HubDatasets({ toasts, onUse: (name) => window.told.push(name), onDeleted: () => {} });
        stage.append(hub.node);
        return hub.look();
    """
    run(page, "finetune_hub_data.js", body)
    stage = page.locator(".stage")
    expect(stage.get_by_role("listitem")).to_contain_text("someone/data2 MB")
    stage.get_by_role("button", name="Use someone/data").click()
    stage.get_by_role("button", name="Delete someone/data").click()
    expect(stage.get_by_role("listitem")).to_have_count(0)
    assert [text.split(".")[0] for text in page.evaluate("window.told")] == [
        "someone/data",
        "What was downloaded of someone/data is deleted",
    ]
