"""The remote engine against servers that a test plays: what they are sent, and what becomes of whatever they answer."""

import json
import socket
import threading
import time
from threading import Event as Flag
from typing import Any

import pytest

from modules.engines.remote.engine import RemoteEngine
from modules.engines.remote.kind import RemoteOptions
from modules.errors import BadRequest, Busy, ContextOverflow, EngineError, FetchError, ModelError, NotFound
from modules.services.knob_checks import check_knobs
from modules.types.generation import (
    AS_MANY_AS_FIT,
    Constraint,
    Event,
    Finished,
    GenerationRequest,
    ReasoningDelta,
    TextDelta,
    Usage,
)
from modules.types.local_model import LocalModel
from modules.types.messages import Message
from modules.types.remote import Endpoint
from modules.types.sampling import SamplingParams
from modules.types.tools import ToolCall
from tests.canary import Canary, answering, http_answer

KEY = "canary-key-123"
EMBEDDINGS = "/v1/embeddings"
HELLO = (Message("system", "Be brief."), Message("user", "Hello"))
SSE = "Content-Type: text/event-stream"


def sse(*chunks: Any, done: bool = True) -> bytes:
    lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
    return ("".join(lines) + ("data: [DONE]\n\n" if done else "")).encode()


def said(text: str, **fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": text}, **fields}]}


def ended(reason: str = "stop") -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}


USAGE = {
    "choices": [],
    "usage": {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}},
}
REPLY = sse(said("Hi"), said("!"), ended(), USAGE)


class Played(Canary):
    """A server of one model that answers replies with `reply`, or with the next of several.

    It does not embed, unless `routes` say so.
    """

    def __init__(self, *replies: bytes, owned_by: str = "vllm", routes: dict[str, Any] | None = None, **entry: Any):
        entry = {
            "id": "org/model",
            "owned_by": owned_by,
            **({"max_model_len": 100} if owned_by == "vllm" else {}),
            **entry,
        }
        self.routes = {"/v1/models": {"data": [entry]}, **(routes or {})}
        self._replies = list(replies) or [http_answer(REPLY, headers=SSE)]
        super().__init__(self._respond)

    def _respond(self, request: bytes, connection: socket.socket) -> None:
        path = request.split()[1].decode()
        if path in self.routes:
            connection.sendall(http_answer(json.dumps(self.routes[path]).encode()))
        elif path == EMBEDDINGS:
            connection.sendall(http_answer(b"{}", "501 Not Implemented"))
        else:
            connection.sendall(self._replies.pop(0) if len(self._replies) > 1 else self._replies[0])

    def engine(self, key: str = KEY, **options: Any) -> RemoteEngine:
        model = LocalModel("far/org/model", "Far", "remote", endpoint=Endpoint(self.url, "org/model", key))
        return RemoteEngine(model, RemoteOptions(**options), lambda _fraction, _note: None)

    def asked(self) -> list[tuple[str, dict[str, Any]]]:
        """(route, body) of every request for a reply."""
        return [(route, body) for route, body in self.posts() if route != EMBEDDINGS]

    def posts(self) -> list[tuple[str, dict[str, Any]]]:
        posts = [request for request in self.requests if request.startswith(b"POST")]
        return [(one.split()[1].decode(), json.loads(one.partition(b"\r\n\r\n")[2])) for one in posts]


def chat(messages: tuple[Message, ...] = HELLO, **fields: Any) -> GenerationRequest:
    fields.setdefault("max_tokens", AS_MANY_AS_FIT)
    return GenerationRequest("", (), messages=messages, **fields)


def run(engine: RemoteEngine, request: GenerationRequest) -> list[Event]:
    events: list[Event] = []
    engine.generate(request, events.append, Flag())
    return [event for event in events if event.kind != "progress"]


