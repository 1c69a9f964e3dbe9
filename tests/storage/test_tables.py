"""Tables from files and folders, what is refused of them, and cells that spreadsheets would run."""

import csv
import io
from pathlib import Path

import pytest

from modules.errors import BadRequest
from modules.limits import LIMITS
from modules.storage.tables import NOTHING_THERE, csv_line, read_path, read_table


def read(content: str, name: str = "a.csv") -> list[dict[str, str]]:
    return list(read_table(name, content.encode()).rows)


def test_csv_as_it_comes_from_many_programs() -> None:
    expected = [{"a": "1", "b": "two, with\nbreak"}, {"a": "", "b": '"quoted"'}]
    assert read('a,b\n1,"two, with\nbreak"\n,"""quoted"""\n') == expected
    assert read('\ufeffa;b\r\n1;"two, with\nbreak"\r\n\r\n;"""quoted"""') == expected
    assert read('a\tb\n1\t"two, with\nbreak"\n\t"""quoted"""', "a.tsv") == expected
    assert read("a,b\n1\n") == [{"a": "1", "b": ""}]


def test_jsonl_rows_need_not_be_alike() -> None:
    rows = read('{"a": "x"}\n\n{"b": 3, "a": null}\n{"a": {"deep": [1]}}', "x.jsonl")
    assert rows == [{"a": "x", "b": ""}, {"a": "", "b": "3"}, {"a": '{"deep": [1]}', "b": ""}]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.txt", b"a\n1", "must end in"),
        ("a.csv", b"", "no columns"),
        ("a.csv", b"a,b\n", "no rows"),
        ("a.csv", b"a,a\n1,2", "two columns are called 'a'"),
        ("a.csv", b"a,\n1,2", "a column needs a name"),
        ("a.csv", b"a,b\n1,2\n1,2,3", "row 2 has 3 cells"),
        ("a.csv", b'a\n"x"y', "row 1 is not written as CSV"),
        ("a.csv", "a,café\n1,2\n3,ö".encode("latin-1"), "column 2 is not UTF-8"),
        ("a.csv", b"a,b\n1,2\n3,\xf6", "row 2, column b: this is not UTF-8"),
        ("a.csv", b"a,b\n1,2\n3,x\0y", "row 2, column b: this is not UTF-8"),
        ("a.csv", b"a,b\n1," + b"x" * (LIMITS.run_cell_chars + 1), "row 1, column b: 100,001 characters"),
        ("a.csv", b"a\n" + b"x\n" * (LIMITS.run_rows + 1), "more than 100,000 rows"),
        ("a.csv", b",".join(b"c%d" % n for n in range(201)) + b"\n1", "201 columns"),
        ("a.csv", b"x" * (LIMITS.run_input_bytes + 1), "larger than 64 MiB"),
        ("a.jsonl", b'{"a": 1}\n[1]', "line 2 is no JSON object"),
        ("a.jsonl", b'{"a": 1}\n{"a"', "line 2 is no JSON: Expecting ':' delimiter, at character 5"),
        ("a.jsonl", b"[" * 100_000, "line 1 is no JSON"),
        ("a.jsonl", b'{"a": "\\ud800"}', "row 1, column a: this is not UTF-8"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(name: str, content: bytes, reason: str) -> None:
    with pytest.raises(BadRequest) as refused:
        read_table(name, content)
    assert reason in str(refused.value)


def test_a_folder_of_texts(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("second")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.md").write_text("first: é", encoding="utf-8")
    (tmp_path / "photo.png").write_bytes(b"\x89PNG\xff")
    (tmp_path / ".secret.txt").write_text("no")
    (tmp_path / "link.txt").symlink_to("/etc/passwd")
    table = read_path(str(tmp_path), "")
    assert sorted(row["file"] for row in table.rows) == ["a/x.md", "b.txt"]
    assert read_path(str(tmp_path), "*.md").rows == ({"file": "a/x.md", "text": "first: é"},)
    with pytest.raises(BadRequest, match=r"photo\.png is not UTF-8"):
        read_path(str(tmp_path), "*")
    (tmp_path / "long.log").write_text("x" * (4 * LIMITS.run_cell_chars + 1))
    with pytest.raises(BadRequest, match=r"long\.log has more than 100,000"):
        read_path(str(tmp_path), "*.log")
    with pytest.raises(BadRequest, match="no file"):
        read_path(str(tmp_path), "*.rst")


def test_a_path_says_nothing_of_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("secret")
    for path in (str(tmp_path / "key.pem"), str(tmp_path / "none.csv"), "relative.csv", "a\0b", "~nobody9/x.csv", ""):
        with pytest.raises(BadRequest) as refused:
            read_path(path, "")
        assert str(refused.value) == NOTHING_THERE


def test_cells_that_a_spreadsheet_would_run_are_made_safe() -> None:
    hostile = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "＝1+1"]
    harmless = ["-5", "+3.2e-4", "text = 1", "", '"quoted"', "a,b", "two\nlines", "a@b.c"]
    cells = next(csv.reader(io.StringIO(csv_line([*hostile, *harmless]), newline="")))
    assert cells == ["'" + cell for cell in hostile] + harmless
