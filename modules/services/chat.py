"""Conversations as a person has them: send, stop, regenerate, continue, edit, find again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from modules.engines.generation import Generation
from modules.errors import BadRequest, Conflict, NotFound, ParlorError
from modules.limits import LIMITS
from modules.services.extension_commands import ExtensionCommands, WrittenCommand
from modules.services.inference import Inference
from modules.services.journal import Journal, LiveText, Stats, state_of, stats_of
from modules.services.parameters import ParameterService
from modules.services.request_hooks import RequestSource
from modules.services.told_messages import told_messages
from modules.services.tool_replies import ToolReplies
from modules.services.tool_reply import calls_of
from modules.services.tool_results import ResultRoom
from modules.storage.conversations import ConversationStore, title_from
from modules.types.conversation import Conversation, SearchHit, StoredMessage
from modules.types.generation import Failed, Finished
from modules.types.messages import Message
from modules.types.tools import CallRecord, ChosenTools, ToolUse

DELETED_KEPT_SECONDS = 30 * 24 * 3600


@dataclass(frozen=True)
class ConversationView:
    """The path of messages that is shown; `generations` maps the id of a reply being written to its generation's."""

    conversation: Conversation
    messages: tuple[StoredMessage, ...]
    generations: dict[str, str]


class ReplyRecord:
    """Keeps a generation as the message that it is."""

    def __init__(
        self,
        store: ConversationStore,
        message_id: str,
        saved: Callable[[], None],
        stats: Callable[[Finished | Failed], Stats] = stats_of,
    ) -> None:
        """`saved` is called once its last state is in the database; `stats` are what the page tells of it then."""
        self.message_id = message_id
        self._store = store
        self._saved = saved
        self._stats = stats
        self._written: tuple[int, Sequence[CallRecord]] | None = None

    def write(self, generation: Generation) -> None:
        end = generation.end
        text, reasoning, calls = generation.text, generation.reasoning, calls_of(generation)
        written = (len(text) + len(reasoning), calls)
        if end is not None:
            self._store.update_reply(
                self.message_id,
                content=text,
                reasoning=reasoning,
                state=state_of(end),
                error=end.message if isinstance(end, Failed) else "",
                stats=self._stats(end),
                calls=calls,
            )
            self._saved()
        elif written != self._written:
            self._store.update_reply(self.message_id, content=text, reasoning=reasoning, state="streaming", calls=calls)
            self._written = written


