"""The Models view's hub, downloads, servers and import, in a real browser against scripted answers."""

import threading
import time
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import Watched, wait_until
from tests.ui.fake_chat import FakeChat, PageServer
from tests.ui.fake_hub_page import FakeHubPage, choice, download, entry, hub_model, job, server, standing
from tests.ui.fake_models import model
from tests.ui.test_markup import ATTACKS

pytestmark = pytest.mark.browser

OUTAGE = "hub.example cannot be reached. Is this machine on the internet?"


@pytest.fixture
def hub(chat: FakeChat) -> FakeHubPage:
    return chat.hub


def open_section(window: Watched, section: str) -> Page:
    window.page.goto(f"{window.url}/?view=models&section={section}")
    expect(window.page.get_by_role("tab", selected=True)).to_be_visible()
    return window.page


def asked(chat: FakeChat, name: str) -> list[dict[str, object]]:
    return [values for called, values in chat.calls if called == name]


def search(page: Page, words: str = "tiny") -> None:
    page.get_by_role("searchbox", name="Words").fill(words)
    page.keyboard.press("Enter")


def open_model(page: Page) -> None:
    search(page)
    page.locator(".hub-row").first.click()
    expect(page.locator(".hub-title")).to_be_focused()


def test_nothing_is_asked_before_the_person_asks(window: Watched, chat: FakeChat) -> None:
    page = open_section(window, "hub")
    expect(page.get_by_text("Searching asks hub.example. Nothing is sent before you do.")).to_be_visible()
    page.get_by_label("Licence").select_option("MIT")
    time.sleep(0.3)
    assert not asked(chat, "hub_search")
    assert not asked(chat, "hub_account")
    search(page)
    expect(page.locator(".hub-row")).to_contain_text("maker/tiny-GGUF")
    assert asked(chat, "hub_search") == [
        {
            "words": "tiny",
            "task": "text-generation",
            "format": "gguf",
            "licence": "mit",
            "least_parameters": 0,
            "most_parameters": 0,
            "sorting": "downloads",
            "cursor": "",
        }
    ]
    page.get_by_label("Size").select_option("4B to 9B")
    wait_until(lambda: len(asked(chat, "hub_search")) == 2)
    assert asked(chat, "hub_search")[1]["least_parameters"] == 4e9
    assert asked(chat, "hub_search")[1]["most_parameters"] == 9e9


def test_results_tell_what_matters_and_go_on(window: Watched, hub: FakeHubPage) -> None:
    hub.pages = [
        {"entries": [entry("a/one", gate="manual"), entry("b/two", private=True, parameters=0, likes=1)], "next": "1"},
        {"entries": [entry("c/three")], "next": ""},
    ]
    page = open_section(window, "hub")
    search(page)
    rows = page.locator(".hub-row")
    expect(rows.nth(0)).to_contain_text("a/one")
    expect(rows.nth(0)).to_contain_text("Gated")
    expect(rows.nth(0)).to_contain_text("1.2M downloads · 345 likes")
    expect(rows.nth(0)).to_contain_text("7.6B parameters · GGUF · apache-2.0 · updated 3 days ago")
    expect(rows.nth(1)).to_contain_text("Private")
    expect(rows.nth(1)).to_contain_text("1 like")
    expect(rows.nth(1)).not_to_contain_text("parameters")
    page.get_by_role("button", name="More").click()
    expect(rows.nth(2)).to_contain_text("c/three")
    expect(rows.nth(2)).to_be_focused()
    expect(page.get_by_role("button", name="More")).to_be_hidden()


def test_a_hub_out_of_reach_is_told(window: Watched, chat: FakeChat) -> None:
    chat.refuse("hub_search", OUTAGE, "hub_failed")
    page = open_section(window, "hub")
    search(page)
    expect(page.locator(".hub-status.failed")).to_have_text(OUTAGE)
    chat.hub.pages = [{"entries": [], "next": ""}]
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.get_by_text("Nothing found. Fewer words or filters find more.")).to_be_visible()


