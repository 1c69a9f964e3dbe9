"""The contract every engine keeps, asked of each registered engine through its real worker process."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import psutil
import pytest

from modules.children import Launcher
from modules.engines.budget import Memory
from modules.engines.generation import Generation
from modules.engines.host import EngineHost
from modules.engines.loaded import LoadedModel
from modules.engines.registry import ENGINES
from modules.errors import BadRequest, ModelBusy, ModelError
from modules.library.library import ECHO_MODEL, Library
from modules.types.generation import Constraint, ConstraintKind, Failed, Finished, GenerationRequest, TextDelta
from modules.types.local_model import LocalModel
from modules.types.remote import Endpoint
from modules.types.sampling import SamplingParams

PROMPT = "Once upon a time, a small dragon wanted to learn how to paint. Every morning the dragon"
LONG = " ".join(f"word{number}" for number in range(400))


@dataclass
class Subject:
    host: EngineHost
    model: LocalModel
    options: dict[str, Any]

    @property
    def loaded(self) -> LoadedModel:
        return self.host.ensure(self.model, self.options).result.result(60)

    def request(self, prompt: str = PROMPT, max_tokens: int = 24, **fields: object) -> GenerationRequest:
        knobs = fields.pop("sampling", SamplingParams(seed=7))
        tokens = tuple(self.loaded.tokenize(prompt))
        return GenerationRequest(prompt, tokens, max_tokens, sampling=knobs, **fields)  # type: ignore[arg-type]

    def start(self, request: GenerationRequest) -> Generation:
        generation = Generation()
        self.loaded.submit(request, generation)
        return generation

    def finish(self, request: GenerationRequest) -> tuple[str, Finished]:
        generation = self.start(request)
        list(generation)
        assert isinstance(generation.end, Finished), generation.end
        return generation.text, generation.end


@pytest.fixture(scope="module", params=[kind.name for kind in ENGINES])
def subject(request: pytest.FixtureRequest, launcher: Launcher) -> Iterator[Subject]:
    host = EngineHost(launcher)
    if request.param == "echo":
        model = ECHO_MODEL
    elif request.param == "remote":
        program = request.getfixturevalue("starter_program")
        model = LocalModel("far/starter", "Starter (far)", "remote")
        endpoint = Endpoint(program.url, "starter")
        host = EngineHost(launcher, for_worker=lambda model: replace(model, endpoint=endpoint))
    elif request.param == "transformers":
        folder = request.getfixturevalue("starter_folder")
        model = Library(folder.parent).find(folder.name)
    else:
        starter = request.getfixturevalue("starter_file")
        model = Library(starter.parent).find("starter")
    # A server takes many requests, so many that a test would wait long for them all.
    options: dict[str, dict[str, object]] = {"remote": {"slots": 2}, "echo": {}}
    yield Subject(host, model, options.get(request.param, {"threads": 1}))
    host.close()


def wait_until(claim: object, seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not claim():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def test_no_engine_is_left_out() -> None:
    assert {kind.name for kind in ENGINES} >= {"llamacpp", "transformers", "remote", "echo"}


def test_text_usage_and_end(subject: Subject) -> None:
    request = subject.request(max_tokens=12)
    generation = subject.start(request)
    events = list(generation)
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == generation.text != ""
    end = events[-1]
    assert isinstance(end, Finished)
    assert end.usage.prompt_tokens == len(request.prompt_tokens)
    assert 1 <= end.usage.completion_tokens <= 12
    assert end.reason in {"stop", "length"}
    assert end.context_length == subject.loaded.capabilities.context_length


def test_same_seed_same_text(subject: Subject) -> None:
    first, _ = subject.finish(subject.request())
    second, _ = subject.finish(subject.request())
    assert first == second


def test_token_limit_is_exact(subject: Subject) -> None:
    _, end = subject.finish(subject.request(max_tokens=5, sampling=SamplingParams(seed=1, ignore_eos=True)))
    assert (end.reason, end.usage.completion_tokens) == ("length", 5)


def test_stop_strings_never_leak(subject: Subject) -> None:
    whole, _ = subject.finish(subject.request(max_tokens=24))
    stop = whole[len(whole) // 2 :][:3]
    text, end = subject.finish(subject.request(max_tokens=24, stop=(stop,)))
    assert text == whole[: whole.index(stop)]
    assert end.reason == "stop"


def test_more_requests_than_slots_all_answer(subject: Subject) -> None:
    slots = subject.loaded.capabilities.slots
    generations = [subject.start(subject.request(max_tokens=6)) for _ in range(slots + 3)]
    for generation in generations:
        list(generation)
        assert isinstance(generation.end, Finished)
        assert generation.text
    assert subject.loaded.workload.running == subject.loaded.workload.queued == 0


CONSTRAINTS: list[tuple[ConstraintKind, str, str]] = [
    ("regex", r"\d{2}/\d{2}", r"[0-9]{2}/[0-9]{2}"),
    ("choice", '["red", "dark blue", "\\u00fcber"]', "red|dark blue|über"),
    ("gbnf", 'root ::= "(" [a-c]+ ")" | "none"', r"\([a-c]+\)|none"),
    ("lark", 'start: "n=" /[1-9]/ "!"', r"n=[1-9]!"),
    (
        "json_schema",
        '{"type": "object", "properties": {"n": {"type": "integer", "minimum": 0, "maximum": 99},'
        ' "ok": {"type": "boolean"}}, "required": ["n", "ok"], "additionalProperties": false}',
        r'\{"n": \d{1,2}, "ok": (true|false)\}',
    ),
]


@pytest.mark.parametrize(("kind", "source", "pattern"), CONSTRAINTS, ids=[kind for kind, *_ in CONSTRAINTS])
def test_constraints_hold(subject: Subject, kind: ConstraintKind, source: str, pattern: str) -> None:
    """Several seeds at high temperature, together, while an unconstrained request runs beside them."""
    if subject.model is ECHO_MODEL:
        assert kind not in subject.loaded.capabilities.constraints
        return
    assert kind in subject.loaded.capabilities.constraints
    beside = subject.start(subject.request(max_tokens=12))
    requests = [
        subject.request(
            max_tokens=60,
            sampling=SamplingParams(seed=seed, temperature=1.5, top_k=0, top_p=1.0, min_p=0.0),
            constraint=Constraint(kind, source),
        )
        for seed in range(4)
    ]
    for generation in [subject.start(request) for request in requests]:
        list(generation)
        assert isinstance(generation.end, Finished), generation.end
        # A grammar without an end of its own may run into the limit.
        assert generation.end.reason == "stop" or kind == "gbnf"
        assert re.fullmatch(pattern, generation.text) or generation.end.reason == "length", generation.text
    list(beside)
    assert beside.text


BROKEN: list[tuple[ConstraintKind, str]] = [
    ("regex", "[0-9"),
    ("choice", "[]"),
    ("choice", "red"),
    ("gbnf", 'root ::= "yes | '),
    ("lark", "start: nothing"),
    ("json_schema", '{"type": "objekt"}'),
    ("json_schema", "[1]"),
]


@pytest.mark.parametrize(("kind", "source"), BROKEN)
def test_broken_constraints_are_refused_and_never_ignored(subject: Subject, kind: ConstraintKind, source: str) -> None:
    if subject.model is ECHO_MODEL:
        return
    generation = subject.start(subject.request(constraint=Constraint(kind, source)))
    list(generation)
    assert isinstance(generation.end, Failed), generation.text
    assert (generation.end.error_type, generation.end.field) == ("BadRequest", "response_format")
    assert kind in generation.end.message
    assert subject.finish(subject.request(max_tokens=2))[0]


@pytest.mark.parametrize("source", ["(a{1000}){1000}", ".*" * 2000, "(a|b|c)*(a|b)*" * 500])
def test_constraints_too_complex_to_follow_fail_and_are_never_ignored(subject: Subject, source: str) -> None:
    """That shows only on the way, after a token or two."""
    if subject.model is ECHO_MODEL:
        return
    generation = subject.start(subject.request(constraint=Constraint("regex", source)))
    list(generation)
    assert isinstance(generation.end, Failed), generation.text
    assert "constraint" in generation.end.message
    assert subject.finish(subject.request(constraint=Constraint("choice", '["red", "blue"]')))[0] in {"red", "blue"}


@pytest.mark.parametrize("repetition", range(3))
def test_cancel_while_decoding(subject: Subject, repetition: int) -> None:
    request = subject.request(LONG, 4000, sampling=SamplingParams(seed=repetition, ignore_eos=True))
    generation = subject.start(request)
    for event in generation:
        if isinstance(event, TextDelta):
            break
    started = time.monotonic()
    generation.cancel()
    list(generation)
    assert isinstance(generation.end, Finished)
    # The echo engine says its few words faster than anyone can cancel.
    assert generation.end.reason == "cancelled" or subject.model is ECHO_MODEL
    wait_until(lambda: subject.loaded.workload.running == 0)
    assert time.monotonic() - started < 5.0


def test_cancel_while_reading_the_prompt(subject: Subject) -> None:
    if subject.model is ECHO_MODEL:
        return  # its slow prompt is scripted: see test_echo
    generation = subject.start(subject.request(LONG * 2, 4000))
    wait_until(lambda: subject.loaded.workload.running == 1)
    time.sleep(0.3)
    assert generation.text == ""
    started = time.monotonic()
    generation.cancel()
    list(generation)
    assert isinstance(generation.end, Finished)
    assert generation.end.reason == "cancelled"
    assert time.monotonic() - started < 5.0


def test_cancel_in_the_queue_is_immediate_and_never_computed(subject: Subject) -> None:
    slots = subject.loaded.capabilities.slots
    if subject.model is ECHO_MODEL:
        return
    blockers = [
        subject.start(subject.request(max_tokens=4000, sampling=SamplingParams(seed=1, ignore_eos=True)))
        for _ in range(slots)
    ]
    waiting = subject.start(subject.request())
    assert subject.loaded.workload.queued == 1
    before = subject.loaded.workload.tokens_evaluated
    waiting.cancel()
    assert isinstance(waiting.end, Finished)
    assert waiting.end.reason == "cancelled"
    assert subject.loaded.workload.queued == 0
    assert subject.loaded.workload.tokens_evaluated == before
    for blocker in blockers:
        blocker.cancel()
        list(blocker)


def test_cancel_hits_only_its_own_request(subject: Subject) -> None:
    if subject.model is ECHO_MODEL:
        return
    greedy = SamplingParams(temperature=0, ignore_eos=True)
    counting = ", ".join(str(number) for number in range(1, 40)) + ","
    reference, _ = subject.finish(subject.request(counting, max_tokens=40, sampling=greedy))
    kept = subject.start(subject.request(counting, max_tokens=40, sampling=greedy))
    other = subject.start(subject.request("Another story about a ship:", 400))
    time.sleep(0.1)
    other.cancel()
    list(kept)
    # Batching two requests may change the last bits of a sum, but not how one goes on counting.
    assert kept.text[:20] == reference[:20]
    assert isinstance(kept.end, Finished)
    assert (kept.end.reason, kept.end.usage.completion_tokens) == ("length", 40)


def test_killed_worker_is_a_clean_error_and_the_next_load_works(subject: Subject) -> None:
    generation = subject.start(subject.request(LONG, 4000, sampling=SamplingParams(seed=1, ignore_eos=True)))
    pid = subject.loaded.process.pid
    psutil.Process(pid).kill()
    list(generation)
    assert isinstance(generation.end, Failed) or subject.model is ECHO_MODEL
    wait_until(lambda: not psutil.pid_exists(pid))
    wait_until(lambda: not subject.host.loaded())
    assert subject.finish(subject.request(max_tokens=3))[0]


def test_a_busy_model_is_not_thrown_out(subject: Subject) -> None:
    if subject.model is ECHO_MODEL:
        return
    generation = subject.start(subject.request(max_tokens=4000, sampling=SamplingParams(seed=1, ignore_eos=True)))
    with pytest.raises(ModelBusy, match="is answering"):
        subject.host.ensure(ECHO_MODEL, {}, needed=Memory(2**60))
    generation.cancel()
    list(generation)


def test_unloading_ends_the_process(subject: Subject) -> None:
    pid = subject.loaded.process.pid
    subject.host.unload(subject.model.id)
    assert not psutil.pid_exists(pid)
    assert subject.host.statuses() == []


def test_a_model_that_cannot_be_loaded_says_why(subject: Subject) -> None:
    damaged = LocalModel("damaged", "Damaged", subject.model.format, problem="it is cut short.")
    with pytest.raises(ModelError, match="cut short"):
        subject.host.ensure(damaged, {})
    assert subject.finish(subject.request(max_tokens=2))[0]


def test_the_pieces_of_a_text_are_its_bytes(subject: Subject) -> None:
    if subject.model.format == "remote":
        with pytest.raises(BadRequest, match="does not tell"):
            subject.loaded.token_pieces(PROMPT)
        return
    text = f"{PROMPT} é \U0001f409"
    pieces = subject.loaded.token_pieces(text)
    assert b"".join(piece for _, piece in pieces).decode() == text
    assert [token for token, _ in pieces] == subject.loaded.tokenize(text)
