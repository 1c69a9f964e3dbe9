"""Where extensions come from, friendly and hostile: addresses, git repositories, folders, archives."""

import os
import stat
import subprocess
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from modules.errors import BadRequest, Cancelled, InstallError
from modules.services.extension_install import LIMITS
from modules.services.extension_sources import fetch, source_of
from modules.services.outside_commands import Workplace
from modules.types.extension_installs import InstallLimits
from tests.services.extension_worlds import Repository, files_of, write_folder, write_wheel, write_zip

TOML = files_of()["extension.toml"]


def fetched(tmp_path: Path, source: str | Path, limits: InstallLimits = LIMITS, **place: object) -> tuple[str, Path]:
    target, scratch = tmp_path / "target", tmp_path / "scratch"
    target.mkdir()
    scratch.mkdir()
    usual = {"size_bytes": limits.size_bytes, "seconds": 60.0}
    return fetch(source_of(str(source)), target, Workplace(scratch, **{**usual, **place}), limits), target  # type: ignore[arg-type]


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("text", "kind", "address", "revision"),
    [
        ("https://example.com/ann/shout.git", "git", "https://example.com/ann/shout.git", ""),
        ("https://example.com/ann/shout#v1.0", "git", "https://example.com/ann/shout", "v1.0"),
        ("ssh://git@example.com:22/ann/shout", "git", "ssh://git@example.com:22/ann/shout", ""),
        ("git@example.com:ann/shout.git#main", "git", "git@example.com:ann/shout.git", "main"),
        ("file:///srv/shout", "git", "file:///srv/shout", ""),
        ("parlor-shout", "package", "parlor-shout", ""),
        (" parlor-shout==1.0 ", "package", "parlor-shout", "1.0"),
    ],
)
def test_what_a_source_is(text: str, kind: str, address: str, revision: str) -> None:
    source = source_of(text)
    assert (source.kind, source.address, source.revision) == (kind, address, revision)
    assert str(source) == text.strip()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "--upload-pack=touch /tmp/x",
        "-u",
        "ext::sh -c touch% /tmp/x",
        "http://example.com/shout.git",
        "git://example.com/shout.git",
        "ftp://example.com/x",
        "https://exa mple.com/x",
        "https://example.com/x#--upload-pack=x",
        "https://example.com/x#-x",
        "https://example.com/x\n",
        "-oProxyCommand=x@example.com:x",
        "parlor-shout>=1",
        "relative/folder",
        "./folder",
        "/no/such/folder",
        "x" * 3000,
    ],
)
def test_what_is_no_source(text: str) -> None:
    if text.endswith("\n"):
        text = text + "x"
    with pytest.raises(BadRequest):
        source_of(text)