class ChatService:
    """Every change names the `revision` the caller last saw; an outdated one raises Conflict and changes nothing.

    The person's message is in the database before a model is asked.
    """

    def __init__(
        self,
        store: ConversationStore,
        inference: Inference,
        parameters: ParameterService,
        *,
        tools: ToolReplies,
        commands: ExtensionCommands,
        saved: Callable[[str], None] = lambda _conversation_id: None,
    ) -> None:
        """`saved` is told which conversation has changed in the database."""
        self._store = store
        self._inference = inference
        self._journal: Journal[ReplyRecord] = Journal()
        self._parameters = parameters
        self._tools = tools
        self._commands = commands
        self._saved = saved
        store.interrupted()
        store.purge(DELETED_KEPT_SECONDS)

    def send(
        self,
        conversation_id: str | None,
        text: str,
        model: str | None,
        revision: int,
        tools: ChosenTools | None = None,
    ) -> ConversationView:
        """Add the person's message and begin the reply; `conversation_id` None starts a conversation, with `tools`."""
        check_text(text)
        if conversation_id is None:
            conversation = self._store.create(title_from(text))
            if tools is not None:
                self._tools.choose(conversation.id, tools)
        else:
            conversation = self._store.get(conversation_id)
            self._require_quiet(conversation.id)
            self._require_revision(conversation, revision)
        _, reply = self._store.append_turn(
            conversation.id, conversation.active_leaf, text, model or "", conversation.revision
        )
        return self._answer(reply, model)

    def edit(
        self, conversation_id: str, message_id: str, text: str, model: str | None, revision: int
    ) -> ConversationView:
        """Send another version of an earlier message; the old one stays as its sibling."""
        check_text(text)
        original = self._message(conversation_id, message_id, "user")
        self._require_quiet(conversation_id)
        _, reply = self._store.append_turn(conversation_id, original.parent_id, text, model or "", revision)
        return self._answer(reply, model)

    def regenerate(self, conversation_id: str, message_id: str, model: str | None, revision: int) -> ConversationView:
        """Make another version of a reply; the old one stays as its sibling."""
        original = self._message(conversation_id, message_id, "assistant")
        self._require_quiet(conversation_id)
        if original.parent_id is None:
            raise BadRequest("This reply answers no message.", field="message_id")
        reply = self._store.append_reply(conversation_id, original.parent_id, model or "", revision)
        return self._answer(reply, model)

    def continue_reply(
        self, conversation_id: str, message_id: str, model: str | None, revision: int
    ) -> ConversationView:
        """Make another version of a reply, which begins as this one and goes on from its end."""
        original = self._message(conversation_id, message_id, "assistant")
        self._require_quiet(conversation_id)
        is_text = original.content and not original.calls and "extension" not in original.stats
        if original.parent_id is None or not is_text:
            raise BadRequest("Only a text that a model wrote can be continued.", field="message_id")
        if self._parameters.for_reply(model=model or "", conversation=conversation_id).constraint is not None:
            raise BadRequest(
                "A reply matches a structure from its beginning. Regenerate it, or take the structure out of the "
                "parameters.",
                field="message_id",
            )
        reply = self._store.append_reply(conversation_id, original.parent_id, model or "", revision)
        return self._answer(reply, model, begun=original.content)

    def edit_reply(self, conversation_id: str, message_id: str, text: str, revision: int) -> ConversationView:
        """Make another version of a reply in the person's own words, which is no model's."""
        check_text(text)
        original = self._message(conversation_id, message_id, "assistant")
        self._require_quiet(conversation_id)
        if original.parent_id is None or original.calls:
            raise BadRequest("A reply with calls of tools cannot be edited.", field="message_id")
        self._store.append_reply(conversation_id, original.parent_id, "", revision, text)
        self._saved(conversation_id)
        return self.open(conversation_id)

    def select_version(self, conversation_id: str, message_id: str, revision: int) -> ConversationView:
        self._require_quiet(conversation_id)
        self._store.select_version(conversation_id, message_id, revision)
        self._saved(conversation_id)
        return self.open(conversation_id)

    def open(self, conversation_id: str) -> ConversationView:
        conversation = self._store.get(conversation_id)
        running = self._journal.running(conversation_id)
        generations = {live.record.message_id: live.generation.id for live in running}
        return ConversationView(conversation, tuple(self._store.path(conversation_id)), generations)

    def revision(self, conversation_id: str) -> int | None:
        """How often it was changed; None when it is gone."""
        try:
            return self._store.get(conversation_id).revision
        except NotFound:
            return None

    def message(self, message_id: str) -> StoredMessage:
        return self._store.message(message_id)

    def stop(self, generation_id: str) -> None:
        """End a reply; what was written so far is kept. Nothing happens when it has ended already."""
        live = self._journal.text(generation_id)
        if live is not None:
            live.generation.cancel()

    def reply(self, generation_id: str) -> LiveText[ReplyRecord]:
        """A reply that is being written, or was a moment ago; NotFound otherwise."""
        live = self._journal.text(generation_id)
        if live is None:
            raise NotFound("This reply has ended.", field="generation_id")
        return live

    def conversations(self, search: str = "") -> list[SearchHit]:
        """Newest first, all that lie in folders and the newest of the others; with words, those that hold them all."""
        if search.strip():
            return self._store.search(search)
        return [SearchHit(conversation, "") for conversation in self._store.listed()]

    def folders(self) -> list[str]:
        return self._store.folders()

    def move(self, conversation_id: str, folder: str) -> Conversation:
        moved = self._store.move(conversation_id, folder)
        self._saved(conversation_id)
        return moved

    def move_folder(self, folder: str, new_folder: str) -> None:
        self._store.move_folder(folder, new_folder)

    def rename(self, conversation_id: str, title: str) -> Conversation:
        renamed = self._store.rename(conversation_id, title)
        self._saved(conversation_id)
        return renamed

    def delete(self, conversation_id: str) -> None:
        """Undone by `restore`; a reply being written is stopped."""
        for live in self._journal.running(conversation_id):
            live.generation.cancel()
        self._store.delete(conversation_id)
        self._saved(conversation_id)

    def restore(self, conversation_id: str) -> Conversation:
        restored = self._store.restore(conversation_id)
        self._saved(conversation_id)
        return restored

    def close(self) -> None:
        self._journal.close()

    def _answer(self, reply: StoredMessage, model: str | None, begun: str = "") -> ConversationView:
        """Begin the reply to the path that ends in `reply`; a model that cannot answer is the reply's error."""
        path = self._store.path(reply.conversation_id)
        command = None if begun else self._commands.find(path[-2].content)
        try:
            if command is not None:
                generation, stats = self._run_command(command, reply, model)
            else:
                messages = told_messages([message for message in path if message.id != reply.id])
                generation, stats = self._generation(messages, reply.conversation_id, model, begun), stats_of
        except ParlorError as error:
            self._store.update_reply(reply.id, content=begun, reasoning="", state="failed", error=str(error))
        else:
            record = ReplyRecord(self._store, reply.id, lambda: self._saved(reply.conversation_id), stats)
            self._journal.follow(generation, reply.conversation_id, record)
        self._saved(reply.conversation_id)
        return self.open(reply.conversation_id)

    def _generation(
        self, messages: Sequence[Message], conversation_id: str, model: str | None, begun: str
    ) -> Generation:
        """In rounds where the conversation has tools, unless a text goes on. Raises ParlorError when no model can be
        asked."""
        params = self._parameters.for_reply(model=model or "", conversation=conversation_id)
        source = RequestSource("page", conversation_id)

        def ask(messages: Sequence[Message], use: ToolUse | None) -> Generation:
            asked = replace(params, overflow="drop_oldest", tools=use)
            return self._inference.chat(messages, asked, model, asked_by=source, begun=begun)

        if begun:
            return ask(messages, None)
        count = partial(self._inference.count_if_loaded, model=model)
        room = ResultRoom(count, partial(self._inference.context_if_loaded, model))
        return self._tools.begin(conversation_id, messages, ask, room)

    def _run_command(
        self, command: WrittenCommand, reply: StoredMessage, model: str | None
    ) -> tuple[Generation, Callable[[Finished | Failed], Stats]]:
        """The reply is what the extension answers, without a model."""
        generation = self._commands.begin(
            command, request_id=reply.id, model=model or "", conversation_id=reply.conversation_id
        )
        return generation, lambda _end: {"extension": command.title}

    def _message(self, conversation_id: str, message_id: str, role: str) -> StoredMessage:
        message = self._store.message(message_id)
        if message.conversation_id != conversation_id or message.role != role:
            raise BadRequest(f"This is not a message of the {role} in this conversation.", field="message_id")
        return message

    def _require_quiet(self, conversation_id: str) -> None:
        if self._journal.running(conversation_id):
            raise Conflict("This conversation is being answered; wait for the reply or stop it.", field="id")

    def _require_revision(self, conversation: Conversation, revision: int) -> None:
        if conversation.revision != revision:
            raise Conflict("This conversation was changed in another tab.", field="revision")


def check_text(text: str) -> None:
    if not text.strip():
        raise BadRequest("The message is empty.", field="text")
    if len(text) > LIMITS.message_chars:
        raise BadRequest(
            f"The message has {len(text):,} characters; {LIMITS.message_chars:,} is the limit.", field="text"
        )
