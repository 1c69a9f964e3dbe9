"""How the next token would be chosen where a person is: in a chat's next reply, or at the end of a document."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from modules.engines.generation import Generation
from modules.errors import BadRequest
from modules.prompts.document import DocumentContext
from modules.services.document_prompt import DocumentPrompt
from modules.services.inference import Inference
from modules.services.models import ModelService
from modules.services.parameters import ParameterService
from modules.services.told_messages import told_messages
from modules.types.conversation import StoredMessage
from modules.types.messages import Message


@dataclass(frozen=True)
class NextTokenPlace:
    """`draft` is what is written but not sent yet; a document's text is what is continued."""

    model: str = ""
    conversation: str = ""
    document: str = ""
    draft: str = ""


class NextTokenService:
    """Any thread may call. Nothing is loaded for this."""

    def __init__(
        self,
        inference: Inference,
        models: ModelService,
        parameters: ParameterService,
        path_of: Callable[[str], list[StoredMessage]],
        context_of: Callable[[str], DocumentContext],
    ) -> None:
        self._inference = inference
        self._models = models
        self._parameters = parameters
        self._path_of = path_of
        self._context_of = context_of

    def begin(self, place: NextTokenPlace, tokens: int) -> Generation | None:
        """One Distribution of `tokens` a step, with the parameters in use there; None while the model is not loaded.

        Raises NotFound for a conversation or document that is gone, BadRequest where there is no text yet.
        """
        model = place.model or None
        if self._models.loaded(model) is None:
            return None
        params = self._parameters.for_reply(model=place.model, conversation=place.conversation, document=place.document)
        if not place.document:
            asked = replace(params, overflow="drop_oldest")
            return self._inference.distribution(self._messages(place), tokens, asked, model)
        context = self._context_of(place.document)
        if not context.prompt():
            raise BadRequest("Write something first: the next token follows a text.", field="document")
        return self._inference.start(
            DocumentPrompt(context), replace(params, distribution=tokens, constraint=None), model
        )

    def _messages(self, place: NextTokenPlace) -> list[Message]:
        """Up to the last message of the person: without a draft, the reply is the one that stands there already."""
        path = self._path_of(place.conversation) if place.conversation else []
        messages = told_messages(path)
        if place.draft.strip():
            return [*messages, Message("user", place.draft)]
        while messages and messages[-1].role == "assistant":
            messages.pop()
        if not messages:
            raise BadRequest("Write a message first: the next token begins the reply to it.", field="draft")
        return messages
