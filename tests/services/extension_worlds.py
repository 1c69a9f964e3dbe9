"""What tests of installing need: extensions as folders, git repositories, archives; an installer with real stores."""

import base64
import hashlib
import subprocess
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from modules.extensions.registry import Budgets, Extensions
from modules.jobs import JobRunner
from modules.paths import Paths
from modules.services.extension_install import LIMITS, ExtensionInstaller
from modules.services.extension_plans import InstallPlan
from modules.services.install_policy import InstallPolicy
from modules.storage.database import Database
from modules.storage.extension_installs import ExtensionInstalls
from modules.storage.extension_states import ExtensionStates
from modules.storage.job_records import JobRecords
from modules.types.extension_installs import InstallLimits
from modules.types.jobs import Job

ALONE = InstallPolicy(is_shared=False, is_open_to_others=False)
# Written when the module is imported, so that a test can tell whether anything was run.
MAIN = """
from pathlib import Path
from modules.extensions import hook

(Path(__file__).parent.parent / "{name}-was-imported").write_text("yes")


@hook
def filter_prompt(prompt):
    return prompt + "{word}"
"""


def manifest(name: str = "shout", version: str = "1.0", **fields: str) -> str:
    lines = {"title": '"Shout"', "author": '"Ann"', "licence": '"MIT"', **fields}
    listed = "".join(f"{key} = {value}\n" for key, value in lines.items() if key != "touches")
    touches = f"[touches]\n{fields['touches']}\n" if "touches" in fields else ""
    return f'name = "{name}"\nversion = "{version}"\n{listed}{touches}'


def files_of(name: str = "shout", version: str = "1.0", word: str = "!", **fields: str) -> dict[str, str]:
    return {"extension.toml": manifest(name, version, **fields), "main.py": MAIN.format(name=name, word=word)}


def write_folder(folder: Path, files: Mapping[str, str]) -> Path:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def write_zip(path: Path, files: Mapping[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def write_wheel(folder: Path, name: str, version: str, files: Mapping[str, str], requires: str = "") -> Path:
    """A wheel by hand, with its record."""
    facts = f"{name.replace('-', '_')}-{version}.dist-info"
    needs = f"Requires-Dist: {requires}\n" if requires else ""
    whole = {
        **files,
        f"{facts}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{facts}/WHEEL": "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    for path, text in whole.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record += f"{path},sha256={digest},{len(text.encode())}\n"
    whole[f"{facts}/RECORD"] = f"{record}{facts}/RECORD,,\n"
    folder.mkdir(parents=True, exist_ok=True)
    return write_zip(folder / f"{name.replace('-', '_')}-{version}-py3-none-any.whl", whole)


class Repository:
    """A real git repository with what is written into it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str) -> str:
        person = ("-c", "user.name=Ann", "-c", "user.email=ann@example.com", "-c", "protocol.file.allow=always")
        done = subprocess.run(
            ["git", "-C", str(self.folder), *person, *arguments], check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def commit(self, files: Mapping[str, str]) -> str:
        """All that is in the folder; returns the commit."""
        write_folder(self.folder, files)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "Change")
        return self.git("rev-parse", "HEAD")


@dataclass
class World:
    """An installer over a data folder of its own."""

    paths: Paths
    registry: Extensions
    states: ExtensionStates
    installs: ExtensionInstalls
    jobs: JobRunner
    installer: ExtensionInstaller

    def install(self, source: str | Path) -> InstallPlan:
        plan = self.installer.plan(str(source))
        job = self.done(self.installer.install(plan.id))
        assert job.state == "done", job.error
        return plan

    def done(self, job: Job) -> Job:
        return self.jobs.wait(job.id)

    def left(self) -> list[str]:
        """Everything in the data folder but the database."""
        found = sorted(path.relative_to(self.paths.data).as_posix() for path in self.paths.data.rglob("*"))
        return [path for path in found if not path.startswith("parlor.db")]

    @property
    def own(self) -> Path:
        return self.paths.own_extensions


@contextmanager
def world(
    folder: Path, limits: InstallLimits = LIMITS, policy: InstallPolicy = ALONE, *, recover: bool = True
) -> Iterator[World]:
    paths = Paths(data=folder / "data", models=folder / "models", extensions=folder / "bundled")
    paths.extensions.mkdir(parents=True, exist_ok=True)
    database = Database.open(paths.database)
    states, installs, jobs = ExtensionStates(database), ExtensionInstalls(database), JobRunner(JobRecords(database))
    registry = Extensions(paths, states, Budgets())
    installer = ExtensionInstaller(
        paths, registry, states=states, installs=installs, jobs=jobs, policy=policy, limits=limits
    )
    if recover:
        installer.recover()
    try:
        yield World(paths, registry, states, installs, jobs, installer)
    finally:
        jobs.close()
        installer.close()
        registry.close()
        database.close()
