"""Views, the picker, the list of models and the load dialog, in a real browser against scripted answers."""

import re
import time

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser import Watched, wait_until
from tests.ui.fake_chat import PAUSE, FakeChat, PageServer, delta
from tests.ui.fake_models import FakeModels, adapter, model
from tests.ui.test_chat_page import come_back, message_field

pytestmark = pytest.mark.browser

HOSTILE = '<img src=x onerror="document.title=1">'
# Without a pause in which anything else could be done.
TYPE_QUICKLY = (
    "(field, text) => [...text].forEach((one) => { field.value += one; field.dispatchEvent(new Event('input')); })"
)


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
    expect(page.locator("article.assistant.complete")).to_have_count(1)
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
    window.ask("Hello")
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


def test_damaged_models_are_the_last_choices(window: Watched, library: FakeModels) -> None:
    library.models.insert(0, model("cut", "A Cut Model", problem="The file is cut short.", favourite=True))
    library.models.append(model("gpu/llama", "llama", format="remote", size_bytes=0, server="gpu"))
    page = window.open()
    page.locator(".model-button").click()
    titles = ["Middle Model", "Small Model", "Large Model", "llama", "A Cut Model"]
    expect(page.locator(".model-choice .choice-title")).to_have_text(titles)


def test_a_click_before_the_models_are_known_opens_the_picker_with_them(window: Watched, library: FakeModels) -> None:
    page = window.page
    page.add_init_script("""
        const fetched = window.fetch;
        window.held = new Promise((go) => { window.letGo = go; });
        window.fetch = async (...given) => { await window.held; return fetched(...given); };
    """)
    page.goto(window.url)
    page.locator(".model-button").click()
    expect(page.locator(".model-panel")).to_be_hidden()
    page.evaluate("window.letGo()")
    expect(page.locator(".model-choice .choice-title")).to_have_text(["Middle Model", "Small Model", "Large Model"])


def test_the_welcome_says_where_words_go(window: Watched, library: FakeModels) -> None:
    library.models.append(model("gpu/llama", "llama", format="remote", size_bytes=0, server="gpu"))
    page = window.open()
    promise = page.locator(".welcome > p")
    expect(promise).to_have_text("Everything you write stays on this machine.")
    page.locator(".model-button").click()
    page.locator(".model-choice", has_text="llama").click()
    expect(promise).to_have_text("What you write goes to the server gpu.")


def test_the_picker_names_adapters_that_are_on(window: Watched, library: FakeModels) -> None:
    library.models[0]["adapters"] = ["pirate"]
    page = window.open()
    expect(page.locator(".model-button")).to_have_accessible_name("Model: Small Model, loaded, with pirate")
    expect(page.locator(".model-note")).to_have_text("with pirate")


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
    large.get_by_label("Note").fill("Mine")
    come_back(page)
    expect(large.get_by_label("Note")).to_have_value("Mine")
    page.keyboard.press("Escape")
    expect(large.locator(".api-name")).to_contain_text("In API requests, model is")
    # The press takes the focus from the note, which is saved before the button is let go.
    rename = large.get_by_role("button", name="Rename…")
    rename.hover()
    page.mouse.down()
    expect(large.locator(".row-kind")).to_contain_text("Mine")
    page.mouse.up()
    expect(page.get_by_role("dialog", name="Rename Large Model")).to_be_visible()
    page.keyboard.press("Escape")
    window.context.grant_permissions(["clipboard-read", "clipboard-write"])
    large.get_by_role("button", name="Copy the API name of Large Model").click()
    expect(large.locator(".api-name code")).to_have_text("large")
    wait_until(lambda: page.evaluate("navigator.clipboard.readText()") == "large")
    library.named("large")["user_note"] = "Written elsewhere"
    come_back(page)
    expect(large.get_by_label("Note")).to_have_value("Written elsewhere")


