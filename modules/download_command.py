"""`webui.py download SOURCE`: a model from the hub with a progress bar and an honest exit status."""

import argparse
import shlex
import sys
from collections.abc import Sequence

from modules.amounts import amount
from modules.errors import BadRequest, Conflict, ParlorError, SeveralChoices, StartError
from modules.services.downloads import DownloadService
from modules.services.hub import HubService
from modules.settings import load_settings
from modules.storage.downloads import DownloadStore
from modules.types.downloads import Download

PUBLISHED, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 130
COMMAND = "python3 webui.py download"
PLACES = ("--models", "--data", "--hub-endpoint")
BAR_CELLS = 24
TERMINAL_SECONDS, PLAIN_SECONDS = 0.25, 5.0


def download(arguments: Sequence[str]) -> int:
    """Until the model is published and verified: 0. 1 when that fails, 2 for a wrong use, 130 after Ctrl+C."""
    asked = make_parser().parse_args(arguments)
    places = [f"{flag}={vars(asked)[flag]}" for flag in PLACES if vars(asked)[flag] is not None]
    try:
        settings, _ = load_settings(places)
        hub = HubService(settings.hub_endpoint, settings.paths.hub_token)
        service = DownloadService(settings.paths.models, DownloadStore(settings.paths.downloads), hub)
        begun = service.start(asked.source, choice=asked.choice, pattern=asked.file, projector=asked.projector)
        try:
            return report_end(followed(service, begun))
        except KeyboardInterrupt:
            service.close()
            return report_stop(service.get(begun.id), arguments)
    except SeveralChoices as error:
        print(f"{asked.source} holds several models. Choose one with --choice NAME or --file PATTERN:", file=sys.stderr)
        for name, size in error.choices:
            print(f"  {name:24} {amount(size):>10}", file=sys.stderr)
        return MISUSED
    except ParlorError as error:
        print(error, file=sys.stderr)
        return MISUSED if isinstance(error, BadRequest | StartError) and not isinstance(error, Conflict) else FAILED
    except KeyboardInterrupt:
        return INTERRUPTED


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=COMMAND,
        description="Download a model from the hub. What has come is kept when it is interrupted: run the same again.",
        epilog="A token for gated and private models: HF_TOKEN, or the one given on the page.",
        allow_abbrev=False,
    )
    parser.add_argument("source", metavar="SOURCE", help="user/model, user/model:branch, or an address on the hub")
    parser.add_argument("--file", metavar="PATTERN", default="", help="what a file's name must match: '*Q4_K_M*'")
    parser.add_argument("--choice", metavar="NAME", default="", help="a quantization by its name: Q4_K_M")
    parser.add_argument("--projector", action="store_true", help="also the file that reads images")
    for flag in PLACES:
        parser.add_argument(flag, dest=flag, metavar=flag.strip("-").upper(), help="as at the start of the program")
    return parser


def followed(service: DownloadService, begun: Download) -> Download:
    """Shown until it has ended."""
    on_terminal = sys.stderr.isatty()
    print(f"{begun.repository}, {begun.choice}: {amount(begun.size_bytes)} to {begun.target}", file=sys.stderr)
    shown = begun
    while shown.state in {"queued", "running"}:
        shown = service.wait(begun.id, TERMINAL_SECONDS if on_terminal else PLAIN_SECONDS)
        # A terminal's line is written over by the next one.
        beginning, end = ("\r\033[K", "") if on_terminal else ("", "\n")
        print(f"{beginning}{progress_line(shown)}", end=end, file=sys.stderr, flush=True)
    if on_terminal:
        print(file=sys.stderr)
    return shown


def progress_line(shown: Download) -> str:
    fraction = shown.done_bytes / shown.size_bytes if shown.size_bytes else 1.0
    full = int(fraction * BAR_CELLS)
    parts = [
        f"{'#' * full}{'-' * (BAR_CELLS - full)} {int(fraction * 100):3} %",
        f"{amount(shown.done_bytes)} of {amount(shown.size_bytes)}",
        f"{amount(int(shown.bytes_per_second))}/s" if shown.bytes_per_second else "",
        f"{shown.seconds_left:.0f} s left" if shown.seconds_left else "",
        shown.note,
    ]
    return "  ".join(part for part in parts if part)


def report_end(ended: Download) -> int:
    if ended.state == "done":
        print(f"Downloaded and verified: {ended.target}")
        return PUBLISHED
    print(ended.error or f"The download was {ended.state}.", file=sys.stderr)
    return FAILED


def report_stop(stopped: Download, arguments: Sequence[str]) -> int:
    where = f"{amount(stopped.done_bytes)} of {amount(stopped.size_bytes)}"
    print(f"\nStopped at {where}. What has come is kept; go on with:", file=sys.stderr)
    print(f"  {COMMAND} {shlex.join(arguments)}", file=sys.stderr)
    return INTERRUPTED