def test_a_chat_goes_out_as_messages_and_comes_back_as_events() -> None:
    with Played() as server:
        engine = server.engine()
        *texts, end = run(engine, chat(stop=("END",), max_tokens=7))
        assert texts == [TextDelta("Hi"), TextDelta("!")]
        assert isinstance(end, Finished)
        assert (end.reason, end.usage, end.context_length) == ("stop", Usage(9, 2, 4), 100)
        [(route, body)] = server.asked()
        assert route == "/v1/chat/completions"
        assert body["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]
        assert (body["model"], body["stop"], body["max_tokens"]) == ("org/model", ["END"], 7)
        assert (body["temperature"], body["top_k"], body["min_p"]) == (0.7, 40, 0.05)
        assert b"\r\nAuthorization: Bearer canary-key-123\r\n" in server.requests[-1]


def test_raw_text_and_token_ids_go_out_as_they_are() -> None:
    reply = http_answer(sse({"choices": [{"text": "upon", "finish_reason": "length"}]}), headers=SSE)
    with Played(reply) as server:
        engine = server.engine("")
        assert run(engine, GenerationRequest("Once", (), 5))[0] == TextDelta("upon")
        run(engine, GenerationRequest("", (1, 2, 3), AS_MANY_AS_FIT))
        (route, text), (_, ids) = server.asked()
        assert (route, text["prompt"], text["max_tokens"]) == ("/v1/completions", "Once", 5)
        assert (ids["prompt"], ids["max_tokens"]) == ([1, 2, 3], 25)
        assert b"Authorization" not in b"".join(server.requests)


def test_reasoning_calls_and_logprobs() -> None:
    logprobs = {
        "content": [{"token": "é", "logprob": -0.5, "bytes": None, "top_logprobs": [{"token": "e", "logprob": -1}]}]
    }
    call = {"index": 0, "id": "call_1", "function": {"name": "look", "arguments": ""}}
    reply = sse(
        {"choices": [{"delta": {"role": "assistant", "content": None}}]},
        {"choices": [{"delta": {"reasoning_content": "Hm"}}]},
        {"choices": [{"delta": {"reasoning": "m."}}]},
        said("é", logprobs=logprobs),
        {"choices": [{"delta": {"tool_calls": [call]}}]},
        {"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": '{"a": '}}]}}]},
        {"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": "1}"}}]}}]},
        ended("tool_calls"),
    )
    with Played(http_answer(b": keep-alive\r\n\r\n" + reply.replace(b"\n", b"\r\n"), headers=SSE)) as server:
        first, second, text, tool, end = run(server.engine(), chat(sampling=SamplingParams(n_probs=2)))
        assert (first, second) == (ReasoningDelta("Hm"), ReasoningDelta("m."))
        assert isinstance(text, TextDelta)
        assert text.logprobs[0].chosen.token_bytes == (195, 169)
        assert text.logprobs[0].alternatives[0].token == "e"
        assert tool == ToolCall("look", '{"a": 1}', "call_1")
        assert isinstance(end, Finished)
        assert end.reason == "tool_calls"
        assert server.asked()[0][1]["top_logprobs"] == 2


KNOBS = [
    ("openai", {"top_k": 5}, "top_k"),
    ("openai", {"min_p": 0.2}, "min_p"),
    ("openai", {"banned_tokens": [4]}, "banned_tokens"),
    ("llamacpp", {"tfs": 0.9}, "tfs"),
    ("llamacpp", {"add_bos": False}, "add_bos"),
    ("vllm", {"dry_multiplier": 1.0}, "dry_multiplier"),
    ("vllm", {"repetition_penalty_range": 0}, "repetition_penalty_range"),
    ("sglang", {"mirostat": 2}, "mirostat"),
]


@pytest.mark.parametrize(("kind", "knobs", "name"), KNOBS)
def test_a_knob_that_would_be_passed_over_is_refused_by_name(kind: str, knobs: dict[str, Any], name: str) -> None:
    with Played(owned_by=kind) as server:
        engine = server.engine()
        with pytest.raises(BadRequest, match=f"which does nothing with {name} ") as refused:
            check_knobs(SamplingParams(**knobs), engine.capabilities)
        assert refused.value.field == name
        check_knobs(SamplingParams(temperature=1.5, seed=3, logit_bias={"5": -1}), engine.capabilities)
        run(engine, chat(sampling=SamplingParams(temperature=1.5, seed=3, logit_bias={"5": -1})))
        body = server.asked()[0][1]
        assert (body["temperature"], body["seed"]) == (1.5, 3)
        assert body["logit_bias"] == ([[5, -1]] if kind == "llamacpp" else {"5": -1})
        assert ("top_k" in body) == (kind != "openai")


