"""An adapter that the program can name."""

from dataclasses import dataclass
from pathlib import Path

# A folder as peft saves it; the last is what older versions wrote, a format that may run any program.
ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
PICKLED_ADAPTER = "adapter_model.bin"
# Beside them, in llama.cpp's form.
GGUF_ADAPTER = "adapter.gguf"
# How it was made, so that whoever gets the weights can make them again. Above the recipe of a run that was left
# half-way stands a comment that begins like this.
KEPT_RECIPE = "parlor-recipe.yaml"
STOPPED = "Stopped at step"


@dataclass(frozen=True)
class LocalAdapter:
    """A folder as peft saves it, described by its own words.

    `kind` is lora, rslora, dora or another of peft's kinds; `targets` are names or a pattern of layers; `problem` says
    why it cannot be loaded, empty for a sound one; `mark` at which step its run was stopped, empty for a whole one.
    """

    name: str
    path: Path
    base_model: str = ""
    kind: str = ""
    rank: int = 0
    alpha: float = 0.0
    targets: tuple[str, ...] = ()
    size_bytes: int = 0
    problem: str = ""
    mark: str = ""
