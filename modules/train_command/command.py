"""`webui.py train`: a finetuning run in the terminal, with its progress and an honest exit status."""

import shlex
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from modules.errors import BadRequest, Conflict, ParlorError, StartError
from modules.services.training import TrainingService
from modules.settings import Settings, load_settings
from modules.storage.files import FolderLock
from modules.storage.recipe_files import whole_recipe
from modules.train_command.flags import PLACES, Asked, asked_of, fields_of, make_parser
from modules.train_command.report import ProgressReport, plan_text, prediction_lines, problem_lines
from modules.types.training import TrainingRun

if TYPE_CHECKING:
    from modules.app import Finetuning

DONE, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 130
COMMAND = "python3 webui.py train"
TERMINAL_SECONDS, PLAIN_SECONDS = 0.5, 5.0
HELD = "Start this run on its page, or stop it first. (--data-folder chooses another folder.)"


def train(arguments: Sequence[str]) -> int:
    """Until the run is done: 0. 1 when it fails or cannot begin, 2 for a wrong use, 130 after Ctrl+C or SIGTERM."""
    asked = asked_of(make_parser(COMMAND).parse_args(arguments))
    # Whoever ends the program in the system's way loses as little as who presses Ctrl+C.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        settings, _ = load_settings([f"{PLACES[flag]}={value}" for flag, value in asked.places.items()])
        lock = held(settings)
        from modules.app import build_app

        app = build_app(settings)
        try:
            return carried_out(asked, app.finetuning)
        finally:
            app.close()
            lock.release()
    except ParlorError as error:
        print(error, file=sys.stderr)
        return MISUSED if isinstance(error, BadRequest | StartError) and not isinstance(error, Conflict) else FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        signal.signal(signal.SIGTERM, before)


def held(settings: Settings) -> FolderLock:
    """Nobody else trains in this data folder meanwhile. Raises StartError."""
    try:
        return FolderLock.acquire(settings.paths.lock, "training", remedy=HELD)
    except OSError as error:
        raise StartError(f"The data folder cannot be written: {error.strerror}.") from error


def carried_out(asked: Asked, services: "Finetuning") -> int:
    training = services.training
    if asked.resume:
        return followed(training, training.resume(asked.resume), asked)
    recipe = whole_recipe(fields_of(asked, services.recipes))
    print(f"Looking at the data and at {recipe.model} ...", file=sys.stderr, flush=True)
    problems = problem_lines(services.datasets.check(recipe.data))
    plan = training.plan(recipe)
    print(*problems, *prediction_lines(plan), sep="\n", file=sys.stderr, flush=True)
    if asked.dry_run:
        print(plan_text(plan), end="")
        return FAILED if plan.refusal or plan.name_fault else DONE
    return followed(training, training.start(plan.recipe), asked)


def followed(training: TrainingService, begun: TrainingRun, asked: Asked) -> int:
    """Shown until it has ended. Ctrl+C or SIGTERM saves a checkpoint and ends; a second one ends at once."""
    name = begun.record.name
    on_terminal = sys.stderr.isatty()
    report = ProgressReport(training, name, on_terminal=on_terminal)
    seconds = TERMINAL_SECONDS if on_terminal else PLAIN_SECONDS
    interruptions = 0
    while True:
        try:
            run = training.wait(name, seconds)
            report.show(run)
            if run.record.state not in {"queued", "running"}:
                break
        except KeyboardInterrupt:
            interruptions += 1
            if interruptions == 1:
                report.say("Stopping after this step; a checkpoint is saved. Ctrl+C once more ends at once.")
            training.stop(name, at_once=interruptions > 1)
    report.close()
    return told_end(run, asked, is_interrupted=interruptions > 0)


def told_end(run: TrainingRun, asked: Asked, *, is_interrupted: bool) -> int:
    record = run.record
    if record.state == "done":
        place = "models/adapters" if run.result == "adapter" else "models"
        print(f"Trained: {place}/{record.name}")
        return DONE
    print(record.error or f"The run was {record.state} at step {run.summary.step:,}.", file=sys.stderr)
    places = [f"{flag}={value}" for flag, value in asked.places.items()]
    print(f"Go on with:\n  {COMMAND} {shlex.join(['--resume', record.name, *places])}", file=sys.stderr)
    return INTERRUPTED if is_interrupted else FAILED
