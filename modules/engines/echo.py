"""The echo engine: deterministic, needs no model; it repeats its prompt or plays a script."""

import base64
import codecs
import json
import os
import time
import zlib
from pathlib import Path
from threading import Event as Flag
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from modules.engines.protocol import START_ONLY, Capabilities, Emit, EngineKind, EngineOptions, Report
from modules.errors import EngineError, ModelError
from modules.types.estimates import MemoryEstimate
from modules.types.generation import (
    Finished,
    FinishReason,
    GenerationRequest,
    Progress,
    ReasoningDelta,
    TextDelta,
    Usage,
)
from modules.types.local_model import LocalModel
from modules.types.machine import Machine
from modules.types.tools import ToolCall

# The prompt is the last user message, so repeating the prompt repeats the message.
LAST_USER_MESSAGE = (
    "{% set found = namespace(text='') %}{% for message in messages if message.role == 'user' %}"
    "{% set found.text = message.content %}{% endfor %}{{ found.text }}"
)
PREFILL_STEP_SECONDS = 0.05


class ScriptStep(BaseModel):
    """One step of a script: waits first, then what it says in the order of these fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    prefill_ms: float = Field(default=0, ge=0, le=600_000)
    delay_ms: float = Field(default=0, ge=0, le=600_000)
    reasoning: str = ""
    text: str = ""
    bytes_b64: str = ""
    tool_call: dict[str, Any] | None = None
    fail: str | None = None
    exit: int | None = None


SCRIPT: TypeAdapter[list[ScriptStep]] = TypeAdapter(list[ScriptStep])


class EchoOptions(EngineOptions):
    """The engine needs no memory to speak of, so nothing depends on the machine."""

    script: Path | None = Field(
        default=None,
        description="A JSON list of steps to play instead of repeating the prompt.",
        json_schema_extra=START_ONLY,
    )
    context_length: int = Field(default=8192, ge=16, le=1_048_576, description="Words the echo engine can hold.")
    slots: int = Field(default=4, ge=1, le=64, description="Requests answered at once.")


class EchoEngine:
    """A word with the space after it is a token; its id is a checksum."""

    def __init__(self, options: EchoOptions) -> None:
        self.capabilities = Capabilities(
            context_length=options.context_length,
            slots=options.slots,
            chat_template=LAST_USER_MESSAGE,
            tool_calls=True,
            runs_on="the echo engine",
        )
        self._script = read_script(options.script) if options.script else None

    def tokenize(self, text: str) -> list[int]:
        return [zlib.crc32(word.encode("utf-8")) & 0x7FFFFFFF for word in words(text)]

    def token_pieces(self, text: str) -> list[tuple[int, str]]:
        return [(token, word.encode().hex()) for token, word in zip(self.tokenize(text), words(text), strict=True)]

    def generate(self, request: GenerationRequest, emit: Emit, cancelled: Flag) -> None:
        steps = self._script
        if steps is None:
            prompt = request.prompt or " ".join(str(token) for token in request.prompt_tokens)
            steps = [ScriptStep(text=word) for word in words(prompt)]
        started = time.monotonic()
        player = ScriptPlayer(emit, cancelled, len(request.prompt_tokens))
        reason = player.play(steps, request.max_tokens)
        seconds = max(time.monotonic() - started, 1e-6)
        emit(
            Finished(
                reason,
                Usage(len(request.prompt_tokens), player.tokens),
                tokens_per_second=player.tokens / seconds,
                context_length=self.capabilities.context_length,
            )
        )

    def close(self) -> None:
        pass


class ScriptPlayer:
    """Plays steps until the end, the token limit or a cancel; each step that says something is one token."""

    def __init__(self, emit: Emit, cancelled: Flag, prompt_tokens: int) -> None:
        self._emit = emit
        self._cancelled = cancelled
        self._prompt_tokens = prompt_tokens
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self.tokens = 0

    def play(self, steps: list[ScriptStep], max_tokens: int) -> FinishReason:
        called = False
        for step in steps:
            self._prefill(step.prefill_ms / 1000)
            if self._cancelled.wait(step.delay_ms / 1000):
                return "cancelled"
            if step.fail is not None:
                raise EngineError(step.fail)
            if step.exit is not None:
                os._exit(step.exit)
            if self.tokens >= max_tokens:
                return "length"
            self._say(step)
            called = called or step.tool_call is not None
        if rest := self._decoder.decode(b"", final=True):
            self._emit(TextDelta(rest))
        return "tool_calls" if called else "stop"

    def _prefill(self, seconds: float) -> None:
        ends = time.monotonic() + seconds
        while (left := ends - time.monotonic()) > 0 and not self._cancelled.is_set():
            self._emit(Progress("reading", 1 - left / seconds))
            self._cancelled.wait(min(left, PREFILL_STEP_SECONDS))

    def _say(self, step: ScriptStep) -> None:
        self.tokens += bool(step.text or step.bytes_b64 or step.reasoning or step.tool_call)
        if step.reasoning:
            self._emit(ReasoningDelta(step.reasoning))
        text = step.text + self._decoder.decode(base64.b64decode(step.bytes_b64))
        if text:
            self._emit(TextDelta(text))
        if step.tool_call is not None:
            arguments = step.tool_call.get("arguments", {})
            self._emit(
                ToolCall(
                    str(step.tool_call.get("name", "")),
                    arguments if isinstance(arguments, str) else json.dumps(arguments),
                )
            )


def read_script(path: Path) -> list[ScriptStep]:
    try:
        return SCRIPT.validate_json(path.read_bytes())
    except OSError as error:
        raise ModelError(
            f"The echo script {path.name} cannot be read: {error.strerror}.", cause="missing_file"
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ModelError(
            f"The echo script {path.name} is wrong at step {place}: {first['msg']}.", cause="bad_option"
        ) from error


def words(text: str) -> list[str]:
    """The text cut before each word, so that the pieces join to the whole."""
    pieces: list[str] = []
    start = 0
    for place in range(1, len(text)):
        if text[place - 1].isspace() and not text[place].isspace():
            pieces.append(text[start:place])
            start = place
    return [*pieces, text[start:]] if text else []


def load(_model: LocalModel, options: EchoOptions, _report: Report) -> EchoEngine:
    return EchoEngine(options)


def estimate(_model: LocalModel, options: EchoOptions, _machine: Machine) -> MemoryEstimate:
    return MemoryEstimate(0, context_length=options.context_length, slots=options.slots)


ECHO = EngineKind("echo", ("echo",), EchoOptions, load, estimate)
