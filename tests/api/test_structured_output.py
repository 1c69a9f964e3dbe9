"""`response_format` over the API, by OpenAI's own client; and completions that begin with their prompt."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI

from tests.engines.tiny_models import make_folder, words
from tests.program import RunningProgram

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 12}, "age": {"type": "integer", "minimum": 0, "maximum": 120}},
    "required": ["name", "age"],
    "additionalProperties": False,
}  # fmt: skip
USER = [{"role": "user", "content": "Tell me about a person."}]


def post(program: RunningProgram, path: str, body: dict[str, Any]) -> tuple[int, Any]:
    with program.client() as client:
        answer = client.post(path, json=body, timeout=60)
    return answer.status_code, answer.json()


def test_the_real_client_gets_what_its_schema_says(starter_program: RunningProgram) -> None:
    client = OpenAI(base_url=f"{starter_program.url}/v1", api_key="none", max_retries=0)
    for stream in (False, True):
        answer: Any = client.chat.completions.create(
            model="starter",
            messages=USER,  # pyright: ignore[reportArgumentType]
            max_tokens=80,
            stream=stream,
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "person", "schema": SCHEMA, "strict": True},
            },
        )
        text = (
            "".join(chunk.choices[0].delta.content or "" for chunk in answer if chunk.choices)
            if stream
            else answer.choices[0].message.content
        )
        person = json.loads(text)
        assert set(person) == {"name", "age"}
        assert 0 <= person["age"] <= 120


@pytest.mark.parametrize(
    ("response_format", "allowed"),
    [
        ({"type": "choice", "choice": ["tea", "coffee"]}, {"tea", "coffee"}),
        ({"type": "regex", "regex": "(a|b)c"}, {"ac", "bc"}),
        ({"type": "gbnf", "grammar": 'root ::= "one" | "two"'}, {"one", "two"}),
        ({"type": "lark", "grammar": 'start: "x" | "y"'}, {"x", "y"}),
    ],
)
def test_every_kind(starter_program: RunningProgram, response_format: dict[str, Any], allowed: set[str]) -> None:
    body = {"messages": USER, "max_tokens": 20, "response_format": response_format}
    status, answer = post(starter_program, "/v1/chat/completions", body)
    assert status == 200, answer
    assert answer["choices"][0]["message"]["content"] in allowed


@pytest.mark.parametrize(
    "response_format",
    [
        {"type": "xml"},
        {"type": "json_schema"},
        {"type": "json_schema", "json_schema": {"schema": {"type": "objekt"}}},
        {"type": "regex", "regex": "("},
        {"type": "choice", "choice": []},
        {"type": "gbnf", "grammar": "x" * 200_000},
    ],
)
def test_formats_that_make_no_sense(starter_program: RunningProgram, response_format: Any) -> None:
    body = {"messages": USER, "response_format": response_format}
    status, answer = post(starter_program, "/v1/chat/completions", body)
    assert status == 400
    assert answer["error"]["param"].startswith("response_format"), answer


@pytest.fixture(scope="module")
def tiny_program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProgram]:
    folder: Path = tmp_path_factory.mktemp("tiny-program")
    (folder / "models").mkdir()
    make_folder(folder / "models" / "tiny", "llama")
    with RunningProgram(folder, "--no-ui", "--model", "tiny", "--admin-key", "test-admin") as program:
        program.wait_until_loaded()
        yield program


@pytest.mark.parametrize("as_ids", [False, True])
@pytest.mark.parametrize("new", [0, 4])
def test_echo_with_log_probabilities(tiny_program: RunningProgram, as_ids: bool, new: int) -> None:
    ids = [5, 6, 7, 8]
    body = {"prompt": ids if as_ids else words(ids), "max_tokens": new, "echo": True, "logprobs": 1, "temperature": 0}
    status, answer = post(tiny_program, "/v1/completions", body)
    assert status == 200, answer
    choice = answer["choices"][0]
    logprobs = choice["logprobs"]
    assert choice["text"].replace(" ", "").startswith(words(ids).replace(" ", ""))
    assert logprobs["tokens"][:4] == [f"t{token}" for token in ids]
    assert len(logprobs["tokens"]) == 4 + new
    assert logprobs["token_logprobs"][0] is logprobs["top_logprobs"][0] is None
    assert all(value <= 0 for value in logprobs["token_logprobs"][1:])
    assert answer["usage"]["completion_tokens"] == new


def test_echo_without_log_probabilities_works_everywhere(starter_program: RunningProgram) -> None:
    body = {"prompt": "The sky is", "max_tokens": 3, "echo": True}
    status, answer = post(starter_program, "/v1/completions", body)
    assert status == 200
    assert answer["choices"][0]["text"].startswith("The sky is")
    assert len(answer["choices"][0]["text"]) > len("The sky is")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"prompt": "hi", "max_tokens": 0}, "max_tokens"),
        ({"prompt": [5, 6], "echo": True}, "echo"),
        ({"prompt": "hi", "echo": True, "logprobs": 1}, "echo"),
    ],
)
def test_echo_that_makes_no_sense(starter_program: RunningProgram, fields: dict[str, Any], field: str) -> None:
    status, answer = post(starter_program, "/v1/completions", fields)
    assert (status, answer["error"]["param"]) == (400, field)
