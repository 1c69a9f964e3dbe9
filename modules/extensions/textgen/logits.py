"""A script's logits processors, in the process of the model."""

from pathlib import Path
from typing import Any

from modules.extensions.textgen.extension import ScriptExtension


class ScriptLogits:
    """Made for each reply, called for each token; see `LogitsProcessor` in the contracts.

    The script is run here once more, with the parameters that it has in the program.
    """

    def __init__(self, folder: str, name: str, params: dict[str, Any]) -> None:
        """Raises what the script raises."""
        self._script = ScriptExtension(Path(folder), name, name)
        self._script.prepare(params)
        self._processors: list[Any] | None = None

    def __call__(self, ids: Any, logits: Any) -> Any:
        if self._processors is None:
            self._processors = self._script.logits_processor_list(ids)
        for process in self._processors:
            logits = process(ids, logits)
        return logits
