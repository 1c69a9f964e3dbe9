"""The published OpenAI client drives the API, with the real model and with scripted replies."""

import json
from pathlib import Path

import openai
import pytest

from tests.program import RunningProgram


def client_of(program: RunningProgram) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{program.url}/v1", api_key="any", max_retries=0, timeout=60)


@pytest.fixture(scope="module")
def client(starter_program: RunningProgram) -> openai.OpenAI:
    return client_of(starter_program)


def test_models(client: openai.OpenAI) -> None:
    names = [model.id for model in client.models.list()]
    assert names[0] == "starter"
    assert "echo" in names
    assert client.models.retrieve("starter").owned_by == "parlor"
    with pytest.raises(openai.NotFoundError, match="There are: starter"):
        client.models.retrieve("nothing")


def test_chat(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(
        model="starter",
        messages=[{"role": "user", "content": "What is the capital of France? Answer with one word."}],
        temperature=0,
        max_tokens=16,
    )
    assert "Paris" in (reply.choices[0].message.content or "")
    assert reply.choices[0].message.role == "assistant"
    assert reply.choices[0].finish_reason in {"stop", "length"}
    assert reply.usage is not None
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens
    assert reply.usage.prompt_tokens > 20
    assert reply.object == "chat.completion"
    assert reply.model == "starter"


def test_streamed_chat_is_the_whole_chat(client: openai.OpenAI) -> None:
    arguments = {
        "model": "starter",
        "messages": [{"role": "user", "content": "Name three colours."}],
        "temperature": 0,
        "max_tokens": 24,
    }
    whole = client.chat.completions.create(**arguments)  # type: ignore[call-overload]
    chunks = list(client.chat.completions.create(**arguments, stream=True, stream_options={"include_usage": True}))  # type: ignore[call-overload]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == whole.choices[0].finish_reason
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
    assert len({chunk.id for chunk in chunks}) == 1


def test_second_turn_reuses_the_first(client: openai.OpenAI) -> None:
    messages = [{"role": "user", "content": "Tell me something about rivers. " * 20}]
    first = client.chat.completions.create(model="starter", messages=messages, max_tokens=8)  # type: ignore[call-overload]
    messages += [
        {"role": "assistant", "content": first.choices[0].message.content},
        {"role": "user", "content": "And lakes?"},
    ]
    second = client.chat.completions.create(model="starter", messages=messages, max_tokens=8)  # type: ignore[call-overload]
    assert second.usage.prompt_tokens_details.cached_tokens > 50


def test_raw_completion(client: openai.OpenAI) -> None:
    text = client.completions.create(model="starter", prompt="The capital of France is", max_tokens=3, temperature=0)
    assert "Paris" in text.choices[0].text
    streamed = client.completions.create(
        model="starter", prompt="The capital of France is", max_tokens=3, temperature=0, stream=True
    )
    assert "".join(chunk.choices[0].text for chunk in streamed if chunk.choices) == text.choices[0].text


def test_completion_of_token_ids(client: openai.OpenAI) -> None:
    reply = client.completions.create(model="starter", prompt=[504, 3575, 282, 4649, 314], max_tokens=3, temperature=0)
    assert reply.usage is not None
    assert reply.usage.prompt_tokens == 5


def test_logprobs(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(
        model="starter",
        messages=[{"role": "user", "content": "Say yes."}],
        logprobs=True,
        top_logprobs=3,
        max_tokens=4,
    )
    content = reply.choices[0].logprobs.content  # type: ignore[union-attr]
    assert content is not None
    assert len(content) >= 1
    assert all(len(entry.top_logprobs) == 3 for entry in content)
    old = client.completions.create(model="starter", prompt="One two three", logprobs=2, max_tokens=3)
    logprobs = old.choices[0].logprobs
    assert logprobs is not None
    assert len(logprobs.tokens or []) == 3
    assert len((logprobs.top_logprobs or [])[0]) == 2


def test_stop_seed_and_content_parts(client: openai.OpenAI) -> None:
    message = {
        "role": "user",
        "content": [{"type": "text", "text": "Count from one to ten,"}, {"type": "text", "text": "in digits."}],
    }
    texts = [
        client.chat.completions.create(model="starter", messages=[message], seed=3, stop=["5"], max_tokens=40)  # type: ignore[list-item]
        for _ in range(2)
    ]
    assert texts[0].choices[0].message.content == texts[1].choices[0].message.content
    assert "5" not in (texts[0].choices[0].message.content or "")


def test_prompt_over_the_context_names_both_counts(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="starter", messages=[{"role": "user", "content": "word " * 9000}])
    assert caught.value.code == "context_length_exceeded"
    assert "8,192" in str(caught.value)
    assert "9,0" in str(caught.value)


def scripted(folder: Path, steps: list[dict[str, object]]) -> RunningProgram:
    script = folder / "script.json"
    script.write_text(json.dumps(steps))
    return RunningProgram(
        folder, "--no-ui", "--model", "echo", "--echo-script", str(script), "--admin-key", "test-admin"
    )


def test_reasoning_and_tool_calls(tmp_path: Path) -> None:
    steps = [{"reasoning": "hm"}, {"text": "Let me look."}, {"tool_call": {"name": "find", "arguments": {"q": "x"}}}]
    with scripted(tmp_path, steps) as program:
        client = client_of(program)
        arguments = {"model": "echo", "messages": [{"role": "user", "content": "go"}]}
        reply = client.chat.completions.create(**arguments)  # type: ignore[call-overload]
        assert reply.choices[0].finish_reason == "tool_calls"
        assert reply.choices[0].message.reasoning_content == "hm"
        call = reply.choices[0].message.tool_calls[0]
        assert (call.function.name, json.loads(call.function.arguments)) == ("find", {"q": "x"})
        chunks = list(client.chat.completions.create(**arguments, stream=True))  # type: ignore[call-overload]
        deltas = [chunk.choices[0].delta for chunk in chunks]
        assert [delta.tool_calls[0].index for delta in deltas if delta.tool_calls] == [0]


def test_an_error_after_the_first_token_is_not_success(tmp_path: Path) -> None:
    with scripted(tmp_path, [{"text": "half a "}, {"delay_ms": 50, "fail": "the engine tripped"}]) as program:
        client = client_of(program)
        seen: list[str] = []

        def read() -> None:
            stream = client.chat.completions.create(
                model="echo", messages=[{"role": "user", "content": "go"}], stream=True
            )
            seen.extend(chunk.choices[0].delta.content or "" for chunk in stream)

        with pytest.raises(openai.APIError, match="tripped"):
            read()
        assert "".join(seen) == "half a "
        with program.client() as raw:
            body = {"model": "echo", "messages": [{"role": "user", "content": "x"}], "stream": True}
            assert "[DONE]" not in raw.post("/v1/chat/completions", json=body).text
        with pytest.raises(openai.InternalServerError, match="tripped"):
            client.chat.completions.create(model="echo", messages=[{"role": "user", "content": "go"}])


def test_a_worker_that_exits_is_an_error_and_the_next_request_answers(tmp_path: Path) -> None:
    with scripted(tmp_path, [{"text": "x"}, {"delay_ms": 50, "exit": 3}]) as program:
        client = client_of(program)
        for _ in range(2):
            with pytest.raises(openai.InternalServerError, match="ended unexpectedly"):
                client.chat.completions.create(model="echo", messages=[{"role": "user", "content": "go"}])


def test_split_characters_arrive_whole(tmp_path: Path) -> None:
    from base64 import b64encode

    text = "né 👩‍👩‍👧 العربية \N{REPLACEMENT CHARACTER} é"
    steps = [{"bytes_b64": b64encode(bytes([byte])).decode()} for byte in text.encode()]
    with scripted(tmp_path, [*steps, {"bytes_b64": b64encode(b"\xf0\x9f").decode()}]) as program:
        client = client_of(program)
        arguments = {"model": "echo", "messages": [{"role": "user", "content": "go"}]}
        whole = client.chat.completions.create(**arguments).choices[0].message.content  # type: ignore[call-overload]
        chunks = client.chat.completions.create(**arguments, stream=True)  # type: ignore[call-overload]
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == whole
        assert whole == text + "\N{REPLACEMENT CHARACTER}"
