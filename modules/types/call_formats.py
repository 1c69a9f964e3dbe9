"""How families of models write calls of tools: one table, which prompts, grammars and readers share."""

from dataclasses import dataclass

# Where these stand in a format's `call`, a call has its name, and its arguments as JSON.
NAME, ARGUMENTS = "NAME", "ARGUMENTS"


@dataclass(frozen=True)
class CallFormat:
    """The text of calls, from the first to the last: `opening before call between call ... after`.

    `signs` are what a chat template of the family contains, all of them. A call without `before_arguments` is JSON with
    the keys that `call` names, in a list where `before` opens one, and `ending` must stand behind it; one with it is a
    bare name, `before_arguments` and its arguments. `between` is None where templates take one call at a time.
    With `opens_reply` a call needs no opening where the reply begins with it. `control` are those parts of all this
    that such models have as tokens without text. Templates of some families want ids of `id_chars` letters.
    """

    name: str
    signs: tuple[str, ...]
    opening: str
    call: str
    between: str | None = None
    before: str = ""
    after: str = ""
    ending: str = ""
    before_arguments: str = ""
    opens_reply: bool = False
    control: tuple[str, ...] = ()
    id_chars: int | None = None


# Also what models are told to write whose templates say nothing of tools.
HERMES = CallFormat(
    "hermes",
    signs=("<tool_call>", '{"name":'),
    opening="<tool_call>",
    call=f'\n{{"name": {NAME}, "arguments": {ARGUMENTS}}}\n</tool_call>',
    between="\n<tool_call>",
    ending="</tool_call>",
)
LLAMA = CallFormat(
    "llama",
    signs=("ipython", '{"name":', '"parameters":'),
    opening="<|python_tag|>",
    call=f'{{"name": {NAME}, "parameters": {ARGUMENTS}}}',
    opens_reply=True,
    control=("<|python_tag|>",),
)
MISTRAL = CallFormat(
    "mistral",
    signs=("[TOOL_CALLS]",),
    opening="[TOOL_CALLS]",
    before="[",
    call=f'{{"name": {NAME}, "arguments": {ARGUMENTS}}}',
    between=", ",
    after="]",
    control=("[TOOL_CALLS]",),
    id_chars=9,
)
MISTRAL_ARGS = CallFormat(
    "mistral_args",
    signs=("[TOOL_CALLS]", "[ARGS]"),
    opening="[TOOL_CALLS]",
    call=f"{NAME}[ARGS]{ARGUMENTS}",
    between="[TOOL_CALLS]",
    before_arguments="[ARGS]",
    control=("[TOOL_CALLS]", "[ARGS]", "[CALL_ID]"),
    id_chars=9,
)
COMMAND = CallFormat(
    "command",
    signs=("<|START_ACTION|>", '"tool_name":'),
    opening="<|START_ACTION|>",
    before="[\n    ",
    call=f'{{"tool_call_id": "0", "tool_name": {NAME}, "parameters": {ARGUMENTS}}}',
    after="\n]<|END_ACTION|>",
    ending="<|END_ACTION|>",
    control=("<|START_ACTION|>", "<|END_ACTION|>"),
)
# A family's newer form stands before the older one, whose signs it has too.
FORMATS = (HERMES, LLAMA, MISTRAL_ARGS, MISTRAL, COMMAND)


def format_of_template(template: str) -> CallFormat | None:
    """The family whose calls a chat template writes; None where it knows of no tools, or of calls unknown here."""
    text = template.replace('\\"', '"')
    if "tools" not in text:
        return None
    return next((one for one in FORMATS if all(sign in text for sign in one.signs)), None)


def format_named(name: str) -> CallFormat:
    return next(one for one in FORMATS if one.name == name)
