"""A translation with its original below, in one text, and the original of such a text again."""

import re

RULE = "\n\n---\n\n"
HEAD = re.compile(r"\n\n---\n\n\*Original \([^()\n]*\):\*\n\n")


def with_original(translation: str, original: str, language: str) -> str:
    named = re.sub(r"[()\n]", " ", language)
    return f"{translation.rstrip()}{RULE}*Original ({named}):*\n\n{original}"


def original_of(text: str) -> str:
    """The text itself, where it is no such pair."""
    parts = HEAD.split(text, maxsplit=1)
    return parts[-1]
