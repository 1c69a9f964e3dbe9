"""What is asked of an OpenAI-compatible server, and what its refusals mean.

The key goes to the server's own origin alone, and never into a sentence.
"""

import json
import re
from collections.abc import Iterator
from threading import Event as Flag
from typing import Any, cast
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError

from modules.engines.remote.knobs import ServerKind
from modules.errors import BadRequest, Busy, ContextOverflow, EngineError, FetchError, KeyRefused, NotFound, ParlorError
from modules.outbound.fetcher import Answer, Fetcher, FetchLimits
from modules.outbound.targets import EXAMPLE, target_of
from modules.types.remote import Endpoint

Json = dict[str, Any]
OBJECT: TypeAdapter[Json] = TypeAdapter(Json)

LISTING = FetchLimits(connect_seconds=5, read_seconds=10, total_seconds=10)
STREAM_BYTES = 256 * 1024 * 1024
LINE_BYTES = 8 * 1024 * 1024
DAY_SECONDS = 24 * 3600.0
MESSAGE_CHARS = 500
KINDS: dict[str, ServerKind] = {"vllm": "vllm", "sglang": "sglang", "llamacpp": "llamacpp", "parlor": "parlor"}
CONTEXT_CODES = frozenset({"context_length_exceeded", "exceed_context_size_error"})
CONTEXT_WORDS = re.compile(r"context (length|size|window)|maximum (model|input|context)|too many tokens", re.IGNORECASE)
CONTEXT_TOKENS = re.compile(r"(?:context|model)[ _]?(?:length|size|window|len)\D{0,40}?([\d,]*\d)", re.IGNORECASE)


class Server:
    """One model's server. Any thread may call; every error is a sentence of the tree, without the key."""

    def __init__(self, endpoint: Endpoint, limits: FetchLimits = LISTING) -> None:
        self.endpoint = endpoint
        self._fetcher = Fetcher(limits, allowed=[endpoint.address])

    def get(self, path: str) -> Json:
        return self._whole("GET", path, b"")

    def post(self, path: str, body: Json) -> Json:
        return self._whole("POST", path, json.dumps(body).encode())

    def model_list(self) -> list[Json]:
        """What GET /v1/models says; raises EngineError when that is no list of models."""
        found = self.get("/v1/models").get("data")
        if not isinstance(found, list):
            raise EngineError(f"{self._origin} answered, but not with a list of models. Is the address right?")
        entries = [OBJECT.validate_python(entry) for entry in cast(list[Any], found) if isinstance(entry, dict)]
        return [entry for entry in entries if isinstance(entry.get("id"), str)]

    def stream(self, path: str, body: Json, cancelled: Flag) -> Iterator[Json]:
        """The chunks of a streamed answer until its [DONE]; raises EngineError when it ends without one."""
        with self._fetcher.stream(
            "POST",
            self.endpoint.address + path,
            headers=self._headers(),
            body=json.dumps(body).encode(),
            cancelled=cancelled,
        ) as answer:
            if answer.status != 200:
                raise self._refusal(answer.status, whole(answer), answer.headers.get("retry-after", ""))
            for text in events(answer.chunks):
                if text == "[DONE]":
                    return
                chunk = self._parsed(text.encode())
                if chunk.get("error"):
                    raise self._refusal(500, text.encode())
                yield chunk
        raise EngineError(f"{self._origin} ended the reply before it was complete.")

    def _whole(self, method: str, path: str, body: bytes) -> Json:
        answer = self._fetcher.fetch(method, self.endpoint.address + path, headers=self._headers(), body=body)
        if answer.status != 200:
            raise self._refusal(answer.status, answer.body, answer.headers.get("retry-after", ""))
        return self._parsed(answer.body)

    def _parsed(self, content: bytes) -> Json:
        try:
            return OBJECT.validate_json(content)
        except ValidationError as error:
            raise EngineError(f"{self._origin} did not answer with JSON. Is the address right?") from error

    def _headers(self) -> dict[str, str]:
        key = self.endpoint.key
        return {
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            **({"Authorization": f"Bearer {key}"} if key else {}),
        }

    @property
    def _origin(self) -> str:
        return target_of(self.endpoint.address).origin

    def _refusal(self, status: int, body: bytes, retry_after: str = "") -> ParlorError:
        """What a status other than 200 means for whoever asked."""
        details = error_of(body)
        said = self._quoted(str(details.get("message") or ""))
        code = details.get("code")
        status = code if status >= 500 and isinstance(code, int) and 400 <= code < 600 else status
        if status in {401, 403}:
            has = "refused the key" if self.endpoint.key else "asks for a key"
            return KeyRefused(f"{self._origin} {has} ({status}). Add the server again with the right one.")
        if status == 429:
            seconds = min(int(retry_after), 3600) if retry_after.isascii() and retry_after.isdigit() else 5
            return Busy(f"{self._origin} has too much to do; try again in {seconds} seconds.{said}", seconds)
        if CONTEXT_CODES & {str(code), str(details.get("type"))} or (status == 400 and CONTEXT_WORDS.search(said)):
            return ContextOverflow(
                number(details.get("n_prompt_tokens")),
                number(details.get("n_ctx")) or told_context(said),
                f"The prompt does not fit the context of the model on {self._origin}. Shorten the conversation.{said}",
            )
        if status == 404 and not self.endpoint.model:
            return EngineError(f"{self._origin} answers, but has no list of models there (404). Is the address right?")
        if status == 404:
            return NotFound(f"{self._origin} has no model called {self.endpoint.model!r}.{said}", field="model")
        if status < 500:
            param = details.get("param")
            field = param[:80] if isinstance(param, str) else None
            return BadRequest(f"{self._origin} refused the request ({status}).{said}", field=field)
        return EngineError(f"{self._origin} failed ({status}).{said}")

    def _quoted(self, message: str) -> str:
        """Someone else's words, in one line and without our key; empty when there are none."""
        key = self.endpoint.key
        clean = "".join(one if one.isprintable() else " " for one in message[: 4 * MESSAGE_CHARS])
        clean = (clean.replace(key, "***") if key else clean)[:MESSAGE_CHARS].strip()
        return f" It says: {clean}" if clean else ""


