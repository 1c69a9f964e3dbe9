"""Which of a hub model's choices are on this machine, and which cannot be put there."""

from dataclasses import dataclass
from pathlib import Path

from modules.errors import BadRequest, Conflict
from modules.library.hub.planning import Wish, plan_download
from modules.library.hub.sources import Source
from modules.services.download_run import is_there, require_free_place
from modules.types.hub import HubChoice, HubModel


@dataclass(frozen=True)
class Standing:
    """`download_id` is the one that its download has or would have, `target` its place below the models' folder.

    `problem` says why it cannot be put there; it is empty for what is there and for what can be.
    """

    download_id: str = ""
    target: str = ""
    is_here: bool = False
    problem: str = ""


def standings_of(models: Path, model: HubModel, choice: HubChoice) -> tuple[Standing, ...]:
    """Without what reads images, then with it where there is such a file. `models` is the models' folder.

    Nobody is asked: it is told as the download would find it now.
    """
    wishes = [Wish(model.entry.repository, choice.name)]
    if choice.projector is not None:
        wishes.append(Wish(model.entry.repository, choice.name, projector=True))
    return tuple(standing_of(models, model, wish) for wish in wishes)


def standing_of(models: Path, model: HubModel, wish: Wish) -> Standing:
    try:
        plan = plan_download(wish, Source(wish.source, model.revision), model.commit, model.files)
        if is_there(models, plan):
            return Standing(plan.id, plan.target, is_here=True)
        require_free_place(models, plan)
    except (BadRequest, Conflict) as error:
        return Standing(problem=str(error))
    return Standing(plan.id, plan.target)