def test_each_kind_of_server_gets_its_own_words() -> None:
    knobs = SamplingParams(repetition_penalty=1.2, dry_multiplier=0.5, top_k=0)
    with Played(owned_by="llamacpp") as server:
        run(server.engine(), chat(sampling=knobs, constraint=Constraint("gbnf", 'root ::= "Hi" "!"')))
        body = server.asked()[0][1]
        assert (body["repeat_penalty"], body["dry_multiplier"]) == (1.2, 0.5)
        assert body["grammar"] == 'root ::= "Hi" "!"'
    with Played(owned_by="vllm") as server:
        run(server.engine(), chat(sampling=SamplingParams(top_k=0), constraint=Constraint("regex", "Hi!")))
        body = server.asked()[0][1]
        assert (body["top_k"], body["structured_outputs"]) == (-1, {"regex": "Hi!"})


def test_constraints_are_checked_before_and_followed_after() -> None:
    with Played() as server:
        engine = server.engine()
        with pytest.raises(BadRequest, match="not valid") as refused:
            run(engine, chat(constraint=Constraint("regex", "[0-9")))
        assert refused.value.field == "response_format"
        assert server.asked() == []
        with pytest.raises(EngineError, match="did not follow the constraint"):
            run(engine, chat(constraint=Constraint("choice", '["yes", "no"]')))
        run(engine, chat(constraint=Constraint("json_schema", '{"type": "object"}')))
        assert server.asked()[-1][1]["response_format"] == {"type": "json_object"}
        with pytest.raises(BadRequest, match="lark"):
            run(engine, chat(constraint=Constraint("lark", 'start: "a"')))


def refused(status: str, message: str = f"because of {KEY}", headers: str = "", **error: Any) -> bytes:
    return http_answer(json.dumps({"error": {"message": message, **error}}).encode(), status, headers or "X-A: b")


REFUSALS: list[tuple[bytes, type[Exception], str]] = [
    (refused("401 Unauthorized"), EngineError, "refused the key"),
    (refused("403 Forbidden"), EngineError, "refused the key"),
    (refused("404 Not Found"), NotFound, "has no model called 'org/model'"),
    (refused("400 Bad Request", param="top_p"), BadRequest, "refused the request"),
    (refused("422 Unprocessable"), BadRequest, "refused the request"),
    (refused("429 Too Many", headers="Retry-After: 17"), Busy, "try again in 17 seconds"),
    (refused("500 Oops"), EngineError, "failed"),
    (refused("503 Away"), EngineError, "failed"),
    (http_answer(b"<html>bad gateway</html>", "502 Bad Gateway"), EngineError, "failed"),
    (refused("400 Bad", code="context_length_exceeded"), ContextOverflow, "does not fit the context"),
    (refused("400 Bad", type="exceed_context_size_error"), ContextOverflow, "does not fit the context"),
    (refused("400 Bad", "This model's maximum context length is 100 tokens."), ContextOverflow, "does not fit"),
    (http_answer(sse(said("Hi"), done=False), headers=SSE), EngineError, "before it was complete"),
    (http_answer(sse(said("Hi"), ended(), done=False), headers=SSE), EngineError, "before it was complete"),
    (http_answer(sse(said("Hi")), headers=SSE), EngineError, "without saying why"),
    (
        http_answer(sse(said("Hi"), {"error": {"message": f"{KEY} broke", "code": 500}}), headers=SSE),
        EngineError,
        "broke",
    ),
    (http_answer(b"data: nonsense\n\n", headers=SSE), EngineError, "JSON"),
    (http_answer(sse({"choices": "none"}), headers=SSE), EngineError, "no piece of a reply"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + sse(said("Hi"), done=False), FetchError, "broke|web server"),
    (b"nonsense\r\n\r\n", FetchError, "did not answer as a web server"),
    (http_answer(b"", "307 Elsewhere", "Location: http://127.0.0.1:1/"), FetchError, "not followed"),
]


