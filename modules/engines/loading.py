"""A load that waits, is under way or is done."""

from collections.abc import Callable
from concurrent.futures import Future

from modules.engines.loaded import LoadedModel
from modules.engines.process import EngineProcess
from modules.engines.uses import Uses
from modules.engines.wish import Wish
from modules.types.local_model import LocalModel

WAITING = "waiting"


class Loading:
    """`result` gives the loaded model or raises ModelError, or ModelBusy when there is no room after all.

    What is in `before_result` is called once the model is loaded, before anyone who waits for it goes on. Whoever
    takes one of the `uses` before it is loaded finds it loaded afterwards.
    """

    def __init__(self, wish: Wish, uses: Uses) -> None:
        self.wish = wish
        self.uses = uses
        self.asked = uses.last
        self.before_result: list[Callable[[], None]] = []
        self.fraction = 0.0
        self.note = WAITING
        self.begun = False
        self.abandoned = False
        self.process: EngineProcess | None = None
        self.result: Future[LoadedModel] = Future()
        # From here on nobody who waits can cancel it for the others.
        self.result.set_running_or_notify_cancel()

    @classmethod
    def done(cls, loaded: LoadedModel) -> "Loading":
        loading = cls(loaded.wish, loaded.uses)
        loading.result.set_result(loaded)
        return loading

    @property
    def model(self) -> LocalModel:
        return self.wish.model

    def report(self, fraction: float, note: str) -> None:
        self.fraction, self.note = fraction, note
