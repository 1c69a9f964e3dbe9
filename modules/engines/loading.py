"""A load that waits, is under way or is done."""

from collections.abc import Callable
from concurrent.futures import Future

from modules.engines.loaded import LoadedModel
from modules.engines.process import EngineProcess
from modules.engines.uses import Uses
from modules.engines.wish import Wish
from modules.engines.worker_memory import resident_bytes
from modules.types.local_model import LocalModel

WAITING = "waiting"
# Of a load, as far as its fraction goes; afterwards the weights are laid out and a first token is computed.
WEIGHTS_SHARE = 0.9


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
        self.note = WAITING
        self.begun = False
        # Why nobody wants it any more, for those who wait.
        self.abandoned = ""
        self.process: EngineProcess | None = None
        self._reported = 0.0
        self._bytes_before = 0
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

    @property
    def fraction(self) -> float:
        """0..1, as the engine says or as the worker has grown: llama.cpp says nothing while it loads."""
        if not self._bytes_before or self.process is None or not self.model.size_bytes:
            return self._reported
        grown = (resident_bytes(self.process.pid) - self._bytes_before) / self.model.size_bytes
        return max(self._reported, min(grown, 1.0) * WEIGHTS_SHARE)

    def report(self, fraction: float, note: str) -> None:
        self._reported, self.note = fraction, note
        # The engine's libraries are loaded when it reports for the first time.
        if self.process is not None and not self._bytes_before:
            self._bytes_before = resident_bytes(self.process.pid)