def test_a_new_name_is_asked_for_until_it_can_be(window: Watched, chat: FakeChat, library: FakeModels) -> None:
    library.named("large").update({"id": "maker/large"})
    page = open_models(window)
    page.get_by_role("button", name="Details of Large Model").click()
    row(page, "Large Model").get_by_role("button", name="Rename…").click()
    dialog = page.get_by_role("dialog", name="Rename Large Model")
    field = dialog.get_by_label("New name")
    expect(field).to_have_value("large")
    expect(field).to_be_focused()
    expect(dialog).to_contain_text("It stays in the folder maker.")
    page.keyboard.press("Escape")
    expect(row(page, "Large Model").get_by_role("button", name="Rename…")).to_be_focused()
    page.keyboard.press("Enter")
    field.fill("  ")
    field.press("Enter")
    expect(dialog.get_by_role("alert")).to_have_text("A name has at least one character.")
    chat.refuse("models_rename", "There is a model of that name already.")
    field.fill("Small Model")
    field.press("Enter")
    expect(dialog.get_by_role("alert")).to_have_text("There is a model of that name already.")
    expect(field).to_have_value("Small Model")
    expect(field).to_be_focused()
    field.fill("Larger")
    expect(dialog.get_by_role("alert")).to_be_hidden()
    field.press("Enter")
    expect(dialog).to_be_hidden()
    expect(row(page, "Larger").locator(".row-open")).to_be_focused()
    sent = [values for name, values in chat.calls if name == "models_rename"]
    assert sent[-1] == {"model": "maker/large", "new_name": "Larger"}


def test_what_a_loaded_model_needs_first_is_said_beforehand(
    window: Watched, chat: FakeChat, library: FakeModels
) -> None:
    library.named("large")["state"] = "loading"
    page = open_models(window)
    for title in ("Small Model", "Large Model"):
        page.get_by_role("button", name=f"Details of {title}").click()
    small, large = row(page, "Small Model"), row(page, "Large Model")
    expect(small.get_by_role("button", name="Rename…")).to_be_disabled()
    expect(small).to_contain_text("To rename it, unload it first.")
    expect(large.get_by_role("button", name="Delete")).to_be_disabled()
    expect(large).to_contain_text("To rename or delete it, cancel loading it first.")
    small.get_by_role("button", name="Unload and delete").click()
    expect(small).to_have_count(0)
    assert [name for name, _ in chat.calls if name in {"models_unload", "models_delete"}] == [
        "models_unload",
        "models_delete",
    ]


def test_links_and_models_of_other_programs_are_marked(window: Watched, library: FakeModels) -> None:
    library.named("large")["location"] = "/data/far/large.gguf"
    library.named("recent")["folder"] = "lm-studio"
    page = open_models(window)
    large, middle = row(page, "Large Model"), row(page, "Middle Model")
    expect(large.locator(".mark")).to_have_text("linked")
    expect(middle.locator(".mark")).to_have_text("in lm-studio")
    for title in ("Large Model", "Middle Model"):
        page.get_by_role("button", name=f"Details of {title}").click()
    expect(large).to_contain_text("/data/far/large.gguf")
    expect(middle).to_contain_text("a folder of another program, where nothing is renamed or deleted")
    expect(middle.get_by_role("button", name="Delete")).to_have_count(0)
    large.get_by_role("button", name="Delete").click()
    page.get_by_text("1 deleted model", exact=True).click()
    expect(page.locator(".trash-list")).to_contain_text("link, nothing on disk is deleted")
    page.get_by_role("button", name="Empty trash").click()
    expect(page.get_by_text("This forgets them and cannot be undone.")).to_be_visible()


def test_what_is_built_in_is_listed_last_and_only_loaded(window: Watched, library: FakeModels) -> None:
    library.models.insert(0, model("echo", "Echo", format="echo", size_bytes=0, favourite=True, is_built_in=True))
    page = open_models(window)
    expect(titles(page)).to_have_text(["Middle Model", "Large Model", "Small Model", "Echo"])
    echo = row(page, "Echo")
    expect(echo).to_contain_text("Built in · repeats what you write, to try things without a model")
    page.get_by_role("button", name="Details of Echo").click()
    expect(echo.get_by_role("button", name="Talk to it")).to_be_visible()
    expect(echo.get_by_role("button", name="Rename…")).to_have_count(0)
    expect(echo.get_by_role("button", name="Delete")).to_have_count(0)
    library.models = library.models[:1]
    come_back(page)
    expect(page.locator(".no-models")).to_be_visible()
    expect(titles(page)).to_have_text(["Echo"])


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
    page.get_by_role("button", name="Talk to it").click()
    expect(message_field(page)).to_be_focused()
    expect(page.locator(".model-name")).to_have_text("Middle Model")


def test_a_machine_without_models_leads_on(window: Watched, chat: FakeChat, library: FakeModels) -> None:
    library.models, library.suggested = [], None
    chat.starter["present"] = False
    page = open_models(window)
    expect(page.locator(".no-models").get_by_role("button", name="Download", exact=True)).to_be_visible()
    page.get_by_role("button", name="Search the hub").click()
    expect(page.get_by_role("tab", name="Hub")).to_have_attribute("aria-selected", "true")


