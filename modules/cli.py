"""The command line: settings in, exit status out."""

import argparse
import secrets
import sys
from collections.abc import Sequence
from contextlib import suppress

from pydantic import SecretStr

from modules.children import Launcher
from modules.download_command import download
from modules.errors import BadRequest, NotFound, ParlorError, StartError
from modules.extension_command.command import extension
from modules.front.access import AccessRules, check_exposure, check_secret, parse_auth
from modules.library.library import Library
from modules.services.conversion import ConversionService
from modules.settings import Settings, load_settings
from modules.storage.chat_templates import ChatTemplates
from modules.storage.files import FolderLock
from modules.storage.linked_models import read_links
from modules.train_command.command import train

SHARE_USER = "parlor"
# What says where models are converted.
PLACES = ("--models", "--data", "--model-folders")


def run(arguments: Sequence[str]) -> int:
    """Serve until a signal, or do what a sub-command says. 2 for what cannot start; the reason is on standard error."""
    if arguments[:1] == ["convert"]:
        return convert(arguments[1:])
    if arguments[:1] == ["download"]:
        return download(arguments[1:])
    if arguments[:1] == ["train"]:
        return train(arguments[1:])
    if arguments[:1] == ["extension"]:
        return extension(arguments[1:])
    try:
        settings, notices = load_settings(arguments)
        rules = access_rules(settings)
        check_exposure(settings.host, rules)
        check_model(settings)
        check_chat_template(settings)
        return serve(settings, rules, tuple(notices))
    except ParlorError as error:
        print(f"Parlor cannot start: {error}", file=sys.stderr)
        return 2


def serve(settings: Settings, rules: AccessRules, notices: tuple[str, ...]) -> int:
    lock = None
    # A folder that cannot be written needs no lock; the database says so, and chats live in memory.
    with suppress(OSError):
        lock = FolderLock.acquire(settings.paths.lock)
    from modules.serve.server import Program

    try:
        program = Program(settings, rules, notices)
        if lock is not None:
            lock.update_note(f"at {program.url}")
        return program.run()
    finally:
        if lock is not None:
            lock.release()


def convert(arguments: Sequence[str]) -> int:
    """1 when the model cannot be converted, 2 for a wrong use."""
    asked = convert_parser().parse_args(arguments)
    places = [f"{flag}={vars(asked)[flag]}" for flag in PLACES if vars(asked)[flag] is not None]
    shown = ""

    def report(fraction: float | None, note: str) -> None:
        nonlocal shown
        if note != shown:
            shown = note
            print(f"{fraction or 0:4.0%} {note}", file=sys.stderr, flush=True)

    try:
        settings, _ = load_settings(places)
        paths = settings.paths
        service = ConversionService(paths, library_of(settings), Launcher())
        folder = service.convert(asked.source, asked.target, report, lambda: False)
    except StartError as error:
        print(f"Parlor cannot start: {error}", file=sys.stderr)
        return 2
    except ParlorError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Converted: {folder.name}")
    return 0


def convert_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python3 webui.py convert",
        description="Make a folder in Hugging Face format, which can be trained, of a GGUF model.",
        allow_abbrev=False,
    )
    parser.add_argument("source", metavar="SOURCE", help="the model, by its name")
    parser.add_argument("target", metavar="TARGET", help="the folder's name among the models")
    for flag in PLACES:
        parser.add_argument(flag, dest=flag, metavar=flag.strip("-").upper(), help="as at the start of the program")
    return parser


def access_rules(settings: Settings) -> AccessRules:
    """What was set; a share link without a password or key gets ones made now."""
    auth, api_key, admin_key = (secret_of(field) for field in (settings.auth, settings.api_key, settings.admin_key))
    login = parse_auth(auth) if auth is not None else None
    api_key = check_secret("--api-key", api_key) if api_key is not None else None
    admin_key = check_secret("--admin-key", admin_key) if admin_key is not None else None
    if settings.share:
        login = login or (SHARE_USER, secrets.token_urlsafe(12))
        api_key = api_key or secrets.token_urlsafe(24)
    return AccessRules(login, api_key, admin_key, sharing=settings.share)


def secret_of(field: SecretStr | None) -> str | None:
    """An empty one is kept: it is a mistake to be named, never `off`."""
    return field.get_secret_value() if field is not None else None


def check_model(settings: Settings) -> None:
    """A name that is mistyped is better refused now than when the page is open."""
    if settings.model in {None, "starter"}:
        return
    try:
        model = library_of(settings).find(settings.model or "")
    except NotFound as error:
        raise StartError(f"--model: {error}") from error
    if model.problem:
        raise StartError(f"--model: {model.title} cannot be loaded: {model.problem}")


def library_of(settings: Settings) -> Library:
    """As the running program has it, without its database being opened for writing."""
    paths = settings.paths
    return Library(paths.models, settings.further_model_folders, lambda: read_links(paths.database))


def check_chat_template(settings: Settings) -> None:
    paths = settings.paths
    try:
        if settings.chat_template:
            ChatTemplates(paths.shipped_templates, paths.own_templates).text(settings.chat_template)
    except BadRequest as error:
        raise StartError(f"--chat-template: {error}") from error
