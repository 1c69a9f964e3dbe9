"""Extensions from git: exactly one commit, written file by file without a checkout. The one place that runs git.

There is no working tree, so that neither hooks nor filters nor submodules of a stranger come into play; what the
person configured for git plays no part either, but for the keys of ssh.
"""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from modules.errors import BadRequest, InstallError
from modules.services.extension_files import check_listing, is_left_out
from modules.services.outside_commands import Ended, Workplace, run_command
from modules.types.extension_installs import InstallLimits, InstallSource

ENVIRONMENT = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "",
    "SSH_ASKPASS": "",
    "GIT_SSH_COMMAND": "ssh -oBatchMode=yes",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ALLOW_PROTOCOL": "https:ssh:file",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "LC_ALL": "C",
}
FATAL = "fatal: "
COMMIT = re.compile(r"[0-9a-f]{40}")
# Not those of this program's own folder, should it lie in a repository.
REPOSITORY = ("--git-dir", "repository")
SETTINGS = ("-c", "fetch.fsckObjects=true", "-c", "core.hooksPath=/dev/null", "-c", "protocol.version=2")
PLAIN, LINK, SUBMODULE = ("100644", "100755"), "120000", "160000"


@dataclass(frozen=True)
class Blob:
    path: str
    object_id: str
    size_bytes: int


def fetch_commit(source: InstallSource, target: Path, place: Workplace, limits: InstallLimits) -> str:
    """Writes the files of the commit that the source's revision stands for now, and returns that commit.

    Raises BadRequest for what an extension must not hold, InstallError for an address that does not answer.
    """
    if shutil.which("git") is None:
        raise InstallError("git is not installed on this machine. Install it, or use a zip file of the extension.")
    commit = resolved_commit(source, place)
    git(place, "init", "--quiet", "--bare", "--template=", "repository")
    fetch = ("fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head")
    ended = git(place, *REPOSITORY, *SETTINGS, *fetch, "--", source.address, commit)
    require(ended, f"The commit {commit[:12]} could not be fetched from {source.address[:200]}")
    blobs = blobs_of(commit, place)
    check_listing([(blob.path, blob.size_bytes) for blob in blobs], limits)
    write_blobs(blobs, target, place)
    return commit


def resolved_commit(source: InstallSource, place: Workplace) -> str:
    revision = source.revision
    if COMMIT.fullmatch(revision):
        return revision
    # An annotated tag stands for the commit that it names, which comes with ^{}.
    names = [f"refs/tags/{revision}^{{}}", f"refs/heads/{revision}", f"refs/tags/{revision}"] if revision else ["HEAD"]
    ended = git(place, "ls-remote", "--", source.address, *names)
    require(ended, f"{source.address[:200]} does not answer as a git repository")
    lines = [line.partition("\t") for line in ended.output.read_text().splitlines()]
    found = {name: object_id for object_id, _, name in lines}
    commit = next((found[name] for name in names if name in found), "")
    if not COMMIT.fullmatch(commit):
        what = f"no branch or tag {revision[:100]!r}" if revision else "no commit yet"
        raise BadRequest(f"{source.address[:200]} has {what}.", field="source")
    return commit


def blobs_of(commit: str, place: Workplace) -> list[Blob]:
    ended = git(place, *REPOSITORY, "ls-tree", "-r", "-z", "--long", "--full-tree", commit)
    require(ended, f"The commit {commit[:12]} cannot be read")
    blobs: list[Blob] = []
    for line in ended.output.read_bytes().split(b"\0")[:-1]:
        facts, _, raw = line.partition(b"\t")
        mode, _, object_id, size = facts.decode().split()
        path = raw.decode("utf-8", "surrogateescape")
        if is_left_out(path):
            continue
        if mode not in PLAIN:
            what = {LINK: "a link", SUBMODULE: "a submodule"}.get(mode, "no plain file")
            raise BadRequest(f"{path[:200]!a} is {what}; an extension holds plain files.", field="source")
        blobs.append(Blob(path, object_id, int(size)))
    return blobs


def write_blobs(blobs: list[Blob], target: Path, place: Workplace) -> None:
    wanted = place.folder / "wanted"
    wanted.write_text("".join(f"{blob.object_id}\n" for blob in blobs), encoding="ascii")
    ended = git(place, *REPOSITORY, "cat-file", "--batch", told=wanted)
    require(ended, "The files could not be read")
    with ended.output.open("rb") as stream:
        for blob, content in zip(blobs, contents(stream), strict=True):
            path = target / blob.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def contents(stream: BinaryIO) -> Iterator[bytes]:
    """Of `ID blob SIZE` lines, each followed by so many bytes and a line's end."""
    while header := stream.readline():
        _, kind, size = header.decode().split()
        if kind != "blob":
            raise InstallError("The repository does not hold what it lists.")
        yield stream.read(int(size))
        stream.read(1)


def git(place: Workplace, *arguments: str, told: Path | None = None) -> Ended:
    return run_command(("git", *arguments), place, environment=ENVIRONMENT, told=told)


def require(ended: Ended, otherwise: str) -> None:
    """Raises InstallError that ends with what git calls fatal, or its last line; advice may stand below."""
    if ended.status:
        lines = [line.strip() for line in ended.said.splitlines() if line.strip()]
        fatal = [line.removeprefix(FATAL) for line in lines if line.startswith(FATAL)]
        why = next(iter([*fatal, *lines[-1:]]), f"git ended with status {ended.status}")
        raise InstallError(f"{otherwise}: {why[:300].rstrip('.')}.")
