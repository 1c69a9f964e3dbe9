"""Translates what a person writes and what the model answers, with the loaded model itself."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints
from pydantic import Field as Setting

from modules.extensions import Button, ExtensionHost, Field, Panel, Part, RequestContext, Text, ViewEvent, hook
from modules.types.messages import Message

from .choices import Choices
from .memory import Memory
from .pairs import original_of, with_original
from .translation import translated

Language = Annotated[str, StringConstraints(strip_whitespace=True, max_length=40)]


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid")

    my_language: Language = Setting(
        default="", title="Your language", description="Such as German. As long as it is empty, nothing is translated."
    )
    model_language: Language = Setting(
        default="English", title="The model's language", description="What the model understands and writes best."
    )
    mine: bool = Setting(default=True, title="Translate my messages", description="For the model; you see your own.")
    replies: bool = Setting(default=True, title="Translate replies", description="The original stays below.")
    everywhere: bool = Setting(
        default=True,
        title="In every conversation",
        description="Each can differ: there is a switch beside it. Without this, only those that you switch on.",
    )


class Translate:
    """The hooks, with what they share. A reply is translated once it is whole, so that nothing jumps while it grows."""

    def __init__(self) -> None:
        self._host: ExtensionHost | None = None
        self._choices = Choices()
        self._memory = Memory()

    @hook
    def started(self, host: ExtensionHost) -> None:
        self._choices.open(host.data)
        self._memory.open(host.data)
        self._host = host

    @hook
    def stopping(self) -> None:
        self._memory.close()

    @hook
    def settings_model(self) -> type[BaseModel]:
        return Settings

    @hook
    def filter_messages(self, messages: tuple[Message, ...], context: RequestContext) -> tuple[Message, ...]:
        """The model reads its own replies as it wrote them, and the person's messages in its language."""
        settings = self._settings(context)
        is_on = settings is not None and settings.mine and self._is_on(context)
        return tuple(
            replace(one, content=original_of(one.content))
            if one.role == "assistant"
            else replace(one, content=self._translation(one.content, settings.model_language))
            if one.role == "user" and settings is not None and is_on
            else one
            for one in messages
        )

    @hook
    def filter_reply(self, text: str, context: RequestContext) -> str:
        settings = self._settings(context)
        if settings is None or not settings.replies or not self._is_on(context) or not text.strip():
            return text
        return with_original(self._translation(text, settings.my_language), text, settings.model_language)

    @hook
    def panels(self) -> Sequence[Panel]:
        return (Panel("translate", "Translate", self._view),)

    def _view(self, event: ViewEvent) -> Sequence[Part]:
        settings = event.settings
        if not isinstance(settings, Settings) or not settings.my_language:
            return (Text("Set your language in the settings of this extension first."),)
        if event.conversation_id is None:
            return (Text("Send a first message; then this conversation has a switch here."),)
        if event.button:
            self._choices.choose(event.conversation_id, is_on=bool(event.values.get("on")))
        is_on = self._choices.is_on(event.conversation_id, settings.everywhere)
        between = f"Between {settings.my_language} and {settings.model_language}, from the next message on."
        return (
            Field("on", "Translate this conversation", "switch", is_on, help=between),
            Button("save", "Save", is_main=True),
        )

    def _settings(self, context: RequestContext) -> Settings | None:
        """None where there is nothing to do: no language is set, or it is no chat of the page."""
        settings = context.settings
        if context.source != "page" or not isinstance(settings, Settings) or not settings.my_language:
            return None
        return settings

    def _is_on(self, context: RequestContext) -> bool:
        settings = self._settings(context)
        return settings is not None and self._choices.is_on(context.conversation_id, settings.everywhere)

    def _translation(self, text: str, language: str) -> str:
        """Raises what the model's failure is; the text then goes on as it was."""
        known = self._memory.find(language, text)
        if known is not None or self._host is None:
            return known or text
        new = translated(text, language, self._host.reply)
        self._memory.keep(language, text, new)
        return new


translate = Translate()
started = translate.started
stopping = translate.stopping
settings_model = translate.settings_model
filter_messages = translate.filter_messages
filter_reply = translate.filter_reply
panels = translate.panels
