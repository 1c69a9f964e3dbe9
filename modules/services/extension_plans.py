"""What a person sees before an extension is installed: all of it, and what should be known of it."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from modules.errors import BadRequest
from modules.extensions.manifest import MANIFEST, Manifest
from modules.extensions.textgen.recognition import manifest_of
from modules.services.extension_files import files_in
from modules.services.extension_sources import called
from modules.types.extension_installs import ExtensionFile, ExtensionPackage, ExtensionSource, InstallRecord

NATIVE = (".so", ".pyd", ".dll", ".dylib", ".exe", ".bin", ".pyc", ".a", ".node")
PURE = "-none-any.whl"
SCRIPT_HOOK = b"custom_js"
SHOWN = 5


@dataclass(frozen=True)
class PlanChange:
    """Against the version that is installed now; paths of files, and sentences about what it may touch."""

    version: str
    exact: str
    source: ExtensionSource
    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    permissions: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        """Whether the very same files are installed already."""
        return not (self.added or self.changed or self.removed)


@dataclass(frozen=True)
class InstallPlan:
    """`id` is the SHA-256 of all that is shown here: who says yes to it says yes to exactly this."""

    id: str
    manifest: Manifest
    source: ExtensionSource
    exact: str
    files: tuple[ExtensionFile, ...]
    packages: tuple[ExtensionPackage, ...]
    warnings: tuple[str, ...]
    change: PlanChange | None = None

    @property
    def name(self) -> str:
        return self.manifest.name

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)


@dataclass(frozen=True)
class Current:
    """What is installed now under the plan's name."""

    record: InstallRecord
    manifest: Manifest | None


def made_plan(
    folder: Path,
    source: ExtensionSource,
    exact: str,
    packages: tuple[ExtensionPackage, ...],
    current: Current | None,
) -> InstallPlan:
    """Of what lies in `folder`, which is read and never run. Raises BadRequest for a wrong manifest."""
    manifest, files = manifest_of(folder, called(source)), files_in(folder)
    check_entry(manifest, files)
    change = change_of(manifest, files, current) if current is not None else None
    plan = InstallPlan("", manifest, source, exact, files, packages, (), change)
    plan = replace(plan, warnings=tuple(warnings_of(plan, folder)))
    shown = json.dumps({**asdict(plan), "manifest": manifest.model_dump()}, sort_keys=True)
    return replace(plan, id=hashlib.sha256(shown.encode()).hexdigest())


def check_entry(manifest: Manifest, files: tuple[ExtensionFile, ...]) -> None:
    beginning = manifest.entry.replace(".", "/")
    if not {f"{beginning}.py", f"{beginning}/__init__.py"} & {file.path for file in files}:
        raise BadRequest(f"{MANIFEST} names the module {manifest.entry}, which is not there.", field="entry")


def warnings_of(plan: InstallPlan, folder: Path) -> Iterator[str]:
    if not plan.manifest.isolated:
        yield "It runs inside Parlor: it can read and change all that Parlor can, whatever it says of itself."
    if "*" in plan.manifest.touches.network:
        yield "It may ask any host on the network."
    native = [file.path for file in plan.files if is_native(file.path.lower())]
    native += [package.file for package in plan.packages if not package.file.endswith(PURE)]
    if native:
        yield f"It brings native code, which nobody can read: {listed(native)}."
    modules = [file.path for file in plan.files if file.path.endswith(".py")]
    # By its bytes: reading a stranger's Python properly would mean to trust a parser with it.
    if scripts := [path for path in modules if SCRIPT_HOOK in (folder / path).read_bytes()]:
        yield f"It brings a script for the page (custom_js in {listed(scripts)}), which can do all that you can there."
    if not plan.manifest.licence:
        yield "It names no licence."
    if plan.change is not None and origin(plan.change.source) != origin(plan.source):
        yield f"The version that is installed came from somewhere else: {plan.change.source}."


def origin(source: ExtensionSource) -> tuple[str, str]:
    """Zip files are sent under ever new names, so one is as good as another."""
    return (source.kind, "" if source.kind == "zip" else source.address)


def is_native(path: str) -> bool:
    return path.endswith(NATIVE) or ".so." in path


def change_of(manifest: Manifest, files: tuple[ExtensionFile, ...], current: Current) -> PlanChange:
    before = {file.path: file.sha256 for file in current.record.files}
    after = {file.path: file.sha256 for file in files}
    return PlanChange(
        version=current.record.version,
        exact=current.record.exact,
        source=current.record.source,
        added=tuple(sorted(after.keys() - before.keys())),
        changed=tuple(sorted(path for path in after.keys() & before.keys() if after[path] != before[path])),
        removed=tuple(sorted(before.keys() - after.keys())),
        permissions=tuple(permission_changes(current.manifest, manifest)) if current.manifest is not None else (),
    )


def permission_changes(before: Manifest, after: Manifest) -> Iterator[str]:
    for what, old, new in (
        ("hosts", before.touches.network, after.touches.network),
        ("files", before.touches.files, after.touches.files),
        ("requirements", before.requirements, after.requirements),
    ):
        if more := sorted(set(new) - set(old)):
            yield f"New {what}: {', '.join(more)}."
        if less := sorted(set(old) - set(new)):
            yield f"No longer among its {what}: {', '.join(less)}."
    if before.touches.models != after.touches.models:
        yield "It asks the model by itself now." if after.touches.models else "It no longer asks the model by itself."
    if before.isolated != after.isolated:
        yield "It runs in a process of its own now." if after.isolated else "It runs inside Parlor now."


def listed(names: list[str]) -> str:
    rest = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + rest
