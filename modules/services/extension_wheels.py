"""What an extension needs from the package index, for its own folder alone. The one place that runs pip.

Only wheels are taken, which are files and run nothing when they are installed. What the program has is neither
installed again nor changed; an extension that needs another version of it is refused. Which index is asked is what the
person configured for pip.
"""

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from modules.errors import BadRequest, InstallError
from modules.extension_packages import REQUIREMENTS
from modules.pins import versions_in
from modules.services.outside_commands import Ended, Workplace, run_command
from modules.types.extension_installs import ExtensionPackage

NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
EXTRAS = rf"(?:\s*\[\s*{NAME}(?:\s*,\s*{NAME})*\s*\])?"
VERSION = r"(?:~=|===?|!=|<=|>=|<|>)\s*[A-Za-z0-9.*+!_-]+"
VERSIONS = rf"(?:\s*\(?\s*{VERSION}(?:\s*,\s*{VERSION})*\s*\)?)?"
MARKER = r"(?:\s*;[ A-Za-z0-9._'\"<>=!~()-]+)?"
REQUIREMENT = re.compile(rf"{NAME}{EXTRAS}{VERSIONS}{MARKER}")
# pip would take these for files.
ARCHIVES = (".whl", ".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".lzma", ".tbz", ".txz", ".tlz")
ONLY_WHEELS = ("--only-binary", ":all:")
QUIET = ("--disable-pip-version-check", "--no-input", "--no-cache-dir", "--progress-bar", "off", "--no-color")


def check_requirements(requirements: Sequence[str]) -> None:
    """Raises BadRequest for anything but names with versions: no address, no path, no option of pip."""
    for text in requirements:
        name = re.split(r"[\s\[(<>=!~;]", text.strip(), maxsplit=1)[0]
        if not REQUIREMENT.fullmatch(text.strip()) or name.lower().endswith(ARCHIVES):
            raise BadRequest(
                f"The requirement {text[:100]!a} is not a package's name with versions, like `httpx>=0.28,<1`.",
                field="requirements",
            )


def resolved_packages(requirements: Sequence[str], place: Workplace) -> tuple[ExtensionPackage, ...]:
    """Exactly what would be installed, with the hash of each wheel; asks the index, installs nothing.

    Raises BadRequest for a requirement that is none, InstallError when they cannot be had beside what the program has.
    """
    check_requirements(requirements)
    if not requirements:
        return ()
    constraints, report = place.folder / "constraints.txt", place.folder / "report.json"
    constraints.write_text("".join(f"{name}=={version}\n" for name, version in sorted(program_packages().items())))
    limits = ("--dry-run", "--quiet", *ONLY_WHEELS, "--constraint", str(constraints), "--report", str(report))
    require(pip(place, "install", *limits, "--", *requirements), "What it requires cannot be had")
    return tuple(package_of(item) for item in json.loads(report.read_bytes())["install"])


def install_packages(packages: Sequence[ExtensionPackage], target: Path, place: Workplace) -> None:
    """Into `target`, which is made; exactly these. Raises InstallError, or Cancelled."""
    if not packages:
        return
    lock = place.folder / "lock.txt"
    lock.write_text("".join(f"{one.name}=={one.version} --hash=sha256:{one.sha256}\n" for one in packages))
    exactly = ("--no-deps", "--require-hashes", "--no-compile", "--ignore-installed", *ONLY_WHEELS)
    ended = pip(place, "install", *exactly, "--target", str(target), "--requirement", str(lock))
    require(ended, "Its packages could not be installed")


def download_wheel(name: str, version: str, place: Workplace) -> Path:
    """The package itself, without what it requires. Raises BadRequest, or InstallError."""
    asked = f"{name}=={version}" if version else name
    check_requirements([asked])
    folder = place.folder / "wheels"
    ended = pip(place, "download", "--quiet", "--no-deps", *ONLY_WHEELS, "--dest", str(folder), "--", asked)
    require(ended, f"There is no wheel of {asked[:100]} to be had")
    wheels = list(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise InstallError(f"The index gave {len(wheels)} files for {asked[:100]} instead of one wheel.")
    return wheels[0]


def program_packages() -> dict[str, str]:
    """What the program itself has, by name, without what extensions brought."""
    return versions_in([path for path in sys.path if REQUIREMENTS not in Path(path).parts])


def package_of(item: dict[str, object]) -> ExtensionPackage:
    """Of an entry of pip's report."""
    match item:
        case {
            "metadata": {"name": str(name), "version": str(version)},
            "download_info": {"url": str(url), "archive_info": {"hashes": {"sha256": str(sha256)}}},
        }:
            return ExtensionPackage(name, version, unquote(urlsplit(url).path.rpartition("/")[2]), sha256)
        case _:
            raise InstallError("pip told of a package in a way that is not understood.")


def pip(place: Workplace, command: str, *arguments: str) -> Ended:
    # -I: neither the folder it runs in nor what the environment says about Python may change which pip runs.
    program = (sys.executable, "-I", "-m", "pip", command, *QUIET, *arguments)
    environment = {"TMPDIR": str(place.folder), "PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"}
    return run_command(program, place, environment=environment)


def require(ended: Ended, otherwise: str) -> None:
    """Raises InstallError with pip's own sentences."""
    if ended.status:
        errors = [line.removeprefix("ERROR:").strip() for line in ended.said.splitlines() if line.startswith("ERROR:")]
        reason = " ".join(errors) or ended.said.rpartition("\n")[2] or f"pip ended with status {ended.status}"
        raise InstallError(f"{otherwise}: {reason[:600].rstrip('.')}.")
