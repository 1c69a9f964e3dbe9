"""How a token would be chosen, over the API; and knobs that the engine would ignore, refused by their names."""

from typing import Any

import pytest

from modules.types.sampling import SamplingParams
from tests.program import RunningProgram

PROMPT = "Once upon a time, a small dragon wanted to learn how to"


def post(program: RunningProgram, path: str, **body: Any) -> tuple[int, Any]:
    with program.control() as client:
        answer = client.post(path, json={"model": "starter", **body})
    return answer.status_code, answer.json()


def test_the_steps_of_a_prompt(starter_program: RunningProgram) -> None:
    status, body = post(starter_program, "/control/distribution", prompt=PROMPT, n=4, top_k=20, top_p=1.0, min_p=0.0)
    assert status == 200, body
    model, top_k, temperature = body["steps"]
    assert [step["name"] for step in body["steps"]] == ["model", "top_k", "temperature"]
    assert (model["kept"], top_k["kept"], temperature["kept"]) == (49152, 20, 20)
    assert [len(step["tokens"]) for step in body["steps"]] == [4, 4, 4]
    likeliest = [step["tokens"][0]["probability"] for step in body["steps"]]
    assert likeliest == sorted(likeliest)
    assert set(model["tokens"][0]) == {"id", "token", "bytes", "probability"}


def test_the_steps_of_a_chat(starter_program: RunningProgram) -> None:
    messages = [{"role": "user", "content": "Say hello."}]
    status, body = post(starter_program, "/control/distribution", messages=messages, temperature=0.0)
    assert status == 200, body
    assert body["steps"][-1]["kept"] == 1
    assert body["steps"][-1]["tokens"][0]["probability"] == 1.0


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "prompt"),
        ({"prompt": "a", "messages": [{"role": "user", "content": "a"}]}, "prompt"),
        ({"prompt": "a", "n": 51}, "n"),
        ({"prompt": "a", "n": 0}, "n"),
        ({"prompt": "a", "top_p": 2}, "top_p"),
        ({"prompt": "a", "tfs": 0.9}, "tfs"),
    ],
)
def test_bad_requests_name_the_field(starter_program: RunningProgram, fields: dict[str, Any], field: str) -> None:
    status, body = post(starter_program, "/control/distribution", **fields)
    assert (status, body["error"]["param"]) == (400, field)


def test_an_engine_that_cannot_tell_says_so(echo_program: RunningProgram) -> None:
    with echo_program.control() as client:
        answer = client.post("/control/distribution", json={"model": "echo", "prompt": "hello"})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "distribution")


@pytest.mark.parametrize(
    ("name", "value"),
    [("tfs", 0.9), ("guidance_scale", 1.5), ("samplers", ["top_k", "tfs"]), ("banned_phrases", ["a"])],
)
@pytest.mark.parametrize("stream", [False, True])
def test_knobs_set_in_vain_are_refused(starter_program: RunningProgram, name: str, value: Any, stream: bool) -> None:
    asked = {name: value, "stream": stream, "max_tokens": 2}
    messages = [{"role": "user", "content": "hi"}]
    for path, prompt in (("/v1/chat/completions", {"messages": messages}), ("/v1/completions", {"prompt": "hi"})):
        status, body = post(starter_program, path, **prompt, **asked)
        assert (status, body["error"]["param"]) == (400, name)
        assert "llama.cpp" in body["error"]["message"]
        assert body["error"]["message"].endswith(".")


def test_bans_hold_and_neutral_values_pass(starter_program: RunningProgram) -> None:
    ask = {
        "prompt": PROMPT,
        "max_tokens": 1,
        "temperature": 0.0,
        "logprobs": 1,
        "tfs": 1.0,
        "samplers": ["temperature"],
    }
    status, free = post(starter_program, "/v1/completions", **ask)
    assert status == 200, free
    [step, *_] = post(starter_program, "/control/distribution", prompt=PROMPT, n=2)[1]["steps"]
    first, second = step["tokens"]
    assert free["choices"][0]["text"] == first["token"]
    _, banned = post(starter_program, "/v1/completions", **ask, banned_tokens=[first["id"]])
    assert banned["choices"][0]["text"] == second["token"]


def test_the_openapi_file_shows_every_knob(echo_program: RunningProgram) -> None:
    with echo_program.client() as client:
        schemas = client.get("/v1/openapi.json").json()["components"]["schemas"]
    for name in ("ChatCompletionRequest", "CompletionRequest", "DistributionRequest"):
        properties = schemas[name]["properties"]
        assert set(SamplingParams.model_fields) <= set(properties)
        assert properties["tfs"]["title"] == "Tail-free"
        assert (properties["tfs"]["minimum"], properties["tfs"]["maximum"]) == (0, 1)
