"""Files of each kind become text with pages and headings; those that cannot be read say why, within bounds."""

import zipfile
from pathlib import Path

import docx
import pytest

from extensions.documents.reading import child
from extensions.documents.reading.child import document_readers, read
from modules.extensions import Passage
from tests.pdf_files import assembled, encrypt, with_outline, write_pdf


def texts(path: Path) -> list[str]:
    return [one.text for one in read(path)]


def fault(path: Path, seconds: float = 60) -> str:
    with pytest.raises(ValueError, match=r"\w") as raised:
        list(read(path, seconds))
    return str(raised.value)


def test_pdf_pages_are_counted_and_parted_words_joined(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "a.pdf", ["The har-\nbour was built in 1794.", "", "Third (3) page."])
    assert list(read(path)) == [
        Passage("The harbour was built in 1794.", 1),
        Passage("Third (3) page.", 3),
    ]


def test_pdf_has_the_headings_of_its_outline(tmp_path: Path) -> None:
    pages = ["Nobody reads this.\n2. The Harbour\nIt is deep.", "It is old.\nFEES\nBarges pay four.", "Yachts pay ten."]
    plain = write_pdf(tmp_path / "plain.pdf", pages)
    entries = [(1, 1, "The harbour"), (2, 2, "Fees"), (3, 1, "Not written on its page"), (3, 2, "")]
    assert list(read(with_outline(plain, tmp_path / "a.pdf", entries))) == [
        Passage("Nobody reads this.", 1),
        Passage("2. The Harbour\nIt is deep.", 1, "The harbour"),
        Passage("It is old.", 2, "The harbour"),
        Passage("FEES\nBarges pay four.", 2, "The harbour › Fees"),
        Passage("Yachts pay ten.", 3, "Not written on its page"),
    ]


def test_pdf_with_a_broken_outline_is_read_without_it(tmp_path: Path) -> None:
    plain = write_pdf(tmp_path / "plain.pdf", ["Harbour\nIt is deep."])
    whole = with_outline(plain, tmp_path / "a.pdf", [(1, 1, "Harbour")]).read_bytes()
    (tmp_path / "broken.pdf").write_bytes(whole.replace(b"/First", b"/Fxrst").replace(b"/Title", b"/Txtle"))
    assert list(read(tmp_path / "broken.pdf")) == [Passage("Harbour\nIt is deep.", 1)]


def test_docx_has_headings_and_rows(tmp_path: Path) -> None:
    document = docx.Document()
    document.add_heading("Harbour", 1)
    document.add_paragraph("It was built in 1794.")
    document.add_heading("Fees", 2)
    table = document.add_table(rows=2, cols=2)
    for cell, text in zip((*table.rows[0].cells, *table.rows[1].cells), ("Ship", "Fee", "barge", "4"), strict=True):
        cell.text = text
    document.save(str(tmp_path / "a.docx"))
    assert list(read(tmp_path / "a.docx")) == [
        Passage("It was built in 1794.", None, "Harbour"),
        Passage("Ship: barge; Fee: 4", None, "Harbour › Fees"),
    ]


