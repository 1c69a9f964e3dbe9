"""Bad input gets a 4xx in OpenAI's shape that names the field; the program goes on."""

import json
from typing import Any

import pytest

from tests.program import RunningProgram

CHAT = "/v1/chat/completions"
COMPLETIONS = "/v1/completions"
USER = [{"role": "user", "content": "hi"}]


def good(**fields: Any) -> dict[str, Any]:
    return {"model": "echo", "messages": USER, **fields}


BAD_CHATS: list[tuple[str, dict[str, Any], str]] = [
    ("no messages", {"model": "echo"}, "messages"),
    ("empty messages", {"model": "echo", "messages": []}, "messages"),
    ("messages is text", {"model": "echo", "messages": "hi"}, "messages"),
    ("message is text", {"model": "echo", "messages": ["hi"]}, "messages.0"),
    ("unknown role", {"model": "echo", "messages": [{"role": "king", "content": "x"}]}, "messages.0.role"),
    ("content is a number", {"model": "echo", "messages": [{"role": "user", "content": 3}]}, "messages.0.content"),
    (
        "an image part",
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
        "messages.0.content.0.type",
    ),
    ("NUL", {"model": "echo", "messages": [{"role": "user", "content": "a\0b"}]}, "messages.0.content"),
    ("lone surrogate", {"model": "echo", "messages": [{"role": "user", "content": "\ud800"}]}, "messages.0.content"),
    ("temperature is text", good(temperature="0.5"), "temperature"),
    ("temperature is true", good(temperature=True), "temperature"),
    ("temperature below", good(temperature=-0.1), "temperature"),
    ("temperature above", good(temperature=5.1), "temperature"),
    ("top_p above", good(top_p=1.01), "top_p"),
    ("top_k is half", good(top_k=1.5), "top_k"),
    ("max_tokens zero", good(max_tokens=0), "max_tokens"),
    ("max_tokens huge", good(max_tokens=2**63), "max_tokens"),
    ("max_tokens negative", good(max_completion_tokens=-1), "max_completion_tokens"),
    ("n is two", good(n=2), "n"),
    ("seed negative", good(seed=-1), "seed"),
    ("seed huge", good(seed=2**40), "seed"),
    ("stop is a number", good(stop=3), "stop"),
    ("stop is empty text", good(stop=""), "stop"),
    ("too many stops", good(stop=["x"] * 17), "stop"),
    ("stop too long", good(stop="x" * 257), "stop"),
    ("stream is text", good(stream="yes"), "stream"),
    ("logit bias key", good(logit_bias={"x": 1}), "logit_bias"),
    ("logit bias value", good(logit_bias={"1": 101}), "logit_bias"),
    ("top_logprobs alone", good(top_logprobs=2), "top_logprobs"),
    ("top_logprobs above", good(logprobs=True, top_logprobs=21), "top_logprobs"),
    ("structured output", good(response_format={"type": "json_object"}), "response_format"),
    ("samplers", good(samplers=["magic"]), "samplers"),
    ("model is a number", {"model": 3, "messages": USER}, "model"),
]


def error_of(response: Any) -> dict[str, Any]:
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert isinstance(error["message"], str)
    assert error["message"]
    return error


@pytest.mark.parametrize(("body", "field"), [pytest.param(*case[1:], id=case[0]) for case in BAD_CHATS])
def test_wrong_fields_are_named(echo_program: RunningProgram, body: dict[str, Any], field: str) -> None:
    with echo_program.client() as client:
        content = json.dumps(body).encode()
        response = client.post(CHAT, content=content, headers={"content-type": "application/json"})
        assert response.status_code == 400, response.text
        error = error_of(response)
        assert (error["param"] or "").startswith(field)
        # Names of our own types and checks say nothing to a caller.
        assert not {"[", "(", "<"} & set(error["message"].partition(":")[0])
        assert client.post(CHAT, json=good()).status_code == 200


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"temperature": 9}, "temperature can be 5 at most."),
        ({"top_p": "high"}, "top_p must be a number."),
        ({"stop": ["a"] * 30}, "stop can have 16 entries at most."),
        ({"messages": []}, "messages must not be empty."),
        ({"response_format": {"type": "xml"}}, "response_format must have one of the types 'text', "),
        ({"response_format": {}}, "response_format has no type."),
        ({"messages": [{"content": "x"}]}, "messages.0.role is missing."),
    ],
)
def test_what_is_wrong_is_told_in_words(echo_program: RunningProgram, values: dict[str, Any], message: str) -> None:
    with echo_program.client() as client:
        assert error_of(client.post(CHAT, json=good(**values)))["message"].startswith(message)


