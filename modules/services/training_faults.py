"""Why a training ended by itself: what is known of its end becomes a sentence, with what helps."""

import re
import signal

SMALLER = (
    "Choose a smaller max_length or batch_size, switch on gradient_checkpointing, keep the model's weights in nf4, "
    "or unload models and close other programs; then resume, or start again with that."
)
KILLED = (
    "The training process was killed. The system does so when memory runs out. Unload models or close other programs "
    "and resume it; or start again with a smaller max_length or batch_size, or with gradient_checkpointing."
)
# What is added to the process's own sentence, by the cause that it named.
REMEDIES = {
    "out_of_memory": SMALLER,
    "disk": "Free some space, then resume it: it goes on from its newest checkpoint.",
}
MEMORY = re.compile(
    r"CUDA out of memory|CUDA error: out of memory|cannot allocate memory|can't allocate memory|not enough memory"
    r"|bad_alloc|\bMemoryError\b|DefaultCPUAllocator",
    re.IGNORECASE,
)
DISK = re.compile(r"No space left on device|Disk quota exceeded", re.IGNORECASE)
MISSING = re.compile(r"No module named '([^']{1,80})'")


def told_fault(message: str, cause: str) -> str:
    """Of an error that the process named itself."""
    remedy = REMEDIES.get(cause, "")
    return message if not remedy or remedy in message else f"{message} {remedy}"


def death(exit_status: int, last_words: str) -> str:
    """Of a process that said nothing of its end; a negative status is the signal that ended it."""
    if exit_status == -signal.SIGKILL:
        return KILLED
    if exit_status == -signal.SIGILL:
        return "The training process ended: this processor lacks an instruction that a library uses."
    if MEMORY.search(last_words):
        return f"The training needs more memory than there is. {SMALLER}"
    if DISK.search(last_words):
        return f"The disk is full. {REMEDIES['disk']}"
    if (match := MISSING.search(last_words)) is not None:
        return f"The training needs the package {match.group(1)}, which is not installed. Install it, then resume."
    words = [line.strip() for line in last_words.splitlines() if line.strip()]
    said = f" It said last: {words[-1][:300]}" if words else ""
    ended = f"The training process ended unexpectedly (status {exit_status})."
    return f"{ended} Resume goes on from its newest checkpoint.{said}"
