"""The tools that extensions give, and which of them each conversation has."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from modules.errors import BadRequest
from modules.extensions.checks import TOOL_NAME
from modules.extensions.contracts import Tool, ToolContext
from modules.extensions.registry import Extensions
from modules.limits import LIMITS
from modules.services.inference import Inference
from modules.storage.conversation_tools import ConversationTools
from modules.types.generation import Constraint
from modules.types.tools import ChosenTools, ToolSpec


@dataclass(frozen=True)
class OfferedTool:
    """A tool of an extension. The model knows it by `name`, which is unique among those that are there."""

    extension: str
    name: str
    tool: Tool

    @property
    def id(self) -> str:
        """Stays the same whatever else is there, so that nobody's approval goes to another tool."""
        return f"{self.extension}/{self.tool.name}"

    @property
    def spec(self) -> ToolSpec:
        """Raises BadRequest for parameters that are no JSON."""
        try:
            parameters = json.loads(json.dumps(self.tool.parameters, allow_nan=False))
        except (TypeError, ValueError, RecursionError) as error:
            raise BadRequest(f"The parameters of {self.name} are not a JSON schema: {error}", "parameters") from error
        return ToolSpec(self.name, self.tool.description, parameters)


class ToolService:
    """Any thread may call."""

    def __init__(self, extensions: Extensions, inference: Inference, store: ConversationTools) -> None:
        self._extensions = extensions
        self._inference = inference
        self._store = store

    def available(self) -> tuple[OfferedTool, ...]:
        """Those of all extensions that are enabled; two of one name are told apart by their extensions' names."""
        offered: list[OfferedTool] = []
        for given in self._extensions.collect("tools"):
            tool: Tool = given.item
            names = {one.name for one in offered}
            name = tool.name if tool.name not in names else f"{given.extension}_{tool.name}"
            one = OfferedTool(given.extension, name, tool)
            if TOOL_NAME.fullmatch(name) and name not in names and one.id not in {other.id for other in offered}:
                offered.append(one)
        return tuple(offered)

    def chosen(self, conversation_id: str) -> ChosenTools:
        return self._store.get(conversation_id)

    def choose(self, conversation_id: str, tools: ChosenTools) -> ChosenTools:
        """What was let run without asking stays so while the tool stays on. Raises BadRequest for too many."""
        if len(tools.ids) > LIMITS.tools:
            raise BadRequest(f"A conversation may have {LIMITS.tools} tools; these are {len(tools.ids)}.", "tools")
        always = tuple(one for one in self._store.get(conversation_id).always if one in tools.ids)
        kept = replace(tools, always=always)
        self._store.put(conversation_id, kept)
        return kept

    def allow_always(self, conversation_id: str, tool: OfferedTool) -> None:
        """In this conversation it need not ask any more."""
        chosen = self._store.get(conversation_id)
        self._store.put(conversation_id, replace(chosen, always=tuple(dict.fromkeys((*chosen.always, tool.id)))))

    def must_ask(self, conversation_id: str, tool: OfferedTool) -> bool:
        return tool.tool.needs_approval and tool.id not in self._store.get(conversation_id).always

    def on_in(self, conversation_id: str) -> tuple[OfferedTool, ...]:
        """Those that are on in a conversation and can be called; nobody is asked where none was chosen.

        One whose parameters no call could be held to is left out, and its extension's card says so.
        """
        ids = self._store.get(conversation_id).ids
        return tuple(one for one in self.available() if one.id in ids and self._is_sound(one)) if ids else ()

    def run(self, tool: OfferedTool, arguments: Mapping[str, Any], context: ToolContext, seconds: float) -> str:
        """What the tool answers. Raises ExtensionFault with a sentence."""
        own = replace(context, settings=self._extensions.settings(tool.extension))
        what = f"tool {tool.tool.name}"
        return self._extensions.call(tool.extension, what, tool.tool.run, arguments, own, seconds=seconds, returns=str)

    def _is_sound(self, tool: OfferedTool) -> bool:
        try:
            self._inference.check_constraint(Constraint("json_schema", json.dumps(tool.spec.parameters)))
        except BadRequest as error:
            self._extensions.record_fault(tool.extension, f"tool {tool.tool.name}", str(error))
            return False
        return True
