"""Remote servers over the API: the same answers through them, and a planted key that shows up nowhere."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.canary import Canary, answering, http_answer
from tests.program import RunningProgram

KEY = "sk-planted-0123456789"
SSE = "Content-Type: text/event-stream"


@pytest.fixture
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProgram]:
    with RunningProgram(tmp_path_factory.mktemp("near"), "--no-ui", "--admin-key", "test-admin") as program:
        yield program


def post(program: RunningProgram, path: str, **body: Any) -> Any:
    with program.control() as client:
        return client.post(path, json=body)


def add(program: RunningProgram, name: str, address: str, **fields: str) -> Any:
    response = post(program, "/control/remote/add", name=name, address=address, **fields)
    assert response.status_code == 200, response.text
    return response.json()["server"]


def test_chat_completions_and_tokens_run_on_another_machine(
    program: RunningProgram, echo_program: RunningProgram
) -> None:
    assert add(program, "far", echo_program.url)["models"] == ["echo"]
    with program.control() as client:
        listed = [model["id"] for model in client.get("/v1/models").json()["data"]]
        assert "far/echo" in listed
        assert client.get("/control/remote").json()["servers"][0]["name"] == "far"
    messages = [{"role": "user", "content": "hello far away"}]
    whole = post(program, "/v1/chat/completions", model="far/echo", messages=messages)
    assert whole.json()["choices"][0]["message"]["content"] == "hello far away"
    assert whole.json()["usage"]["completion_tokens"] == 3
    streamed = post(program, "/v1/chat/completions", model="far/echo", messages=messages, stream=True).text
    assert streamed.endswith("data: [DONE]\n\n")
    raw = post(program, "/v1/completions", model="far/echo", prompt="one two three four", max_tokens=2).json()
    assert (raw["choices"][0]["text"], raw["choices"][0]["finish_reason"]) == ("one two ", "length")
    assert post(program, "/v1/tokenize", model="far/echo", prompt="one two").json()["count"] == 2
    refused = post(program, "/v1/embeddings", model="far/echo", input="one")
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "model")
    assert post(program, "/control/remote/refresh", name="far").json()["server"]["error"] == ""
    assert post(program, "/control/remote/remove", name="far").json() == {"status": "ok"}
    assert post(program, "/v1/completions", model="far/echo", prompt="one").status_code == 404
    assert post(program, "/control/remote/remove", name="far").status_code == 404


def test_without_the_admin_key_nothing_can_be_added(program: RunningProgram) -> None:
    with Canary() as canary, program.client() as client:
        body = {"name": "far", "address": canary.url}
        assert client.post("/control/remote/add", json=body).status_code in {401, 403}
        assert canary.requests == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": "far"}, "address"),
        ({"name": "far", "address": "x" * 2001}, "address"),
        ({"name": "x" * 61, "address": "http://a.example"}, "name"),
        ({"name": "far", "address": "gopher://a.example"}, "address"),
        ({"name": "far", "address": "http://a.example", "api_key": 5}, "api_key"),
        ({"name": "far", "address": "http://a.example", "api_key": "k" * 1001}, "api_key"),
    ],
)
def test_wrong_fields_are_named(program: RunningProgram, body: dict[str, Any], field: str) -> None:
    response = post(program, "/control/remote/add", **body)
    assert (response.status_code, response.json()["error"]["param"]) == (400, field)


def test_a_planted_key_goes_to_its_server_and_shows_up_nowhere_else(program: RunningProgram) -> None:
    reply = b'data: {"choices": [{"delta": {"content": "hi"}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
    seen: list[str] = []
    refusals = iter(["401 Unauthorized", "500 Oops", "400 Bad Request", "429 Too Many"])

    def answer(request: bytes, connection: Any) -> None:
        if request.startswith(b"GET /v1/models"):
            connection.sendall(http_answer(b'{"data": [{"id": "m", "owned_by": "vllm"}]}'))
        elif b"please fail" in request:
            echoed = json.dumps({"error": {"message": request.decode()}}).encode()
            connection.sendall(http_answer(echoed, next(refusals)))
        else:
            connection.sendall(http_answer(reply, headers=SSE))

    def look(response: Any) -> None:
        seen.append(response.text + str(response.headers))

    with Canary(answer) as server, program.control() as client:
        look(client.post("/control/remote/add", json={"name": "far", "address": server.url, "api_key": KEY}))
        chat = {"model": "far/m", "messages": [{"role": "user", "content": "hello"}]}
        assert client.post("/v1/chat/completions", json=chat).json()["choices"][0]["message"]["content"] == "hi"
        for _ in range(4):
            failed = client.post("/v1/completions", json={"model": "far/m", "prompt": "please fail"})
            assert failed.status_code >= 400
            look(failed)
        look(client.post("/control/models/load", json={"model": "far/m", "options": {"slots": 3}}))
        look(client.post("/control/remote/add", json={"name": "far", "address": "nonsense", "api_key": KEY}))
        look(client.post("/control/remote/refresh", json={"name": "far"}))
        for path in (
            "/control/status",
            "/control/models",
            "/control/engines",
            "/control/jobs",
            "/control/remote",
            "/v1/models",
            "/v1/models/far/m",
            "/v1/openapi.json",
        ):
            look(client.get(path))
        assert all(f"Authorization: Bearer {KEY}".encode() in request for request in server.requests)
        assert len(server.requests) > 8
    program.stop()
    seen += program.lines + program.errors
    leaked = [text for text in seen if KEY in text]
    assert leaked == []
    assert sum("far/m" in text for text in seen) >= 4


def test_a_server_that_sends_us_elsewhere_takes_no_key_along(program: RunningProgram) -> None:
    with Canary() as second:
        elsewhere = answering(http_answer(b"", "307 Elsewhere", f"Location: {second.url}/v1/models"))
        with Canary(elsewhere) as first:
            server = add(program, "far", first.url, api_key=KEY)
        assert "not followed" in server["error"]
        assert KEY.encode() in first.requests[0]
        assert second.requests == []
