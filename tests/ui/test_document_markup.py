"""Documents as safe HTML: what is for reading remains, what loads, runs or lies does not."""

import pytest

from modules.limits import LIMITS
from modules.ui.document_markup import Form, render_document


def test_markdown_shows_tags_as_text() -> None:
    html = render_document("**bold** <b>tag</b>", "markdown")
    assert "<strong>bold</strong>" in html
    assert "&lt;b&gt;" in html


def test_html_keeps_what_is_for_reading() -> None:
    html = render_document('<h2>Title</h2><p>One <b>two</b> <a href="https://example.org/x">three</a></p>', "html")
    assert "<h2>Title</h2>" in html
    assert "<b>two</b>" in html
    assert 'href="https://example.org/x"' in html
    assert 'rel="noopener noreferrer"' in html


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        '<img src="https://spy.example/x.png" onerror="alert(1)">',
        '<a href="javascript:alert(1)">x</a>',
        '<p style="position:fixed;inset:0">x</p>',
        '<button class="strong-button">Sign in</button>',
        '<div class="toast error">Your session has ended</div>',
        '<iframe src="https://spy.example"></iframe>',
        '<form action="https://spy.example"><input name="a"></form>',
    ],
)
def test_html_loses_what_loads_runs_or_lies(hostile: str) -> None:
    html = render_document(hostile, "html")
    for word in ("alert(", "spy.example", "style=", "strong-button", "toast", "<button", "<iframe", "<form", "<input"):
        assert word not in html


@pytest.mark.parametrize("form", ["markdown", "html"])
def test_too_long_a_text_is_shown_as_it_is(form: Form) -> None:
    html = render_document("<b>x</b>" * (LIMITS.render_chars // 8 + 1), form)
    assert html.startswith('<pre class="plain"')
    assert "<b>" not in html
