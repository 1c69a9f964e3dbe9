"""`webui.py extension`: install, change, list and try extensions in a terminal, with an honest exit status."""

import argparse
import secrets
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from modules.errors import BadRequest, Conflict, NotFound, ParlorError, StartError
from modules.extension_command.flags import PLACES, make_parser
from modules.extension_command.listing import listed_extensions
from modules.extension_command.report import listing_lines, plain, plan_lines
from modules.extensions.contracts import Command, RequestContext
from modules.extensions.skeleton import create_extension
from modules.services.extension_plans import InstallPlan
from modules.settings import Settings, load_settings
from modules.storage.files import FolderLock

if TYPE_CHECKING:
    from collections.abc import Generator

    from modules.app import App

DONE, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 130
COMMAND = "python3 webui.py extension"
HELD = "Change extensions on its page, or stop it first. (--data chooses another folder.)"
POLL_SECONDS = 0.2
COMMAND_SECONDS = 600.0
# Until what is enabled can be used.
LOADING_SECONDS = 30.0


def extension(arguments: Sequence[str]) -> int:
    """0 when it is done. 1 when that fails or the answer is no, 2 for a wrong use, 130 after Ctrl+C."""
    asked = make_parser(COMMAND).parse_args(arguments)
    try:
        return ACTS[asked.act](asked, settings_of(asked))
    except ParlorError as error:
        say(plain(str(error)))
        return MISUSED if isinstance(error, BadRequest | StartError) and not isinstance(error, Conflict) else FAILED
    except KeyboardInterrupt:
        return INTERRUPTED


def install(asked: argparse.Namespace, settings: Settings) -> int:
    with opened(settings) as app:
        say("Fetching it. Nothing of it runs.")
        plan = app.installer.plan(absolute(asked.source))
        status = carried_out(app, plan, yes=asked.yes)
        if status == DONE and asked.enable:
            app.extensions.enable(plan.name)
            print(f"Enabled: {plan.name}")
        elif status == DONE and app.extensions.find(plan.name).state == "disabled":
            say(f"It is disabled. Enable it with: {COMMAND} enable {plan.name}")
        return status


def update(asked: argparse.Namespace, settings: Settings) -> int:
    with opened(settings) as app:
        say("Fetching it. Nothing of it runs.")
        plan = app.installer.plan_update(asked.name)
        if plan.change is not None and plan.change.is_empty:
            print(f"Up to date: {plan.name} {plan.change.version}")
            return DONE
        return carried_out(app, plan, yes=asked.yes)


def rollback(asked: argparse.Namespace, settings: Settings) -> int:
    with opened(settings) as app:
        record = app.installer.rollback(asked.name)
        print(f"Rolled back: {record.name} {record.version}")
        return DONE


def remove(asked: argparse.Namespace, settings: Settings) -> int:
    with opened(settings) as app:
        found = app.extensions.find(asked.name)
        data = "is kept" if asked.keep_data else "goes with it"
        if not agreed(f"Remove {found.name}? What it has kept {data}; this cannot be undone.", yes=asked.yes):
            return FAILED
        app.installer.remove(found.name, keep_data=asked.keep_data)
        print(f"Removed: {found.name}")
        return DONE


def enable(asked: argparse.Namespace, settings: Settings) -> int:
    with opened(settings) as app:
        print(f"Enabled: {app.extensions.enable(asked.name).name}")
        return DONE


def disable(asked: argparse.Namespace, settings: Settings) -> int:
    with opened(settings) as app:
        print(f"Disabled: {app.extensions.disable(asked.name).name}")
        return DONE


def listing(_asked: argparse.Namespace, settings: Settings) -> int:
    print(*listing_lines(listed_extensions(settings.paths)), sep="\n")
    return DONE


def new(asked: argparse.Namespace, settings: Settings) -> int:
    own = settings.paths.own_extensions
    place = Path(asked.to).expanduser().absolute() if asked.to else own
    folder = create_extension(asked.name, place, settings.paths.extensions)
    print(f"Made: {folder}")
    word = f"enable {asked.name}" if folder.parent == own else f"install {shlex.quote(str(folder))}"
    say(f"Its README.md says how to go on. Try it with: {COMMAND} {word}")
    return DONE