def test_choices_are_judged_for_the_chosen_context(window: Watched) -> None:
    page = open_section(window, "hub")
    open_model(page)
    rows = page.locator(".choice")
    expect(rows).to_have_count(4)
    expect(rows.nth(0)).to_contain_text("3.0 GB")
    expect(rows.nth(0)).to_contain_text("needs 3.8 GB")
    expect(rows.nth(0)).to_contain_text("about 20 tok/s (14–26)")
    expect(rows.locator(".fit")).to_have_text(
        ["Runs on the CPU", "Runs on the CPU", "Fits partly on the GPU", "Does not fit"]
    )
    best = page.locator(".mark.best:visible")
    expect(best).to_have_count(1)
    expect(best).to_have_attribute("title", "The largest that fits.")
    expect(rows.nth(1).locator(".mark.best")).to_be_visible()
    page.get_by_label("judged for a context of").select_option("32k tokens")
    expect(rows.nth(0)).to_contain_text("needs 6.3 GB")


def test_one_click_downloads_the_choice(window: Watched, chat: FakeChat) -> None:
    page = open_section(window, "hub")
    open_model(page)
    page.get_by_label("with image reader (600 MB)").check()
    page.get_by_role("button", name="Download Q4_K_M, 4.7 GB").click()
    sign = page.get_by_role("button", name="1 download, 25 %")
    expect(sign).to_be_visible()
    assert asked(chat, "download_start") == [{"source": "maker/tiny-GGUF", "choice": "Q4_K_M", "projector": True}]
    expect(page.get_by_text("Downloading tiny-d1.")).to_be_visible()
    page.get_by_role("tab", name="Downloads").press("Home")
    sign.click()
    expect(page.get_by_role("tab", name="Downloads")).to_have_attribute("aria-selected", "true")
    expect(page.locator(".download")).to_contain_text("1.2 GB of 4.7 GB · 1 of 2 files · 12.3 MB/s · 5 min left")


def test_a_choice_follows_its_download_until_it_is_here(window: Watched, chat: FakeChat) -> None:
    page = open_section(window, "hub")
    open_model(page)
    row = page.locator(".choice").nth(0)
    chat.hub.next_id = "id-Q2_K"
    page.get_by_role("button", name="Download Q2_K, 3.0 GB").press("Enter")
    expect(row).to_contain_text("Downloading 25 %")
    expect(row.get_by_role("button", name="Show Q2_K")).to_be_focused()
    chat.hub.downloads = [download("id-Q2_K", done_bytes=2_350_000_000)]
    expect(row).to_contain_text("Downloading 50 %")
    chat.hub.downloads = [download("id-Q2_K", "paused", done_bytes=2_350_000_000)]
    expect(row).to_contain_text("Paused at 50 %")
    chat.library.models.append(model("tiny", "Tiny"))
    chat.hub.downloads = [download("id-Q2_K", "done", model="tiny")]
    row.get_by_role("button", name="Show Q2_K").click()
    expect(page.get_by_role("tab", name="Downloads")).to_have_attribute("aria-selected", "true")
    expect(page.get_by_role("button", name="Load tiny-id-Q2_K")).to_be_visible()
    page.get_by_role("tab", name="Hub").click()
    expect(row.get_by_text("On this machine")).to_be_visible()
    row.get_by_role("button", name="Load Q2_K, 3.0 GB", exact=True).click()
    dialog = page.get_by_role("dialog", name="Load Tiny")
    dialog.get_by_role("button", name="Load", exact=True).click()
    row.get_by_role("button", name="Talk to it").click()
    expect(page.get_by_role("button", name="Model: Tiny, loaded")).to_be_visible()


