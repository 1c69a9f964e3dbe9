"""Extensions from archives: a zip, or a wheel, which is one too. What is hostile is refused before it is written."""

import hashlib
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from modules.errors import BadRequest
from modules.extensions.manifest import MANIFEST
from modules.extensions.textgen.source import SCRIPT
from modules.services.extension_files import check_listing, is_left_out
from modules.types.extension_installs import InstallLimits

CHUNK_BYTES = 1024 * 1024


def unpack(archive: Path, target: Path, limits: InstallLimits) -> str:
    """Writes the extension's files, from the top or the one folder that holds them; returns the archive's SHA-256.

    Raises BadRequest for what is no archive, holds no extension, or is unsafe: paths that lead outside, links, bombs.
    """
    try:
        if archive.stat().st_size > limits.size_bytes:
            raise BadRequest(f"{archive.name} is larger than {limits.size_bytes:,} bytes.", field="source")
        with archive.open("rb") as file:
            exact = hashlib.file_digest(file, "sha256").hexdigest()
            with zipfile.ZipFile(file) as opened:
                members = wanted(opened, limits)
                for path, member in members.items():
                    write_member(opened, member, target / path)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, RuntimeError) as error:
        raise BadRequest(f"{archive.name} is no whole zip file: {error}.", field="source") from error
    return exact


def wanted(opened: zipfile.ZipFile, limits: InstallLimits) -> dict[str, zipfile.ZipInfo]:
    """By the path within the extension. Everything in the archive is checked, also what is not unpacked."""
    members = [member for member in opened.infolist() if not member.is_dir()]
    # The name as it is stored: the library cuts and turns some, and then two readers would see two names.
    check_listing([(member.orig_filename, member.file_size) for member in members], limits)
    for member in members:
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in {0, stat.S_IFREG}:
            raise BadRequest(f"{member.filename[:200]!a} is a link or a device, not a file.", field="source")
        if member.flag_bits & 0x1:
            raise BadRequest(f"{member.filename[:200]!a} is encrypted.", field="source")
    top = top_of([member.filename for member in members])
    return {
        member.filename.removeprefix(top): member
        for member in members
        if member.filename.startswith(top) and not is_left_out(member.filename)
    }


def top_of(names: list[str]) -> str:
    """The folder with the manifest, or with the script of text-generation-webui's; empty, or ending in a slash."""
    for mark in (MANIFEST, SCRIPT):
        if mark in names:
            return ""
        folders = {PurePosixPath(name).parts[0] for name in names}
        holders = sorted(folder for folder in folders if f"{folder}/{mark}" in names)
        if len(holders) == 1:
            return f"{holders[0]}/"
        if holders:
            raise BadRequest(f"{len(holders)} of its folders have an {mark}; an extension has one.", field="source")
    raise BadRequest(f"It has no {MANIFEST} at the top or in one folder at the top.", field="source")


def write_member(opened: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> None:
    """No more than the archive says that it is, so that what was counted is what is written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    left = member.file_size
    with opened.open(member) as source, path.open("xb") as file:
        while chunk := source.read(CHUNK_BYTES):
            left -= len(chunk)
            if left < 0:
                raise BadRequest(f"{member.filename[:200]!a} is larger than the archive says.", field="source")
            file.write(chunk)
