"""Extensions as a person has them: in a real browser, with one that shows all that the page can show."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from tests.browser import Watched
from tests.end_to_end.sample_extension import write_extension
from tests.program import RunningProgram

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

BROKEN = "raise RuntimeError('broken on purpose')"
GREETER = """
from modules.extensions import Tab, Text, hook


@hook
def tabs():
    return [Tab("greeting", "Greeting one", lambda event: [Text("Hello")])]
"""
WAITER = """
import time

from modules.extensions import Command, hook


@hook
def filter_reply(text):
    return text


@hook
def commands():
    return [Command("wait", "Waits.", lambda rest, context: time.sleep(float(rest)) or "Waited.")]
"""
GALLERY = [
    {
        "name": "known",
        "title": "Known elsewhere",
        "description": "Whistles.",
        "author": "B. Maker",
        "source": "https://example.org/known.git",
    },
    {"name": "sample", "title": "Here already", "source": "https://example.org/sample.git"},
    {"name": 3},
]
GIT = ("git", "-c", "user.name=A. Tester", "-c", "user.email=tester@example.org", "-c", "init.defaultBranch=main")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProgram]:
    folder = tmp_path_factory.mktemp("extensions-program")
    own = folder / "data" / "extensions"
    write_extension(own)
    write_extension(own, "broken", "Broken", BROKEN)
    gallery = folder / "gallery.json"
    gallery.write_text(json.dumps({"extensions": GALLERY}))
    arguments = ("--model", "echo", "--admin-key", "test-admin", "--extensions", str(folder / "bundled"))
    arguments = (*arguments, "--extension-gallery", str(gallery))
    with RunningProgram(folder, *arguments) as program:
        program.wait_until_loaded()
        yield program


@pytest.fixture
def window(browser: Browser, program: RunningProgram) -> Iterator[Watched]:
    with program.control() as client:
        client.post("/control/extensions/sample/disable", json={})
    window = Watched(browser, program.url)
    yield window
    # What an extension fails with, and what the program refuses, is told in the browser's console too.
    assert [one for one in window.complaints if not re.search(r"status of (40[0-9]|50[02])", one)] == []
    window.close()


def enable(program: RunningProgram) -> None:
    with program.control() as client:
        assert client.post("/control/extensions/sample/enable", json={}).status_code == 200


def views(page: Page) -> Locator:
    return page.get_by_role("navigation", name="Views").get_by_role("button")


def card(page: Page, title: str = "Sample") -> Locator:
    return page.get_by_role("listitem", name=title, exact=True)


def published(folder: Path, name: str, title: str, code: str) -> Path:
    """A repository with the extension."""
    repository = write_extension(folder, name, title, code)
    subprocess.run([*GIT, "init", "--quiet"], cwd=repository, check=True)
    commit(repository)
    return repository


def publish(repository: Path, code: str, version: str) -> None:
    manifest = repository / "extension.toml"
    manifest.write_text(manifest.read_text().replace("1.2.0", version))
    (repository / "main.py").write_text(code)
    commit(repository)


def commit(repository: Path) -> None:
    subprocess.run([*GIT, "add", "--all"], cwd=repository, check=True)
    subprocess.run([*GIT, "commit", "--quiet", "--message", "A version"], cwd=repository, check=True)


def commit_of(repository: Path) -> str:
    command = [*GIT, "rev-parse", "HEAD"]
    return subprocess.run(command, cwd=repository, check=True, capture_output=True, text=True).stdout.strip()


def offered(page: Page) -> Locator:
    return page.get_by_role("listbox", name="Commands").get_by_role("option")


def test_enabled_set_and_disabled_without_a_reload(window: Watched) -> None:
    page = window.open()
    page.get_by_role("button", name="Extensions", exact=True).click()
    expect(page).to_have_url(re.compile(r"\?view=extensions$"))
    expect(views(page).filter(has_text="Counting")).to_have_count(0)
    expect(card(page)).to_contain_text("Version 1.2.0 · A. Tester · MIT · installed by you")
    expect(card(page)).to_contain_text("Network: example.org")
    expect(card(page)).to_contain_text("Asks the loaded model")

    card(page).get_by_role("switch").check()
    expect(views(page).filter(has_text="Counting")).to_be_visible()
    expect(card(page).get_by_role("switch")).to_be_focused()
    expect(page.locator("body")).to_have_css("--sample-extension", "1")
    expect(page.locator("html")).to_have_attribute("data-sample-extension", "here")
    expect(card(page)).to_contain_text("Has a script on this page")

    card(page).get_by_role("button", name="Details of Sample").click()
    expect(card(page)).to_contain_text("Tabs: Counting · Panels: Beside · Commands: /shout, /shorten")
    card(page).get_by_label("Times").fill("12")
    card(page).get_by_role("button", name="Save").click()
    expect(card(page).get_by_role("alert").filter(has_text="times can be 9 at most.")).to_be_visible()
    expect(card(page).get_by_label("Times")).to_have_attribute("aria-invalid", "true")
    card(page).get_by_label("Times").fill("2")
    card(page).get_by_label("Greeting").fill("Good day")
    card(page).get_by_label("Key", exact=True).fill("secret words")
    card(page).get_by_label("Words").fill("one\ntwo")
    card(page).get_by_label("Is Loud").check()
    card(page).get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    expect(card(page).get_by_label("Key", exact=True)).to_have_value("")
    expect(card(page).get_by_label("Key", exact=True)).to_have_attribute("placeholder", "Set. Leave empty to keep it.")
    expect(card(page).get_by_label("Words")).to_have_value("one\ntwo")
    assert "secret words" not in page.content()

    views(page).filter(has_text="Counting").click()
    expect(page.locator(".extension-tab .markup").first).to_contain_text("Good day, pressed")
    page.go_back()
    card(page).get_by_role("switch").uncheck()
    expect(views(page).filter(has_text="Counting")).to_have_count(0)
    expect(page.get_by_text("still at work here until the page is loaded again")).to_be_visible()
    expect(page.locator("body")).to_have_css("--sample-extension", "")


def test_one_that_cannot_be_enabled_says_why(window: Watched) -> None:
    page = window.page
    page.goto(f"{window.url}/?view=extensions")
    card(page, "Broken").get_by_role("switch").click()
    expect(card(page, "Broken").get_by_role("alert")).to_contain_text("broken on purpose")
    expect(card(page, "Broken")).to_contain_text("Failed")
    card(page, "Broken").get_by_role("button", name="Try again").click()
    expect(card(page, "Broken").get_by_role("switch")).to_be_checked()
    card(page, "Broken").get_by_role("switch").uncheck()
    expect(card(page, "Broken").get_by_role("alert")).to_be_hidden()
    page.get_by_label("Search extensions").fill("sam")
    expect(card(page, "Broken")).to_be_hidden()
    expect(card(page)).to_be_visible()
    page.get_by_label("Search extensions").fill("no such thing")
    expect(page.get_by_text("No extension that is here has these words.")).to_be_visible()


def test_a_tab_counts_takes_a_file_and_survives_its_fault(
    window: Watched, program: RunningProgram, tmp_path: Path
) -> None:
    enable(program)
    page = window.page
    page.goto(f"{window.url}/?view=sample%2Fcounter")
    tab = page.locator(".extension-tab")
    expect(tab.get_by_role("heading", name="Counting", level=1)).to_be_visible()
    tab.get_by_label("A word").fill("kept")
    document = tmp_path / "Ünïcode: file?.txt"
    document.write_text("12345")
    tab.locator("input[type=file]").set_input_files(document)
    expect(tab.get_by_role("status")).to_contain_text("1 KB")
    # What was typed stays while one looks elsewhere.
    page.get_by_role("button", name="Models", exact=True).click()
    page.go_back()
    expect(tab.get_by_label("A word")).to_have_value("kept")
    tab.get_by_label("A word").press("Enter")
    expect(tab).to_contain_text("The file has 5 bytes.")
    expect(tab.get_by_label("A word")).to_have_value("kept")
    expect(tab.get_by_label("A word")).to_be_focused()
    tab.get_by_role("button", name="second", exact=True).click()
    expect(tab.locator(".markup").nth(1)).to_contain_text("second")
    # What was brought stays, too.
    page.get_by_role("button", name="Models", exact=True).click()
    page.go_back()
    expect(tab.locator(".markup").nth(1)).to_contain_text("second")

    tab.get_by_role("button", name="Break").click()
    expect(tab.get_by_role("alert")).to_contain_text("told to fail")
    # The rest of the view is still there, and so is the rest of the page.
    tab.get_by_role("button", name="Count", exact=True).click()
    expect(tab.get_by_role("alert")).to_be_hidden()
    page.get_by_role("button", name="Extensions", exact=True).click()
    expect(card(page)).to_contain_text("1 fault: see the details.")
    card(page).get_by_role("button", name="Details of Sample").click()
    expect(card(page).get_by_role("region", name="Faults")).to_contain_text(
        "tab counter, just now: raised RuntimeError"
    )
    # Whoever unfolds the card because of the fault need not look for it below the settings.
    expect(card(page)).to_contain_text(re.compile("told to fail.*Settings", re.DOTALL))
    assert page.title() != "bad"


def test_what_is_typed_while_a_tab_is_read_anew_stays(window: Watched, program: RunningProgram) -> None:
    enable(program)
    page = window.page
    page.goto(f"{window.url}/?view=sample%2Fcounter")
    tab = page.locator(".extension-tab")
    said = tab.locator(".markup").first
    expect(said).to_contain_text("pressed")
    before = said.inner_text()
    page.get_by_role("button", name="Models", exact=True).click()
    with program.control() as client:
        client.post("/control/extensions/views/sample/counter", json={"place": "tab", "button": "count"})
    held: list[Route] = []
    address = "**/control/extensions/views/sample/counter"

    def hold(route: Route) -> None:
        held.append(route)

    page.route(address, hold)
    with page.expect_request(address):
        page.go_back()
    tab.get_by_label("A word").fill("kept")
    held[0].continue_()
    expect(said).not_to_have_text(before, use_inner_text=True)
    expect(tab.get_by_label("A word")).to_have_value("kept")


def test_what_failed_too_often_is_said_and_tried_again(window: Watched, program: RunningProgram) -> None:
    enable(program)
    page = window.page
    page.goto(f"{window.url}/?view=sample%2Fcounter")
    tab = page.locator(".extension-tab")
    expect(tab).to_contain_text("pressed")
    with program.control() as client:
        for _ in range(3):
            body = {"place": "tab", "button": "break"}
            assert client.post("/control/extensions/views/sample/counter", json=body).status_code != 200
    page.get_by_role("button", name="Extensions", exact=True).click()
    expect(card(page)).to_contain_text("tab counter failed too often and is not called any more. 3 faults")
    card(page).get_by_role("button", name="Try again").click()
    expect(card(page)).not_to_contain_text("failed too often")
    expect(card(page).get_by_role("switch")).to_be_checked()


def test_enter_presses_the_button_that_follows_and_work_is_watched(window: Watched, program: RunningProgram) -> None:
    enable(program)
    page = window.page
    page.goto(f"{window.url}/?view=sample%2Fcounter")
    tab = page.locator(".extension-tab")
    tab.get_by_label("Steps", exact=True).fill("3")
    page.keyboard.press("Enter")
    expect(tab.get_by_role("progressbar", name="step 1 of 3")).to_be_visible()
    tab.get_by_label("A word").fill("kept")
    expect(tab).to_contain_text("Worked: 3")
    expect(tab.get_by_role("progressbar")).to_have_count(0)
    expect(tab.get_by_label("A word")).to_be_focused()
    expect(tab.get_by_label("A word")).to_have_value("kept")
    expect(tab.get_by_role("cell", name="Nothing yet.")).to_be_visible()


def test_a_panel_knows_the_conversation(window: Watched, program: RunningProgram) -> None:
    enable(program)
    page = window.open()
    page.get_by_role("button", name="Panels of extensions").click()
    panel = page.get_by_role("complementary", name="Panels of extensions")
    expect(panel).to_contain_text("Conversation: none")
    window.ask("Hello")
    expect(panel).to_contain_text(re.compile("Conversation: [0-9a-f]{8}"))
    panel.get_by_role("button", name="Again").click()
    page.get_by_role("button", name="New chat").click()
    expect(panel).to_contain_text("Conversation: none")
    page.get_by_role("button", name="Parameters", exact=True).click()
    expect(panel).to_be_hidden()
    page.get_by_role("button", name="Panels of extensions").click()
    expect(page.get_by_role("complementary", name="Parameters")).to_be_hidden()
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(page.get_by_role("button", name="Panels of extensions")).to_be_focused()
    page.get_by_role("button", name="Notebook", exact=True).click()
    expect(page.get_by_role("button", name="Panels of extensions")).to_be_hidden()


def test_commands_are_offered_answered_and_kept(window: Watched, program: RunningProgram) -> None:
    enable(program)
    page = window.open()
    field = page.get_by_label("Message", exact=True)
    field.press_sequentially("/sho")
    options = offered(page)
    expect(options).to_have_count(2)
    field.press("ArrowDown")
    expect(options.nth(1)).to_have_attribute("aria-selected", "true")
    field.press("Enter")
    expect(field).to_have_value("/shout ")
    expect(options).to_have_count(0)
    field.press_sequentially("hey")
    field.press("Enter")
    reply = page.locator("article.assistant")
    expect(reply).to_contain_text("HEY")
    expect(reply.locator(".said-by")).to_have_text("Sample")

    page.get_by_role("button", name="Regenerate").click()
    expect(reply.locator(".version-count")).to_have_text("2/2")
    window.wait_for_reply()
    window.ask("/shout")
    expect(reply.last.get_by_role("alert")).to_contain_text("Say what to shout.")
    expect(reply.last.get_by_role("button", name="Choose a model")).to_have_count(0)
    window.ask("/unknown words")
    expect(reply.last.locator(".said-by")).to_have_text("echo")
    page.reload()
    expect(reply).to_have_count(3)
    expect(reply.first.locator(".said-by")).to_have_text("Sample")
    expect(reply.first).to_contain_text("HEY")


def test_a_command_at_work_is_seen_and_stopped_and_its_extension_moved(
    window: Watched, program: RunningProgram
) -> None:
    enable(program)
    write_extension(program.data / "extensions", "waiter", "Waiter", WAITER)
    with program.control() as client:
        assert client.post("/control/extensions/waiter/enable", json={}).status_code == 200
    page = window.open()
    window.send("/wait 8")
    reply = page.locator("article.assistant")
    expect(reply.locator(".progress")).to_have_text("Running /wait")
    page.get_by_role("button", name="Stop", exact=True).click()
    window.wait_for_reply()
    expect(reply.locator(".said-by")).to_have_text("Waiter")
    window.send("/wait 0.2")
    expect(reply.last).to_contain_text("Waited.")

    page.get_by_role("button", name="Extensions", exact=True).click()
    waiter = card(page, "Waiter")
    waiter.get_by_role("button", name="Details of Waiter").click()
    expect(waiter).to_contain_text("Changes: replies · Commands: /wait")
    expect(waiter).to_contain_text("Number 2 of 2 in the order of filters")
    waiter.get_by_role("button", name="Waiter: earlier in the order of filters").click()
    expect(waiter).to_contain_text("Number 1 of 2 in the order of filters")
    card(page).get_by_role("button", name="Details of Sample").click()
    expect(card(page)).to_contain_text("Settings")
    expect(card(page)).not_to_contain_text("order of filters")
    with program.control() as client:
        assert client.post("/control/extensions/waiter/disable", json={}).status_code == 200
    shutil.rmtree(program.data / "extensions" / "waiter")


def test_what_extensions_add_comes_when_they_are_ready(window: Watched, program: RunningProgram) -> None:
    enable(program)
    early = {"views": [], "commands": [], "looks": [], "loading": ["sample"]}
    asked: list[Route] = []

    def answer(route: Route) -> None:
        asked.append(route)
        route.fulfill(json=early) if len(asked) == 1 else route.continue_()

    window.page.route("**/control/extensions/views", answer)
    page = window.open()
    expect(views(page).filter(has_text="Counting")).to_have_count(1)
    assert len(asked) > 1


def test_escape_closes_the_offer_alone(window: Watched, program: RunningProgram) -> None:
    enable(program)
    page = window.open()
    field = page.get_by_label("Message", exact=True)
    field.press_sequentially("/")
    expect(offered(page)).to_have_count(2)
    field.press("Escape")
    expect(offered(page)).to_have_count(0)
    expect(field).to_have_value("/")
    field.fill("a/shout")
    expect(offered(page)).to_have_count(0)


def test_installed_updated_rolled_back_and_removed(window: Watched, program: RunningProgram, tmp_path: Path) -> None:
    repository = published(tmp_path, "greeter", "Greeter", GREETER)
    page = window.page
    page.goto(f"{window.url}/?view=extensions")
    page.get_by_role("button", name="Install …").click()
    source = page.get_by_role("dialog").get_by_label("Where it comes from")
    source.fill("no such thing at all")
    page.get_by_role("button", name="Look at it").click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("is no source of an extension")
    source.fill(f"file://{repository}")
    page.get_by_role("button", name="Look at it").click()
    plan = page.get_by_role("dialog", name="Install Greeter?")
    expect(plan.get_by_role("button", name="Cancel", exact=True)).to_be_focused()
    expect(plan).to_contain_text(commit_of(repository))
    expect(plan).to_contain_text("can do anything you can on this machine")
    expect(plan).to_contain_text("Network: example.org")
    plan.get_by_text("2 files").click()
    plan.get_by_text("main.py (1 KB)").click()
    expect(plan.get_by_label("main.py", exact=True)).to_have_text(GREETER.strip())
    plan.get_by_role("button", name="Install", exact=True).click()
    expect(plan).to_be_hidden()
    expect(card(page, "Greeter").get_by_role("switch")).to_be_focused()
    expect(card(page, "Greeter").get_by_role("switch")).not_to_be_checked()

    card(page, "Greeter").get_by_role("switch").check()
    expect(views(page).filter(has_text="Greeting one")).to_be_visible()
    card(page, "Greeter").get_by_role("button", name="Details of Greeter").click()
    expect(card(page, "Greeter")).to_contain_text(f"Commit{commit_of(repository)}")
    publish(repository, GREETER.replace("Greeting one", "Greeting two"), "2.0.0")
    card(page, "Greeter").get_by_role("button", name="Update Greeter").click()
    plan = page.get_by_role("dialog", name="Update Greeter?")
    expect(plan).to_contain_text("2.0.0 (now 1.2.0)")
    expect(plan).to_contain_text("Changed: extension.toml, main.py")
    plan.get_by_role("button", name="Update", exact=True).click()
    expect(views(page).filter(has_text="Greeting two")).to_be_visible()

    card(page, "Greeter").get_by_role("button", name="Roll Greeter back to version 1.2.0").click()
    expect(views(page).filter(has_text="Greeting one")).to_be_visible()
    card(page, "Greeter").get_by_role("button", name="Remove Greeter").click()
    page.get_by_role("dialog", name="Remove Greeter?").get_by_role("button", name="Remove it").click()
    expect(card(page, "Greeter")).to_have_count(0)
    expect(views(page).filter(has_text="Greeting one")).to_have_count(0)
    expect(page.get_by_role("heading", name="Extensions", level=1)).to_be_focused()
    assert not (program.data / "extensions" / "greeter").exists()


def test_the_gallery_shows_what_is_not_here(window: Watched) -> None:
    page = window.page
    page.goto(f"{window.url}/?view=extensions")
    gallery = page.get_by_role("region", name="More extensions")
    expect(gallery.get_by_role("listitem")).to_have_count(1)
    expect(gallery).to_contain_text("B. Maker · https://example.org/known.git")
    expect(gallery.get_by_role("status")).to_contain_text("name")
    page.get_by_label("Search extensions").fill("whistle")
    expect(gallery.get_by_role("listitem")).to_have_count(1)
    expect(card(page)).to_be_hidden()
    page.get_by_label("Search extensions").fill("sample")
    expect(gallery.get_by_role("listitem")).to_have_count(0)


def test_a_zip_is_sent_and_looked_at_before_it_is_installed(
    window: Watched, program: RunningProgram, tmp_path: Path
) -> None:
    folder = write_extension(tmp_path, "zipped", "Zipped", GREETER)
    archive = shutil.make_archive(str(tmp_path / "my zipped extension"), "zip", folder)
    page = window.page
    page.goto(f"{window.url}/?view=extensions")
    page.get_by_role("button", name="Install …").click()
    page.get_by_role("dialog").locator("input[type=file]").set_input_files(archive)
    plan = page.get_by_role("dialog", name="Install Zipped?")
    expect(plan).to_contain_text("SHA-256")
    plan.get_by_role("button", name="Cancel", exact=True).click()
    expect(card(page, "Zipped")).to_have_count(0)
    assert not (program.data / "extensions" / "zipped").exists()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_is_cut_off_on_a_phone(browser: Browser, program: RunningProgram, theme: str) -> None:
    enable(program)
    window = Watched(browser, program.url, 390, 800, theme)
    page = window.page
    for address in ("/?view=extensions", "/?view=sample%2Fcounter", "/"):
        page.goto(window.url + address)
        expect(
            page.locator(".view:not(.away) .extension-card" if "extensions" in address else ".view:not(.away) h1").first
        ).to_be_visible()
        if "extensions" in address:
            card(page).get_by_role("button", name="Details of Sample").click()
            expect(card(page).get_by_label("Greeting")).to_be_visible()
        assert page.evaluate("document.scrollingElement.scrollWidth") <= 390
        shown = page.locator(".view:not(.away)")
        assert shown.evaluate("node => node.scrollWidth <= node.clientWidth + 1")
    page.get_by_role("button", name="Panels of extensions").click()
    box = page.get_by_role("complementary", name="Panels of extensions").bounding_box()
    assert box is not None
    assert box["x"] == 0
    assert box["width"] == 390
    # A second panel brings a choice between them.
    write_extension(
        program.data / "extensions", "second", "Second", GREETER.replace("tab", "panel").replace("Tab", "Panel")
    )
    with program.control() as client:
        assert client.post("/control/extensions/second/enable", json={}).status_code == 200
    page.reload()
    page.get_by_role("button", name="Panels of extensions").click()
    box = page.get_by_role("group", name="Panels", exact=True).bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= 390
    with program.control() as client:
        assert client.post("/control/extensions/second/disable", json={}).status_code == 200
    shutil.rmtree(program.data / "extensions" / "second")
    window.close()