def test_what_is_here_already_is_not_offered_again(window: Watched, chat: FakeChat) -> None:
    here = standing("Q4_K_M", is_here=True, model="tiny")
    with_reader = [standing("Q8_0"), standing("Q8_0-reader", is_here=True, model="seeing/tiny")]
    sentence = "There is something called tiny-F16.gguf among the models already, and it is not overwritten."
    chat.hub.model = hub_model(
        choices=[
            choice("Q2_K", 3e9),
            choice("Q4_K_M", 4.7e9, standings=[here]),
            choice("Q8_0", 8.1e9, standings=with_reader, projector_bytes=6e8),
            choice("F16", 15e9, standings=[standing("F16", problem=sentence)]),
            choice("adapter", 5e6, standings=[standing("adapter", is_here=True)]),
        ]
    )
    chat.library.models += [model("tiny", "Tiny"), model("seeing/tiny", "Seeing", problem="It ends early.")]
    page = open_section(window, "hub")
    open_model(page)
    rows = page.locator(".choice")
    expect(rows.get_by_role("button", name="Download")).to_have_count(1)
    expect(rows.nth(1)).to_contain_text("Recommended")
    expect(rows.nth(1).get_by_role("button", name="Load Q4_K_M")).to_have_class("strong-button")
    expect(rows.nth(2)).to_contain_text("Damaged")
    expect(rows.nth(2).get_by_label("with image reader")).to_be_checked()
    rows.nth(2).get_by_label("with image reader").uncheck()
    expect(rows.nth(2).get_by_role("button", name="Download Q8_0")).to_be_visible()
    expect(rows.nth(3).get_by_role("alert")).to_have_text(sentence)
    expect(rows.nth(3).get_by_role("button")).to_have_count(0)
    rows.nth(4).get_by_role("button", name="Show adapter").click()
    expect(page.get_by_role("tab", name="On this machine")).to_have_attribute("aria-selected", "true")
    # Deleted meanwhile, it can be had again.
    page.get_by_role("button", name="Details of Tiny").click()
    page.locator(".library-row", has_text="Tiny").get_by_role("button", name="Delete").click()
    page.get_by_role("tab", name="Hub").click()
    expect(rows.nth(1).get_by_role("button", name="Download Q4_K_M")).to_be_visible()


def test_a_refused_download_is_told_in_its_row(window: Watched, chat: FakeChat) -> None:
    page = open_section(window, "hub")
    open_model(page)
    chat.refuse("download_start", "This model is there already, as tiny.gguf.", "conflict")
    page.get_by_role("button", name="Download Q2_K").click()
    expect(page.locator(".choice").nth(0).get_by_role("alert")).to_have_text(
        "This model is there already, as tiny.gguf."
    )
    expect(page.locator(".toast")).to_have_count(0)


def test_unusable_choices_say_why(window: Watched, hub: FakeHubPage) -> None:
    hub.model = hub_model(choices=[choice("Q8_0", 1e9), choice("F16", 2e9, problem="Incomplete: 1 of its 2 parts.")])
    page = open_section(window, "hub")
    open_model(page)
    expect(page.locator(".choice").nth(1)).to_contain_text("Incomplete: 1 of its 2 parts.")
    expect(page.get_by_role("button", name="Download Q8_0")).to_have_count(1)
    expect(page.locator(".choice button")).to_have_count(1)


def test_a_gate_says_what_to_do_and_a_token_opens_it(window: Watched, chat: FakeChat) -> None:
    chat.hub.model = hub_model(gate="automatic", has_access=False)
    page = open_section(window, "hub")
    open_model(page)
    expect(page.get_by_role("note")).to_contain_text("Agree on the hub's page, then enter a token")
    link = page.get_by_role("link", name="Open the hub's page")
    expect(link).to_have_attribute("href", "https://hub.example/maker/tiny-GGUF")
    expect(link).to_have_attribute("rel", "noopener noreferrer")
    expect(page.get_by_role("button", name="Download Q4_K_M")).to_be_disabled()
    page.get_by_role("button", name="Enter a token").click()
    field = page.get_by_role("textbox", name="Access token")
    expect(field).to_be_focused()
    expect(field).to_have_attribute("type", "password")
    expect(page.get_by_role("dialog")).to_contain_text("sent to hub.example alone")
    field.fill("hf_secret")
    chat.hub.model = hub_model(gate="automatic")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text("You are someone on hub.example.")
    expect(field).to_have_value("")
    page.keyboard.press("Escape")
    expect(page.get_by_role("note")).to_have_count(0)
    expect(page.get_by_role("button", name="Download Q4_K_M")).to_be_enabled()


def test_a_refused_token_is_told_at_its_field(window: Watched, chat: FakeChat) -> None:
    page = open_section(window, "hub")
    page.get_by_role("button", name="Hub account").click()
    chat.refusals["hub_token"] = {"error": {"message": "The hub does not accept it.", "code": "x", "field": "token"}}
    page.get_by_role("textbox", name="Access token").fill("hf_wrong")
    page.get_by_role("button", name="Keep token").click()
    expect(page.get_by_role("alert")).to_have_text("The hub does not accept it.")
    expect(page.get_by_role("textbox", name="Access token")).to_have_attribute("aria-invalid", "true")
    page.get_by_role("button", name="Who am I?").click()
    expect(page.get_by_text("No token is kept: you are a guest.")).to_be_visible()


