"""The remote engine on llama.cpp's own HTTP server."""

import math
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event as Flag

import pytest

from modules.engines.remote.engine import RemoteEngine
from modules.engines.remote.kind import RemoteOptions
from modules.engines.remote.server import Server
from modules.errors import ContextOverflow
from modules.paths import PROJECT
from modules.types.embeddings import decoded
from modules.types.generation import AS_MANY_AS_FIT, Constraint, Event, Finished, GenerationRequest, TextDelta
from modules.types.local_model import LocalModel
from modules.types.messages import Message
from modules.types.remote import Endpoint
from modules.types.sampling import SamplingParams


@pytest.fixture(scope="module")
def engine(starter_file: Path) -> Iterator[RemoteEngine]:
    with served(starter_file) as engine:
        yield engine


@contextmanager
def served(starter_file: Path, *arguments: str) -> Generator[RemoteEngine]:
    command = [sys.executable, "-m", "tests.benchmarks.binding_server", str(starter_file), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=PROJECT) as server:
        assert server.stdout is not None
        address = server.stdout.readline().strip()
        try:
            name = str(Server(Endpoint(address, "")).model_list()[0]["id"])
            model = LocalModel("far/starter", "Far", "remote", endpoint=Endpoint(address, name))
            yield RemoteEngine(model, RemoteOptions(), lambda _fraction, _note: None)
        finally:
            server.kill()


def run(engine: RemoteEngine, request: GenerationRequest) -> tuple[str, Finished, list[Event]]:
    events: list[Event] = []
    engine.generate(request, events.append, Flag())
    end = events[-1]
    assert isinstance(end, Finished)
    return "".join(event.text for event in events if isinstance(event, TextDelta)), end, events


def test_it_is_known_by_what_it_says(engine: RemoteEngine) -> None:
    assert "llama.cpp's server" in engine.capabilities.notes[0]
    assert engine.capabilities.context_length == 8192
    tokens = engine.tokenize("Once upon a time")
    assert len(tokens) == 4
    chat = engine.tokenize_chat([{"role": "user", "content": "Once upon a time"}])
    assert len(chat) > len(tokens)


def test_chats_and_raw_prompts_with_their_knobs(engine: RemoteEngine) -> None:
    greedy = SamplingParams(temperature=0, n_probs=2, repetition_penalty=1.1)
    chat = GenerationRequest("", (), 3, messages=(Message("user", "Say hello."),), sampling=greedy)
    text, end, events = run(engine, chat)
    assert text
    assert (end.reason, end.usage.completion_tokens) == ("length", 3)
    assert end.usage.prompt_tokens == len(engine.tokenize_chat([{"role": "user", "content": "Say hello."}]))
    logprobs = [entry for event in events if isinstance(event, TextDelta) for entry in event.logprobs]
    assert [len(entry.alternatives) for entry in logprobs] == [2, 2, 2]
    raw, raw_end, _ = run(engine, GenerationRequest("One, two, three, four,", (), 2, sampling=greedy))
    ids, _, _ = run(engine, GenerationRequest("", tuple(engine.tokenize("One, two, three, four,")), 2, sampling=greedy))
    assert raw == ids
    assert raw_end.usage.completion_tokens == 2


@pytest.mark.parametrize("chat", [True, False])
def test_constraints_hold(engine: RemoteEngine, chat: bool) -> None:
    messages = (Message("user", "Choose."),) if chat else None
    for constraint, allowed in (
        (Constraint("choice", '["red", "blue"]'), {"red", "blue"}),
        (Constraint("gbnf", 'root ::= "(" [ab] ")"'), {"(a)", "(b)"}),
        (Constraint("json_schema", '{"enum": ["x", "y"]}'), {'"x"', '"y"'}),
    ):
        request = GenerationRequest("" if chat else "Choose:", (), 8, messages=messages, constraint=constraint)
        assert run(engine, request)[0] in allowed


def test_a_conversation_beyond_its_context(engine: RemoteEngine) -> None:
    turns = tuple(Message("user", f"turn {number} " + "word " * 3000) for number in range(3))
    request = GenerationRequest("", (), AS_MANY_AS_FIT, messages=turns)
    with pytest.raises(ContextOverflow) as refused:
        run(engine, request)
    assert refused.value.context_length == 8192
    assert refused.value.prompt_tokens > 8192


def test_it_embeds_only_when_it_was_started_for_that(engine: RemoteEngine, starter_file: Path) -> None:
    assert not engine.capabilities.embeds
    with served(starter_file, "--embed") as embedder:
        assert embedder.capabilities.embeds
        found = embedder.embed_texts(["Once upon a time", "A dog", tuple(embedder.tokenize("A dog"))])
    assert (found.dimensions, len(found.vectors)) == (576, 3)
    fairy_tale, dog, same_dog = (decoded(vector) for vector in found.vectors)
    assert math.dist(dog, same_dog) < 0.01 < math.dist(dog, fairy_tale)
    assert found.tokens == 4 + 2 + 2
