"""Where extensions come from: an address as a person writes it, and its files as they are at this moment."""

import re
from pathlib import Path

from modules.errors import BadRequest
from modules.extensions.manifest import MANIFEST
from modules.extensions.textgen.recognition import is_textgen
from modules.services.extension_archives import unpack
from modules.services.extension_files import copy_folder, digest_of, files_in
from modules.services.extension_git import fetch_commit
from modules.services.extension_wheels import NAME, download_wheel
from modules.services.outside_commands import Workplace
from modules.types.extension_installs import InstallLimits, InstallSource

SOURCE_CHARS = 2000
ADDRESS = re.compile(r"(https|ssh|file)://[!-~]+")
# git@host:path, as ssh itself writes it.
SSH_ADDRESS = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._-]*@[A-Za-z0-9][A-Za-z0-9.-]*:[!-~]+")
REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+-]{0,199}")
PACKAGE = re.compile(rf"({NAME})(?:==([A-Za-z0-9.!+_-]+))?")
EXAMPLES = (
    "Write a git address (https://example.com/name.git, with #v1.0 behind it for a tag, branch or commit), "
    "the whole path of a folder or zip file, or the name of a package."
)


def source_of(text: str) -> InstallSource:
    """Raises BadRequest for what is no source. Looks at local paths, asks nobody."""
    text = text.strip()
    if not text or len(text) > SOURCE_CHARS or not text.isprintable():
        raise BadRequest(f"This is no source of an extension. {EXAMPLES}", field="source")
    path, _, revision = text.partition("#")
    if ADDRESS.fullmatch(path) or SSH_ADDRESS.fullmatch(path):
        return git_source(path, revision)
    if text.startswith(("/", "~")):
        return local_source(text)
    if match := PACKAGE.fullmatch(text):
        return InstallSource("package", match[1], match[2] or "")
    raise BadRequest(f"{text[:100]!a} is no source of an extension. {EXAMPLES}", field="source")


def fetch(source: InstallSource, target: Path, place: Workplace, limits: InstallLimits) -> str:
    """Writes the extension's files into `target`, an empty folder; nothing of them is run. Returns what they are
    exactly: a git commit, or the SHA-256 of the archive or of all files.

    Raises BadRequest for what is not safe or no extension, InstallError when it cannot be had, Cancelled.
    """
    if source.kind in {"zip", "folder"} and not Path(source.address).exists():
        raise BadRequest(f"{source.address} is not there any more. Install it from somewhere else.", field="source")
    match source.kind:
        case "git":
            exact = fetch_commit(source, target, place, limits)
        case "zip":
            exact = unpack(Path(source.address), target, limits)
        case "package":
            exact = unpack(download_wheel(source.address, source.revision, place), target, limits)
        case "folder":
            copy_folder(Path(source.address), target, limits)
            exact = digest_of(files_in(target))
    if not (target / MANIFEST).is_file() and not is_textgen(target):
        raise BadRequest(f"There is no {MANIFEST} at the top of {source}, so it is no extension.", field="source")
    return exact


def called(source: InstallSource) -> str:
    """What an extension that does not name itself is called: the last word of its address, without a zip's branch."""
    last = re.split(r"[/:\\]", source.address.rstrip("/"))[-1]
    return re.sub(r"\.git$|([-_](main|master))?\.zip$", "", last)


def git_source(address: str, revision: str) -> InstallSource:
    if revision and not REVISION.fullmatch(revision):
        raise BadRequest(f"{revision[:100]!a} is no commit, branch or tag.", field="source")
    return InstallSource("git", address, revision)


def local_source(text: str) -> InstallSource:
    """A folder that is a git repository is read from git, at a commit; any other is copied as it lies there."""
    path = Path(text).expanduser()
    if path.is_file():
        return InstallSource("zip", str(path.resolve()))
    if path.is_dir():
        return InstallSource("git" if is_repository(path) else "folder", str(path.resolve()))
    address, _, revision = text.rpartition("#")
    if address and Path(address).expanduser().is_dir():
        return git_source(str(Path(address).expanduser().resolve()), revision)
    raise BadRequest(f"There is neither a folder nor a file {text[:200]!a}.", field="source")


def is_repository(path: Path) -> bool:
    return (path / ".git").exists() or all((path / part).exists() for part in ("HEAD", "objects", "refs"))