def test_back_leads_to_the_results(window: Watched, chat: FakeChat) -> None:
    page = open_section(window, "hub")
    open_model(page)
    page.go_back()
    expect(page.locator(".hub-row").first).to_be_focused()
    page.go_forward()
    expect(page.locator(".hub-title")).to_be_visible()
    page.get_by_role("button", name="Results").click()
    expect(page.locator(".hub-row").first).to_be_visible()
    assert len(asked(chat, "hub_model")) == len(asked(chat, "hub_search")) == 1


@pytest.mark.parametrize(
    ("typed", "values"),
    [
        ("maker/tiny-GGUF", {"repository": "maker/tiny-GGUF", "revision": "main"}),
        ("maker/tiny-GGUF:dev", {"repository": "maker/tiny-GGUF", "revision": "dev"}),
        ("https://hub.example/maker/tiny-GGUF/tree/dev", {"repository": "maker/tiny-GGUF", "revision": "dev"}),
    ],
)
def test_a_name_or_address_leads_to_the_page(
    window: Watched, chat: FakeChat, typed: str, values: dict[str, str]
) -> None:
    page = open_section(window, "hub")
    page.get_by_label("A model's name or address").fill(typed)
    page.keyboard.press("Enter")
    expect(page.locator(".hub-title")).to_contain_text("tiny-GGUF")
    assert asked(chat, "hub_source") == [{"source": typed}]
    assert asked(chat, "hub_model") == [values]


def test_a_files_address_is_downloaded_at_once(window: Watched, chat: FakeChat) -> None:
    address = "https://hub.example/maker/tiny-GGUF/resolve/main/tiny-Q8_0.gguf"
    page = open_section(window, "hub")
    page.get_by_label("A model's name or address").fill(address)
    page.get_by_role("button", name="Open", exact=True).click()
    expect(page.get_by_text("Downloading tiny-d1.")).to_be_visible()
    assert asked(chat, "download_start") == [{"source": address}]


def test_a_long_card_is_folded(window: Watched, hub: FakeHubPage) -> None:
    hub.model = hub_model(card="A line.\n\n" * 60 + "[The end](https://elsewhere.example)")
    page = open_section(window, "hub")
    open_model(page)
    card = page.locator(".card-text")
    assert card.bounding_box()["height"] < 400  # type: ignore[index]
    page.get_by_role("button", name="Show the whole card").click()
    assert card.bounding_box()["height"] > 1000  # type: ignore[index]
    expect(page.get_by_role("button", name="Show the whole card")).to_be_hidden()


def test_downloads_can_be_paused_resumed_cancelled_and_removed(window: Watched, hub: FakeHubPage) -> None:
    hub.downloads = [download("d1")]
    page = open_section(window, "downloads")
    for pressed, words in {
        "Pause": "Paused",
        "Resume": "Downloading",
        "Cancel": "Cancelled",
    }.items():
        page.get_by_role("button", name=f"{pressed}: tiny-d1").click()
        expect(page.locator(".download-state")).to_have_text(words)
    page.get_by_role("button", name="Remove: tiny-d1").press("Enter")
    expect(page.get_by_text("Nothing was downloaded yet.")).to_be_visible()
    expect(page.locator(".download-sign")).to_be_hidden()


def test_the_focus_stays_while_a_download_goes_on(window: Watched, hub: FakeHubPage) -> None:
    hub.downloads = [download("d1", done_bytes=0)]
    page = open_section(window, "downloads")
    pause = page.get_by_role("button", name="Pause: tiny-d1")
    pause.focus()
    hub.downloads = [download("d2"), download("d1", done_bytes=2_350_000_000, note="waiting 8 s")]
    expect(page.locator(".download").nth(1)).to_contain_text("2.4 GB of 4.7 GB")
    expect(page.locator(".download").nth(1)).to_contain_text("Downloading · waiting 8 s")
    expect(pause).to_be_focused()
    # Another row came before it; with its own button pressed the row is made anew.
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Resume: tiny-d1")).to_be_focused()


