"""Messages that begin with a slash, where an extension knows the word that follows."""

import re
from dataclasses import dataclass
from threading import Thread

from modules.engines.generation import Generation
from modules.errors import Cancelled, ExtensionFault
from modules.extensions.contracts import Command, RequestContext
from modules.extensions.registry import Extensions
from modules.types.generation import Failed, Finished, Progress, TextDelta

COMMAND_SECONDS = 10.0
WRITTEN = re.compile(r"/([A-Za-z0-9_-]+)(?:\s+(.*))?", re.DOTALL)


@dataclass(frozen=True)
class OfferedCommand:
    """What can be written after a slash."""

    extension: str
    title: str
    name: str
    help: str


@dataclass(frozen=True)
class WrittenCommand:
    """A message that is a command: `rest` is what follows its name."""

    extension: str
    title: str
    command: Command
    rest: str


class ExtensionCommands:
    """Where two extensions have a command of one name, the one enabled first has it. Any thread may call."""

    def __init__(self, extensions: Extensions) -> None:
        self._extensions = extensions

    def offered(self) -> tuple[OfferedCommand, ...]:
        """By name."""
        by_name = {
            name: OfferedCommand(extension, self._title(extension), name, command.help)
            for name, (extension, command) in self._by_name().items()
        }
        return tuple(by_name[name] for name in sorted(by_name))

    def find(self, text: str) -> WrittenCommand | None:
        """None for any other message, also one that begins with a slash."""
        written = WRITTEN.fullmatch(text.strip())
        if written is None:
            return None
        extension, command = self._by_name().get(written[1], ("", None))
        if command is None:
            return None
        return WrittenCommand(extension, self._title(extension), command, written[2] or "")

    def begin(self, written: WrittenCommand, *, request_id: str, model: str, conversation_id: str | None) -> Generation:
        """Its answer, in Markdown, as a reply; one that is cancelled ends at once, without what comes of it later."""
        context = RequestContext(
            id=request_id,
            source="page",
            model=model,
            engine="",
            conversation_id=conversation_id,
            settings=self._extensions.settings(written.extension),
        )
        generation = Generation()
        generation.put(Progress("command", note=f"/{written.command.name}"))
        generation.on_cancel(lambda: generation.put(Finished("cancelled")))
        Thread(target=self._answer, args=(written, context, generation), name="command", daemon=True).start()
        return generation

    def _answer(self, written: WrittenCommand, context: RequestContext, generation: Generation) -> None:
        command = written.command
        try:
            answer = self._extensions.call(
                written.extension,
                f"command /{command.name}",
                command.run,
                written.rest,
                context,
                seconds=COMMAND_SECONDS,
                returns=str,
                cancelled=lambda: generation.cancelled,
            )
        except (ExtensionFault, Cancelled) as error:
            generation.put(Failed.of(error))
        else:
            generation.put(TextDelta(answer))
            generation.put(Finished("stop"))

    def _by_name(self) -> dict[str, tuple[str, Command]]:
        given = [
            (one.extension, one.item) for one in self._extensions.collect("commands") if isinstance(one.item, Command)
        ]
        return {command.name: (extension, command) for extension, command in reversed(given)}

    def _title(self, extension: str) -> str:
        manifest = self._extensions.find(extension).manifest
        return manifest.title if manifest else extension
