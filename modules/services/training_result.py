"""What a run has made, put where models and adapters are found."""

import errno
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from modules.errors import BadRequest, Conflict, ModelError, StorageError
from modules.library.adapters import is_adapter_folder, weights_of
from modules.library.folders import count_parameters, read_model_folder
from modules.paths import Paths
from modules.storage.files import resolve_name, sync_folder
from modules.storage.training_runs import TrainingFolder
from modules.types.local_adapter import KEPT_RECIPE
from modules.types.recipes import Recipe


class ResultPublisher:
    """Adapters go to models/adapters, whole models to models.

    Nothing that is there is ever overwritten, but for what the same run has put there when it was stopped.
    """

    def __init__(self, paths: Paths) -> None:
        self._paths = paths

    def target(self, recipe: Recipe) -> Path:
        folder = self._paths.models if recipe.method == "full" else self._paths.adapters
        return resolve_name(folder, recipe.name)

    def check_free(self, recipe: Recipe) -> None:
        """Raises Conflict for a name that is taken, BadRequest for one that cannot be used."""
        target = self.target(recipe)
        kind = "a model" if recipe.method == "full" else "an adapter"
        if target.exists() or target.with_name(target.name + ".gguf").exists():
            raise Conflict(f"There is {kind} called {recipe.name} already; choose another name.", field="name")
        if recipe.method == "full" and target == self._paths.adapters:
            raise BadRequest("This name cannot be used: the adapters lie there.", field="name")

    def check_free_for(self, run: TrainingFolder) -> None:
        """As `check_free`; what the run itself has published does not count."""
        if not self.is_published(run):
            self.check_free(run.recipe)

    def publish(self, run: TrainingFolder, mark: str = "") -> Path:
        """By one rename, after a look at it. Raises Conflict, ModelError for what is not whole, or StorageError.

        `mark` is a sentence above the recipe that is kept with it. Whatever goes wrong, the result stays in the run's
        folder and what was published before stays as it is.
        """
        recipe = run.recipe
        self.check_free_for(run)
        check_whole(run.result, recipe)
        target = self.target(recipe)
        try:
            text = f"# {mark}\n{run.recipe_text}" if mark else run.recipe_text
            (run.result / KEPT_RECIPE).write_text(text, encoding="utf-8")
            target.parent.mkdir(parents=True, exist_ok=True)
            with out_of_the_way(target):
                try:
                    run.result.rename(target)
                except OSError as error:
                    if error.errno != errno.EXDEV:
                        raise
                    self._copy(run.result, target)
            sync_folder(target.parent)
        except OSError as error:
            raise StorageError(
                f"What was learned could not be put into {target.parent.name}: {error.strerror}. It is kept with the "
                "run; make room or change the folder's rights, and resume the run."
            ) from error
        return target

    def place(self, run: TrainingFolder) -> str:
        """Of what was published of it, as people are told: models/adapters/NAME. Empty where nothing is."""
        if not self.is_published(run):
            return ""
        target = self.target(run.recipe)
        return target.relative_to(self._paths.models.parent).as_posix()

    def is_published(self, run: TrainingFolder) -> bool:
        """Whether what lies there is of this run: its recipe, which names all that was chosen, is kept with it."""
        kept = self.target(run.recipe) / KEPT_RECIPE
        try:
            return kept.read_text(encoding="utf-8").endswith(run.recipe_text)
        except (OSError, ValueError):
            return False

    def _copy(self, result: Path, target: Path) -> None:
        """To another file system: under a name of its own first."""
        self._paths.downloads.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix="training-", dir=self._paths.downloads))
        try:
            copy = Path(shutil.copytree(result, staging / "result"))
            copy.rename(target)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        shutil.rmtree(result, ignore_errors=True)


@contextmanager
def out_of_the_way(target: Path) -> Generator[None]:
    """What is at `target` is aside meanwhile: gone when all went well, else in its place again."""
    aside = target.with_name(f".{target.name}.replaced")
    shutil.rmtree(aside, ignore_errors=True)
    was_there = target.exists()
    if was_there:
        target.rename(aside)
    try:
        yield
    except OSError:
        if was_there:
            aside.rename(target)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def check_whole(result: Path, recipe: Recipe) -> None:
    """Raises ModelError naming what is missing or damaged."""
    if recipe.method == "full":
        read_model_folder(result)
    elif not is_adapter_folder(result):
        raise ModelError("The training process left no adapter. Resume the run to have it written again.")
    else:
        count_parameters(weights_of(result))
