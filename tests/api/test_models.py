"""Several models over HTTP: what is loaded is listed, requests load what they may, loads end when they shall."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.engines.tiny_gguf import make_gguf
from tests.program import RunningProgram

LOAD, UNLOAD = "/control/models/load", "/control/models/unload"
CHAT = "/v1/chat/completions"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProgram]:
    folder = tmp_path_factory.mktemp("several")
    (folder / "models").mkdir()
    make_gguf(folder / "models" / "tiny.gguf")
    with RunningProgram(
        folder, "--no-ui", "--admin-key", "test-admin", "--api-models", "echo", "--threads", "1"
    ) as one:
        yield one


def states(program: RunningProgram) -> dict[str, str]:
    with program.control() as client:
        return {engine["id"]: engine["state"] for engine in client.get("/control/status").json()["engines"]}


def chat(program: RunningProgram, model: str) -> Any:
    with program.client() as client:
        body = {"model": model, "messages": [{"role": "user", "content": "t5"}], "max_tokens": 2}
        return client.post(CHAT, json=body)


def test_requests_load_what_they_may_and_use_what_is_loaded(program: RunningProgram) -> None:
    refused = chat(program, "tiny")
    assert refused.status_code == 404
    assert refused.json()["error"]["code"] == "model_not_allowed"
    assert "api_models" in refused.json()["error"]["message"]
    assert chat(program, "nobody").json()["error"]["code"] == "model_not_found"
    assert chat(program, "echo").status_code == 200
    with program.control() as client:
        answer = client.post(LOAD, json={"model": "tiny"}).json()["engine"]
        assert (answer["id"], answer["state"], answer["options"]["threads"]) == ("tiny", "ready", 1)
        assert states(program) == {"tiny": "ready", "echo": "ready"}
        # Made-up models have no chat template.
        body = {"model": "tiny", "prompt": [5, 6], "max_tokens": 2}
        assert client.post("/v1/completions", json=body).status_code == 200
        status = client.get("/control/status").json()
        assert status["engines"][0]["memory_bytes"] > 2**20
        assert 0 < status["memory"]["used_bytes"] < status["memory"]["budget_bytes"]
        listed = {model["id"]: model["state"] for model in client.get("/control/models").json()["models"]}
        assert listed == {"tiny": "ready", "echo": "ready"}


def test_adapters_belong_to_a_model_that_is_named(program: RunningProgram) -> None:
    with program.control() as client:
        client.post(LOAD, json={"model": "tiny"})
        client.post(LOAD, json={"model": "echo"})
        chat(program, "echo")
        assert client.get("/control/adapters", params={"model": "tiny"}).status_code == 200
        assert client.get("/control/adapters", params={"model": "nobody"}).status_code == 404
        chosen: dict[str, Any] = {"adapters": [], "model": "tiny"}
        assert client.post("/control/adapters/set", json=chosen).status_code == 200
        assert client.post("/control/adapters/set", json={**chosen, "model": "nobody"}).status_code == 404
        answer = client.post("/control/adapters/load", json={"name": "nothing", "model": "echo"})
        assert answer.status_code == 404


def test_a_load_need_not_be_waited_for_and_can_be_cancelled(program: RunningProgram) -> None:
    with program.control() as client:
        if "tiny" in states(program):
            client.post(UNLOAD, json={"model": "tiny"})
        began = time.monotonic()
        answer = client.post(LOAD, json={"model": "tiny", "wait": False}).json()["engine"]
        assert answer["state"] == "loading"
        client.post(UNLOAD, json={"model": "tiny"}).raise_for_status()
        assert time.monotonic() - began < 5
        assert "tiny" not in states(program)
        assert client.post(UNLOAD, json={"model": "tiny"}).status_code == 404
        assert client.post(LOAD, json={"model": "tiny"}).json()["engine"]["state"] == "ready"
