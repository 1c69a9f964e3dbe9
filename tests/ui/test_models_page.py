"""Views, the picker, the list of models and the load dialog, in a real browser against scripted answers."""

import re
import time

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser import Watched
from tests.ui.fake_chat import PAUSE, FakeChat, PageServer, delta
from tests.ui.fake_models import FakeModels, model
from tests.ui.test_chat_page import come_back, message_field, wait_until

pytestmark = pytest.mark.browser

HOSTILE = '<img src=x onerror="document.title=1">'


@pytest.fixture
def library(chat: FakeChat) -> FakeModels:
    """Three models of which the first is loaded."""
    library = chat.library
    library.models = [
        model(state="ready"),
        model("large", "Large Model", size_bytes=5_000_000_000, last_used=time.time() - 3 * 86_400),
        model("recent", "Middle Model", size_bytes=900_000_000, last_used=time.time() - 60, favourite=True),
    ]
    return library


def open_models(window: Watched, section: str = "") -> Page:
    window.page.goto(f"{window.url}/?view=models{section}")
    expect(window.page.get_by_role("tab", selected=True)).to_be_visible()
    return window.page


def rows(page: Page) -> Locator:
    return page.locator(".library-row")


def row(page: Page, title: str) -> Locator:
    return rows(page).filter(has_text=title)


def titles(page: Page) -> Locator:
    return page.locator(".row-title")


def open_dialog(page: Page, title: str) -> Locator:
    page.get_by_role("button", name=f"Load {title}", exact=True).click()
    dialog = page.get_by_role("dialog", name=f"Load {title}")
    expect(dialog.locator(".fit")).to_be_visible()
    return dialog


# --- views ---


def test_views_have_addresses_and_history(window: Watched, chat: FakeChat) -> None:
    opened = chat.add("Old", "question", "<p>answer</p>")
    page = window.open(f"/?c={opened}")
    page.get_by_role("button", name="Models", exact=True).click()
    expect(page.get_by_role("tab", name="On this machine")).to_be_focused()
    expect(page).to_have_url(re.compile(r"\?view=models$"))
    expect(page).to_have_title("Models – Parlor")
    expect(message_field(page)).to_be_hidden()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Hub")).to_be_focused()
    expect(page).to_have_url(re.compile(r"section=hub$"))
    page.keyboard.press("End")
    expect(page.get_by_role("tabpanel", name="Servers")).to_be_visible()
    page.reload()
    expect(page.get_by_role("tab", name="Servers")).to_have_attribute("aria-selected", "true")
    page.go_back()
    page.go_back()
    expect(page.get_by_role("tabpanel", name="On this machine")).to_be_visible()
    page.go_back()
    expect(page.locator("article.message")).to_have_count(2)
    expect(page).to_have_title("Old – Parlor")
    page.go_forward()
    expect(page.get_by_role("tab", name="On this machine")).to_be_visible()
    page.get_by_role("button", name="Old", exact=True).click()
    expect(message_field(page)).to_be_focused()
    expect(page).to_have_url(re.compile(rf"\?c={opened}$"))


def test_a_reply_goes_on_while_another_view_is_shown(window: Watched, chat: FakeChat) -> None:
    chat.script = [delta("begin"), PAUSE, delta("", "<p>All of it.</p>")]
    page = window.open()
    window.send("Hello")
    expect(page.locator("article.streaming .tail")).to_have_text("begin")
    page.get_by_role("button", name="Models", exact=True).click()
    chat.go_on.set()
    expect(page.locator("article.complete")).to_have_count(1, timeout=10_000)
    expect(page).to_have_url(re.compile("view=models"))
    page.get_by_role("button", name="Chat", exact=True).click()
    expect(page.locator("article.last")).to_contain_text("All of it.")
    expect(message_field(page)).to_be_focused()
    assert sum(name == "chat_open" for name, _ in chat.calls) == 0


def test_a_late_answer_does_not_take_the_person_out_of_the_view(window: Watched, chat: FakeChat) -> None:
    chat.accepts_sends.clear()
    page = window.open()
    window.send("Hello")
    page.get_by_role("button", name="Models", exact=True).click()
    chat.accepts_sends.set()
    expect(page.locator("article.message")).to_have_count(2)
    expect(page).to_have_url(re.compile("view=models"))
    expect(page.get_by_role("tab", name="On this machine")).to_be_visible()


# --- selected and loaded ---