def test_html_without_scripts_and_navigation(tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    path.write_text(
        "<title>T</title><nav>Home</nav><script>let x = '<p>no</p>'</script><h1>Quay</h1><p>One &amp; <b>two</b>"
        "<p>Three<table><tr><td>a<td>b</table>",
        encoding="utf-8",
    )
    assert list(read(path)) == [
        Passage("One & two", None, "Quay"),
        Passage("Three", None, "Quay"),
        Passage("a b", None, "Quay"),
    ]


def test_markdown_headings_but_not_those_in_code(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text("intro\n\n# A\n\nfirst\n\n## B\nsecond\n\n```\n# no heading\n```\n# C\nthird\n", encoding="utf-8")
    found = [(one.heading, one.text) for one in read(path)]
    assert found == [
        ("", "intro"),
        ("A", "first"),
        ("A › B", "second"),
        ("A › B", "```\n# no heading\n```"),
        ("C", "third"),
    ]


def test_underlined_headings_of_markdown(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text(
        "---\ntitle: no heading\n---\n\nQuay\n====\n\nfirst\n\nFees\n----\nsecond\n\ntwo\nlines\n---\n\n---\n\n"
        "```\n\ncode\n----\n```\n",
        encoding="utf-8",
    )
    found = [(one.heading, one.text) for one in read(path)]
    assert found == [
        ("", "---\ntitle: no heading\n---"),
        ("Quay", "first"),
        ("Quay › Fees", "second"),
        ("Quay › Fees", "two\nlines\n---"),
        ("Quay › Fees", "---"),
        ("Quay › Fees", "```"),
        ("Quay › Fees", "code\n----\n```"),
    ]


def test_underlined_headings_of_text(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(
        "****\nQuay\n****\nfirst\n\nFees\n====\n\nsecond\n\nToo short\n===\n\n  code\n======\n\nBoats\n*****\nthird\n",
        encoding="utf-8",
    )
    found = [(one.heading, one.text) for one in read(path)]
    assert found == [
        ("Quay", "first"),
        ("Quay › Fees", "second"),
        ("Quay › Fees", "Too short\n==="),
        ("Quay › Fees", "  code\n======"),
        ("Boats", "third"),
    ]


def test_csv_rows_name_their_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('ship;fee;note\nbarge;4;"two\nlines"\nyacht;;\n', encoding="utf-8")
    assert texts(path) == ["ship: barge; fee: 4; note: two lines", "ship: yacht"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_text_in_any_usual_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("Größe é\n\nnext".encode(encoding))
    assert texts(path) == ["Größe é", "next"]


def test_every_suffix_has_one_reader() -> None:
    suffixes = [suffix for reader in document_readers() for suffix in reader.suffixes]
    assert len(suffixes) == len(set(suffixes))
    assert {".pdf", ".docx", ".html", ".md", ".txt", ".csv"} <= set(suffixes)


def test_encrypted_pdf(tmp_path: Path) -> None:
    plain = write_pdf(tmp_path / "plain.pdf", ["A secret document."])
    assert "encrypted" in fault(encrypt(plain, tmp_path / "locked.pdf", "x"))
    assert texts(encrypt(plain, tmp_path / "open.pdf", "")) == ["A secret document."]


def test_pdf_of_pictures(tmp_path: Path) -> None:
    assert "text recognition" in fault(write_pdf(tmp_path / "a.pdf", ["", "", "7"]))


def test_damaged_pdf(tmp_path: Path) -> None:
    whole = write_pdf(tmp_path / "whole.pdf", ["Some text that stands here."]).read_bytes()
    (tmp_path / "cut.pdf").write_bytes(whole[:120])
    (tmp_path / "none.pdf").write_bytes(b"hello")
    (tmp_path / "moved.pdf").write_bytes(whole.replace(b"startxref\n", b"startxref\n9"))
    assert "damaged" in fault(tmp_path / "cut.pdf")
    assert "damaged" in fault(tmp_path / "none.pdf")
    assert texts(tmp_path / "moved.pdf") == ["Some text that stands here."]


def test_pdf_that_claims_more_pages_than_it_has(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "a.pdf", ["Only this page is here."], claimed_pages=10_000)
    assert texts(path) == ["Only this page is here."]


def test_pdf_with_too_many_pages(tmp_path: Path) -> None:
    kids = " ".join(["3 0 R"] * 10_000)
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>"
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", f"<< /Type /Pages /Kids [{kids}] /Count 10000 >>".encode(), page]
    path = tmp_path / "a.pdf"
    path.write_bytes(assembled(objects))
    assert "10,000 pages" in fault(path)


def test_pdf_whose_pages_contain_each_other(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [2 0 R] /Count 1 >>"]
    path.write_bytes(assembled(objects))
    assert fault(path, seconds=20)


def test_docx_that_unpacks_to_more_than_it_should(tmp_path: Path) -> None:
    path = tmp_path / "bomb.docx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        with archive.open("word/document.xml", "w") as part:
            for _ in range(400):
                part.write(bytes(10**6))
    assert "unpacks to 400 MB" in fault(path)


def test_docx_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.docx").write_bytes(b"hello")
    with zipfile.ZipFile(tmp_path / "b.docx", "w") as archive:
        archive.writestr("x", "y")
    assert "no Word file" in fault(tmp_path / "a.docx")
    assert "damaged" in fault(tmp_path / "b.docx")


def test_binary_file_that_calls_itself_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\x7fELF\x00\x00")
    assert "no text" in fault(tmp_path / "a.txt")


def test_reading_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "a.pdf", ["word " * 400] * 300)
    assert "more than 0 seconds" in fault(path, seconds=0.05)


def test_more_text_than_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "CHARACTERS", 10)
    (tmp_path / "a.txt").write_text("more than ten characters", encoding="utf-8")
    assert "more than 10 characters" in fault(tmp_path / "a.txt")
