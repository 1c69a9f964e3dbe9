"""The person's own conversations as samples: what is shown of each, as far as it is complete."""

from collections.abc import Iterator

from modules.errors import NotFound
from modules.storage.conversations import ConversationStore
from modules.storage.folder_names import as_folder, is_within
from modules.types.conversation import Conversation, StoredMessage
from modules.types.datasets import ConversationChoice, Example, RowProblem, Turn

PAGE = 500
MOST_FOUND = 10_000


class ConversationSamples:
    """Any thread may call. A row is a conversation, counted from 1 in the order of the choice; `file` is its title."""

    def __init__(self, store: ConversationStore) -> None:
        self._store = store

    def chosen(self, choice: ConversationChoice) -> Iterator[Conversation]:
        """Listed ones in their order, found ones best first, others newest first; none that was deleted."""
        folder = as_folder(choice.folder)
        for conversation in self._candidates(choice):
            is_there = is_within(conversation.folder, folder)
            is_new = choice.updated_from is None or conversation.updated >= choice.updated_from
            is_old = choice.updated_until is None or conversation.updated <= choice.updated_until
            if is_there and is_new and is_old:
                yield conversation

    def folders(self) -> list[str]:
        return self._store.folders()

    def samples(self, choice: ConversationChoice) -> Iterator[Example | RowProblem]:
        for row, conversation in enumerate(self.chosen(choice), start=1):
            turns = self.turns(conversation)
            if turns is None:
                yield RowProblem(row, "", "It uses tools, which are not supported.", conversation.title)
            elif not turns:
                yield RowProblem(row, "", "It has no complete answer to learn from.", conversation.title)
            else:
                yield Example(turns=turns, row=row, file=conversation.title)

    def turns(self, conversation: Conversation) -> tuple[Turn, ...] | None:
        """Up to the last answer before a message that is not complete; None for a conversation that uses tools."""
        turns: list[Turn] = []
        for message in self._messages(conversation):
            if message.role == "tool" or message.calls:
                return None
            if message.state != "complete" or not message.content.strip():
                break
            turns.append(Turn(message.role, message.content))
        while turns and turns[-1].role != "assistant":
            turns.pop()
        return tuple(turns)

    def _messages(self, conversation: Conversation) -> list[StoredMessage]:
        """None of a conversation that was deleted a moment ago."""
        try:
            return self._store.path(conversation.id)
        except NotFound:
            return []

    def _candidates(self, choice: ConversationChoice) -> Iterator[Conversation]:
        """Raises NotFound for a listed one that is gone."""
        if choice.ids:
            yield from (self._store.get(one) for one in dict.fromkeys(choice.ids))
        elif choice.search.strip():
            yield from (hit.conversation for hit in self._store.search(choice.search, MOST_FOUND))
        else:
            # Read at once: one that is continued meanwhile would move to the front and another be read twice.
            everything: list[Conversation] = []
            while page := self._store.newest(PAGE, len(everything)):
                everything += page
            yield from everything
