"""Models that could not be loaded, or whose worker died: told until the next try, or until dismissed."""

from collections.abc import Callable

from modules.engines.status import ModelStatus
from modules.engines.wish import Wish
from modules.errors import ModelError

FAILURES_KEPT = 20


class Failures:
    """The newest, one a model. Whoever owns it calls with its lock held. `clock` tells Unix time."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._by_model: dict[str, ModelStatus] = {}

    def statuses(self) -> list[ModelStatus]:
        return list(self._by_model.values())

    def keep(self, wish: Wish, error: ModelError) -> None:
        name = wish.model.id
        self.forget(name)
        self._by_model[name] = ModelStatus(
            name,
            wish.engine,
            "failed",
            error=str(error),
            details=error.details,
            cause=error.cause,
            last_used=self._clock(),
            options=wish.options,
        )
        while len(self._by_model) > FAILURES_KEPT:
            del self._by_model[next(iter(self._by_model))]

    def forget(self, model_id: str) -> bool:
        """Whether there was one."""
        return self._by_model.pop(model_id, None) is not None
