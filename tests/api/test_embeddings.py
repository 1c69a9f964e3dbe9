"""POST /v1/embeddings and /v1/tokenize of the running program, asked by the published client and by hand."""

import json
import math
import re
import socket
import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Event as Flag
from typing import Any

import openai
import pytest
import torch

from modules.app import build_app
from modules.engines.hf.kind import HF, HfOptions
from modules.errors import BadRequest
from modules.settings import Settings
from modules.types.embeddings import decoded
from modules.types.local_model import LocalModel
from tests.api.test_bad_input import error_of
from tests.engines.tiny_models import make_encoder, make_folder
from tests.program import RunningProgram

EMBEDDINGS = "/v1/embeddings"
TOKENIZE = "/v1/tokenize"
TEXTS = ["t5 t6 t7", "t9", "t10 t11 t12 t13 t14 t15"]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProgram]:
    folder = tmp_path_factory.mktemp("embedding-program")
    make_encoder(folder / "models" / "tiny-encoder", "bert")
    make_folder(folder / "models" / "tiny-writer", "llama")
    with RunningProgram(folder, "--no-ui", "--model", "tiny-encoder", "--admin-key", "test-admin") as program:
        program.wait_until_loaded()
        yield program


@pytest.fixture(scope="module")
def client(program: RunningProgram) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{program.url}/v1", api_key="any", max_retries=0, timeout=60)


@pytest.fixture(scope="module")
def vectors(program: RunningProgram) -> list[list[float]]:
    """Of TEXTS, from an engine in this process."""
    folder: Path = program.models / "tiny-encoder"
    engine: Any = HF.load(LocalModel("x", "x", "safetensors", folder), HfOptions(), lambda *_: None)
    found = engine.embed([[2, *engine.tokenize(text), 3] for text in TEXTS])
    engine.close()
    return [decoded(vector) for vector in found]


def near(found: list[float], right: list[float]) -> bool:
    return len(found) == len(right) and float((torch.tensor(found) - torch.tensor(right)).abs().max()) < 1e-5


def test_the_published_client(client: openai.OpenAI, vectors: list[list[float]]) -> None:
    """It asks for base64 unless told otherwise."""
    for format_ in ({}, {"encoding_format": "float"}):
        reply = client.embeddings.create(model="tiny-encoder", input=TEXTS, **format_)  # type: ignore[arg-type]
        assert [one.index for one in reply.data] == [0, 1, 2]
        assert all(near(one.embedding, right) for one, right in zip(reply.data, vectors, strict=True))
        # Each text stands between two tokens of the tokenizer's.
        assert reply.usage.prompt_tokens == reply.usage.total_tokens == 10 + 2 * len(TEXTS)
        assert reply.model == "tiny-encoder"
    one = client.embeddings.create(model="tiny-encoder", input=TEXTS[1])
    assert near(one.data[0].embedding, vectors[1])


def test_base64_is_little_endian_floats(program: RunningProgram, vectors: list[list[float]]) -> None:
    with program.client() as client:
        body = {"input": TEXTS[0], "encoding_format": "base64"}
        found = client.post(EMBEDDINGS, json=body).json()["data"][0]["embedding"]
    assert len(b64decode(found)) == 4 * len(vectors[0])
    assert near(decoded(found), vectors[0])


def test_token_ids_are_taken_as_they_are(client: openai.OpenAI, vectors: list[list[float]]) -> None:
    one = client.embeddings.create(model="tiny-encoder", input=[2, 5, 6, 7, 3])
    assert near(one.data[0].embedding, vectors[0])
    two = client.embeddings.create(model="tiny-encoder", input=[[2, 9, 3], [2, 5, 6, 7, 3]])
    assert near(two.data[0].embedding, vectors[1])
    assert near(two.data[1].embedding, vectors[0])
    assert two.usage.prompt_tokens == 8


def test_fewer_dimensions(client: openai.OpenAI, vectors: list[list[float]]) -> None:
    short = client.embeddings.create(model="tiny-encoder", input=TEXTS[0], dimensions=16).data[0].embedding
    length = math.hypot(*vectors[0][:16])
    assert near(short, [value / length for value in vectors[0][:16]])
    assert len(client.embeddings.create(model="tiny-encoder", input="t5", dimensions=64).data[0].embedding) == 64


