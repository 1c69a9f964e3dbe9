"""What opens and closes turns in a model's prompt is plain text where a person, a document or a tool says it."""

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from modules.types.messages import Message

# <|im_end|>, <｜User｜>, <|turn>: nothing else is written so.
BARRED = r"<[|｜][^\s|｜<>]{1,60}[|｜]?>|<[^\s|｜<>/]{1,60}[|｜]>"
# Families that write them in other ways name them in their templates: [INST], <start_of_turn>, <extra_id_1>.
NAMED = re.compile(r"\[/?[A-Z][A-Z_]+\]|</?\w*(?:turn|extra_id)\w*>|<</?SYS>>")
# Has no width, and stands in no token of control.
BREAK = "\u200b"
SHORTEST = 3


def with_marks_as_text(messages: Sequence[Message], template: str, *ends: str) -> list[Message]:
    """The messages, those that the model wrote as they are; `ends` begin and end its texts.

    Tokenizers read such marks wherever they stand, so a page that a tool has read could speak as the person.
    """
    marks = marks_of(template, ends)
    return [
        one if one.role == "assistant" else replace(one, content=marks.sub(broken, one.content)) for one in messages
    ]


@lru_cache(64)
def marks_of(template: str, ends: tuple[str, ...]) -> re.Pattern[str]:
    named = {one for one in (*NAMED.findall(template), *ends) if len(one) >= SHORTEST}
    return re.compile("|".join([BARRED, *map(re.escape, sorted(named, key=len, reverse=True))]))


def broken(mark: re.Match[str]) -> str:
    return f"{mark[0][0]}{BREAK}{mark[0][1:]}"