# --- loading beside the chat ---


def test_loading_another_model_leaves_the_chat_where_it_is(
    window: Watched, chat: FakeChat, library: FakeModels
) -> None:
    page = open_models(window)
    button = page.get_by_role("button", name=re.compile("^Model:"))
    expect(button).to_have_accessible_name("Model: Small Model, loaded")
    open_dialog(page, "Large Model").get_by_role("button", name="Load", exact=True).click()
    # What is used last is suggested first.
    library.suggested = "large"
    expect(page.get_by_text("Large Model is loaded.")).to_be_visible()
    come_back(page)
    expect(button).to_have_accessible_name("Model: Small Model, loaded")
    page.reload()
    expect(button).to_have_accessible_name("Model: Small Model, loaded")
    open_dialog(page, "Middle Model").get_by_role("button", name="Load", exact=True).click()
    page.get_by_role("button", name="Talk to it").click()
    expect(message_field(page)).to_be_focused()
    expect(button).to_have_accessible_name("Model: Middle Model, loaded")


def test_what_is_loaded_takes_the_place_of_nothing(window: Watched, library: FakeModels) -> None:
    library.models = [model(), model("large", "Large Model")]
    page = open_models(window)
    button = page.get_by_role("button", name=re.compile("^Model:"))
    expect(button).to_have_accessible_name("Model: Small Model, not loaded")
    open_dialog(page, "Large Model").get_by_role("button", name="Load", exact=True).click()
    library.suggested = "large"
    expect(button).to_have_accessible_name("Model: Large Model, loaded")


def test_a_load_that_fails_out_of_sight_is_told(window: Watched, library: FakeModels) -> None:
    library.loads_at_once = False
    page = open_models(window)
    open_dialog(page, "Large Model").get_by_role("button", name="Load", exact=True).click()
    expect(row(page, "Large Model")).to_contain_text("loading 43 %")
    page.get_by_role("button", name="Chat", exact=True).click()
    library.named("large").update({"state": "failed", "error": "It needs more memory."})
    page.get_by_role("button", name="Show why").click()
    expect(row(page, "Large Model").get_by_role("alert")).to_contain_text("It needs more memory.")


def test_the_picker_tells_of_memory_where_it_is_known(window: Watched, library: FakeModels) -> None:
    library.needs = {"small": 240_000_000, "large": 6_100_000_000}
    page = window.open()
    page.locator(".model-button").click()
    choices = page.locator(".model-choice")
    expect(choices.filter(has_text="Small")).to_contain_text("loaded · takes 240 MB")
    expect(choices.filter(has_text="Large")).to_contain_text("not loaded · needs about 6.1 GB")
    expect(choices.filter(has_text="Middle")).to_contain_text("not loaded · 900 MB")
    expect(choices.filter(has_text="Small")).to_be_focused()


# --- adapters ---


def test_adapters_wait_for_a_model_that_takes_them(window: Watched, library: FakeModels) -> None:
    library.adapters = [adapter(), adapter("damaged", problem="adapter_model.safetensors is missing.", kind="")]
    page = open_models(window)
    adapters = page.get_by_role("region", name="Adapters")
    expect(adapters).to_contain_text("Load the model it was made for")
    expect(adapters.locator(".adapter").first).to_contain_text("for maker/large")
    expect(adapters.locator(".adapter").first).to_contain_text("LoRA · rank 16 · 7 MB")
    expect(adapters.locator(".adapter").last).to_contain_text("adapter_model.safetensors is missing.")
    expect(adapters.get_by_role("button")).to_have_count(0)


