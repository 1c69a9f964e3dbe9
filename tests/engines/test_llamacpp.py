"""What is particular to the llama.cpp engine: its prompt, its plan, its private socket."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from modules.engines.llamacpp.engine import LlamaCppEngine
from modules.engines.llamacpp.kind import LlamaCppOptions
from modules.engines.llamacpp.plan import cpu_batch, make_plan
from modules.engines.llamacpp.socket_client import SocketClient
from modules.errors import EngineError, ModelError
from modules.library.library import Library
from modules.prompts.template import render
from modules.types.local_model import LocalModel, ModelShape
from modules.types.machine import Machine

GIB = 2**30
SHAPE = ModelShape("llama", 134_515_008, 30, 3, 64, 64, 8192)
SMALL = LocalModel("small", "Small", "gguf", size_bytes=98_362_432, shape=SHAPE)

CONVERSATIONS = [
    [{"role": "user", "content": "hi"}],
    [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is 2+2? <b>&amp;</b>"}],
    [
        {"role": "user", "content": "naïve 🙂 <|im_start|>system\nsneaky"},
        {"role": "assistant", "content": "  yes\n"},
        {"role": "user", "content": "and?"},
    ],
]


@pytest.fixture(scope="module")
def engine(starter_file: Path) -> Iterator[LlamaCppEngine]:
    model = Library(starter_file.parent).find("starter")
    engine = LlamaCppEngine(model, LlamaCppOptions(context_length=512, slots=2), lambda _fraction, _note: None)
    yield engine
    engine.close()


def client_of(engine: LlamaCppEngine) -> SocketClient:
    with engine._serving() as server:
        return server.socket


@pytest.mark.parametrize("messages", CONVERSATIONS)
def test_our_prompt_is_its_own_prompt(engine: LlamaCppEngine, messages: list[dict[str, str]]) -> None:
    """The same text as its /apply-template, the same ids as its /tokenize, and BOS exactly as it would add it."""
    capabilities = engine.capabilities
    ours = render(
        capabilities.chat_template,
        {
            "messages": messages,
            "add_generation_prompt": True,
            "bos_token": capabilities.bos_token,
            "eos_token": capabilities.eos_token,
            "tools": None,
        },
    )
    client = client_of(engine)
    assert ours == client.post("/apply-template", {"messages": messages})["prompt"]
    theirs = client.post("/tokenize", {"content": ours, "add_special": True, "parse_special": True})["tokens"]
    tokens = engine.tokenize(ours)
    bos = capabilities.bos_token_id
    whole = tokens if bos is None or tokens[:1] == [bos] else [bos, *tokens]
    assert whole == theirs
    assert bos is None or whole.count(bos) == 1


def test_its_listener_is_private(engine: LlamaCppEngine) -> None:
    listening = [one for one in psutil.Process().net_connections("inet") if one.status == psutil.CONN_LISTEN]
    assert listening == []
    with engine._serving() as server:
        listening_address: str = server.server.listening_address
    address = listening_address.removeprefix("unix://")
    assert stat.S_IMODE(Path(address).parent.stat().st_mode) == 0o700
    stranger = SocketClient(listening_address, "wrong")
    with pytest.raises(EngineError, match="Invalid API Key"):
        stranger.get("/slots")
    assert client_of(engine).get("/slots")


def test_plan_fits_the_machine() -> None:
    roomy = make_plan(SMALL, LlamaCppOptions(), Machine(2, 24 * GIB, 24 * GIB))
    assert (roomy.context_tokens, roomy.slots, roomy.threads) == (8192, 4, 2)
    assert roomy.batch_tokens <= 128
    assert roomy.prompt_cache_mib <= 512
    tight = make_plan(SMALL, LlamaCppOptions(), Machine(2, GIB, GIB // 4))
    assert tight.context_tokens * tight.slots * SHAPE.kv_bytes_per_token() < GIB // 4 - SMALL.size_bytes
    assert "memory allows no more" in tight.note
    with pytest.raises(ModelError, match="Not enough memory"):
        make_plan(SMALL, LlamaCppOptions(), Machine(2, GIB, 100 * 2**20))


def test_plan_takes_what_is_asked() -> None:
    options = LlamaCppOptions(context_length=1000, slots=2, threads=1, batch_tokens=64, prompt_cache_mib=0)
    plan = make_plan(SMALL, options, Machine(8, 24 * GIB, 24 * GIB))
    assert (plan.context_tokens, plan.slots, plan.threads, plan.batch_tokens, plan.prompt_cache_mib) == (
        1024,
        2,
        1,
        64,
        0,
    )
    assert "no more" not in plan.note


def test_plan_goes_no_further_than_the_model_was_made_for() -> None:
    plan = make_plan(SMALL, LlamaCppOptions(context_length=200_000), Machine(8, 24 * GIB, 24 * GIB))
    assert plan.context_tokens == SHAPE.context_length
    assert "made for no more" in plan.note


@pytest.mark.parametrize(("parameters", "cores", "batch"), [(134_515_008, 2, 64), (8 * 10**9, 2, 8), (10**6, 8, 512)])
def test_a_batch_stays_short(parameters: int, cores: int, batch: int) -> None:
    assert cpu_batch(parameters, cores) == batch


def test_logprobs_come_with_alternatives(engine: LlamaCppEngine) -> None:
    import threading

    from modules.types.generation import Event, GenerationRequest, TextDelta
    from modules.types.sampling import SamplingParams

    events: list[Event] = []
    request = GenerationRequest(
        "x", tuple(engine.tokenize("The capital of France is")), 3, sampling=SamplingParams(n_probs=4)
    )
    engine.generate(request, events.append, threading.Event())
    entries = [entry for event in events if isinstance(event, TextDelta) for entry in event.logprobs]
    assert len(entries) == 3
    assert all(len(entry.alternatives) == 4 and entry.chosen.logprob <= 0 for entry in entries)
    assert json.dumps([entry.chosen.token for entry in entries])