def test_a_folder_is_copied_without_what_is_left_out(tmp_path: Path) -> None:
    more = {".git-ignored/a": "a", "__pycache__/main.pyc": "x", ".packages/evil.py": "x", "part/b.txt": "b"}
    source = write_folder(tmp_path / "source", {**files_of(), **more})
    (source / "main.py").chmod(0o777)
    exact, target = fetched(tmp_path, source)
    assert names(target) == [".git-ignored/a", "extension.toml", "main.py", "part/b.txt"]
    assert len(exact) == 64
    assert not (target / "main.py").stat().st_mode & 0o111
    assert (target / "main.py").stat().st_ino != (source / "main.py").stat().st_ino


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "link.py").symlink_to("/etc/passwd"),
        lambda folder: (folder / "linked").symlink_to("/etc"),
        lambda folder: os.mkfifo(folder / "pipe"),
        lambda folder: (folder / "con.py").write_text(""),
        lambda folder: (folder / "a\nb").write_text(""),
    ],
)
def test_hostile_folders(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    source = write_folder(tmp_path / "source", files_of())
    spoil(source)
    with pytest.raises(BadRequest):
        fetched(tmp_path, source)
    assert names(tmp_path / "target") == []


def test_a_branch_a_tag_and_a_commit(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "shout")
    first = repository.commit(files_of())
    repository.git("tag", "--annotate", "--message", "One", "v1.0")
    repository.git("branch", "old")
    second = repository.commit(files_of(version="2.0"))
    for number, (revision, commit) in enumerate(
        {"": second, "#v1.0": first, "#old": first, f"#{first}": first, "#main": second}.items()
    ):
        (tmp_path / str(number)).mkdir()
        exact, target = fetched(tmp_path / str(number), f"file://{repository.folder}{revision}")
        assert exact == commit
        version = "2.0" if commit == second else "1.0"
        assert f'version = "{version}"' in (target / "extension.toml").read_text()
    (tmp_path / "no").mkdir()
    with pytest.raises(BadRequest, match="no branch or tag 'nothing'"):
        fetched(tmp_path / "no", f"{repository.folder}#nothing")
    (tmp_path / "gone").mkdir()
    with pytest.raises(InstallError, match="could not be fetched"):
        fetched(tmp_path / "gone", f"{repository.folder}#{'0' * 39}1")


def test_nothing_of_a_repository_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither hooks nor filters, of the repository or of what the person configured, nor substitutions."""
    repository = Repository(tmp_path / "shout")
    canary = tmp_path / "canary"
    attributes = "*.py filter=evil\n*.txt export-subst ident text eol=crlf\n"
    repository.commit({**files_of(), ".gitattributes": attributes, "text.txt": "$Format:%H$ $Id$\nnext\n"})
    for hook in ("post-checkout", "reference-transaction", "post-merge"):
        path = repository.folder / ".git" / "hooks" / hook
        path.write_text(f"#!/bin/sh\ntouch {canary}\n")
        path.chmod(0o755)
    home = write_folder(
        tmp_path / "home",
        {
            ".gitconfig": f'[filter "evil"]\n\tsmudge = touch {canary}; cat\n\trequired = true\n'
            f"[core]\n\tfsmonitor = touch {canary}\n\thooksPath = {repository.folder}/.git/hooks\n"
        },
    )
    monkeypatch.setenv("HOME", str(home))
    repository.git("config", "filter.evil.smudge", f"touch {canary}; cat")
    canary.unlink(missing_ok=True)
    _, target = fetched(tmp_path, repository.folder)
    assert not canary.exists()
    assert (target / "text.txt").read_bytes() == b"$Format:%H$ $Id$\nnext\n"
    assert names(target) == [".gitattributes", "extension.toml", "main.py", "text.txt"]


def test_links_and_submodules_of_a_repository_are_refused(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "linked")
    write_folder(repository.folder, files_of())
    (repository.folder / "link").symlink_to("/etc/passwd")
    repository.commit({})
    with pytest.raises(BadRequest, match="is a link"):
        fetched(tmp_path, repository.folder)
    other = Repository(tmp_path / "other")
    other.commit({"a": "a"})
    outer = Repository(tmp_path / "outer")
    write_folder(outer.folder, files_of())
    outer.git("submodule", "--quiet", "add", str(other.folder), "part")
    outer.commit({})
    (tmp_path / "again").mkdir()
    with pytest.raises(BadRequest, match="is a submodule"):
        fetched(tmp_path / "again", outer.folder)


def test_paths_in_a_repository_that_lead_outside(tmp_path: Path) -> None:
    """A tree made by hand: git itself would never write it."""
    repository = Repository(tmp_path / "evil")
    repository.commit(files_of())
    blob = repository.git("rev-parse", "HEAD:main.py")
    tree = subprocess.run(
        ["git", "-C", str(repository.folder), "mktree"],
        input=f"100644 blob {blob}\t..\n100644 blob {repository.git('rev-parse', 'HEAD:extension.toml')}\textension.toml\n",
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    commit = repository.git("commit-tree", tree, "-m", "evil")
    repository.git("update-ref", "refs/heads/main", commit)
    with pytest.raises((BadRequest, InstallError)):
        fetched(tmp_path, repository.folder)
    assert names(tmp_path / "target") == []


def test_large_repositories_are_refused_before_they_are_written(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "large")
    repository.commit({**files_of(), "zeros.bin": "0" * 300_000})
    with pytest.raises(BadRequest, match="100,000 at most"):
        fetched(tmp_path, repository.folder, replace(LIMITS, size_bytes=100_000))
    (tmp_path / "many").mkdir()
    with pytest.raises(BadRequest, match="can have 2 at most"):
        fetched(tmp_path / "many", repository.folder, replace(LIMITS, files=2))
    assert names(tmp_path / "target") == []


def test_time_and_cancel(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "shout")
    repository.commit(files_of())
    with pytest.raises(InstallError, match="took longer than 0 s"):
        fetched(tmp_path, repository.folder, seconds=0.0)
    (tmp_path / "again").mkdir()
    with pytest.raises(Cancelled):
        fetched(tmp_path / "again", repository.folder, cancelled=lambda: True)


def test_zips_with_and_without_a_folder(tmp_path: Path) -> None:
    for number, top in enumerate(("", "shout-main/")):
        (tmp_path / str(number)).mkdir()
        files = {f"{top}{path}": text for path, text in {**files_of(), "part/a.txt": "a"}.items()}
        exact, target = fetched(tmp_path / str(number), write_zip(tmp_path / f"{number}.zip", files))
        assert (len(exact), names(target)) == (64, ["extension.toml", "main.py", "part/a.txt"])


def linked(path: Path) -> None:
    member = zipfile.ZipInfo("link")
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(member, "/etc/passwd")


def lying(path: Path) -> None:
    """Says that its main module is one byte long."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("extension.toml", TOML)
        archive.writestr("main.py", "0" * 100_000)
        archive.infolist()[1].file_size = 1


@pytest.mark.parametrize(
    "name",
    ["../evil.py", "/etc/evil.py", "a/../../evil.py", "C:/evil.py", "C:\\evil.py", "..\\evil.py", "a//b", "a/./b",
     "nul.py", "MAIN.py", "main.py/x", "a\x01b", "x" * 300, "end.", "\u202egpj.py"],
)  # fmt: skip
def test_hostile_names_in_a_zip(tmp_path: Path, name: str) -> None:
    archive = write_zip(tmp_path / "evil.zip", {**files_of(), name: "evil"})
    with pytest.raises(BadRequest):
        fetched(tmp_path, archive)
    assert names(tmp_path / "target") == []
    assert not list(tmp_path.rglob("evil.py"))


def test_a_name_with_a_hidden_end(tmp_path: Path) -> None:
    """What is behind a NUL is seen by some readers and not by others."""
    archive = write_zip(tmp_path / "evil.zip", {**files_of(), "safe.pyX/../../evil.py": "evil"})
    archive.write_bytes(archive.read_bytes().replace(b"safe.pyX/", b"safe.py\0/"))
    with pytest.raises(BadRequest, match="cannot be seen"):
        fetched(tmp_path, archive)


@pytest.mark.parametrize("spoil", [linked, lying])
def test_hostile_members_of_a_zip(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    archive = write_zip(tmp_path / "evil.zip", files_of())
    spoil(archive)
    with pytest.raises(BadRequest):
        fetched(tmp_path, archive)
    assert sum(path.stat().st_size for path in (tmp_path / "target").rglob("*")) < 10_000


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "bomb.zip", {**files_of(), "zeros": b"\0" * 50_000_000})
    assert archive.stat().st_size < 100_000
    with pytest.raises(BadRequest, match="1,000,000 at most"):
        fetched(tmp_path, archive, replace(LIMITS, size_bytes=1_000_000))
    assert names(tmp_path / "target") == []


@pytest.mark.parametrize(
    "content", [b"", b"not a zip", b"PK\x03\x04" + b"\0" * 60], ids=["empty", "text", "only a beginning"]
)
def test_what_is_no_zip(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "not.zip").write_bytes(content)
    with pytest.raises(BadRequest, match="no whole zip"):
        fetched(tmp_path, tmp_path / "not.zip")


def test_a_zip_with_two_extensions_or_none(tmp_path: Path) -> None:
    two = {f"{top}/{path}": text for top in ("a", "b") for path, text in files_of().items()}
    with pytest.raises(BadRequest, match="2 of its folders"):
        fetched(tmp_path, write_zip(tmp_path / "two.zip", two))
    (tmp_path / "none").mkdir()
    with pytest.raises(BadRequest, match="It has no extension"):
        fetched(tmp_path / "none", write_zip(tmp_path / "none.zip", {"main.py": ""}))


def test_a_package_from_an_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The index is a folder of wheels; the newest one is taken, and only the package with the manifest of it."""
    index = tmp_path / "index"
    for version in ("1.0", "2.0"):
        files = {f"parlor_shout/{path}": text for path, text in files_of(version=version).items()}
        write_wheel(index, "parlor-shout", version, {**files, "other.py": ""})
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    exact, target = fetched(tmp_path, "parlor-shout")
    assert names(target) == ["extension.toml", "main.py"]
    assert 'version = "2.0"' in (target / "extension.toml").read_text()
    assert len(exact) == 64
    (tmp_path / "again").mkdir()
    _, target = fetched(tmp_path / "again", "parlor-shout==1.0")
    assert 'version = "1.0"' in (target / "extension.toml").read_text()
    (tmp_path / "none").mkdir()
    with pytest.raises(InstallError, match="no wheel of parlor-nothing"):
        fetched(tmp_path / "none", "parlor-nothing")
