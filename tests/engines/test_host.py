"""Several models at once: who makes room, who waits, who is cancelled, and that nothing ever hangs."""

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from modules.children import Launcher
from modules.engines.budget import MIB, Budget, Memory
from modules.engines.generation import Generation
from modules.engines.host import EngineHost
from modules.engines.loaded import LoadedModel
from modules.engines.loading import WAITING, Loading
from modules.errors import Busy, ModelBusy, ModelError, NotFound, WorkerDied
from modules.library.library import Library
from modules.types.generation import Failed, Finished, GenerationRequest
from modules.types.local_model import LocalModel
from modules.types.machine import Machine
from tests.engines.tiny_models import make_folder

A, B, C, D = (LocalModel(name, name.upper(), "echo") for name in "abcd")
BUDGET_MIB = 1000
LOTS = 2**50
SCRIPT_THAT_LACKS = {"script": "/nowhere/script.json"}


class Clock:
    """Unix time that goes on only when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def host(launcher: Launcher, clock: Clock) -> Iterator[EngineHost]:
    host = EngineHost(launcher, Budget(BUDGET_MIB, lambda: Machine(2, LOTS, LOTS)), clock)
    yield host
    host.close()


def load(host: EngineHost, model: LocalModel, mib: int = 10, options: dict[str, object] | None = None) -> LoadedModel:
    return host.ensure(model, options or {}, needed=Memory(mib * MIB)).result.result(60)


def states(host: EngineHost) -> dict[str, str]:
    return {status.id: status.state for status in host.statuses()}


def start(loaded: LoadedModel, text: str) -> Generation:
    generation = Generation()
    loaded.submit(GenerationRequest(text, (1,), 100), generation)
    return generation


@pytest.fixture
def slow(tmp_path: Path) -> dict[str, object]:
    """Options of a model that answers for a minute."""
    script = tmp_path / "slow.json"
    script.write_text('[{"text": "a"}, {"delay_ms": 60000}]')
    return {"script": str(script)}


def test_models_stay_loaded_side_by_side(host: EngineHost, clock: Clock) -> None:
    workers = {load(host, model).process.pid for model in (A, B, C)}
    assert len(workers) == 3
    assert load(host, A).process.pid in workers
    clock.now += 5
    list(start(load(host, B), "hi"))
    first = host.statuses()[0]
    assert (first.id, first.last_used, first.state) == ("b", 1005.0, "ready")
    assert first.memory_bytes > 5 * MIB
    assert states(host) == {"a": "ready", "b": "ready", "c": "ready"}


def test_the_least_recently_used_makes_room(host: EngineHost, clock: Clock) -> None:
    for model in (A, B, C):
        load(host, model, 300)
        clock.now += 1
    list(start(load(host, A), "hi"))
    load(host, D, 300)
    assert states(host) == {"a": "ready", "c": "ready", "d": "ready"}
    load(host, B, 600)
    assert states(host) == {"b": "ready", "d": "ready"}


def test_memory_is_free_before_the_next_load_begins(host: EngineHost) -> None:
    worker = psutil.Process(load(host, A, 600).process.pid)
    seen: list[bool] = []
    loading = host.ensure(B, {}, needed=Memory(600 * MIB))
    while not loading.result.done():
        if loading.process is not None:
            seen.append(worker.is_running())
        time.sleep(0.002)
    assert seen
    assert not any(seen)


def test_busy_models_are_never_thrown_out(host: EngineHost, slow: dict[str, object]) -> None:
    generation = start(load(host, A, 500, slow), "hi")
    load(host, B, 300)
    with pytest.raises(ModelBusy, match="beside a, which is answering"):
        load(host, C, 600)
    assert states(host) == {"a": "ready", "b": "ready"}
    load(host, C, 400)
    assert states(host) == {"a": "ready", "c": "ready"}
    with pytest.raises(ModelBusy, match="a is answering"):
        load(host, A, 500, {"slots": 2})
    generation.cancel()
    list(generation)
    load(host, A, 500, {"slots": 2})
    assert states(host) == {"a": "ready", "c": "ready"}


def test_who_waits_for_a_model_keeps_it(host: EngineHost) -> None:
    """From before it is loaded until the reply that is being prepared is handed in."""
    loading = host.ensure(A, {}, needed=Memory(600 * MIB))
    assert loading.uses.take()
    loaded = loading.result.result(60)
    with pytest.raises(ModelBusy):
        load(host, B, 600)
    list(start(loaded, "hi"))
    loading.uses.release()
    load(host, B, 600)
    assert states(host) == {"b": "ready"}
    assert not loading.uses.take()


def test_a_model_bigger_than_the_budget_is_loaded_alone(host: EngineHost) -> None:
    load(host, A)
    load(host, B, 5000)
    assert states(host) == {"b": "ready"}


def test_what_other_programs_took_counts_too(launcher: Launcher) -> None:
    free = [800 * MIB]
    host = EngineHost(launcher, Budget(BUDGET_MIB, lambda: Machine(2, LOTS, free[0])))
    load(host, A, 300)
    free[0] = 100 * MIB
    load(host, B, 300)
    assert states(host) == {"b": "ready"}
    host.close()


def test_a_load_waits_for_the_one_under_way(host: EngineHost) -> None:
    first = host.ensure(A, {})
    assert host.ensure(A, {}) is first
    second = host.ensure(B, {})
    assert second.note == WAITING
    assert states(host) == {"a": "loading", "b": "loading"}
    with pytest.raises(ModelBusy, match="other options"):
        host.ensure(B, {"slots": 2})
    assert first.result.result(60).model is A
    assert second.result.result(60).model is B


def test_a_load_that_waits_is_cancelled(host: EngineHost) -> None:
    first, second = host.ensure(A, {}), host.ensure(B, {})
    host.unload("b")
    with pytest.raises(ModelError, match="cancelled") as cancelled:
        second.result.result(0)
    assert cancelled.value.cause == "cancelled"
    assert "b" not in states(host)
    again = host.ensure(B, {})
    assert first.result.result(60)
    assert again.result.result(60)


def test_a_failure_concerns_one_model_alone(host: EngineHost) -> None:
    load(host, A)
    with pytest.raises(ModelError, match=r"script\.json cannot be read"):
        load(host, B, options=SCRIPT_THAT_LACKS)
    assert states(host) == {"a": "ready", "b": "failed"}
    load(host, B)
    assert states(host) == {"a": "ready", "b": "ready"}
    for number in range(30):
        with pytest.raises(ModelError):
            load(host, LocalModel(f"x{number}", "X", "echo", problem="it is cut short."))
    assert states(host) == {"a": "ready", "b": "ready"}


def test_failures_are_dismissed(host: EngineHost) -> None:
    with pytest.raises(ModelError):
        load(host, A, options=SCRIPT_THAT_LACKS)
    host.unload("a")
    assert states(host) == {}
    with pytest.raises(NotFound):
        host.unload("a")


def test_a_worker_that_dies_is_loaded_anew(host: EngineHost, slow: dict[str, object]) -> None:
    loaded, other = load(host, A, options=slow), load(host, B)
    generation = start(loaded, "hi")
    psutil.Process(loaded.process.pid).kill()
    list(generation)
    assert isinstance(generation.end, Failed)
    assert "unexpectedly" in generation.end.message
    (failed,) = [status for status in host.statuses() if status.id == "a"]
    assert (failed.state, failed.cause) == ("failed", "killed")
    assert load(host, B) is other
    assert load(host, A).process.pid != loaded.process.pid


def test_unloading_ends_its_requests_with_an_error(host: EngineHost, slow: dict[str, object]) -> None:
    loaded = load(host, A, options=slow)
    generation = start(loaded, "hi")
    host.unload("a")
    list(generation)
    assert isinstance(generation.end, Failed)
    assert "was unloaded" in generation.end.message
    with pytest.raises(WorkerDied, match="was unloaded"):
        start(loaded, "hi")


def test_idle_models_are_unloaded(host: EngineHost, clock: Clock, slow: dict[str, object]) -> None:
    busy = start(load(host, A, options=slow), "hi")
    load(host, B)
    clock.now += 100
    load(host, C)
    clock.now += 500
    host.unload_idle(600)
    assert states(host) == {"a": "ready", "c": "ready"}
    busy.cancel()
    list(busy)
    clock.now += 599
    host.unload_idle(600)
    assert states(host) == {"a": "ready"}
    clock.now += 1
    host.unload_idle(600)
    assert states(host) == {}


def test_closing_ends_everything(launcher: Launcher) -> None:
    host = EngineHost(launcher)
    worker = load(host, A).process.pid
    loads = [host.ensure(model, {}) for model in (B, C)]
    host.close()
    assert not psutil.pid_exists(worker)
    for loading in loads:
        with pytest.raises(ModelError):
            loading.result.result(0)
    with pytest.raises(ModelError, match="about to end"):
        host.ensure(D, {})


def wait_for(loading: Loading, fraction: float) -> None:
    deadline = time.monotonic() + 30
    while loading.fraction < fraction or loading.process is None or loading.note == "starting":
        assert not loading.result.done()
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.mark.parametrize("engine", ["llamacpp", "transformers"])
def test_a_real_load_is_cancelled_within_a_second(
    host: EngineHost, engine: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    if engine == "llamacpp":
        model = Library(request.getfixturevalue("models_folder")).find("starter")
    else:
        make_folder(tmp_path / "tiny", "llama")
        model = Library(tmp_path).find("tiny")
    loading = host.ensure(model, {"threads": 1})
    wait_for(loading, 0.0)
    assert loading.process is not None
    worker = loading.process.pid
    began = time.monotonic()
    host.unload(model.id)
    with pytest.raises(ModelError, match="cancelled"):
        loading.result.result(1)
    assert time.monotonic() - began < 1
    assert not psutil.pid_exists(worker)
    assert host.statuses() == []
    assert load(host, model, options={"threads": 1}).tokenize("hello")


ACTIONS = 2000
CLIENTS = 4


class Client:
    """Does what comes to its mind, and counts how its requests ended."""

    def __init__(self, host: EngineHost, seed: int) -> None:
        self._host = host
        self._random = random.Random(seed)
        self._waiting: list[Generation] = []
        self.ends: Counter[str] = Counter()
        self.surprises: list[BaseException] = []

    def run(self) -> None:
        try:
            for _ in range(ACTIONS // CLIENTS):
                self._act()
            for generation in self._waiting:
                self._finish(generation)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test shall say it
            self.surprises.append(error)

    def _act(self) -> None:
        # Loading takes long, so that it is rare; the model that fails is asked for rarely too.
        model = self._random.choices((A, B, C, D), (10, 10, 10, 1))[0]
        action = self._random.choices(("load", "unload", "idle", "generate", "cancel"), (2, 1, 1, 76, 20))[0]
        options = SCRIPT_THAT_LACKS if model is D else {}
        if action == "cancel" and self._waiting:
            generation = self._waiting.pop(self._random.randrange(len(self._waiting)))
            generation.cancel()
            self._finish(generation)
        try:
            match action:
                case "load":
                    self._host.ensure(model, {**options, "slots": self._random.choice((1, 2))}, needed=ROOM)
                case "unload":
                    self._host.unload(model.id)
                case "idle":
                    self._host.unload_idle(0.05)
                case "generate":
                    self._generate(model, options)
                case _:
                    pass
        except (Busy, ModelError, NotFound, WorkerDied) as error:
            self.ends[type(error).__name__] += 1

    def _generate(self, model: LocalModel, options: dict[str, str]) -> None:
        loading = self._host.current(model.id)
        if loading is None and self._random.random() < 0.9:
            raise NotFound("It is not loaded.")
        loading = loading or self._host.ensure(model, options, needed=ROOM)
        if not loading.uses.take():
            return
        try:
            loaded = loading.result.result(60)
            self._waiting.append(start(loaded, f"a reply of some length to {model.id}"))
        finally:
            loading.uses.release()

    def _finish(self, generation: Generation) -> None:
        list(generation)
        end = generation.end
        assert isinstance(end, Finished | Failed)
        if isinstance(end, Finished) and end.reason == "stop":
            assert generation.text.startswith("a reply of some length to ")
        self.ends[end.reason if isinstance(end, Finished) else end.error_type] += 1


# Two of the models fit.
ROOM = Memory(400 * MIB)


def test_any_schedule_of_loads_requests_and_cancels_comes_to_an_end(launcher: Launcher) -> None:
    host = EngineHost(launcher, Budget(BUDGET_MIB, lambda: Machine(2, LOTS, LOTS)))
    clients = [Client(host, seed) for seed in range(CLIENTS)]
    threads = [threading.Thread(target=client.run, daemon=True) for client in clients]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 240
    for thread in threads:
        thread.join(deadline - time.monotonic())
    assert not any(thread.is_alive() for thread in threads), "a request hangs"
    assert [client.surprises for client in clients] == [[]] * CLIENTS
    ends = sum((client.ends for client in clients), Counter[str]())
    assert ends.keys() <= {"stop", "cancelled", "ModelBusy", "Busy", "ModelError", "NotFound", "WorkerDied"}
    assert ends["stop"] > 100, ends
    assert len(host.loaded()) <= 2
    assert all(one.uses.count == 0 for one in host.loaded())
    host.close()
    assert host.statuses() == [] or set(states(host).values()) == {"failed"}
