"""What was predicted of a load or a run, and what it was."""

from dataclasses import dataclass
from typing import Literal

Figure = Literal["memory", "speed"]


@dataclass(frozen=True)
class ModelRun:
    """One comparison: `memory` in bytes, `speed` in tokens a second. `variant` is how the weights are kept.

    `predicted` is what the arithmetic alone said, before past runs corrected it. `created` is Unix seconds.
    """

    model_id: str
    engine: str
    variant: str
    figure: Figure
    predicted: float
    actual: float
    created: float

    @property
    def ratio(self) -> float:
        return self.actual / self.predicted