def test_the_choice_is_the_browsers_and_others_stay_loaded(
    window: Watched, chat: FakeChat, library: FakeModels
) -> None:
    page = window.open()
    button = page.get_by_role("button", name=re.compile("^Model:"))
    expect(button).to_have_accessible_name("Model: Small Model, loaded")
    library.loads_at_once = False
    button.click()
    choices = page.locator(".model-choice .choice-title")
    expect(choices).to_have_text(["Middle Model", "Small Model", "Large Model"])
    page.locator(".model-choice", has_text="Large Model").click()
    expect(button).to_have_accessible_name("Model: Large Model, loading 43 %")
    expect(button).to_be_focused()
    assert library.named("small")["state"] == "ready"
    window.send("Hello")
    window.wait_for_reply()
    assert [values["model"] for name, values in chat.calls if name == "chat_send"] == ["large"]
    page.reload()
    expect(button).to_have_accessible_name("Model: Large Model, loading 43 %")
    library.models = [one for one in library.models if one["id"] != "large"]
    come_back(page)
    expect(button).to_have_accessible_name("Model: Small Model, loaded")


def test_quick_unload_and_remote_models_in_the_picker(window: Watched, library: FakeModels) -> None:
    library.models.append(model("gpu/llama", "llama", format="remote", size_bytes=0, server="gpu"))
    page = window.open()
    page.locator(".model-button").click()
    expect(page.locator(".choice-group").last).to_have_text("gpu")
    page.get_by_role("button", name="Unload Small Model").click()
    expect(page.locator(".model-choice", has_text="Small Model")).to_contain_text("not loaded")
    expect(page.locator(".model-panel")).to_be_visible()
    page.get_by_role("button", name="All models…").click()
    expect(page.get_by_role("tab", name="On this machine")).to_be_focused()
    expect(page.locator(".model-panel")).to_be_hidden()


def test_the_welcome_says_where_words_go(window: Watched, library: FakeModels) -> None:
    library.models.append(model("gpu/llama", "llama", format="remote", size_bytes=0, server="gpu"))
    page = window.open()
    promise = page.locator(".welcome > p")
    expect(promise).to_have_text("Everything you write stays on this machine.")
    page.locator(".model-button").click()
    page.locator(".model-choice", has_text="llama").click()
    expect(promise).to_have_text("What you write goes to the server gpu.")


# --- the list ---


def test_list_is_found_sorted_and_filtered(window: Watched, library: FakeModels) -> None:
    page = open_models(window)
    expect(titles(page)).to_have_text(["Middle Model", "Large Model", "Small Model"])
    page.get_by_label("Sort by", exact=True).select_option("used")
    expect(titles(page)).to_have_text(["Middle Model", "Large Model", "Small Model"])
    page.get_by_role("button", name="Favourite: Middle Model").click()
    page.get_by_label("Sort by", exact=True).select_option("size")
    expect(titles(page)).to_have_text(["Large Model", "Middle Model", "Small Model"])
    expect(page.get_by_role("button", name="Favourite: Middle Model")).to_have_attribute("aria-pressed", "false")
    page.get_by_label("Find a model on this machine").fill("llama large")
    expect(titles(page)).to_have_text(["Large Model"])
    page.get_by_label("Find a model on this machine").fill("nothing like it")
    expect(page.get_by_text("No model on this machine matches.")).to_be_visible()
    page.get_by_label("Find a model on this machine").fill("")
    page.get_by_label("Loaded only").check()
    expect(titles(page)).to_have_text(["Small Model"])
    expect(page.get_by_text("Loaded models use 98 MB of 8.0 GB of memory.")).to_be_visible()


def test_hostile_and_damaged_models_are_only_told_of(window: Watched, library: FakeModels) -> None:
    library.models = [model("bad", HOSTILE, problem=f"It ends early. {HOSTILE}", user_note=HOSTILE, licence=HOSTILE)]
    page = open_models(window)
    expect(rows(page)).to_contain_text("damaged")
    expect(rows(page)).to_contain_text(f"It ends early. {HOSTILE}")
    page.get_by_role("button", name=f"Details of {HOSTILE}").click()
    expect(rows(page).get_by_role("button", name="Delete")).to_be_visible()
    expect(rows(page).get_by_role("button", name=re.compile("^Load"))).to_have_count(0)
    assert page.locator(".models-view img").count() == 0
    expect(page).to_have_title("Models – Parlor")


