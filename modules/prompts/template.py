"""Chat templates: Jinja from a model's file, which is hostile text, rendered in an immutable sandbox.

Run as `python -m modules.prompts.template` this is the killable child of `modules.prompts.renderer`.
"""

import json
from datetime import datetime
from functools import lru_cache
from typing import Any

from jinja2 import Template, TemplateError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from modules.children import ParentPipe, limit_memory
from modules.limits import LIMITS

MEMORY_BYTES = 1024 * 1024 * 1024

# Used when a model brings no template of its own.
DEFAULT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def render(template: str, variables: dict[str, Any]) -> str:
    """The prompt. Raises jinja2.TemplateError when the template is wrong or refuses the messages."""
    if len(template) > LIMITS.template_chars:
        raise TemplateError(f"The template is longer than {LIMITS.template_chars:,} characters.")
    parts: list[str] = []
    size = 0
    for part in compiled(template).generate(**variables):
        size += len(part)
        if size > LIMITS.template_output_chars:
            raise TemplateError(f"The template made more than {LIMITS.template_output_chars:,} characters.")
        parts.append(part)
    return "".join(parts)


class GenerationMarks(Extension):
    """`{% generation %}`, by which some templates mark for trainers what the assistant says; it changes no text."""

    tags: set[str] = {"generation"}  # noqa: RUF012 - jinja declares it so

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


@lru_cache(maxsize=16)
def compiled(template: str) -> Template:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, GenerationMarks]
    )
    environment.filters["tojson"] = to_json
    own: dict[str, Any] = {"raise_exception": raise_exception, "strftime_now": strftime_now}
    environment.globals.update(own)
    return environment.from_string(template)


def to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """Unlike Jinja's own filter this does not escape for HTML; models were trained on plain JSON."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def raise_exception(message: str) -> None:
    raise TemplateError(str(message)[:500])


def strftime_now(pattern: str) -> str:
    return datetime.now().astimezone().strftime(pattern)


def serve() -> None:
    pipe = ParentPipe()
    limit_memory(MEMORY_BYTES)
    for line in pipe.lines():
        request = json.loads(line)
        try:
            answer = {"prompt": render(request["template"], request["variables"])}
        except MemoryError:
            answer = {"error": "it needs too much memory"}
        except Exception as error:  # noqa: BLE001 - any fault of hostile text is that text's fault
            answer = {"error": str(error)[:500] or type(error).__name__}
        pipe.send(json.dumps(answer).encode())


if __name__ == "__main__":
    serve()
