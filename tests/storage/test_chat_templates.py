"""Chat templates by name: a person's own first, never a path, and what is wrong with a file is said."""

from pathlib import Path

import pytest

from modules.errors import BadRequest
from modules.storage.chat_templates import ChatTemplates


@pytest.fixture
def templates(tmp_path: Path) -> ChatTemplates:
    for folder, files in {
        "shipped": {"a": "shipped a", "b": "shipped b"},
        "own": {"b": "own b", "my own": "mine"},
    }.items():
        (tmp_path / folder).mkdir()
        for name, text in files.items():
            (tmp_path / folder / f"{name}.jinja").write_text(text)
    (tmp_path / "secret.jinja").write_text("secret")
    return ChatTemplates(tmp_path / "shipped", tmp_path / "own")


def test_own_ones_go_first(templates: ChatTemplates) -> None:
    assert templates.names() == ["a", "b", "my own"]
    assert [templates.text(name) for name in templates.names()] == ["shipped a", "own b", "mine"]


@pytest.mark.parametrize("name", ["c", "", "A", "../secret", "a.jinja", "shipped/a", "/etc/passwd", "a\0", "x" * 5000])
def test_unknown_names_list_those_there_are(templates: ChatTemplates, name: str) -> None:
    with pytest.raises(BadRequest, match="There are: a, b, my own") as refused:
        templates.text(name)
    assert refused.value.field == "options.chat_template"
    assert len(str(refused.value)) < 500


def test_links_out_of_the_folder_are_refused(templates: ChatTemplates, tmp_path: Path) -> None:
    (tmp_path / "own" / "link.jinja").symlink_to(tmp_path / "secret.jinja")
    with pytest.raises(BadRequest):
        templates.text("link")


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff\xfe", b"x" * 300_000], ids=range(4))
def test_files_that_are_no_templates(templates: ChatTemplates, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "own" / "bad.jinja").write_bytes(content)
    with pytest.raises(BadRequest, match="bad"):
        templates.text("bad")


def test_without_a_folder_of_ones_own(tmp_path: Path) -> None:
    assert ChatTemplates(tmp_path / "none", tmp_path / "neither").names() == []
