"""Documents and conversations as files: what is in them, and what a hostile text cannot do there."""

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import docx
import pytest
from fastapi.testclient import TestClient

from modules.app import App, build_app
from modules.errors import BadRequest
from modules.limits import LIMITS
from modules.serve.web import build_api
from modules.settings import Settings
from modules.types.conversation import StoredMessage
from modules.types.tools import CallRecord
from modules.ui.exports import ExportForm, Part, Work, export, file_name, parts_of

HOSTILE = "<script>alert(1)</script>\x00\x01\x0b￾ [x](javascript:alert(1)) <img src=http://e.test/p.png onerror=x> ]]>"
MARKDOWN = """# Head

Some **bold *both*** and `code`, [a link](https://a.test/?x=1&y=2).

1. one
2. two
   - nested

- apart

1. from one again

> said

```python
print("<a>")
```

| a | b |
|---|---|
| 1 | **2** |
"""


def word(text: str, title: str = "Tale") -> Any:
    file = export(Work(title, [Part("", text)]), "docx")
    return docx.Document(io.BytesIO(file.content))


def test_markdown_becomes_words_own_styles() -> None:
    document = word(MARKDOWN)
    assert [(one.style.name, one.text) for one in document.paragraphs if one.text] == [
        ("Title", "Tale"),
        ("Heading 1", "Head"),
        ("Normal", "Some bold both and code, a link."),
        ("List Number", "one"),
        ("List Number", "two"),
        ("List Bullet 2", "nested"),
        ("List Bullet", "apart"),
        ("List Number", "from one again"),
        ("Quote", "said"),
        ("Code", 'print("<a>")'),
    ]
    runs = {run.text: run for run in document.paragraphs[2].runs}
    assert (runs["bold "].bold, runs["bold "].italic) == (True, None)
    assert (runs["both"].bold, runs["both"].italic) == (True, True)
    assert runs["code"].style.name == "Inline Code"
    assert [link.address for link in document.paragraphs[2].hyperlinks] == ["https://a.test/?x=1&y=2"]
    assert [[cell.text for cell in row.cells] for row in document.tables[0].rows] == [["a", "b"], ["1", "2"]]
    assert document.core_properties.title == "Tale"


def test_each_numbered_list_counts_for_itself() -> None:
    one, two, again = (p for p in word(MARKDOWN).paragraphs if p.style.name == "List Number")
    number = [p._p.pPr.numPr.numId.val for p in (one, two, again)]
    assert number[1] != number[2]


def test_what_xml_cannot_hold_and_links_that_run_are_left_out_of_word_files() -> None:
    file = export(Work("T\x02 <b>", [Part("User", HOSTILE, is_markdown=False), Part("Assistant", HOSTILE)]), "docx")
    with zipfile.ZipFile(io.BytesIO(file.content)) as archive:
        for name in archive.namelist():
            if name.endswith((".xml", ".rels")):
                ElementTree.fromstring(archive.read(name))
        relations = archive.read("word/_rels/document.xml.rels").decode()
    assert "javascript:" not in relations
    assert "relationships/image" not in relations
    assert "<script>alert(1)</script>" in docx.Document(io.BytesIO(file.content)).paragraphs[2].text


def test_right_to_left_text_runs_that_way() -> None:
    hebrew, english = word("שלום\n\nhello").paragraphs[1:3]
    assert [p._p.pPr.xpath("w:bidi") != [] for p in (hebrew, english)] == [True, False]


def test_a_text_too_long_for_word_is_refused() -> None:
    with pytest.raises(BadRequest, match=f"{LIMITS.word_lines:,}"):
        word("\n" * LIMITS.word_lines)


def test_html_is_one_file_that_runs_and_loads_nothing() -> None:
    work = Work("<b>T</b>", [Part("User", HOSTILE, is_markdown=False), Part("Assistant", HOSTILE + MARKDOWN)])
    page = export(work, "html").content.decode()
    assert "Content-Security-Policy" in page
    assert "default-src &#x27;none&#x27;" in page
    for bad in ("<script", "<img", 'href="javascript', "<button", "<link", "<b>T", 'src="'):
        assert bad not in page
    assert "&lt;script&gt;" in page
    assert "<strong>bold" in page