def stream_limits(silence_seconds: float) -> FetchLimits:
    """Of requests that are answered as long as the model writes."""
    return FetchLimits(
        connect_seconds=10,
        read_seconds=silence_seconds,
        total_seconds=DAY_SECONDS,
        body_bytes=STREAM_BYTES,
        decoded_bytes=STREAM_BYTES,
    )


def kind_of(entry: Json) -> ServerKind:
    """The kind of server by what it says of one of its models."""
    return KINDS.get(str(entry.get("owned_by", "")).casefold(), "openai")


def context_length(server: Server, kind: ServerKind, entry: Json) -> int:
    """Tokens that one request may hold; 0 when the server does not say."""
    if kind == "parlor":
        # It loads the model there, so that the first message need not wait for that.
        counted = server.post("/v1/tokenize", {"model": server.endpoint.model, "prompt": "a"})
        return number(counted.get("max_model_len"))
    if kind == "llamacpp":
        try:
            settings = server.get("/props").get("default_generation_settings")
        except ParlorError:
            settings = None
        if isinstance(settings, dict) and (found := number(OBJECT.validate_python(settings).get("n_ctx"))):
            return found
    meta = entry.get("meta")
    trained = OBJECT.validate_python(meta).get("n_ctx_train") if isinstance(meta, dict) else 0
    return number(entry.get("max_model_len")) or number(entry.get("context_length")) or number(trained)


def token_ids(server: Server, kind: ServerKind, text: str) -> list[int]:
    """Raises BadRequest where the server does not tell."""
    model = server.endpoint.model
    match kind:
        case "vllm":
            answer = server.post("/tokenize", {"model": model, "prompt": text, "add_special_tokens": False})
        case "llamacpp":
            answer = server.post("/tokenize", {"content": text, "add_special": False, "parse_special": True})
        case "parlor":
            answer = server.post("/v1/tokenize", {"model": model, "prompt": text})
        case _:
            raise uncounted(server)
    return ids_of(answer)


def chat_token_ids(server: Server, kind: ServerKind, messages: list[dict[str, str]]) -> list[int]:
    """Of a chat as the server renders it. Raises BadRequest where the server does not tell."""
    match kind:
        case "vllm" | "parlor":
            path = "/tokenize" if kind == "vllm" else "/v1/tokenize"
            return ids_of(server.post(path, {"model": server.endpoint.model, "messages": messages}))
        case "llamacpp":
            rendered = server.post("/apply-template", {"messages": messages}).get("prompt")
            return token_ids(server, kind, str(rendered))
        case _:
            raise uncounted(server)


def uncounted(server: Server) -> BadRequest:
    return BadRequest(
        f"{target_of(server.endpoint.address).origin} does not tell how many tokens a text has.", field="model"
    )


def ids_of(answer: Json) -> list[int]:
    found = answer.get("tokens")
    return [number(one) for one in cast(list[Any], found)] if isinstance(found, list) else []


def number(value: object) -> int:
    """A count as another program sent it; 0 for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**40 else 0


def told_context(message: str) -> int:
    """The number in "maximum context length is 8192 tokens"; 0 when there is none."""
    found = CONTEXT_TOKENS.search(message)
    return number(int(found.group(1).replace(",", ""))) if found else 0


def whole(answer: Answer) -> bytes:
    """The body of a refusal, as far as anyone reads it."""
    try:
        return b"".join(answer.chunks)[:LINE_BYTES]
    except FetchError:
        return b""


def error_of(body: bytes) -> Json:
    """The error object in OpenAI's shape, or what comes near it: {"error": "text"}, {"detail": ...}."""
    try:
        content = OBJECT.validate_json(body)
    except ValidationError:
        return {}
    error = content.get("error", content.get("detail", content))
    if isinstance(error, dict):
        return OBJECT.validate_python(error)
    return {"message": error if isinstance(error, str) else json.dumps(error)[:MESSAGE_CHARS]}


def events(chunks: Iterator[bytes]) -> Iterator[str]:
    """The data of server-sent events; comments and other fields are passed over."""
    waiting, data = b"", list[str]()
    for chunk in chunks:
        waiting += chunk
        if len(waiting) > LINE_BYTES:
            raise EngineError(f"The server sent a line of more than {LINE_BYTES:,} bytes.")
        *lines, waiting = waiting.split(b"\n")
        for line in lines:
            text = line.rstrip(b"\r").decode("utf-8", "replace")
            if text.startswith("data:"):
                data.append(text[5:].removeprefix(" "))
            elif not text and data:
                yield "\n".join(data)
                data = []


def address_of(text: str) -> str:
    """A server's address as it is stored: without a slash or /v1 at its end. Raises BadRequest for anything strange."""
    if not text.strip():
        raise BadRequest(f"Give the server's address. {EXAMPLE}", field="address")
    try:
        target = target_of(text.strip())
    except FetchError as error:
        raise BadRequest(str(error), field="address") from error
    parts = urlsplit(text.strip())
    if parts.query or parts.fragment:
        raise BadRequest("A server's address has no ? and no #. Leave out what stands there and after it.", "address")
    return target.origin + target.path.rstrip("/").removesuffix("/v1").rstrip("/")
