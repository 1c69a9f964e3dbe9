"""Installing extensions: a plan that a person has seen, their yes, and one rename; updates, the way back, removal."""

import shutil
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from modules.errors import BadRequest, Cancelled, Conflict, InstallError, NotFound, StorageError
from modules.extension_packages import REQUIREMENTS
from modules.extensions.folders import check_free
from modules.extensions.manifest import Manifest
from modules.extensions.registry import Extensions
from modules.extensions.textgen.recognition import manifest_of
from modules.jobs import JobRunner, Report
from modules.paths import Paths
from modules.services.extension_files import files_in, take_along
from modules.services.extension_git import COMMIT
from modules.services.extension_plans import Current, InstallPlan, made_plan
from modules.services.extension_sources import called, fetch, source_of
from modules.services.extension_wheels import install_packages, resolved_packages
from modules.services.install_policy import InstallPolicy
from modules.services.outside_commands import Workplace
from modules.storage.extension_installs import ExtensionInstalls
from modules.storage.extension_states import ExtensionStates
from modules.storage.extension_versions import ExtensionVersions
from modules.storage.files import resolve_name
from modules.types.extension_installs import InstallLimits, InstallRecord, InstallSource
from modules.types.jobs import Job

LIMITS = InstallLimits()
FILES, SCRATCH = "files", "scratch"
# Of one file, to be read before the yes; whoever wants more fetches the extension as its author does.
SHOWN_CHARS = 200_000


@dataclass(frozen=True)
class Staged:
    """A plan, and the folder with what it shows."""

    plan: InstallPlan
    folder: Path


