"""Tools in OpenAI's chat bodies: what a client offers, how it wants them called, and the calls in its messages."""

import json
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import Field

from modules.api.strict_json import Text, WireModel
from modules.errors import BadRequest
from modules.limits import LIMITS
from modules.types.generation import Constraint
from modules.types.tools import ToolCall, ToolSpec, ToolUse

ToolName = Annotated[Text, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
CallId = Annotated[Text, Field(max_length=200)]


class FunctionDefinition(WireModel):
    name: ToolName
    description: Annotated[Text, Field(max_length=LIMITS.tool_description_chars)] = ""
    parameters: dict[str, Any] = Field(default_factory=dict[str, Any])

    def spec(self) -> ToolSpec:
        return ToolSpec(self.name, self.description, self.parameters)


class WireTool(WireModel):
    type: Literal["function"] = "function"
    function: FunctionDefinition


class NamedFunction(WireModel):
    name: ToolName


class NamedChoice(WireModel):
    type: Literal["function"]
    function: NamedFunction


ToolChoice = Literal["none", "auto", "required"] | NamedChoice
Tools = Annotated[list[WireTool], Field(max_length=LIMITS.tools)]


class CalledFunction(WireModel):
    name: ToolName
    arguments: Annotated[Text, Field(max_length=LIMITS.message_chars)] = "{}"


class WireCall(WireModel):
    """A call in an assistant's message, as the client got it."""

    id: CallId
    type: Literal["function"] = "function"
    function: CalledFunction

    def call(self) -> ToolCall:
        return ToolCall(self.function.name, self.function.arguments, self.id)


def tool_use(tools: list[WireTool], choice: ToolChoice, *, parallel: bool) -> ToolUse | None:
    """Raises BadRequest for two of one name, and for a choice that none of them answers."""
    names = [tool.function.name for tool in tools]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise BadRequest(f"Two tools are called {twice}; give each a name of its own.", field="tools")
    named = choice.function.name if isinstance(choice, NamedChoice) else ""
    if named and named not in names:
        raise BadRequest(f"tool_choice names {named}, which is not among the tools.", field="tool_choice")
    if choice == "required" and not tools:
        raise BadRequest("tool_choice is required, but there are no tools.", field="tool_choice")
    if not tools:
        return None
    mode = "required" if isinstance(choice, NamedChoice) else choice
    return ToolUse(tuple(tool.function.spec() for tool in tools), mode, named, parallel)


def check_parameters(use: ToolUse, check: Callable[[Constraint], None]) -> None:
    """Raises BadRequest, naming the tool's field, for parameters that no call could be held to."""
    for place, tool in enumerate(use.tools):
        field = f"tools.{place}.function.parameters"
        if tool.parameters.get("type", "object") != "object":
            raise BadRequest(f"The parameters of {tool.name} must be the JSON schema of an object.", field)
        try:
            check(Constraint("json_schema", json.dumps(tool.parameters)))
        except BadRequest as error:
            raise BadRequest(f"The parameters of {tool.name} cannot be used: {error}", field) from error
