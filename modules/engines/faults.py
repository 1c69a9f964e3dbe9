"""Why a model could not be loaded: an engine's last words become a cause, a sentence, and what helps."""

import re
import signal
from dataclasses import dataclass

from modules.errors import ModelCause, ModelError


@dataclass(frozen=True)
class Fault:
    """Known by `pattern`, in the engine's message or its last words; `sentence` goes on after the model's title."""

    cause: ModelCause
    pattern: re.Pattern[str]
    sentence: str

    @classmethod
    def of(cls, cause: ModelCause, pattern: str, sentence: str) -> "Fault":
        return cls(cause, re.compile(pattern, re.IGNORECASE), sentence)


GPU_MEMORY = (
    "does not fit into the GPU's memory. Keep fewer layers there, set a smaller context_length, or unload other models."
)
MEMORY = (
    "needs more memory than there is. Close other programs, unload other models, set a smaller context_length or fewer "
    "slots, or choose a smaller model."
)
DAMAGED = "is damaged or incomplete. Download it again."
# Words in parentheses are repeated in the sentence. The first that fits decides, so the more special stand first.
FAULTS: tuple[Fault, ...] = (
    Fault.of("out_of_memory", r"CUDA out of memory|cudaMalloc failed|CUDA error: out of memory", GPU_MEMORY),
    Fault.of("out_of_memory", r"cannot allocate memory|can't allocate memory|insufficient memory", MEMORY),
    Fault.of("out_of_memory", r"failed to allocate|bad_alloc|\bMemoryError\b|DefaultCPUAllocator", MEMORY),
    Fault.of("missing_file", r"no such file or directory|failed to open GGUF", "lacks a file. Download it again."),
    Fault.of(
        "unsupported_architecture",
        r"unknown model architecture: '([^']{1,80})'",
        "has the architecture {0}, which this llama.cpp does not know. Update Parlor, or choose another model.",
    ),
    Fault.of(
        "unsupported_architecture",
        r"unknown pre-tokenizer type: '([^']{1,80})'",
        "has the tokenizer {0}, which this llama.cpp does not know. Update Parlor, or choose another model.",
    ),
    Fault.of("damaged_file", r"not within the file bounds|corrupted or incomplete|invalid magic", DAMAGED),
    Fault.of("damaged_file", r"tensor '([^']{1,200})' not found", "lacks the tensor {0}. Download it again."),
    Fault.of("damaged_file", r"check_tensor_dims|wrong number of tensors|gguf_init_from|invalid split file", DAMAGED),
    Fault.of(
        "missing_package",
        r"No module named '([^']{1,80})'",
        "needs the package {0}, which is not installed. Install it, or choose another model.",
    ),
    Fault.of(
        "gpu",
        r"CUDA driver version is insufficient|no kernel image is available|libcuda|CUDA error|NVML",
        "could not be put on the GPU, because its driver or the card does not fit. Update the driver, or load it "
        "without the GPU.",
    ),
    Fault.of("timeout", r"timed out|\bTimeoutError\b", "took too long to load. Try again, or look at its disk."),
)
SIGNAL_CAUSES: dict[int, tuple[ModelCause, str]] = {
    signal.SIGKILL: (
        "killed",
        "something killed it. The system does so when memory runs out: close other programs, set a smaller "
        "context_length, or choose a smaller model.",
    ),
    signal.SIGILL: ("crashed", "this processor lacks an instruction that the engine uses."),
}
ENDED = "The engine's process ended unexpectedly"


def explained(error: ModelError, title: str, last_words: str) -> ModelError:
    """The error with its cause and the last words; what the engine itself could name stays as it said it."""
    if error.cause != "unknown":
        return ModelError(str(error), last_words, error.cause)
    said = f"{error}\n{last_words}"
    return recognized(title, said) or ModelError(str(error), last_words)


def death(title: str, exit_status: int, last_words: str) -> ModelError:
    """Of a worker that ended by itself; a negative status is the signal that ended it."""
    known = recognized(title, last_words) if exit_status != -signal.SIGKILL else None
    if known is not None:
        return known
    cause, reason = SIGNAL_CAUSES.get(-exit_status, ("crashed", "the next message loads the model again."))
    return ModelError(f"{ENDED}: {reason}", last_words, cause)


def fault_of(error: Exception, title: str) -> ModelError:
    """A surprise on this side of the pipe, such as a system that starts no more processes."""
    if isinstance(error, ModelError):
        return error
    return explained(ModelError(f"{title} could not be loaded: {error!r}"), title, "")


def recognized(title: str, words: str) -> ModelError | None:
    for fault in FAULTS:
        if (match := fault.pattern.search(words)) is not None:
            return ModelError(f"{title} {fault.sentence.format(*match.groups())}", words, fault.cause)
    return None