def test_another_parlor_embeds_for_us(program: RunningProgram, vectors: list[list[float]], tmp_path: Path) -> None:
    """Texts longer than one piece, too: each vector stands at its text's place."""
    texts = [*TEXTS * 30, "t7 " * 40]
    app = build_app(Settings(data=tmp_path / "data", models=tmp_path / "models"))
    with closing(app):
        app.remote.add("far", program.url)
        found = app.embeddings.embed(texts, "far/tiny-encoder", Flag()).result(60)
        assert all(near(decoded(found.vectors[place]), vectors[place % 3]) for place in range(90))
        with program.client() as client:
            there = client.post(EMBEDDINGS, json={"input": texts}).json()
        assert near(decoded(found.vectors[-1]), there["data"][-1]["embedding"])
        assert found.tokens == there["usage"]["total_tokens"]
        [status] = app.models.statuses()
        assert (status.embeds, status.tokens_evaluated) == (True, found.tokens)
        with pytest.raises(BadRequest, match="reads 130 at most"):
            app.embeddings.embed(["t5 " * 5000], "far/tiny-encoder", Flag()).result(60)
        with pytest.raises(BadRequest, match=r"server of echo \(far\) does not embed") as refused:
            app.embeddings.embed(["a"], "far/echo", Flag()).result(60)
        assert refused.value.field == "model"


BAD: list[tuple[str, dict[str, Any], str, str]] = [
    ("nothing", {}, "input", ""),
    ("empty text", {"input": ""}, "input", ""),
    ("empty list", {"input": []}, "input", "must not be empty"),
    ("an empty text among others", {"input": ["t5", ""]}, "input.1", "must not be empty"),
    ("an empty list among others", {"input": [[5], []]}, "input.1", "must not be empty"),
    ("a number", {"input": 5}, "input", "must be text"),
    ("texts and ids", {"input": ["t5", [5]]}, "input.1", "must be text"),
    ("half an id", {"input": [1, 1.5]}, "input.1", "whole number"),
    ("a negative id", {"input": [-1]}, "input.0", "at least 0"),
    ("an id too large", {"input": [[5, 2**40]]}, "input.0.1", "must be below"),
    ("an id beyond the model's", {"input": [[5], [5, 160]]}, "input", "159"),
    ("too many", {"input": ["t5"] * 2049}, "input", "2,048"),
    ("too long", {"input": ["t5", "t5 " * 129]}, "input.1", "131 tokens.*130"),
    ("a format", {"input": "t5", "encoding_format": "int8"}, "encoding_format", ""),
    ("no dimensions", {"input": "t5", "dimensions": 0}, "dimensions", ""),
    ("too many dimensions", {"input": "t5", "dimensions": 65}, "dimensions", "64"),
    ("NUL", {"input": "a\0b"}, "input", ""),
]


@pytest.mark.parametrize(("body", "field", "said"), [pytest.param(*case[1:], id=case[0]) for case in BAD])
def test_bad_input_is_named(program: RunningProgram, body: dict[str, Any], field: str, said: str) -> None:
    with program.client() as client:
        response = client.post(EMBEDDINGS, json={"model": "tiny-encoder", **body})
        assert response.status_code == 400, response.text
        error = error_of(response)
        assert (error["param"] or "").startswith(field)
        assert re.search(said, error["message"])


def test_what_a_model_cannot_do_is_refused(program: RunningProgram, echo_program: RunningProgram) -> None:
    chat = {"model": "tiny-encoder", "messages": [{"role": "user", "content": "t5"}]}
    with program.client() as client:
        for path, body in (
            ("/v1/chat/completions", chat),
            ("/v1/completions", {"model": "tiny-encoder", "prompt": "t5"}),
            (TOKENIZE, chat),
        ):
            response = client.post(path, json=body)
            assert response.status_code == 400, response.text
            assert error_of(response)["param"] == "model"
            assert "embeds texts" in error_of(response)["message"]
        assert client.post(EMBEDDINGS, json={"model": "nothing", "input": "t5"}).status_code == 404
    with echo_program.client() as client:
        response = client.post(EMBEDDINGS, json={"model": "echo", "input": "hello"})
        assert response.status_code == 400
        assert error_of(response)["param"] == "model"
        assert "does not embed" in error_of(response)["message"]
    status = program.status()
    assert (status["generates"], status["embeds"]) == (False, True)