RAW = [
    b"",
    b"{",
    b"null",
    b"[]",
    b"3",
    b'"text"',
    b"{}",
    b"\xff\xfe",
    b'{"model": NaN}',
    b'{"messages": Infinity}',
    b'{"temperature": -Infinity, "messages": []}',
    b'{"messages": [{"role": "user", "content": "x"}], "temperature": 1e999}',
    b'{"max_tokens": ' + b"9" * 5000 + b"}",
    b"[" * 100_000,
    b'{"a":' * 50 + b"1" + b"}" * 50,
    b'{"messages": [{"role": "user", "content": "' + b"x" * 1_000_001 + b'"}]}',
    b'{"model": "echo", "model": ["x"], "messages": 1}',
]


@pytest.mark.parametrize("path", [CHAT, COMPLETIONS, "/control/models/load"])
@pytest.mark.parametrize("body", RAW, ids=range(len(RAW)))
def test_any_bytes_are_a_client_error(echo_program: RunningProgram, path: str, body: bytes) -> None:
    with echo_program.control() as client:
        response = client.post(path, content=body, headers={"content-type": "application/json"})
        assert 400 <= response.status_code < 500, response.text
        error_of(response)
        assert client.get("/health").json() == {"status": "ok", "ui": "ready"}


def test_ten_megabytes(echo_program: RunningProgram) -> None:
    with echo_program.client() as client:
        response = client.post(CHAT, json=good(messages=[{"role": "user", "content": "x" * 10_000_000}]))
        assert response.status_code == 413
        assert "4" in error_of(response)["message"]


def test_unknown_model_names_those_there_are(echo_program: RunningProgram) -> None:
    with echo_program.client() as client:
        for name in ["nothing", "../models/x", "/etc/passwd", "", "x" * 400, "-rf", "echo\n"]:
            response = client.post(CHAT, json={"model": name or "nope", "messages": USER})
            assert response.status_code == 404, name
            assert "echo" in error_of(response)["message"]
            assert error_of(response)["code"] == "model_not_found"


def test_nulls_are_as_good_as_absent(echo_program: RunningProgram) -> None:
    with echo_program.client() as client:
        body = good(stop=None, temperature=None, max_tokens=None, tools=None, response_format=None, user=None, n=None)
        reply = client.post(CHAT, json=body).json()
        assert reply["choices"][0]["message"]["content"] == "hi"


def test_wrong_paths_and_methods_keep_the_shape(echo_program: RunningProgram) -> None:
    with echo_program.control() as client:
        for method, path in [
            ("GET", CHAT),
            ("GET", "/v1/nothing"),
            ("POST", "/control/nothing"),
            ("DELETE", "/v1/models"),
        ]:
            response = client.request(method, path)
            assert response.status_code in {404, 405, 415}
            message = error_of(response)["message"]
            assert response.status_code == 415 or message.startswith(f"There is no route {method} {path}.")


@pytest.mark.parametrize(
    "prompt", ["", [], ["a", "b"], [-1], [2**31], [1.5], {"x": 1}, True, ["\0"], [[1], [2]], [[]]], ids=str
)
def test_bad_prompts(echo_program: RunningProgram, prompt: Any) -> None:
    with echo_program.client() as client:
        response = client.post(COMPLETIONS, json={"model": "echo", "prompt": prompt})
        assert response.status_code == 400
        assert (error_of(response)["param"] or "").startswith("prompt")


def test_every_number_of_the_api_is_bounded(echo_program: RunningProgram) -> None:
    """What a client may send is in the OpenAPI file, with its limits."""
    with echo_program.client() as client:
        schemas = client.get("/v1/openapi.json").json()["components"]["schemas"]
    for name in ("ChatCompletionRequest", "CompletionRequest"):
        for field, schema in schemas[name]["properties"].items():
            for option in schema.get("anyOf", [schema]):
                if option.get("type") in {"integer", "number"}:
                    assert "minimum" in option or "exclusiveMinimum" in option or "const" in option, field
                    assert "maximum" in option or "exclusiveMaximum" in option or "const" in option, field
