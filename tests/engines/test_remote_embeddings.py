"""Embeddings of servers that a test plays: what they are sent, and what becomes of whatever they answer."""

import json
import socket
from typing import Any

import pytest

from modules.engines.remote.engine import RemoteEngine
from modules.engines.remote.kind import RemoteOptions
from modules.errors import BadRequest, EngineError, FetchError, KeyRefused
from modules.types.embeddings import decoded
from modules.types.local_model import LocalModel
from modules.types.remote import Endpoint
from tests.canary import Canary, http_answer

KEY = "canary-key-123"
LISTING = http_answer(b'{"data": [{"id": "org/model"}]}')


def vector(index: int, *numbers: float) -> dict[str, Any]:
    return {"object": "embedding", "index": index, "embedding": list(numbers)}


def listed(*vectors: dict[str, Any], **fields: Any) -> bytes:
    return http_answer(
        json.dumps({"object": "list", "data": vectors, "usage": {"prompt_tokens": 7}, **fields}).encode()
    )


ONE = listed(vector(0, 0.5, -0.25))


class Embedder(Canary):
    """Answers the first request to embed with `first`, those that follow with `then`."""

    def __init__(self, first: bytes = ONE, then: bytes = ONE) -> None:
        self.answers = [first, then]
        super().__init__(self._respond)

    def _respond(self, request: bytes, connection: socket.socket) -> None:
        if request.startswith(b"GET"):
            connection.sendall(LISTING)
        else:
            connection.sendall(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])

    def engine(self) -> RemoteEngine:
        model = LocalModel("far/org/model", "Far", "remote", endpoint=Endpoint(self.url, "org/model", KEY))
        return RemoteEngine(model, RemoteOptions(), lambda _fraction, _note: None)

    def bodies(self) -> list[Any]:
        return [json.loads(one.partition(b"\r\n\r\n")[2]) for one in self.requests if one.startswith(b"POST")]


def test_texts_and_ids_go_out_as_they_are_and_vectors_come_back_in_their_order() -> None:
    with Embedder(then=listed(vector(1, 3.0, 4.0), vector(0, 1.0, 2.0))) as server:
        engine = server.engine()
        assert engine.capabilities.embeds
        found = engine.embed_texts(["one", [5, 6]])
        assert [decoded(one) for one in found.vectors] == [[1.0, 2.0], [3.0, 4.0]]
        assert (found.tokens, found.dimensions) == (7, 2)
        asked = server.bodies()[-1]
        assert asked == {"model": "org/model", "input": ["one", [5, 6]], "encoding_format": "float"}
        assert b"\r\nAuthorization: Bearer canary-key-123\r\n" in server.requests[-1]


@pytest.mark.parametrize(
    ("answer", "embeds"),
    [
        (ONE, True),
        (http_answer(b"{}", "404 Not Found"), False),
        (http_answer(b'{"error": {"message": "no embeddings"}}', "400 Bad Request"), False),
        (http_answer(b"{}", "501 Not Implemented"), False),
        (http_answer(b"{}", "403 Forbidden"), False),
        (http_answer(b'{"data": []}'), False),
        # Too busy to say: the next request will tell.
        (http_answer(b"{}", "429 Too Many"), True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\nhalf", True),
    ],
)
def test_whether_a_server_embeds_is_tried_with_one_letter(answer: bytes, embeds: bool) -> None:
    with Embedder(answer) as server:
        assert server.engine().capabilities.embeds == embeds
        assert [body["input"] for body in server.bodies()] == [["a"]]


@pytest.mark.parametrize(
    ("answer", "kind", "sentence"),
    [
        (listed(vector(0, 1.0)), EngineError, "vector of each"),
        (listed(vector(0, 1.0), vector(2, 1.0)), EngineError, "vector of each"),
        (listed(vector(0, 1.0), vector(0, 1.0)), EngineError, "vector of each"),
        (listed(vector(0, 1.0), vector(1, 1.0, 2.0)), EngineError, "vector of each"),
        (listed(vector(0), vector(1)), EngineError, "no list of vectors"),
        (http_answer(b'{"data": [{"index": 0, "embedding": [NaN]}]}'), EngineError, "no list of vectors"),
        (http_answer(b'{"data": [{"index": 0, "embedding": [1e999]}]}'), EngineError, "no list of vectors"),
        (listed(vector(0, 1.0), vector(1, 1e39)), EngineError, "no list of vectors"),
        (http_answer(b'{"data": "vectors"}'), EngineError, "no list of vectors"),
        (http_answer(b"<html>"), EngineError, "JSON"),
        (http_answer(b'{"error": {"message": "too long"}}', "400 Bad"), BadRequest, "It says: too long"),
        (http_answer(b"{}", "401 No"), KeyRefused, "refused the key"),
        (http_answer(b"", "307 Elsewhere", "Location: http://127.0.0.1:1/"), FetchError, "not followed"),
    ],
)
def test_whatever_is_no_vector_of_each_text_is_an_error(answer: bytes, kind: type[Exception], sentence: str) -> None:
    with Embedder(then=answer) as server:
        engine = server.engine()
        with pytest.raises(kind, match=sentence) as failed:
            engine.embed_texts(["one", "two"])
        assert KEY not in str(failed.value)
