"""An engine without a model: it answers each turn with the next line of a text; good for trying the page."""

from threading import Event as Flag

from pydantic import Field

from modules.engines.protocol import Capabilities, Emit, EngineKind, EngineOptions, Report
from modules.types.estimates import MemoryEstimate
from modules.types.generation import Finished, GenerationRequest, TextDelta, Usage
from modules.types.local_model import LocalModel
from modules.types.machine import Machine

CONTEXT, SLOTS = 8192, 4
# What the chat template puts before each message of the person, so that the turns can be counted.
TURN = "> "
TEMPLATE = (
    "{% for message in messages %}{{ '"
    + TURN
    + "' if message.role == 'user' else '' }}{{ message.content }}\n{% endfor %}"
)


class ReciteOptions(EngineOptions):
    lines: str = Field(
        default="Good day.\nTell me more.\nWhat then?", description="What it says, a line for each turn."
    )


class Reciter:
    """A word is a token."""

    def __init__(self, options: ReciteOptions) -> None:
        self._lines = options.lines.splitlines() or ["..."]
        self.capabilities = Capabilities(CONTEXT, SLOTS, chat_template=TEMPLATE, runs_on="the reciter")

    def tokenize(self, text: str) -> list[int]:
        return [len(word) for word in text.split()]

    def token_pieces(self, text: str) -> list[tuple[int, str]]:
        return [(len(word), word.encode().hex()) for word in text.split()]

    def generate(self, request: GenerationRequest, emit: Emit, cancelled: Flag) -> None:
        turns = [line for line in request.prompt.splitlines() if line.startswith(TURN)]
        words = self._lines[(len(turns) - 1) % len(self._lines)].split()[: request.max_tokens]
        for word in words:
            if cancelled.is_set():
                break
            emit(TextDelta(word + " "))
        emit(Finished("cancelled" if cancelled.is_set() else "stop", Usage(len(request.prompt_tokens), len(words))))

    def close(self) -> None:
        pass


def load(_model: LocalModel, options: ReciteOptions, _report: Report) -> Reciter:
    return Reciter(options)


def estimate(_model: LocalModel, _options: ReciteOptions, _machine: Machine) -> MemoryEstimate:
    return MemoryEstimate(0, context_length=CONTEXT, slots=SLOTS)


RECITE = EngineKind("recite", ("echo",), ReciteOptions, load, estimate)
