"""Clients that bring their own tools, by the published OpenAI client, and what is refused."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.program import RunningProgram

pytestmark = pytest.mark.timeout(400)

CHAT = "/v1/chat/completions"
ADD = {
    "type": "object",
    "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
    "required": ["a", "b"],
}
WEATHER = {"type": "object", "properties": {"city": {"type": "string", "maxLength": 30}}, "required": ["city"]}
SCRIPT = [
    {"text": "Let me see. "},
    {"tool_call": {"name": "add", "arguments": {"a": 1, "b": 2}}},
    {"tool_call": {"name": "weather", "arguments": {"city": "Rome"}}},
]


def tool(name: str, parameters: Any = None) -> dict[str, Any]:
    function = {"name": name, "description": f"Does {name}.", **({"parameters": parameters} if parameters else {})}
    return {"type": "function", "function": function}


TOOLS: Any = [tool("add", ADD), tool("weather", WEATHER)]
QUESTION: Any = [{"role": "user", "content": "What is 12 plus 30? Use add."}]


def client_of(program: RunningProgram) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{program.url}/v1", api_key="any", max_retries=0, timeout=300)


@pytest.fixture(scope="module")
def client(starter_program: RunningProgram) -> openai.OpenAI:
    return client_of(starter_program)


@pytest.fixture(scope="module")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[openai.OpenAI]:
    folder: Path = tmp_path_factory.mktemp("scripted-tools")
    (folder / "script.json").write_text(json.dumps(SCRIPT))
    arguments = (
        "--no-ui",
        "--model",
        "echo",
        "--echo-script",
        str(folder / "script.json"),
        "--admin-key",
        "test-admin",
    )
    with RunningProgram(folder, *arguments) as program:
        program.wait_until_loaded()
        yield client_of(program)


def test_a_round_of_call_result_and_answer(client: openai.OpenAI) -> None:
    named: Any = {"type": "function", "function": {"name": "add"}}
    asked = client.chat.completions.create(
        model="starter", messages=QUESTION, tools=TOOLS, tool_choice=named, temperature=0
    )
    choice = asked.choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    assert choice.message.tool_calls is not None
    (call,) = choice.message.tool_calls
    assert call.type == "function"
    assert call.function.name == "add"
    assert json.loads(call.function.arguments) == {"a": 12, "b": 30}
    messages: Any = [
        *QUESTION,
        choice.message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": call.id, "content": "42"},
    ]
    answer = client.chat.completions.create(
        model="starter", messages=messages, tools=TOOLS, tool_choice="none", temperature=0, max_tokens=40
    )
    assert "42" in (answer.choices[0].message.content or "")
    assert answer.choices[0].finish_reason in {"stop", "length"}


@pytest.mark.parametrize("temperature", [0.0, 1.5])
def test_required_streams_a_call_that_follows_its_schema(client: openai.OpenAI, temperature: float) -> None:
    stream = client.chat.completions.create(
        model="starter",
        messages=QUESTION,
        tools=TOOLS,
        tool_choice="required",
        parallel_tool_calls=False,
        temperature=temperature,
        seed=3,
        stream=True,
    )
    chunks = list(stream)
    deltas = [delta for chunk in chunks for delta in chunk.choices[0].delta.tool_calls or []]
    assert [delta.index for delta in deltas] == [0]
    function = deltas[0].function
    assert function is not None
    assert deltas[0].id
    arguments = json.loads(function.arguments or "")
    assert set(arguments) == ({"a", "b"} if function.name == "add" else {"city"})
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


@pytest.mark.parametrize("max_tokens", [1, 2, 3, 4, 20, 60])
def test_a_call_that_max_tokens_cuts_off_is_never_content(client: openai.OpenAI, max_tokens: int) -> None:
    asked: Any = {
        "model": "starter",
        "messages": QUESTION,
        "tools": TOOLS,
        "tool_choice": "required",
        "temperature": 0,
        "max_tokens": max_tokens,
    }
    choice = client.chat.completions.create(**asked).choices[0]
    calls = [call.function for call in choice.message.tool_calls or [] if call.type == "function"]
    assert (choice.finish_reason, choice.message.content or "") == ("length", "")
    assert [json.loads(call.arguments) for call in calls] == [{"a": 12, "b": 30}] * (max_tokens // 40)
    chunks = list(client.chat.completions.create(**asked, stream=True))
    deltas = [chunk.choices[0].delta for chunk in chunks]
    assert not any(delta.content for delta in deltas)
    assert len([call for delta in deltas for call in delta.tool_calls or []]) == len(calls)
    assert chunks[-1].choices[0].finish_reason == "length"


def test_several_calls_of_one_reply_have_ids_and_indexes_of_their_own(scripted: openai.OpenAI) -> None:
    whole = scripted.chat.completions.create(model="echo", messages=QUESTION, tools=TOOLS).choices[0]
    assert whole.message.content == "Let me see. "
    calls = whole.message.tool_calls or []
    assert [json.loads(call.function.arguments) for call in calls if call.type == "function"] == [
        {"a": 1, "b": 2},
        {"city": "Rome"},
    ]
    assert len({call.id for call in calls}) == 2
    chunks = list(scripted.chat.completions.create(model="echo", messages=QUESTION, tools=TOOLS, stream=True))
    deltas = [delta for chunk in chunks for delta in chunk.choices[0].delta.tool_calls or []]
    assert [delta.index for delta in deltas] == [0, 1]
    assert len({delta.id for delta in deltas}) == 2


def test_the_clients_own_stream_puts_calls_together(scripted: openai.OpenAI) -> None:
    with scripted.chat.completions.stream(model="echo", messages=QUESTION, tools=TOOLS) as stream:
        for _ in stream:
            pass
        message = stream.get_final_completion().choices[0].message
    calls = message.tool_calls or []
    assert [(call.function.name, json.loads(call.function.arguments)) for call in calls] == [
        ("add", {"a": 1, "b": 2}),
        ("weather", {"city": "Rome"}),
    ]
    assert message.content == "Let me see. "


NESTED = {
    "type": "object",
    "properties": {
        "größe": {
            "type": "object",
            "properties": {"höhe": {"type": "integer", "maximum": 99}, "farben": {"enum": [["rot"], ["grün", "blau"]]}},
            "required": ["höhe", "farben"],
            "additionalProperties": False,
        }
    },
    "required": ["größe"],
    "additionalProperties": False,
}


def test_nested_arguments_with_names_of_any_script(client: openai.OpenAI) -> None:
    named: Any = {"type": "function", "function": {"name": "paint"}}
    offered: Any = [{"type": "function", "function": {"name": "paint", "parameters": NESTED, "strict": True}}]
    asked = client.chat.completions.create(
        model="starter", messages=QUESTION, tools=offered, tool_choice=named, temperature=0
    )
    (call,) = asked.choices[0].message.tool_calls or []
    assert call.type == "function"
    (size,) = json.loads(call.function.arguments).values()
    assert size["höhe"] <= 99
    assert size["farben"] in (["rot"], ["grün", "blau"])


@pytest.mark.parametrize("arguments", ["", "{}", "{broken", '{"x": ["\\"</tool_call>"]}'])
@pytest.mark.parametrize("content", ["42", [{"type": "text", "text": "forty-"}, {"type": "text", "text": "two"}], []])
def test_calls_and_results_of_other_programs_are_taken_as_they_are(
    scripted: openai.OpenAI, arguments: str, content: Any
) -> None:
    """Their tools are not ours to know: one that is not offered any more, arguments that are no JSON, results in parts."""
    called = {"id": "1", "type": "function", "function": {"name": "gone", "arguments": arguments}}
    messages: Any = [
        *QUESTION,
        {"role": "assistant", "content": None, "refusal": None, "tool_calls": [called]},
        {"role": "tool", "tool_call_id": "1", "name": "gone", "content": content},
    ]
    answer = scripted.chat.completions.create(model="echo", messages=messages, tools=TOOLS, tool_choice="none")
    assert answer.choices[0].finish_reason in {"stop", "tool_calls"}


def test_without_a_choice_the_model_may_simply_answer(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model="starter", messages=[{"role": "user", "content": "Say hello."}], tools=TOOLS, temperature=0, max_tokens=12
    )
    assert answer.choices[0].message.content or answer.choices[0].message.tool_calls


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"tools": [tool(f"t{number}") for number in range(200)]}, "tools", "64"),
        ({"tools": [tool("add", ADD), tool("add", ADD)]}, "tools", "Two tools are called add"),
        ({"tools": [tool("has space")]}, "tools.0.function.name", "pattern"),
        (
            {"tools": [tool("add", {"type": "object", "properties": {"a": {"type": "integer", "odd": 1}}})]},
            "tools.0.function.parameters",
            "'odd'",
        ),
        ({"tools": [tool("ok"), tool("add", {"type": "string"})]}, "tools.1.function.parameters", "of an object"),
        (
            {"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "subtract"}}},
            "tool_choice",
            "subtract",
        ),
        ({"tool_choice": "required"}, "tool_choice", "no tools"),
        ({"tools": TOOLS, "response_format": {"type": "regex", "regex": "a+"}}, "response_format", "does not go with"),
        ({"messages": [{"role": "tool", "content": "42"}]}, "messages", "tool_call_id"),
    ],
)
def test_what_is_refused_is_named(starter_program: RunningProgram, fields: Any, param: str, words: str) -> None:
    with starter_program.client() as http:
        response = http.post(CHAT, json={"model": "starter", "messages": QUESTION, **fields})
    assert response.status_code == 400, response.text
    error = response.json()["error"]
    assert error["param"] == param
    assert words in error["message"]