def test_ends_are_told_wherever_the_person_is(window: Watched, chat: FakeChat) -> None:
    chat.hub.downloads = [download("d1"), download("d2")]
    chat.library.models.append({**chat.library.models[0], "id": "tiny-d1", "title": "Tiny", "state": "none"})
    page = window.open()
    expect(page.get_by_role("button", name="2 downloads, 25 %")).to_be_visible()
    error = "The disk is full. Make room and try again."
    chat.hub.downloads = [download("d1", "done", ended=time.time()), download("d2", "failed", error=error)]
    expect(page.get_by_text("tiny-d1 is here.")).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text(f"tiny-d2 was not downloaded. {error}")
    expect(page.locator(".download-sign")).to_be_hidden()
    page.get_by_role("button", name="Load…", exact=True).click()
    page.get_by_role("dialog", name="Load Tiny").get_by_role("button", name="Load", exact=True).click()
    page.get_by_role("button", name="Talk to it").click()
    expect(page.get_by_role("button", name="Model: Tiny, loaded")).to_be_visible()
    calls = len(asked(chat, "download_list"))
    time.sleep(2.5)
    assert len(asked(chat, "download_list")) == calls, "nothing is on its way, and the list is not in sight"


def test_a_failed_download_can_be_tried_again(window: Watched, hub: FakeHubPage) -> None:
    hub.downloads = [download("d1", "failed", error="The hub stopped answering.")]
    page = open_section(window, "downloads")
    expect(page.locator(".download")).to_contain_text("The hub stopped answering.")
    page.get_by_role("button", name="Try again: tiny-d1").click()
    expect(page.locator(".download-state")).to_have_text("Downloading")


