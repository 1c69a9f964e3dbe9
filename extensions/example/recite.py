"""An engine without a model: it answers with the lines of a text file, one after another; good for trying the page."""

from pathlib import Path
from threading import Event as Flag

from modules.engines.protocol import Capabilities, Emit, EngineKind, EngineOptions, Report
from modules.errors import ModelError
from modules.types.estimates import MemoryEstimate
from modules.types.generation import Finished, GenerationRequest, TextDelta, Usage
from modules.types.local_model import LocalModel
from modules.types.machine import Machine

CONTEXT = 8192
MESSAGES = "{% for message in messages %}{{ message.content }}\n{% endfor %}"


class Reciter:
    """A word is a token; the line of the file is that of the turn."""

    def __init__(self, path: Path | None) -> None:
        try:
            self._lines = path.read_text(encoding="utf-8").splitlines() if path is not None else []
        except OSError as error:
            raise ModelError(f"{path} cannot be read: {error.strerror}.", cause="missing_file") from error
        self.capabilities = Capabilities(CONTEXT, slots=4, chat_template=MESSAGES, runs_on="the reciter")

    def tokenize(self, text: str) -> list[int]:
        return [len(word) for word in text.split()]

    def token_pieces(self, text: str) -> list[tuple[int, str]]:
        return [(len(word), word.encode().hex()) for word in text.split()]

    def generate(self, request: GenerationRequest, emit: Emit, cancelled: Flag) -> None:
        lines = self._lines or ["(The file is empty.)"]
        words = lines[request.prompt.count("\n") // 2 % len(lines)].split()[: request.max_tokens]
        for word in words:
            if cancelled.is_set():
                break
            emit(TextDelta(word + " "))
        emit(Finished("cancelled" if cancelled.is_set() else "stop", Usage(len(request.prompt_tokens), len(words))))

    def close(self) -> None:
        pass


def load(model: LocalModel, _options: EngineOptions, _report: Report) -> Reciter:
    return Reciter(model.path)


def estimate(_model: LocalModel, _options: EngineOptions, _machine: Machine) -> MemoryEstimate:
    return MemoryEstimate(0, context_length=CONTEXT, slots=4)


RECITE = EngineKind("recite", ("txt",), EngineOptions, load, estimate)
