"""What our Markdown knows beyond the standard: formulas in brackets, bare addresses, tasks, and the way words run."""

import re
from types import MappingProxyType

from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline

LATEX_CHARS = 2_000
BRACKETS = MappingProxyType({"\\(": "\\)", "\\[": "\\]"})
# What may follow http: or https: in running text, and what ends a sentence rather than an address.
BARE_ADDRESS = re.compile(r"://(?=[^\W_]|\[)[^\s<>\"`\\。，、；：！？（）「」『』《》“”‘’]+")
AFTER_ADDRESS = ".,;:!?*_~'"
CLOSING = MappingProxyType({")": "(", "]": "[", "}": "{"})
ADDRESS_CHARS = 2_000
TASK = re.compile(r"\[([ xX])\](?=\s)")


def mark_direction(state: StateCore) -> None:
    """Each outermost block runs the way its own words do."""
    for token in state.tokens:
        if token.level == 0 and token.nesting == 1:
            token.attrSet("dir", "auto")


def draw_tasks(state: StateCore) -> None:
    """`[ ]` and `[x]` at the beginning of a list item become boxes that cannot be clicked."""
    for item, paragraph, inline in zip(state.tokens, state.tokens[1:], state.tokens[2:], strict=False):
        if item.type != "list_item_open" or paragraph.type != "paragraph_open" or not inline.children:
            continue
        first = inline.children[0]
        if first.type == "text" and (box := TASK.match(first.content)):
            item.attrSet("class", "task")
            first.content = ("☐" if box[1] == " " else "☑") + first.content[box.end() :]


def find_bracket_math(state: StateInline, silent: bool) -> bool:
    r"""The rule for \( .. \) and \[ .. \]; looks only so far ahead as a formula may be long, so it stays linear."""
    opening = state.src[state.pos : state.pos + 2]
    if opening not in BRACKETS:
        return False
    start = state.pos + 2
    end = state.src.find(BRACKETS[opening], start, min(start + LATEX_CHARS, state.posMax))
    if end <= start:
        return False
    if not silent:
        token = state.push("math_brackets", "math", 0)
        token.content, token.markup = state.src[start:end], opening
    state.pos = end + 2
    return True


def find_bare_address(state: StateInline, silent: bool) -> bool:
    """The rule for an address in running text, met at its colon; looks only so far ahead as one may be long."""
    if silent or state.linkLevel > 0 or not state.src.startswith("://", state.pos):
        return False
    scheme = re.search(r"(?<![A-Za-z0-9])https?$", state.pending[-6:], re.IGNORECASE)
    rest = BARE_ADDRESS.match(state.src, state.pos, min(state.pos + ADDRESS_CHARS, state.posMax))
    if scheme is None or rest is None:
        return False
    shown = without_sentence_end(scheme[0] + rest[0])
    address = state.md.normalizeLink(shown)
    if not state.md.validateLink(address):
        return False
    state.pending = state.pending[: -len(scheme[0])]
    state.push("link_open", "a", 1).attrSet("href", address)
    state.push("text", "", 0).content = shown
    state.push("link_close", "a", -1)
    state.pos += len(shown) - len(scheme[0])
    return True


def without_sentence_end(address: str) -> str:
    """Without the full stop after it, and without the bracket that was opened before it."""
    while (last := address[-1]) in AFTER_ADDRESS or address.count(last) > address.count(CLOSING.get(last, last)):
        address = address[:-1]
    return address