def test_a_server_is_added_used_and_removed(window: Watched, chat: FakeChat) -> None:
    chat.library.models.append(
        {**chat.library.models[0], "id": "office/big-model", "title": "big-model", "state": "none"}
    )
    page = open_section(window, "servers")
    form = page.get_by_role("form", name="Add a server")
    expect(page.get_by_text("No servers yet.")).to_be_visible()
    form.get_by_label("Name", exact=True).fill("office")
    form.get_by_label("Address").fill("http://192.168.1.20:8000")
    key = form.get_by_label("Key")
    expect(key).to_have_attribute("type", "password")
    key.fill("secret")
    page.keyboard.press("Enter")
    expect(page.locator(".server")).to_contain_text(
        "http://192.168.1.20:8000 · with a key · 2 models · answered 5 minutes ago"
    )
    expect(key).to_have_value("")
    page.get_by_role("button", name="Ask office for its models again").click()
    page.get_by_role("button", name="Remove office").click()
    expect(page.get_by_role("button", name="Keep")).to_be_focused()
    expect(page.get_by_text("Remove it and its key?")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Remove office")).to_be_focused()
    page.get_by_role("button", name="Use big-model").click()
    expect(page.get_by_role("button", name="Model: big-model, loaded")).to_be_visible()
    page.go_back()
    page.get_by_role("button", name="Remove office").click()
    page.get_by_role("button", name="Remove", exact=True).click()
    expect(page.get_by_text("No servers yet.")).to_be_visible()
    assert asked(chat, "remote_remove") == [{"name": "office"}]


def test_an_answer_leaves_the_focus_on_a_question(
    window: Watched, chat: FakeChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat.hub.servers = [server()]
    refresh, may_answer = chat.hub.remote_refresh, threading.Event()

    def slow(values: dict[str, Any]) -> dict[str, Any]:
        may_answer.wait(60)
        return refresh(values)

    monkeypatch.setattr(chat.hub, "remote_refresh", slow)
    page = open_section(window, "servers")
    page.get_by_role("button", name="Ask office for its models again").click()
    page.get_by_role("button", name="Remove office").click()
    listed = len(asked(chat, "remote_list"))
    may_answer.set()
    wait_until(lambda: len(asked(chat, "remote_list")) > listed)
    expect(page.get_by_text("Asking office …")).to_have_count(0)
    page.wait_for_timeout(300)
    # Beside it is the one that removes the server and its key.
    expect(page.get_by_role("button", name="Keep")).to_be_focused()


def test_a_wrong_address_is_told_at_its_field(window: Watched, chat: FakeChat) -> None:
    words = "An address begins with http:// or https://."
    chat.refusals["remote_add"] = {"error": {"message": words, "code": "invalid_request", "field": "address"}}
    page = open_section(window, "servers")
    form = page.get_by_role("form", name="Add a server")
    form.get_by_label("Name", exact=True).fill("office")
    form.get_by_label("Address").fill("ftp://x")
    page.get_by_role("button", name="Add server").click()
    expect(page.get_by_role("alert")).to_have_text(words)
    expect(form.get_by_label("Address")).to_be_focused()
    expect(form.get_by_label("Address")).to_have_value("ftp://x")
    expect(page.get_by_role("button", name="Add server")).to_be_enabled()


def test_a_server_that_does_not_answer_is_corrected_or_added_anyway(window: Watched, chat: FakeChat) -> None:
    words = "http://192.168.1.20:8000 cannot be reached. Correct it, or add the server all the same."
    silent = {"error": {"message": words, "code": "server_silent", "field": "address"}}
    page = open_section(window, "servers")
    form = page.get_by_role("form", name="Add a server")
    form.get_by_label("Name", exact=True).fill("office")
    form.get_by_label("Address").fill("http://192.168.1.20:8000")
    form.get_by_label("Key").fill("secret")
    chat.refusals["remote_add"] = silent
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text(words)
    expect(form.get_by_label("Address")).to_be_focused()
    expect(form.get_by_label("Key")).to_have_value("secret")
    expect(page.get_by_role("button", name="Add it anyway")).to_be_visible()
    # A correction is asked about like anything new.
    form.get_by_label("Address").fill("http://192.168.1.21:8000")
    expect(page.get_by_role("button", name="Add server")).to_be_visible()
    chat.refusals["remote_add"] = silent
    page.get_by_role("button", name="Add server").click()
    page.get_by_role("button", name="Add it anyway").click()
    expect(page.locator(".server")).to_contain_text("office")
    expect(form.get_by_label("Address")).to_have_value("")
    expect(page.get_by_role("button", name="Add server")).to_be_visible()
    assert [values["anyway"] for values in asked(chat, "remote_add")] == [False, False, True]


def test_a_server_that_went_away_says_so_in_its_row_and_in_the_picker(window: Watched, chat: FakeChat) -> None:
    far = {**chat.library.models[0], "id": "office/big-model", "title": "big-model", "server": "office"}
    chat.library.models.append({**far, "reachable": True, "last_heard": time.time()})
    chat.hub.servers = [server("office")]
    page = open_section(window, "servers")
    page.get_by_role("button", name="Use big-model").click()
    expect(page.get_by_role("button", name="Model: big-model", exact=True)).to_be_visible()
    page.go_back()
    gone = {"reachable": False, "last_heard": time.time() - 130}
    chat.library.named("office/big-model").update(gone)
    chat.hub.servers = [server("office", error="http://192.168.1.20:8000 cannot be reached.", **gone)]
    words = "not reachable, last heard of 2 minutes ago"
    expect(page.get_by_role("button", name=f"Model: big-model, {words}")).to_be_visible()
    expect(page.locator(".server")).to_contain_text(words)
    expect(page.locator(".server")).to_contain_text("cannot be reached")
    expect(page.locator(".model-button .dot")).to_have_class("dot failed")


def show_import(page: Page) -> None:
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def test_a_model_is_imported_from_a_path(window: Watched, chat: FakeChat) -> None:
    chat.hub.jobs = [job("running", progress=0.5, note="Copying")]
    page = open_section(window, "local")
    show_import(page)
    page.get_by_role("dialog").get_by_label("Path").fill("/home/me/my model.Q4_0.gguf")
    page.get_by_role("dialog").get_by_label("Name").focus()
    expect(page.get_by_role("dialog").get_by_label("Name")).to_have_value("my-model.Q4_0")
    page.get_by_label("Copy it").check()
    page.get_by_role("button", name="Add model").click()
    expect(page.get_by_text("Copying … 50 %")).to_be_visible()
    chat.hub.jobs = [job("running", progress=0.75, note="Copying")]
    expect(page.get_by_text("Copying … 75 %")).to_be_visible()
    chat.hub.jobs = [job("done")]
    expect(page.get_by_text("my-model.Q4_0 was added.")).to_be_visible()
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert asked(chat, "import_model") == [
        {"path": "/home/me/my model.Q4_0.gguf", "name": "my-model.Q4_0", "copy_files": True}
    ]


def test_models_of_other_programs_are_looked_for_on_request(window: Watched, chat: FakeChat) -> None:
    found = {
        "program": "Ollama",
        "title": "llama3.2:latest",
        "path": "/o/sha256-1",
        "format": "gguf",
        "size_bytes": 2e9,
    }
    chat.hub.found = [{**found, "problem": ""}, {**found, "title": "broken", "problem": "A part is missing."}]
    page = open_section(window, "local")
    show_import(page)
    assert not asked(chat, "import_found")
    page.get_by_role("button", name="Look for models of other programs").click()
    expect(page.locator(".found").nth(1)).to_contain_text("A part is missing.")
    expect(page.locator(".found").nth(1).get_by_role("button")).to_have_count(0)
    chat.refusals["import_model"] = {
        "error": {"message": "There is a model of that name.", "code": "x", "field": "name"}
    }
    page.get_by_role("button", name="Use llama3.2:latest where it is").click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_have_text("There is a model of that name.")
    page.get_by_role("button", name="Copy llama3.2:latest").click()
    expect(page.get_by_text("llama3.2-latest was added.")).to_be_visible()
    assert [values["copy_files"] for values in asked(chat, "import_model")] == [False, True]


def test_strangers_texts_run_nothing(browser: Browser, served: PageServer, chat: FakeChat) -> None:
    window = Watched(browser, served.url)
    window.page.add_init_script("window.alert = () => { window.executed = true; };")
    attack_pages = [ATTACKS[place : place + 12] for place in range(0, len(ATTACKS), 12)]
    page = open_section(window, "hub")
    for attacks in attack_pages:
        chat.hub.pages = [{"entries": [entry(f"a/{one}", licence=one, task=one) for one in attacks], "next": ""}]
        text = "\n\n".join(attacks)
        chat.hub.model = hub_model(
            f"a/{attacks[0]}",
            card=text,
            licence=attacks[1],
            revision=attacks[2],
            files=[{"path": one, "size_bytes": 10} for one in attacks],
            choices=[choice(one, 1e9, problem=one if place else "") for place, one in enumerate(attacks)],
            recommended={},
        )
        search(page)
        expect(page.locator(".hub-row")).to_have_count(len(attacks))
        page.locator(".hub-row").first.click()
        expect(page.locator(".card-text")).to_be_visible()
        page.locator(".hub-page .fold summary").click()
        assert (
            page.locator(".hub-page").evaluate(
                "box => [...box.querySelectorAll('*')].filter((one) => [...one.attributes].some(({ name }) => name.startsWith('on')))"
            )
            == []
        )
        assert (
            page.locator(".hub-page :is(script, img, iframe, object, embed, form, style, link, video, audio)").count()
            == 0
        )
        page.get_by_role("button", name="Results").click()
        expect(page.locator(".hub-row").first).to_be_visible()
    everything = [
        download(f"d{place}", "failed", target=one, source=one, error=one, note=one)
        for place, one in enumerate(ATTACKS)
    ]
    chat.hub.downloads = everything
    chat.hub.servers = [server(one, address=one, models=ATTACKS, error=one) for one in ATTACKS[:10]]
    page.get_by_role("tab", name="Downloads").click()
    expect(page.locator(".download")).to_have_count(len(ATTACKS))
    page.get_by_role("tab", name="Servers").click()
    expect(page.locator(".server")).to_have_count(10)
    time.sleep(0.3)
    assert page.evaluate("window.executed") is None
    assert window.complaints == []
    window.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_phones_need_no_sideways_scrolling(browser: Browser, served: PageServer, chat: FakeChat, theme: str) -> None:
    long = "a-very-long-name-without-any-place-to-break-" * 4
    chat.hub.pages = [{"entries": [entry(f"maker/{long}")], "next": ""}]
    chat.hub.model = hub_model(
        f"maker/{long}", card=f"{long}\n\n| {' | '.join('abcdefgh')} |\n|{'---|' * 8}\n| {f'{long} | ' * 8}"
    )
    chat.hub.downloads = [download("d1", target=long, source=long)]
    chat.hub.servers = [server(long[:100], models=[long])]
    window = Watched(browser, served.url, 390, 844, theme)
    page = open_section(window, "hub")
    open_model(page)
    assert_no_overflow(page)
    for section in ("Downloads", "Servers"):
        page.get_by_role("tab", name=section).click()
        expect(page.get_by_text(long[:40]).last).to_be_visible()
        assert_no_overflow(page)
    for pressed in page.locator(".servers button:visible").all():
        assert pressed.bounding_box()["height"] >= 39  # type: ignore[index]
    assert window.complaints == []
    window.close()


def assert_no_overflow(page: Page) -> None:
    assert page.evaluate(
        "[...document.querySelectorAll('.models-body, html')].every((box) => box.scrollWidth <= box.clientWidth)"
    )
