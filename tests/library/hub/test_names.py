"""Names that strangers gave their files: one unsafe name refuses them all."""

import pytest

from modules.errors import BadRequest
from modules.library.hub.names import check_names
from modules.types.hub import HubFile

GOOD = (
    "config.json",
    ".gitattributes",
    "additional_chat_templates/tool_use.jinja",
    "UD-Q4_K_XL/DeepSeek-V3-UD-Q4_K_XL-00001-of-00009.gguf",
    "1_Pooling/config.json",
    "model (copy) #2 [final], é 模型.gguf",
    "console.txt",
    "a" * 251 + ".bin",
)
HOSTILE = (
    "",
    "/",
    "/etc/passwd",
    "//server/share/file",
    "..",
    ".",
    "../other.gguf",
    "../../data/parlor.db",
    "folder/../../other.gguf",
    "folder/..",
    "folder/./file",
    "folder//file",
    "folder/",
    "./file",
    "..\\other.gguf",
    "folder\\file.gguf",
    "\\\\server\\share\\file",
    "\\\\?\\C:\\file",
    "C:\\Windows\\file.dll",
    "C:/Windows/file.dll",
    "c:file",
    "file.gguf:stream",
    "file\0.gguf",
    "file\n.gguf",
    "file\r.gguf",
    "file\t.gguf",
    "file\x1b[2J.gguf",
    "file\x7f.gguf",
    "file\u202efugg.exe",
    "file\u200b.gguf",
    "file\ud800.gguf",
    "CON",
    "con.gguf",
    "nul",
    "folder/NUL.json",
    "aux/config.json",
    "COM1.gguf",
    "COM\u00b9.gguf",
    "lpt9.tar.gz",
    "file.gguf.",
    "file.gguf ",
    " file.gguf",
    "folder./file",
    "file?.gguf",
    "*.gguf",
    "a|b",
    "<script>",
    'quote".gguf',
    "a" * 256,
    "模" * 86,
    "/".join(["folder"] * 200),
)


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: ascii(name)[:40])
def test_hostile_names(name: str) -> None:
    with pytest.raises(BadRequest, match="Nothing is downloaded") as caught:
        check_names([HubFile("config.json", 1), HubFile(name, 1)])
    assert ascii(name[:80]) in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "pair",
    [
        ("model.gguf", "Model.GGUF"),
        ("caf\u00e9.gguf", "cafe\u0301.gguf"),
        ("stra\u00dfe.json", "strasse.json"),
        ("same", "same"),
        ("folder", "Folder/file"),
        ("folder/file", "folder"),
    ],
    ids=ascii,
)
def test_names_that_are_one_file_elsewhere(pair: tuple[str, str]) -> None:
    with pytest.raises(BadRequest):
        check_names([HubFile(name, 1) for name in pair])


def test_good_names() -> None:
    check_names([HubFile(name, 1) for name in GOOD])


def test_many_hostile_names_are_counted_not_listed() -> None:
    with pytest.raises(BadRequest) as caught:
        check_names([HubFile(f"../{number}", 1) for number in range(1000)])
    assert "and 995 more" in str(caught.value)
    assert len(str(caught.value)) < 1000
