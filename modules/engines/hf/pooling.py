"""How the hidden states of a text become one vector, as the folder's sentence-transformers files say."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from modules.errors import ModelError

MODULES = "modules.json"
KNOWN = frozenset({"Transformer", "Pooling", "Normalize"})
# In the order in which sentence-transformers puts them side by side.
MODES = ("cls", "max", "mean", "lasttoken")
# What its Pooling module calls them; newer files hold one name instead of switches.
SWITCHES = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_lasttoken": "lasttoken",
}


@dataclass(frozen=True)
class Pooling:
    """Without such files: the mean, of length 1. `max_tokens` is None where the files set no limit."""

    modes: tuple[str, ...] = ("mean",)
    normalizes: bool = True
    max_tokens: int | None = None

    def pool(self, hidden: Tensor, lengths: Tensor) -> Tensor:
        """Hidden states [rows, width, size] of texts of `lengths` [rows] to float32 [rows, size * modes]."""
        hidden, lengths = hidden.float(), lengths.to(hidden.device)
        is_text = (torch.arange(hidden.shape[1], device=hidden.device) < lengths[:, None])[..., None]
        vectors = torch.cat([pooled(mode, hidden, lengths, is_text) for mode in self.modes], -1)
        return torch.nn.functional.normalize(vectors, dim=-1) if self.normalizes else vectors


def pooled(mode: str, hidden: Tensor, lengths: Tensor, is_text: Tensor) -> Tensor:
    match mode:
        case "cls":
            return hidden[:, 0]
        case "max":
            return hidden.masked_fill(~is_text, -torch.inf).amax(1)
        case "lasttoken":
            return hidden[torch.arange(len(lengths), device=hidden.device), lengths - 1]
        case _:
            return hidden.masked_fill(~is_text, 0).sum(1) / lengths[:, None]


def read_pooling(folder: Path) -> Pooling:
    """Raises ModelError for a kind of module or of pooling that is not known here: its vectors would be wrong."""
    if not (folder / MODULES).is_file():
        return Pooling()
    try:
        folders = {str(step["type"]).rpartition(".")[2]: str(step["path"]) for step in read(folder / MODULES)}
        if unknown := sorted(folders.keys() - KNOWN):
            raise ModelError(f"{folder.name} needs the sentence-transformers module {unknown[0]}, which is not known.")
        modes = modes_of(read(folder / Path(folders["Pooling"]).name / "config.json")) if "Pooling" in folders else ()
        limits = [read(path).get("max_seq_length") for path in sorted(folder.glob("sentence_*_config.json"))]
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ModelError(f"The sentence-transformers files of {folder.name} are damaged: {error!r}") from error
    return Pooling(modes or ("mean",), "Normalize" in folders, next((int(one) for one in limits if one), None))


def modes_of(config: dict[str, Any]) -> tuple[str, ...]:
    switched_on = {name for name, value in config.items() if name.startswith("pooling_mode_") and value is True}
    found = {SWITCHES.get(name, name) for name in switched_on}
    named = config.get("pooling_mode")
    found |= {named} if isinstance(named, str) else set(named or ())
    if unknown := sorted(found - set(MODES)):
        raise ModelError(f"It pools by {unknown[0]}; known are {', '.join(MODES)}.")
    return tuple(mode for mode in MODES if mode in found)


def read(path: Path) -> Any:
    return json.loads(path.read_bytes())