def run_command(asked: argparse.Namespace, settings: Settings) -> int:
    with opened(settings, starts_extensions=True) as app:
        app.extensions.settled(LOADING_SECONDS)
        command = command_of(app, asked.name, asked.command)
        context = RequestContext(
            id=secrets.token_hex(8),
            source="api",
            model=settings.model or "",
            engine="",
            settings=app.extensions.settings(asked.name),
        )
        answer = app.extensions.call(
            asked.name,
            f"command /{command.name}",
            command.run,
            " ".join(asked.text),
            context,
            seconds=COMMAND_SECONDS,
            returns=str,
        )
        print(answer)
        return DONE


ACTS: Mapping[str, Callable[[argparse.Namespace, Settings], int]] = {
    "install": install,
    "update": update,
    "rollback": rollback,
    "remove": remove,
    "enable": enable,
    "disable": disable,
    "list": listing,
    "new": new,
    "run": run_command,
}


def settings_of(asked: argparse.Namespace) -> Settings:
    """Who has the terminal is the owner, and the program does not run: what is set about others plays no part."""
    places = [f"--{place}={vars(asked)[place]}" for place in PLACES if vars(asked)[place] is not None]
    return load_settings([*places, "--no-share", "--host=127.0.0.1"])[0]


@contextmanager
def opened(settings: Settings, *, starts_extensions: bool = False) -> "Generator[App]":
    """The program's services, with nobody else at work in the data folder. Raises StartError."""
    try:
        lock = FolderLock.acquire(settings.paths.lock, "changing extensions", remedy=HELD)
    except OSError as error:
        raise StartError(f"The data folder cannot be written: {error.strerror}.") from error
    try:
        from modules.app import build_app

        app = build_app(settings, starts_extensions=starts_extensions)
        try:
            yield app
        finally:
            app.close()
    finally:
        lock.release()


def carried_out(app: "App", plan: InstallPlan, *, yes: bool) -> int:
    """Shows all of the plan, asks, and installs it."""
    print(*plan_lines(plan), sep="\n", flush=True)
    if not agreed(f"Install {plan.name} {plan.manifest.version}?", yes=yes):
        app.installer.forget(plan.id)
        return FAILED
    job = app.installer.install(plan.id)
    try:
        shown = ""
        while job.state == "running":
            if job.note != shown:
                shown = job.note
                say(plain(shown))
            time.sleep(POLL_SECONDS)
            job = app.jobs.get(job.id)
    except KeyboardInterrupt:
        app.jobs.cancel(job.id)
        job = app.jobs.wait(job.id)
        if job.state != "done":
            say(plain(job.error))
            return INTERRUPTED
    if job.state != "done":
        say(plain(job.error))
        return FAILED
    print(f"Installed: {plan.name} {plan.manifest.version}")
    return DONE


def agreed(question: str, *, yes: bool) -> bool:
    """A person's yes; without a terminal only --yes is one."""
    if yes:
        return True
    if not sys.stdin.isatty():
        say(f"{question} Nobody can be asked here; --yes says yes.")
        return False
    say(f"{question} [y/N] ", end="")
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def command_of(app: "App", extension_name: str, name: str) -> Command:
    """Raises NotFound."""
    found = app.extensions.find(extension_name)
    if found.state != "enabled":
        raise NotFound(found.fault or f"{found.name} is not enabled. Enable it with: {COMMAND} enable {found.name}")
    given = [one.item for one in app.extensions.collect("commands") if one.extension == extension_name]
    commands = [item for item in given if isinstance(item, Command)]
    for command in commands:
        if command.name == name.removeprefix("/"):
            return command
    there = ", ".join(sorted(command.name for command in commands)) or "none"
    raise NotFound(f"{extension_name} has no command {name[:60]!r}; it has: {there}.")


def absolute(source: str) -> str:
    """A path from here becomes one from everywhere; what is none stays as it is."""
    path, mark, revision = source.partition("#")
    here = Path(path).expanduser()
    return f"{here.resolve()}{mark}{revision}" if here.exists() else source


def say(text: str, end: str = "\n") -> None:
    print(text, end=end, file=sys.stderr, flush=True)
