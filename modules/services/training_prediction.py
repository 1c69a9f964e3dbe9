"""What a training will take on this machine: the arithmetic, corrected by what past runs took."""

import shutil
import time
from contextlib import suppress
from pathlib import Path

from modules.errors import StorageError
from modules.services.correction import MEMORY, SPEED, corrected
from modules.storage.model_runs import ModelRunStore
from modules.training.footprint import START_SECONDS, Footprint
from modules.types.machine import ComputeRates, Machine
from modules.types.model_runs import Figure, ModelRun
from modules.types.recipes import Recipe
from modules.types.training import Prediction, TrainingRun

ENGINE = "training"
# Shorter runs say little of the speed.
LEAST_STEPS = 3


class TrainingPredictions:
    def __init__(self, runs: ModelRunStore) -> None:
        self._runs = runs

    def memory_bytes(self, footprint: Footprint) -> int:
        runs = self._runs.of_engine(ENGINE, "memory")
        recipe = footprint.recipe
        return round(corrected(footprint.memory_bytes, MEMORY, runs, recipe.model, variant_of(recipe)).value)

    def predict(self, footprint: Footprint, rates: ComputeRates, machine: Machine) -> Prediction:
        recipe, work = footprint.recipe, footprint.work
        speed = self.tokens_per_second(footprint, rates)
        return Prediction(
            memory_bytes=self.memory_bytes(footprint) * recipe.processes_here,
            available_bytes=free_memory(machine, rates),
            seconds=work.real_tokens / speed + footprint.watching_seconds(rate_of(recipe, rates)) + START_SECONDS,
            steps=work.steps,
            tokens_per_second=speed,
            disk_bytes=footprint.disk_bytes,
            calculated_memory_bytes=footprint.memory_bytes,
            calculated_tokens_per_second=calculated_speed(footprint, rates),
        )

    def tokens_per_second(self, footprint: Footprint, rates: ComputeRates) -> float:
        """While it learns; evaluations and checkpoints are not counted."""
        recipe = footprint.recipe
        runs = self._runs.of_engine(ENGINE, "speed")
        calculated = calculated_speed(footprint, rates)
        return corrected(calculated, SPEED, runs, recipe.model, variant_of(recipe)).value

    def learn(self, run: TrainingRun) -> None:
        """From a run that has ended; one that made few steps says nothing."""
        record, newest = run.record, run.summary.metrics
        spent = run.summary.step_seconds
        if newest is None or newest.step < LEAST_STEPS or not spent or run.recipe.processes > 1:
            return
        self._keep(run.recipe, "memory", record.calculated_memory_bytes, run.summary.peak_memory_bytes)
        self._keep(run.recipe, "speed", record.calculated_tokens_per_second, newest.tokens / spent)

    def _keep(self, recipe: Recipe, figure: Figure, predicted: float | None, actual: float) -> None:
        if not predicted or actual <= 0:
            return
        with suppress(StorageError):
            self._runs.add(ModelRun(recipe.model, ENGINE, variant_of(recipe), figure, predicted, actual, time.time()))


def calculated_speed(footprint: Footprint, rates: ComputeRates) -> float:
    """In tokens a second, by arithmetic alone."""
    return footprint.work.real_tokens / footprint.training_seconds(rate_of(footprint.recipe, rates))


def rate_of(recipe: Recipe, rates: ComputeRates) -> float:
    """Of the products that this recipe's steps consist of."""
    return rates.float32 if recipe.base_weights == "float32" else rates.bfloat16


def free_memory(machine: Machine, rates: ComputeRates) -> int:
    """Where training computes."""
    return machine.gpu_free_bytes if rates.on_gpu else machine.available_bytes


def variant_of(recipe: Recipe) -> str:
    """What makes runs alike in what they take, beside their model and size."""
    rows = "packed" if recipe.packing else "padded"
    checkpointing = " checkpointing" if recipe.gradient_checkpointing else ""
    return f"{recipe.method} {recipe.base_weights} {rows}{checkpointing}"


def free_disk(folder: Path) -> int:
    """Where `folder` is or will be."""
    return shutil.disk_usage(next(path for path in (folder, *folder.parents) if path.exists())).free
