"""Strangers' cards become HTML that can do nothing but be read."""

import re
import time

import pytest

from modules.limits import LIMITS
from modules.ui.card_markup import CARD_ATTRIBUTES, CLASSES, RAW_TAGS, render_card
from modules.ui.markup import MATHML, TAGS
from tests.ui.test_markup import ATTACKS, Reader, read

PAGE = "https://hub.example/user/model/blob/main/"


def card(text: str) -> Reader:
    return read(render_card(text, PAGE))


@pytest.mark.parametrize("attack", ATTACKS, ids=range(len(ATTACKS)))
@pytest.mark.parametrize("around", ["{}", "text {} text", "- {}", "<div align=center>{}</div>", "<table><tr><td>{}"])
def test_attacks_leave_only_what_is_for_reading(attack: str, around: str) -> None:
    for tag, attributes in card(around.format(attack)).tags:
        assert tag in TAGS | MATHML | RAW_TAGS, tag
        allowed = CARD_ATTRIBUTES.get(tag, set()) | {"rel", "target", "class"}
        assert set(attributes) <= allowed, (tag, attributes)
        assert set((attributes.get("class") or "").split()) <= CLASSES.get(tag, set())
        address = attributes.get("href")
        assert address is None or re.match(r"(https?|mailto):", address), address


def test_raw_tags_are_read_as_their_authors_meant() -> None:
    reader = card(
        '<div align="center"><img src="https://pics.example/a.png" alt="Logo &amp; name" width="40%">\n'
        '<a href="https://chat.example"><img src=//pics.example/b.svg alt=Chat></a></div>\n\n'
        "<details><summary>More</summary>\n\n**bold** <kbd>x</kbd>\n\n</details>\n\n"
        '<table><tr><td colspan="2" onclick="x()">cell</td></tr></table>\n'
    )
    assert "Image: Logo & name" in reader.text
    assert "Image: Chat" in reader.text
    assert "<" not in reader.text
    tags = [tag for tag, _ in reader.tags]
    assert "img" not in tags
    for tag in ("details", "summary", "strong", "kbd"):
        assert tag in tags, tag
    assert ("td", {"colspan": "2"}) in reader.tags
    link = next(attributes for tag, attributes in reader.tags if tag == "a")
    assert link == {"href": "https://chat.example", "target": "_blank", "rel": "noopener noreferrer"}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("LICENSE", PAGE + "LICENSE"),
        ("./docs/a.md", PAGE + "docs/a.md"),
        ("/other/model", "https://hub.example/other/model"),
        ("//elsewhere.example/x", "https://elsewhere.example/x"),
        ("https://elsewhere.example/x", "https://elsewhere.example/x"),
        ("mailto:someone@example.org", "mailto:someone@example.org"),
        ("#usage", None),
        (" javascript:alert(1)", None),
        ("java&#10;script:alert(1)", None),
        ("file:///etc/passwd", None),
        ("http://[", None),
    ],
)
def test_links_lead_to_the_hub_or_outside(written: str, meant: str | None) -> None:
    link = next(attributes for tag, attributes in card(f'<a href="{written}">x</a>').tags if tag == "a")
    assert link.get("href") == meant


def test_a_card_cannot_look_like_a_part_of_the_page() -> None:
    reader = card('<div class="scrim shown" style="position:fixed" id="x">a</div><span class="toast nb">b</span>')
    assert [attributes for tag, attributes in reader.tags if tag == "div"] == [{"class": ""}]
    assert [attributes for tag, attributes in reader.tags if tag == "span"] == [{"class": "nb"}]


def test_images_in_markdown_are_words() -> None:
    reader = card("[![build](https://pics.example/badge.svg)](https://ci.example) ![](x.png)")
    assert reader.text.strip() == "Image: build Image"
    assert [attributes["href"] for tag, attributes in reader.tags if tag == "a"] == ["https://ci.example"]


def test_code_and_tables_are_drawn_as_in_messages() -> None:
    reader = card("```python\nprint(1)\n```\n\n| a | b |\n|--:|---|\n| 1 | 2 |\n")
    assert ("button", {"type": "button", "class": "copy-code"}) in reader.tags
    assert ("span", {"class": "nb"}) in reader.tags
    assert ("td", {"class": "align-right"}) in reader.tags


@pytest.mark.parametrize(
    "text", ["<img " * 40_000, '<img alt="' * 19_000, "<div>" * 39_000, "<div>" * 9_900, "<img a='x' " * 18_000]
)
def test_cards_built_to_be_slow_are_not(text: str) -> None:
    began = time.monotonic()
    render_card(text, PAGE)
    assert time.monotonic() - began < 5


def test_a_card_that_is_too_long_is_cut_at_a_block_and_says_so() -> None:
    blocks = [f"## Part {number}\n\n{'word ' * 200}\n\n```python\nprint({number})\n```\n" for number in range(400)]
    text = "\n".join(blocks)
    assert len(text) > LIMITS.render_chars
    rendered = render_card(text, PAGE, 5_000_000)
    reader = read(rendered)
    assert sum(tag == "h2" for tag, _ in reader.tags) > 100
    assert "plain" not in rendered
    # Each heading that is left has its code, whole.
    last = re.findall(r"Part (\d+)", reader.text)[-1]
    assert rendered.count("<figure") in {int(last), int(last) + 1}
    assert "This is the beginning of the card, 200 kB of 5,000 kB." in reader.text
    assert "beginning of the card" not in render_card("short", PAGE, 5)


def test_a_long_card_of_one_block_is_shown_as_far_as_it_goes() -> None:
    rendered = render_card("- item\n" * 50_000, PAGE)
    assert rendered.count("<li>") > 20_000
    assert "This is the beginning of the card, 200 kB of 350 kB." in rendered


def test_what_is_left_of_a_cut_card_is_as_safe() -> None:
    rendered = render_card("<details><script>alert(1)</script>\n\ntext\n\n" * 5_000, PAGE)
    assert "<script" not in rendered
    assert rendered.endswith("its page on the hub.</p>")
    assert rendered.count("<details") == rendered.count("</details>")