def test_details_note_and_rename(window: Watched, chat: FakeChat, library: FakeModels) -> None:
    page = open_models(window)
    page.get_by_role("button", name="Details of Large Model").click()
    large = row(page, "Large Model")
    expect(large).to_contain_text("32 (8 for keys and values)")
    large.get_by_label("Note").fill("For long texts")
    come_back(page)
    expect(large.get_by_label("Note")).to_have_value("For long texts")
    large.get_by_role("button", name="Rename").click()
    field = page.get_by_label("New name of Large Model")
    expect(field).to_have_value("large")
    field.press("Escape")
    expect(large.get_by_role("button", name="Rename")).to_be_focused()
    expect(large.locator(".row-kind")).to_contain_text("For long texts")
    page.keyboard.press("Enter")
    chat.refuse("models_rename", "There is a model of that name already.")
    field.fill("Small Model")
    field.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("There is a model of that name already.")
    large.get_by_role("button", name="Rename").click()
    field.fill("Larger")
    field.press("Enter")
    expect(titles(page).filter(has_text="Larger")).to_be_visible()


def test_delete_is_undone_and_the_trash_is_emptied(window: Watched, library: FakeModels) -> None:
    page = open_models(window)
    page.get_by_role("button", name="Details of Large Model").click()
    row(page, "Large Model").get_by_role("button", name="Delete").click()
    expect(rows(page)).to_have_count(2)
    page.get_by_role("button", name="Undo").click()
    expect(rows(page)).to_have_count(3)
    for title in ("Large Model", "Middle Model"):
        page.get_by_role("button", name=f"Details of {title}").click()
        row(page, title).get_by_role("button", name="Delete").click()
        expect(row(page, title)).to_have_count(0)
    page.get_by_text("2 deleted models, 5.9 GB").click()
    page.get_by_role("button", name="Restore Middle Model").click()
    expect(rows(page)).to_have_count(2)
    page.get_by_text("1 deleted model, 5.0 GB").wait_for()
    page.get_by_role("button", name="Empty trash").click()
    expect(page.get_by_role("button", name="Keep them")).to_be_focused()
    page.get_by_role("button", name="Delete for good").click()
    expect(page.locator(".trash")).to_be_hidden()
    assert library.trash == []


def test_load_is_followed_cancelled_and_explained(window: Watched, chat: FakeChat, library: FakeModels) -> None:
    library.loads_at_once = False
    page = open_models(window)
    dialog = open_dialog(page, "Large Model")
    dialog.get_by_role("button", name="Load", exact=True).click()
    expect(dialog).to_be_hidden()
    large = row(page, "Large Model")
    expect(large).to_contain_text("loading 43 %")
    library.named("large")["fraction"] = 0.8
    expect(large).to_contain_text("loading 80 %")
    cancel = page.get_by_role("button", name="Cancel loading Large Model")
    cancel.focus()
    page.keyboard.press("Enter")
    expect(large).to_contain_text("not loaded")
    expect(page.get_by_role("button", name="Load Large Model")).to_be_focused()
    library.named("large").update({"state": "failed", "error": "It needs more memory.", "details": "alloc failed"})
    come_back(page)
    expect(large.get_by_role("alert")).to_contain_text("It needs more memory.")
    expect(large.get_by_text("alloc failed")).to_be_hidden()
    large.get_by_text("What the engine said").click()
    expect(large.get_by_text("alloc failed")).to_be_visible()
    page.get_by_role("button", name="Unload Small Model").click()
    expect(row(page, "Small Model")).to_contain_text("not loaded")
    page.get_by_role("button", name="Details of Middle Model").click()
    page.get_by_role("button", name="Use in chat").click()
    expect(message_field(page)).to_be_focused()
    expect(page.locator(".model-name")).to_have_text("Middle Model")


def test_a_machine_without_models_leads_on(window: Watched, chat: FakeChat, library: FakeModels) -> None:
    library.models, library.suggested = [], None
    chat.starter["present"] = False
    page = open_models(window)
    expect(page.locator(".no-models").get_by_role("button", name="Download", exact=True)).to_be_visible()
    page.get_by_role("button", name="Search the hub").click()
    expect(page.get_by_role("tab", name="Hub")).to_have_attribute("aria-selected", "true")


# --- the load dialog ---