class ExtensionInstaller:
    """Any thread may call. Each extension is changed by one caller at a time; nothing of a plan runs before the yes.

    Whatever changes something raises Forbidden while the policy says so.
    """

    def __init__(
        self,
        paths: Paths,
        registry: Extensions,
        *,
        states: ExtensionStates,
        installs: ExtensionInstalls,
        jobs: JobRunner,
        policy: InstallPolicy,
        limits: InstallLimits = LIMITS,
    ) -> None:
        self._paths = paths
        self._registry = registry
        self._states = states
        self._installs = installs
        self._jobs = jobs
        self.policy = policy
        self._limits = limits
        self._versions = ExtensionVersions(paths.own_extensions, installs)
        self._lock = threading.Lock()
        self._staged: dict[str, Staged] = {}
        self._changing: set[str] = set()

    def recover(self) -> None:
        """At the start, before extensions are enabled: what an earlier end of the program left half done."""
        self._versions.recover(is_whole)

    def records(self) -> dict[str, InstallRecord]:
        """What is installed, by name."""
        return self._installs.all()

    def earlier(self) -> dict[str, InstallRecord]:
        """What `rollback` would bring back, by name."""
        return self._installs.all("previous")

    def plan(self, source: str, cancelled: Callable[[], bool] = lambda: False) -> InstallPlan:
        """Fetches what `source` is now and says what installing it would mean; asks its host and the package index.

        Raises BadRequest for what is no sound extension, Conflict for a name that is taken, InstallError, Cancelled.
        """
        self.policy.check()
        return self._planned(source_of(source), "", cancelled)

    def plan_update(self, name: str, cancelled: Callable[[], bool] = lambda: False) -> InstallPlan:
        """The same from where the extension came from. An exact commit or version gives way to the newest."""
        self.policy.check()
        record = self._installs.find(name)
        if record is None:
            raise NotFound(f"No extension called {name[:120]!r} was installed from anywhere.", field="name")
        return self._planned(newest(record.source), name, cancelled)

    def text(self, plan_id: str, path: str) -> str:
        """The beginning of a file that the plan lists, to be read. Raises NotFound, BadRequest where it is no text."""
        with self._lock:
            staged = self._staged.get(plan_id)
        if staged is None or path not in {file.path for file in staged.plan.files}:
            raise NotFound("This file is not there any more. Look at the extension again.", field="path")
        try:
            with (staged.folder / FILES / path).open(encoding="utf-8") as file:
                return file.read(SHOWN_CHARS)
        except UnicodeDecodeError:
            raise BadRequest(f"{path} is no text.", field="path") from None
        except OSError as error:
            raise StorageError(f"{path} cannot be read: {error.strerror}.") from error

    def install(self, plan_id: str) -> Job:
        """Begins what the plan says; whoever calls has seen it and says yes. An update goes the same way.

        The job fails, and changes nothing, when what lies there is not what was shown. Raises NotFound for a plan that
        there is not any more, Conflict while the extension is being changed.
        """
        self.policy.check()
        with self._lock:
            staged = self._staged.get(plan_id)
            if staged is None:
                raise NotFound("This plan is used or too old. Look at the extension again.", field="plan_id")
            self._claim(staged.plan.name)
            del self._staged[plan_id]
        plan = staged.plan

        def work(report: Report, cancelled: Callable[[], bool]) -> None:
            try:
                self._carry_out(staged, report, cancelled)
            finally:
                self._versions.discard(staged.folder)
                self._release(plan.name)

        return self._jobs.start(f"install {plan.name} {plan.manifest.version} ({plan_id[:8]})", work)

    def forget(self, plan_id: str) -> None:
        """The person said no. Nothing happens when there is no such plan."""
        with self._lock:
            staged = self._staged.pop(plan_id, None)
        if staged is not None:
            self._versions.discard(staged.folder)

    def rollback(self, name: str) -> InstallRecord:
        """To the version before; the one that was current is kept in its place. Settings and data stay.

        Raises NotFound when there is none, InstallError when it is there but cannot be enabled, StorageError.
        """
        self.policy.check()
        with self._held(name):
            return self._swapped(name, lambda: self._versions.roll_back(name))

    def remove(self, name: str, *, keep_data: bool = False) -> None:
        """Every version, its packages and settings, and what it kept unless that is wanted.

        Raises NotFound, BadRequest for one that ships with the program, StorageError.
        """
        self.policy.check()
        with self._held(name):
            # One that was installed can be removed though its folder is gone.
            if self._installs.find(name) is None or self._versions.current(name).exists():
                found = self._registry.find(name)
                if found.is_bundled:
                    raise BadRequest(f"{name} ships with Parlor and stays; disable it instead.", field="name")
                self._registry.disable(name)
                self._versions.discard(found.folder)
            self._versions.remove(name)
            self._states.forget(name)
            if not keep_data:
                shutil.rmtree(resolve_name(self._paths.extension_data, name), ignore_errors=True)

    def close(self) -> None:
        """Plans that nobody has said yes to leave nothing behind."""
        with self._lock:
            staged, self._staged = self._staged, {}
        for one in staged.values():
            self._versions.discard(one.folder)

    def _planned(self, source: InstallSource, expected: str, cancelled: Callable[[], bool]) -> InstallPlan:
        folder = self._versions.stage()
        try:
            plan = self._read(source, folder, cancelled)
            if expected and plan.name != expected:
                raise BadRequest(f"{source} now holds another extension, {plan.name}.", field="source")
        except OSError as error:
            self._versions.discard(folder)
            raise StorageError(f"The extension could not be read: {error.strerror or error}.") from error
        except BaseException:
            self._versions.discard(folder)
            raise
        self._keep(Staged(plan, folder))
        return plan

    def _read(self, source: InstallSource, folder: Path, cancelled: Callable[[], bool]) -> InstallPlan:
        limits, files, scratch = self._limits, folder / FILES, folder / SCRATCH
        files.mkdir()
        scratch.mkdir()
        # What git sends is there twice for a moment: as it came, and unpacked.
        place = Workplace(scratch, 2 * limits.size_bytes, limits.fetch_seconds, cancelled)
        exact = fetch(source, files, place, limits)
        manifest = manifest_of(files, called(source))
        current = self._current(manifest.name)
        resolving = replace(place, size_bytes=limits.packages_bytes)
        packages = resolved_packages(manifest.requirements, resolving)
        shutil.rmtree(scratch)
        return made_plan(files, source, exact, packages, current)

    def _current(self, name: str) -> Current | None:
        """Raises BadRequest or Conflict for a name that cannot be installed under."""
        record = self._installs.find(name)
        if record is not None:
            return Current(record, current_manifest(self._versions.current(name)))
        check_free(name, self._paths.extensions)
        if self._versions.current(name).exists():
            raise Conflict(
                f"There is an extension called {name} that was put there by hand. Remove it first.", field="name"
            )
        return None

    def _keep(self, staged: Staged) -> None:
        """The newest few plans wait; the oldest make room."""
        with self._lock:
            replaced = self._staged.pop(staged.plan.id, None)
            self._staged[staged.plan.id] = staged
            spare = list(self._staged)[: -self._limits.plans]
            gone = [*([replaced] if replaced else []), *(self._staged.pop(plan_id) for plan_id in spare)]
        for one in gone:
            self._versions.discard(one.folder)

    def _carry_out(self, staged: Staged, report: Report, cancelled: Callable[[], bool]) -> None:
        plan, files, scratch = staged.plan, staged.folder / FILES, staged.folder / SCRATCH
        report(None, "looking whether it still is what was shown")
        seen = made_plan(files, plan.source, plan.exact, plan.packages, self._current(plan.name))
        if seen.id != plan.id:
            raise Conflict(f"{plan.name} is not what was shown any more, so it was not installed. Look at it again.")
        scratch.mkdir()
        place = Workplace(
            scratch,
            self._limits.packages_bytes,
            self._limits.packages_seconds,
            cancelled,
            lambda line: report(None, line[:200]),
        )
        install_packages(plan.packages, files / REQUIREMENTS, place)
        if cancelled():
            raise Cancelled("It was cancelled; nothing was installed.")
        report(0.95, "putting it in place")
        version = plan.manifest.version
        record = InstallRecord(plan.name, version, plan.source, plan.exact, time.time(), plan.files, plan.packages)

        def put_in_place() -> InstallRecord:
            self._versions.put_in_place(files, record)
            return record

        self._swapped(plan.name, put_in_place)

    def _swapped(self, name: str, swap: Callable[[], InstallRecord]) -> InstallRecord:
        """An enabled extension is off while its folder changes, and on again afterwards, whatever came of it.

        What it had written into its folder is in the new one then.
        """

        def swap_with_data() -> InstallRecord:
            record = swap()
            self._registry.write_log(name, f"version {record.version} put in place")
            if (left := self._installs.find(name, "previous")) is not None:
                try:
                    take_along(self._versions.previous(name), left, self._versions.current(name), record)
                except OSError as error:
                    raise StorageError(
                        f"{name} {record.version} is installed, but not all that it had written is in its folder: "
                        f"{error.strerror}. Roll back to have it again."
                    ) from error
            return record

        record, fault = self._registry.changed(name, swap_with_data)
        if fault:
            raise InstallError(
                f"{name} {record.version} is installed, but it could not be enabled: {fault} "
                "Roll back to have the version before."
            )
        return record

    @contextmanager
    def _held(self, name: str) -> Generator[None]:
        with self._lock:
            self._claim(name)
        try:
            yield
        finally:
            self._release(name)

    def _claim(self, name: str) -> None:
        """With the lock. Raises Conflict."""
        if name in self._changing:
            raise Conflict(f"{name} is being changed at this moment. Wait until that has ended.", field="name")
        self._changing.add(name)

    def _release(self, name: str) -> None:
        """Whatever was done: plans that others wait with tell of a version that may be gone."""
        with self._lock:
            self._changing.discard(name)
            stale = [plan_id for plan_id, staged in self._staged.items() if staged.plan.name == name]
            gone = [self._staged.pop(plan_id) for plan_id in stale]
        for one in gone:
            self._versions.discard(one.folder)


def newest(source: InstallSource) -> InstallSource:
    is_exact = source.kind == "package" or COMMIT.fullmatch(source.revision)
    return replace(source, revision="") if is_exact else source


def is_whole(folder: Path, record: InstallRecord) -> bool:
    """Whether these are the files of that version, its packages among them."""
    try:
        has_packages = not record.packages or (folder / REQUIREMENTS).is_dir()
        return has_packages and files_in(folder) == record.files
    except (OSError, BadRequest):
        return False


def current_manifest(folder: Path) -> Manifest | None:
    try:
        return manifest_of(folder)
    except BadRequest:
        return None