def test_an_adapter_is_loaded_switched_on_weighed_and_unloaded(
    window: Watched, chat: FakeChat, library: FakeModels
) -> None:
    library.adapters, library.adaptable = [adapter(), adapter("poet", loaded=True, weight=0.5)], ["small"]
    page = open_models(window)
    chat.refuse("adapter_load", "Its layers are 32 wide, those of Small Model 64.")
    page.get_by_role("button", name="Load pirate").click()
    pirate = page.locator(".adapter", has_text="pirate")
    expect(pirate.get_by_role("alert")).to_have_text("Its layers are 32 wide, those of Small Model 64.")
    page.get_by_role("button", name="Load pirate").click()
    expect(pirate).to_contain_text("takes 4 MB of memory")
    weight, toggle = pirate.get_by_label("Weight of pirate"), pirate.get_by_role("switch")
    expect(weight).to_be_disabled()
    toggle.check()
    expect(weight).to_be_enabled()
    expect(toggle).to_be_focused()
    weight.fill("0.7")
    weight.press("Enter")
    wait_until(lambda: library.adapters[0]["weight"] == 0.7)
    assert library.adapters[1]["weight"] == 0.5
    # Pressed again only once the row tells what has become of it.
    expect(page.get_by_role("button", name="Unload pirate")).to_be_enabled()
    weight.fill("9")
    weight.press("Enter")
    expect(pirate.get_by_role("alert")).to_have_text("A weight is a number from -4 to 4.")
    toggle.uncheck()
    expect(weight).to_be_disabled()
    assert [one["weight"] for one in library.adapters] == [None, 0.5]
    page.get_by_role("button", name="Unload pirate").click()
    expect(page.get_by_role("button", name="Load pirate")).to_be_visible()


def test_a_weight_that_is_being_typed_outlives_the_answer_to_the_one_before(
    window: Watched, library: FakeModels
) -> None:
    library.adapters, library.adaptable = [adapter(loaded=True, weight=1.0)], ["small"]
    page = open_models(window)
    weight = page.get_by_label("Weight of pirate")
    library.lets_switch.clear()
    weight.fill("0.5")
    weight.press("Enter")
    page.get_by_role("button", name="Unload pirate").and_(page.locator("[aria-disabled=true]")).wait_for()
    weight.press("ControlOrMeta+a")
    page.keyboard.insert_text("-")
    page.keyboard.insert_text("2")
    library.lets_switch.set()
    page.get_by_role("button", name="Unload pirate").and_(page.locator("[aria-disabled=false]")).wait_for()
    page.keyboard.insert_text("5")
    expect(weight).to_have_value("-25")
    expect(weight).to_be_focused()
    weight.press("ControlOrMeta+a")
    page.keyboard.insert_text("2")
    weight.press("Enter")
    wait_until(lambda: library.adapters[0]["weight"] == 2)


def test_an_adapter_that_could_not_be_asked_for_can_be_asked_for_again(
    window: Watched, chat: FakeChat, library: FakeModels
) -> None:
    library.adapters, library.adaptable = [adapter()], ["small"]
    page = open_models(window)
    window.forgive("503")
    chat.outage = 503
    load = page.get_by_role("button", name="Load pirate")
    load.click()
    expect(page.locator(".adapter").get_by_role("alert")).to_be_visible()
    expect(load).to_have_attribute("aria-disabled", "false")
    chat.outage = 0
    load.click()
    expect(page.get_by_role("button", name="Unload pirate")).to_be_visible()


def test_of_several_models_one_is_chosen_for_adapters(window: Watched, library: FakeModels) -> None:
    library.named("large")["state"] = "ready"
    library.adapters, library.adaptable = [adapter(loaded=True, weight=1.0)], ["small", "large"]
    page = open_models(window)
    expect(page.get_by_role("switch", name="Switch on pirate")).to_be_checked()
    chosen = page.get_by_role("region", name="Adapters").get_by_label("Model", exact=True)
    chosen.select_option("Large Model")
    expect(page.get_by_role("button", name="Load pirate")).to_be_visible()
    expect(chosen).to_have_value("large")


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
    dialog.get_by_label("Context length").evaluate(TYPE_QUICKLY, "100000")
    expect(dialog.get_by_text("Does not fit")).to_be_visible()
    expect(dialog.get_by_text("100,000 tokens for each of 2 requests at once")).to_be_visible()
    assert sum(name == "models_estimate" for name, _ in chat.calls) - estimates == 1
    dialog.get_by_text("Advanced").click()
    dialog.get_by_label("Threads").fill("2")
    dialog.get_by_label("Cache type").select_option("q8_0")
    dialog.get_by_label("Context length").fill("2048")
    expect(dialog.get_by_text("Runs on the CPU")).to_be_visible()
    dialog.get_by_label("Context length").press("Enter")
    expect(page.get_by_role("button", name="Unload Large Model")).to_be_visible()
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
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Details of Middle Model").click()
    row(page, "Middle Model").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("Deleted “Middle Model”.")).to_be_visible()
    toast, tabs = page.locator(".toast").bounding_box(), page.get_by_role("tablist", name="Models").bounding_box()
    assert toast
    assert tabs
    assert toast["y"] > tabs["y"] + tabs["height"]
    assert toast["y"] + toast["height"] < 844
    window.close()
    assert window.complaints == []
