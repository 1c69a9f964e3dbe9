"""Which messages fit the model's context: the oldest go first, the system prompt and the last message never."""

from collections.abc import Callable, Sequence

from modules.errors import ContextOverflow
from modules.types.messages import Message

# After a cut the prompt is this full, so that the next turns keep the same beginning and its cached state.
REFILL = 0.75


def fit(
    messages: Sequence[Message],
    count_tokens: Callable[[Sequence[Message]], int],
    *,
    budget_tokens: int,
    context_length: int,
) -> tuple[list[Message], int]:
    """(the messages that fit into `budget_tokens`, how many were left out).

    `count_tokens` renders and counts; it is called about log2(len(messages)) times. The last message alone may take
    more than the budget; raises ContextOverflow when it leaves no room for a reply.
    """
    if count_tokens(messages) <= budget_tokens:
        return list(messages), 0
    system = [message for message in messages[:1] if message.role == "system"]
    turns = list(messages[len(system) :])
    # A window begins with a user's message, as most templates demand.
    starts = [place for place, message in enumerate(turns) if message.role == "user" and place > 0]
    target = int(budget_tokens * REFILL)
    low, high = 0, len(starts)
    while low < high:
        middle = (low + high) // 2
        if count_tokens([*system, *turns[starts[middle] :]]) <= target:
            high = middle
        else:
            low = middle + 1
    start = starts[low] if low < len(starts) else (starts[-1] if starts else 0)
    kept = [*system, *turns[start:]]
    size = count_tokens(kept)
    if size >= context_length:
        raise ContextOverflow(size, context_length)
    return kept, start