def test_estimate_follows_the_options(window: Watched, chat: FakeChat, library: FakeModels) -> None:
    library.remembered = {"flash_attention": False}
    page = open_models(window)
    dialog = open_dialog(page, "Large Model")
    expect(dialog.get_by_label("Context length")).to_have_attribute("placeholder", "automatic")
    expect(dialog.get_by_role("switch", name="Flash attention")).not_to_be_checked()
    expect(dialog.get_by_label("Threads")).to_be_hidden()
    expect(dialog.get_by_text("Runs on the CPU")).to_be_visible()
    expect(dialog.get_by_text("about 12 (9 to 15) tokens/s")).to_be_visible()
    estimates = sum(name == "models_estimate" for name, _ in chat.calls)
    dialog.get_by_label("Context length").press_sequentially("100000", delay=10)
    expect(dialog.get_by_text("Does not fit")).to_be_visible()
    expect(dialog.get_by_text("100,000 tokens for each of 2 requests at once")).to_be_visible()
    assert sum(name == "models_estimate" for name, _ in chat.calls) - estimates < 6
    dialog.get_by_text("Advanced").click()
    dialog.get_by_label("Threads").fill("2")
    dialog.get_by_label("Cache type").select_option("q8_0")
    dialog.get_by_label("Context length").fill("2048")
    expect(dialog.get_by_text("Runs on the CPU")).to_be_visible()
    dialog.get_by_label("Context length").press("Enter")
    expect(row(page, "Large Model")).to_contain_text("loaded")
    sent = [values for name, values in chat.calls if name == "models_load"]
    options = {"context_length": 2048, "cache_type": "q8_0", "flash_attention": False, "threads": 2}
    assert sent == [{"model": "large", "engine": "llamacpp", "options": options}]


def test_a_speed_that_is_being_measured_is_asked_for_again(window: Watched, library: FakeModels) -> None:
    known, library.speed = library.speed, None
    page = open_models(window)
    dialog = open_dialog(page, "Large Model")
    expect(dialog.get_by_text("not known yet")).to_be_visible()
    library.speed = known
    expect(dialog.get_by_text("about 12 (9 to 15) tokens/s")).to_be_visible()


def test_what_is_wrong_is_said_beside_the_field(window: Watched, chat: FakeChat, library: FakeModels) -> None:
    page = open_models(window)
    dialog = open_dialog(page, "Large Model")
    field = dialog.get_by_label("Context length")
    field.fill("9999999")
    expect(dialog.get_by_text("it is more than 4,194,304")).to_be_visible()
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_accessible_description(re.compile("Tokens one request may hold.*4,194,304", re.DOTALL))
    dialog.get_by_role("button", name="Load", exact=True).click()
    expect(field).to_be_focused()
    field.fill("4096")
    expect(field).not_to_have_attribute("aria-invalid", "true")
    chat.refuse("models_load", "Small Model is answering; wait for it, or stop it.", "model_busy")
    dialog.get_by_role("button", name="Load", exact=True).click()
    expect(dialog.get_by_role("alert")).to_have_text("Small Model is answering; wait for it, or stop it.")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("button", name="Load Large Model")).to_be_focused()


def test_another_engine_has_other_options(window: Watched, chat: FakeChat, library: FakeModels) -> None:
    library.engines = ["llamacpp", "transformers"]
    page = open_models(window)
    dialog = open_dialog(page, "Large Model")
    dialog.get_by_label("Engine").select_option("transformers")
    wait_until(lambda: ("models_form", {"model": "large", "engine": "transformers"}) in chat.calls)
    expect(dialog.locator(".estimate")).not_to_have_class(re.compile("waiting"))
    dialog.get_by_role("button", name="Load", exact=True).click()
    expect(dialog).to_be_hidden()
    assert [values["engine"] for name, values in chat.calls if name == "models_load"] == ["transformers"]


# --- phones and darkness ---


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_everything_fits_a_phone(
    browser: Browser, served: PageServer, library: FakeModels, chat: FakeChat, theme: str
) -> None:
    long = "averylongnamewithoutanyspaces" * 4
    library.models.append(model("long", long, problem=long, licence=long, user_note=long))
    window = Watched(browser, served.url, 390, 844, theme)
    page = window.open()
    page.get_by_role("button", name="Conversations", exact=True).click()
    page.get_by_role("button", name="Models", exact=True).click()
    expect(page.locator(".sidebar")).to_be_hidden()
    expect(rows(page)).to_have_count(4)
    page.get_by_role("button", name=f"Details of {long}").click()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.locator(".models-body").evaluate("box => box.scrollWidth <= box.clientWidth")
    for button in page.locator(".models-view button:visible:not(.row-open)").all():
        box = button.bounding_box()
        assert box
        assert box["height"] >= 40, button.inner_text()
    dialog = open_dialog(page, "Large Model")
    assert dialog.evaluate("box => box.scrollWidth <= box.clientWidth")
    assert dialog.bounding_box() == {"x": 0, "y": 0, "width": 390, "height": 844}
    window.close()
    assert window.complaints == []