@pytest.mark.parametrize(("answer", "kind", "sentence"), REFUSALS)
def test_whatever_goes_wrong_is_an_error_that_says_so_without_the_key(
    answer: bytes, kind: type[Exception], sentence: str
) -> None:
    with Played(answer) as server:
        engine = server.engine()
        with pytest.raises(kind, match=sentence) as failed:
            run(engine, chat())
        assert KEY not in str(failed.value)


def test_a_conversation_that_is_too_long_is_sent_once_more_without_its_oldest_turns() -> None:
    too_long = refused("400 Bad", "This model's maximum context length is 100 tokens.")
    turns = [Message("user" if number % 2 == 0 else "assistant", f"{number} " * 20) for number in range(9)]
    messages = (HELLO[0], *turns)
    with Played(too_long, http_answer(REPLY, headers=SSE), owned_by="openai") as server:
        *_, end = run(server.engine(), chat(messages, drop_oldest=True))
        assert isinstance(end, Finished)
        sent = server.asked()[1][1]["messages"]
        assert (sent[0]["content"], sent[-1]["content"]) == ("Be brief.", turns[-1].content)
        assert end.dropped_messages == len(messages) - len(sent) > 0
        assert len(server.asked()) == 2
    with Played(too_long) as server:
        engine = server.engine()
        for request in (chat(messages), chat(drop_oldest=True)):
            with pytest.raises(ContextOverflow):
                run(engine, request)


def test_a_cancel_closes_the_connection_and_is_a_stop() -> None:
    closed = threading.Event()

    class Endless(Played):
        def _respond(self, request: bytes, connection: socket.socket) -> None:
            if b"/chat/" not in request.splitlines()[0]:
                super()._respond(request, connection)
                return
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + sse(said("Hi"), done=False))
            if connection.recv(1) == b"":
                closed.set()

    with Endless() as server:
        engine, cancelled = server.engine(), Flag()
        events: list[Event] = []

        def emit(event: Event) -> None:
            events.append(event)
            if isinstance(event, TextDelta):
                cancelled.set()

        started = time.monotonic()
        engine.generate(chat(), emit, cancelled)
        assert time.monotonic() - started < 1
        assert isinstance(events[-1], Finished)
        assert (events[-1].reason, events[-1].usage.completion_tokens) == ("cancelled", 1)
        assert closed.wait(1)


def test_what_a_server_says_of_itself() -> None:
    props = {"/props": {"default_generation_settings": {"n_ctx": 4096}}, "/tokenize": {"tokens": [5, 6]}}
    with Played(owned_by="llamacpp", routes=props, meta={"n_ctx_train": 9999}) as server:
        engine = server.engine()
        assert engine.capabilities.context_length == 4096
        assert engine.tokenize("hello") == [5, 6]
        assert server.engine(context_length=50).capabilities.context_length == 50
    with Played(owned_by="llamacpp", meta={"n_ctx_train": 512}, routes={"/props": []}) as server:
        assert server.engine().capabilities.context_length == 512
    with Played(owned_by="system") as server:
        engine = server.engine()
        assert engine.capabilities.context_length == 0
        assert engine.capabilities.constraints == ("json_schema",)
        with pytest.raises(BadRequest, match="does not tell"):
            engine.tokenize("hello")


@pytest.mark.parametrize(
    ("listing", "sentence"),
    [
        (http_answer(b'{"data": [{"id": "other"}]}'), "no model called 'org/model' any more"),
        (http_answer(b'{"hello": 1}'), "not with a list of models"),
        (http_answer(b"<html>"), "JSON"),
        (http_answer(b"{}", "401 Unauthorized"), "refused the key"),
        (http_answer(b"x" * 3_000_000), "larger than 2,097,152 bytes"),
    ],
)
def test_a_model_that_cannot_be_loaded_says_why(listing: bytes, sentence: str) -> None:
    with Canary(answering(listing)) as server:
        model = LocalModel("far/m", "Far", "remote", endpoint=Endpoint(server.url, "org/model", KEY))
        with pytest.raises(ModelError, match=sentence) as failed:
            RemoteEngine(model, RemoteOptions(), lambda _fraction, _note: None)
        assert KEY not in str(failed.value) + repr(model)