@pytest.mark.parametrize("form", ["txt", "md"])
def test_a_document_is_saved_as_it_is(form: ExportForm) -> None:
    assert export(Work("Tale", [Part("", MARKDOWN)]), form).content.decode() == MARKDOWN


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("../../etc/passwd", "etc passwd.md"),
        ('a"\r\nSet-Cookie: x', "a Set-Cookie x.md"),
        ("con", "Untitled.md"),
        ("\u202egnp.exe", "gnp.exe.md"),
        ("Übung 日本", "Übung 日本.md"),
        ("...", "Untitled.md"),
        ("x" * 500, "x" * 80 + ".md"),
    ],
)
def test_names_are_safe_everywhere(title: str, name: str) -> None:
    assert file_name(title, "md") == name
    header = export(Work(title, [Part("", "")]), "md").disposition
    assert header.isascii()
    assert header.isprintable()


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    script = tmp_path / "script.json"
    script.write_text(json.dumps([{"text": "**Yes**"}]))
    app = build_app(Settings(data=tmp_path / "data", models=tmp_path / "models", model="echo", echo_script=script))
    yield app
    app.close()


CALLED = StoredMessage(
    "m", "c", None, "assistant", "I look.\n\nIt is there.", 0.0, calls=(
        CallRecord("1", "find\n# me", '{"what": "it"}', place=7, state="done", result="# a result\n```\n<b>here</b>"),
        CallRecord("2", "open", "{}", round=2, place=7, state="failed", error="The <door> is *shut*."),
        CallRecord("3", "ask", "{}", round=3, place=7, state="declined"),
    ),
)  # fmt: skip


def exported(form: ExportForm) -> str:
    return export(Work("Tools", tuple(parts_of(CALLED))), form).content.decode()


def test_calls_of_tools_stand_where_they_were_made() -> None:
    assert exported("txt") == (
        'Assistant:\nI look.\n\nTool find # me:\n{"what": "it"}\nResult:\n# a result\n```\n<b>here</b>\n\n'
        "Tool open:\n{}\nIt failed:\nThe <door> is *shut*.\n\nTool ask:\n{}\nIt was declined.\n\n"
        "Assistant:\nIt is there."
    )
    markdown = exported("md")
    assert '## Tool find # me\n\n```json\n{"what": "it"}\n```\n\nResult:\n\n````\n# a result' in markdown
    page = exported("html")
    assert "&lt;b&gt;here&lt;/b&gt;" in page
    assert "&lt;door&gt;" in page
    assert page.index("I look.") < page.index("a result") < page.index("was declined") < page.index("It is there.")
    document = docx.Document(io.BytesIO(export(Work("Tools", tuple(parts_of(CALLED))), "docx").content))
    assert [one.text for one in document.paragraphs if "# a result" in one.text and one.style.name == "Code"]
    assert [one.text for one in document.paragraphs if one.text == "The <door> is *shut*."]


def test_they_are_downloaded(app: App) -> None:
    client = TestClient(build_api(app))
    document = app.notebook.create("Täle", text="Once *upon*").document
    answer = client.get(f"/ui/documents/{document.id}/export?format=md")
    assert (answer.status_code, answer.text) == (200, "Once *upon*")
    assert answer.headers["content-disposition"] == "attachment; filename=\"T_le.md\"; filename*=UTF-8''T%C3%A4le.md"
    chat = app.chat.send(None, "Is <it>?", None, 0)
    app.chat.reply(next(iter(chat.generations.values()))).saved.wait(10)
    saved = client.get(f"/ui/conversations/{chat.conversation.id}/export?format=html").text
    assert "Is &lt;it&gt;?" in saved
    assert "<strong>Yes</strong>" in saved
    assert client.get(f"/ui/documents/{document.id}/export?format=exe").status_code == 400
    assert client.get("/ui/documents/none/export?format=md").status_code == 404
