"""What `extension` says in a terminal, which the texts of strangers cannot steer: no control character reaches it."""

from collections.abc import Iterator, Sequence

from modules.amounts import amount
from modules.extension_command.listing import ListedExtension
from modules.services.extension_plans import InstallPlan, PlanChange

EXACT = {"git": "commit", "package": "wheel, SHA-256", "zip": "SHA-256", "folder": "all files, SHA-256"}


def plain(text: str) -> str:
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


def plan_lines(plan: InstallPlan) -> list[str]:
    """All that a person should see before they say yes."""
    return [plain(line) for line in written_plan(plan)]


def written_plan(plan: InstallPlan) -> Iterator[str]:
    manifest, touches = plan.manifest, plan.manifest.touches
    author = f" by {manifest.author}" if manifest.author else ""
    yield f"{manifest.title} {manifest.version} ({manifest.name}){author}, licence: {manifest.licence or 'none named'}"
    yield from (manifest.description.splitlines() if manifest.description else ())
    yield fact("from", str(plan.source))
    yield fact(EXACT[plan.source.kind], plan.exact)
    yield fact("hosts", listed(touches.network))
    yield fact("files", listed(touches.files))
    yield fact("models", "asks the loaded model by itself" if touches.models else "-")
    yield fact("runs", "in a process of its own" if manifest.isolated else "inside Parlor")
    yield fact("requires", listed(manifest.requirements))
    for package in plan.packages:
        yield fact("", f"{package.name} {package.version}  {package.sha256[:16]}  {package.file}")
    yield fact("holds", f"{len(plan.files):,} files, {amount(plan.size_bytes)}")
    for file in plan.files:
        yield f"  {file.sha256[:16]}  {amount(file.size_bytes):>12}  {file.path}"
    if plan.change is not None:
        yield from change_lines(plan.change)
    yield from (f"Beware: {warning}" for warning in plan.warnings)


def change_lines(change: PlanChange) -> Iterator[str]:
    if change.is_empty:
        yield f"These are the files of version {change.version}, which is installed."
        return
    yield f"It takes the place of version {change.version} ({change.exact[:16]}), which is kept for a rollback:"
    for what, paths in (("new", change.added), ("changed", change.changed), ("gone", change.removed)):
        yield from (f"  {what:8} {path}" for path in paths)
    yield from (f"  {sentence}" for sentence in change.permissions)


def listing_lines(found: Sequence[ListedExtension]) -> list[str]:
    if not found:
        return ["There are no extensions."]
    return [plain(listing_line(one)) for one in found]


def listing_line(one: ListedExtension) -> str:
    manifest, fault = one.found.manifest, one.found.fault
    version = manifest.version if manifest is not None else "-"
    state = "faulty" if fault else "enabled" if one.is_enabled else "disabled"
    origin = "ships with Parlor" if one.found.is_bundled else str(one.record.source) if one.record else "put there"
    about = fault or (manifest.title if manifest is not None else "")
    return f"{one.found.name:24} {version:10} {state:9} {about}  [{origin}]"


def fact(name: str, value: str) -> str:
    return f"  {name:18} {value}"


def listed(values: Sequence[str]) -> str:
    return ", ".join(values) or "-"
