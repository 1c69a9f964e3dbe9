"""A prompt with places for variables, and what is asked of the reply to it."""

import json
import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from modules.limits import LIMITS
from modules.types.faults import fault_of
from modules.types.generation import Constraint, ConstraintKind
from modules.types.messages import Message
from modules.types.parameters import Parameters

# `list` is several texts, one a line or separated by commas; `schema` is a JSON schema.
VariableKind = Literal["text", "long_text", "choice", "list", "schema"]
# `labels` writes nothing: it tells how likely each text of a choice is as the reply.
OutputKind = Literal["text", "json", "labels"]
PLACE = re.compile(r"\{\{\s*([a-z][a-z0-9_]*)\s*\}\}")

VariableName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Words = Annotated[str, Field(max_length=500)]
TemplateText = Annotated[str, Field(max_length=LIMITS.template_chars)]


class FilePart(BaseModel):
    """A part of a template's file: nothing is guessed, and what is not known is refused."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class Variable(FilePart):
    """Without a default it must be given and must not be empty. A choice is put into the prompt as it stands."""

    name: VariableName
    label: Words = ""
    help: Words = ""
    kind: VariableKind = "text"
    choices: Annotated[list[Words], Field(max_length=LIMITS.choices)] = []
    default: TemplateText | None = None

    @model_validator(mode="after")
    def _choices_belong_to_a_choice(self) -> Self:
        if (self.kind == "choice") != bool(self.choices):
            raise ValueError("a variable of the kind choice needs `choices`, and no other kind has them")
        if self.kind == "choice" and self.default is not None and self.default not in self.choices:
            raise ValueError(f"the default {self.default[:80]!r} is none of the choices")
        return self


class TemplateConstraint(FilePart):
    """What the reply must match: written down here as `source`, or the value of a variable."""

    kind: ConstraintKind
    source: str | dict[str, Any] | list[str] | None = None
    variable: VariableName | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.source is None) == (self.variable is None):
            raise ValueError("a constraint needs either `source` or `variable`")
        return self

    @property
    def source_text(self) -> str:
        return self.source if isinstance(self.source, str) else json.dumps(self.source, ensure_ascii=False)


class PromptTemplate(FilePart):
    """`{{ name }}` in `system` and `prompt` stands for a variable; everything else is taken as it is.

    `name` is the file's. `parameters` are values that differ from the defaults; a `text` template is continued as raw
    text instead of being answered.
    """

    name: str
    title: Words = ""
    description: Words = ""
    kind: Literal["chat", "text"] = "chat"
    variables: Annotated[list[Variable], Field(max_length=20)] = []
    system: TemplateText = ""
    prompt: Annotated[TemplateText, Field(min_length=1)]
    constraint: TemplateConstraint | None = None
    parameters: dict[str, Any] = {}
    output: OutputKind = "text"

    @field_validator("parameters")
    @classmethod
    def _are_parameters(cls, values: dict[str, Any]) -> dict[str, Any]:
        if "constraint" in values:
            raise ValueError("the constraint stands beside `parameters`, not among them")
        try:
            Parameters.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            raise ValueError(f"{'.'.join(str(part) for part in first['loc'])} {fault_of(first)}") from error
        return values

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        names = [variable.name for variable in self.variables]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"the variable {name} is there twice")
        used = {place for text in (self.system, self.prompt) for place in PLACE.findall(text)}
        if self.constraint is not None and self.constraint.variable is not None:
            used.add(self.constraint.variable)
        for name in sorted(used - set(names)):
            raise ValueError(f"{{{{ {name} }}}} is no variable of this template")
        for name in sorted(set(names) - used):
            raise ValueError(f"the variable {name} is used nowhere")
        return self

    @model_validator(mode="after")
    def _output_fits(self) -> Self:
        kind = self.constraint.kind if self.constraint else None
        if self.output == "labels" and kind != "choice":
            raise ValueError("the output `labels` needs a constraint of the kind choice")
        if self.output == "json" and kind != "json_schema":
            raise ValueError("the output `json` needs a constraint of the kind json_schema")
        if self.kind == "text" and self.system:
            raise ValueError("a template of the kind text has no system message")
        if self.constraint is not None and self.constraint.variable is not None:
            variable = next(one for one in self.variables if one.name == self.constraint.variable)
            needed = {"choice": "list", "json_schema": "schema"}.get(self.constraint.kind)
            if needed is not None and variable.kind != needed:
                raise ValueError(f"the variable {variable.name} holds the constraint, so its kind must be {needed}")
        return self


@dataclass(frozen=True)
class ListedTemplate:
    """A file that may be damaged: then `problem` says how, and there is no template. Changed: an own one of a shipped
    one's name."""

    name: str
    is_shipped: bool
    is_changed: bool
    template: PromptTemplate | None
    problem: str = ""


@dataclass(frozen=True)
class RenderedPrompt:
    """What a model is asked: `messages` of a chat, or else `prompt` to be continued. `labels` where those are asked."""

    messages: tuple[Message, ...]
    prompt: str
    parameters: Parameters
    output: OutputKind = "text"
    labels: tuple[str, ...] = ()

    @property
    def constraint(self) -> Constraint | None:
        return self.parameters.constraint


@dataclass(frozen=True)
class LabelProbability:
    label: str
    probability: float


@dataclass(frozen=True)
class LabelProbabilities:
    """Likeliest first; their sum is 1. `covered` is what all of them have of the model's own distribution: near 0 the
    model would have answered something else."""

    labels: tuple[LabelProbability, ...]
    covered: float
