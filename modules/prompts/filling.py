"""Values into a prompt template: each place is filled once, so that no value is ever read as a template."""

import json
import re
from collections.abc import Mapping
from typing import Any

from modules.errors import BadRequest
from modules.limits import LIMITS
from modules.types.generation import Constraint
from modules.types.messages import Message
from modules.types.parameters import Parameters
from modules.types.prompt_templates import PLACE, PromptTemplate, RenderedPrompt, Variable

ALONE = re.compile(rf"^{PLACE.pattern}\n+", re.MULTILINE)


def render(template: PromptTemplate, values: Mapping[str, str]) -> RenderedPrompt:
    """Plain substitution: linear in time, and bounded before a text is made.

    Raises BadRequest naming `variables.NAME` for one that is missing, unknown, too long or not of its kind.
    """
    filled = complete(template, values)
    constraint = constraint_of(template, filled)
    labels = tuple(json.loads(constraint.source)) if constraint and template.output == "labels" else ()
    parameters = Parameters.model_validate({**template.parameters, "constraint": constraint})
    prompt = fill(template.prompt, filled)
    if template.kind == "text":
        return RenderedPrompt((), prompt, parameters, template.output, labels)
    system = fill(template.system, filled)
    messages = (*([Message("system", system)] if system else []), Message("user", prompt))
    return RenderedPrompt(messages, "", parameters, template.output, labels)


def complete(template: PromptTemplate, values: Mapping[str, str]) -> dict[str, str]:
    """A checked value for every variable."""
    declared = {variable.name: variable for variable in template.variables}
    for name in values:
        if name not in declared:
            raise refusal(name[:80], f"the template {template.name} has no such variable")
    return {name: checked(variable, values.get(name)) for name, variable in declared.items()}


def checked(variable: Variable, value: str | None) -> str:
    if value is None:
        value = variable.default
    if value is None or (variable.default is None and not value.strip()):
        raise refusal(variable.name, "it is empty, and the template needs it")
    if len(value) > LIMITS.message_chars:
        raise refusal(variable.name, f"it has more than {LIMITS.message_chars:,} characters, which is the limit")
    if variable.kind == "choice" and value not in variable.choices:
        raise refusal(variable.name, f"it must be one of: {', '.join(variable.choices)[:500]}")
    if variable.kind == "list":
        texts_of(variable.name, value)
    if variable.kind == "schema":
        check_schema(variable.name, value)
    return value


def constraint_of(template: PromptTemplate, values: Mapping[str, str]) -> Constraint | None:
    declared = template.constraint
    if declared is None:
        return None
    if declared.variable is None:
        return Constraint(declared.kind, declared.source_text)
    value = values[declared.variable]
    if declared.kind == "choice":
        return Constraint("choice", json.dumps(texts_of(declared.variable, value), ensure_ascii=False))
    return Constraint(declared.kind, value)


def fill(text: str, values: Mapping[str, str]) -> str:
    """A paragraph that is nothing but a variable which is empty is left out."""
    text = ALONE.sub(lambda place: place[0] if values[place[1]] else "", text)
    size = len(text) + sum(len(values[name]) for name in PLACE.findall(text))
    if size > LIMITS.message_chars:
        raise BadRequest(
            f"The filled prompt has more than {LIMITS.message_chars:,} characters, which is the limit.",
            field="variables",
        )
    return PLACE.sub(lambda place: values[place[1]], text)


def texts_of(name: str, value: str) -> list[str]:
    """One a line; in a single line, between commas."""
    parts = value.splitlines() if "\n" in value.strip() else value.split(",")
    texts = [part.strip() for part in parts if part.strip()]
    if not texts or len(texts) > LIMITS.choices:
        raise refusal(name, f"it must hold 1 to {LIMITS.choices:,} texts, one a line or separated by commas")
    for text in texts:
        if texts.count(text) > 1:
            raise refusal(name, f"{text[:80]!r} is there twice")
    return texts


def check_schema(name: str, value: str) -> None:
    if len(value) > LIMITS.constraint_chars:
        raise refusal(name, f"it has more than {LIMITS.constraint_chars:,} characters, which is the limit")
    try:
        schema: Any = json.loads(value)
    except (ValueError, RecursionError) as error:
        raise refusal(name, f"it is no JSON: {str(error)[:200]}") from error
    if not isinstance(schema, dict):
        raise refusal(name, "a JSON schema is an object, in curly brackets")


def refusal(name: str, reason: str) -> BadRequest:
    return BadRequest(f"The variable {name} cannot be used: {reason}.", field=f"variables.{name}")
