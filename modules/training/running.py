"""One process's part of a run, from its order to its end: the model is read, samples are encoded, steps are made."""

import errno
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from modules.errors import ModelError, ParlorError, TrainingError
from modules.storage.recipe_files import read_whole_recipe
from modules.training.collating import Collator
from modules.training.distributed import Group, own_device
from modules.training.encoding import SampleEncoder, open_encoder
from modules.training.evaluation import Evaluation
from modules.training.forward import prepare_forward
from modules.training.loop import Task, Training
from modules.training.methods import make_learner
from modules.training.orders import Order
from modules.training.samples import read_samples
from modules.training.telling import Listener
from modules.training.token_table import TokenTable, encode_all
from modules.types.recipes import Recipe

RECIPE = "recipe.yaml"
SAMPLES = "samples.jsonl"
EVALUATION = "evaluation.jsonl"
MEMORY = ("can't allocate memory", "not enough memory", "bad_alloc", "out of memory")


def train(order: Order, group: Group, listener: Listener, stops: Callable[[], bool]) -> dict[str, Any]:
    """The line that ends a run: done, stopped, or an error in a sentence."""
    try:
        training = prepare(order, group, listener, stops)
        kind = "done" if training.run() else "stopped"
        return {"kind": kind, "step": training.step}
    except Exception as error:  # noqa: BLE001 the process ends, and says why
        traceback.print_exc(file=sys.stderr)
        failure = explained(error)
        listener.say(str(failure))
        return {"kind": "error", "message": str(failure), "cause": failure.cause}


def prepare(order: Order, group: Group, listener: Listener, stops: Callable[[], bool]) -> Training:
    """Raises errors of any kind."""
    torch.set_num_threads(max(1, order.threads // group.local_size))
    recipe = read_recipe(order.folder)
    listener.status("reading the samples", 0, 0)
    encoder = open_encoder(order.model, recipe)
    table = read_table(order.folder / SAMPLES, encoder)
    if not len(table):
        raise TrainingError("There is no sample with a token to learn. Look at the samples in the lens.", cause="data")
    held_out = read_table(order.folder / EVALUATION, encoder)
    listener.status("reading the model", 0, 0)
    forward = prepare_forward(make_learner(order.model, recipe, own_device(group.local_rank)))
    learner = forward.learner
    packed = recipe.packing is not False and forward.packing != "none"
    if recipe.packing and not packed:
        listener.say("This architecture cannot keep samples in one row apart, so each has a row of its own.")
    prompt_tokens = 0 if learner.prompt is None else len(learner.prompt)
    training = Collator(table, packed, prompt_tokens, learner.device)
    judged = Collator(held_out, packed, prompt_tokens, learner.device)
    capacity = prompt_tokens + (recipe.max_length or max(table.lengths))
    task = Task(
        folder=order.folder,
        source=order.model,
        recipe=recipe,
        encoder=encoder,
        forward=forward,
        training=training,
        evaluation=Evaluation(forward, judged, capacity, group) if len(held_out) else None,
        capacity=capacity,
        group=group,
        listener=listener,
        stops=stops,
    )
    return Training(task)


def read_recipe(folder: Path) -> Recipe:
    return read_whole_recipe((folder / RECIPE).read_text(encoding="utf-8"))


def read_table(path: Path, encoder: SampleEncoder) -> TokenTable:
    """Of no samples where there is no such file."""
    return encode_all(read_samples(path) if path.is_file() else (), encoder)


def explained(error: Exception) -> TrainingError:
    """What went wrong as a sentence with its cause."""
    said = str(error)
    match error:
        case TrainingError():
            return error
        case ModelError():
            return TrainingError(said, cause="model")
        case ParlorError():
            return TrainingError(said, cause="data")
        case OSError(errno=errno.ENOSPC | errno.EDQUOT):
            return TrainingError("The disk is full. What was saved before is whole.", cause="disk")
        case _ if isinstance(error, MemoryError | torch.OutOfMemoryError) or any(word in said for word in MEMORY):
            return TrainingError(
                "The training needs more memory than there is. What was saved before is whole.", cause="out_of_memory"
            )
        case _:
            name = type(error).__name__
            return TrainingError(f"The training failed ({name}: {said[:400]}). What was saved before is whole.")