def test_tokenize_counts_what_is_read(program: RunningProgram, echo_program: RunningProgram) -> None:
    with program.client() as client:
        found = client.post(TOKENIZE, json={"model": "tiny-encoder", "prompt": "t5 t6 t7"}).json()
        assert found == {"count": 5, "max_model_len": 130, "tokens": [2, 5, 6, 7, 3]}
    with echo_program.client() as client:
        messages = [{"role": "user", "content": "one two"}, {"role": "user", "content": "three four five"}]
        found = client.post(TOKENIZE, json={"model": "echo", "messages": messages}).json()
        reply = client.post("/v1/chat/completions", json={"model": "echo", "messages": messages}).json()
        assert found["count"] == len(found["tokens"]) == reply["usage"]["prompt_tokens"] == 3
        for body in ({}, {"prompt": ""}, {"prompt": "x", "messages": messages}, {"messages": []}, {"prompt": 3}):
            response = client.post(TOKENIZE, json={"model": "echo", **body})
            assert response.status_code == 400, body
            assert (error_of(response)["param"] or "").startswith(("prompt", "messages"))


def test_a_gguf_model_counts_and_does_not_embed(starter_program: RunningProgram) -> None:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Say yes, please."}]
    with starter_program.client() as client:
        found = client.post(TOKENIZE, json={"messages": messages}).json()
        reply = client.post("/v1/chat/completions", json={"messages": messages, "max_tokens": 1}).json()
        assert found["count"] == reply["usage"]["prompt_tokens"] > 15
        assert found["max_model_len"] == starter_program.status()["context_length"]
        long = client.post(TOKENIZE, json={"prompt": "word " * 9000}).json()
        assert long["count"] > long["max_model_len"]
        assert error_of(client.post(EMBEDDINGS, json={"input": "hello"}))["param"] == "model"


def test_a_request_whose_client_left_is_given_up(program: RunningProgram) -> None:
    """The program answers others meanwhile, keeps the model, and soon stops computing."""
    content = json.dumps({"model": "tiny-encoder", "input": ["t5 " * 125] * 2048}).encode()
    head = f"POST {EMBEDDINGS} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    before = program.status()["tokens_evaluated"]
    with socket.create_connection(("127.0.0.1", program.port)) as connection, program.control() as client:
        connection.sendall(head.encode() + content)
        busy = program.wait_for_status(lambda status: status["tokens_evaluated"] > before, 30)
        assert busy["running"] == 1
        assert client.get("/health", timeout=5).status_code == 200
        anew = {"model": "tiny-encoder", "options": {"slots": 2}}
        assert client.post("/control/models/load", json=anew).status_code == 503
    done = program.wait_for_status(lambda status: status["running"] == 0, 30)["tokens_evaluated"]
    assert done - before < 127 * 2048
    time.sleep(0.3)
    assert program.status()["tokens_evaluated"] == done


def test_a_model_that_writes_embeds_while_it_writes(program: RunningProgram, client: openai.OpenAI) -> None:
    """The last test here: it changes the model."""
    with pytest.raises(openai.BadRequestError, match="no token"):
        client.embeddings.create(model="tiny-writer", input=["t5", " "])
    quiet = client.embeddings.create(model="tiny-writer", input=TEXTS)
    stream = client.completions.create(
        model="tiny-writer", prompt="t5 t6", max_tokens=60, stream=True, extra_body={"ignore_eos": True}
    )
    chunks = iter(stream)
    next(chunks)
    meanwhile = client.embeddings.create(model="tiny-writer", input=TEXTS)
    assert all(near(one.embedding, other.embedding) for one, other in zip(meanwhile.data, quiet.data, strict=True))
    assert sum(len(chunk.choices) for chunk in chunks) > 40
    assert meanwhile.usage.prompt_tokens == 10
    status = program.status()
    assert (status["id"], status["generates"], status["embeds"]) == ("tiny-writer", True, True)
