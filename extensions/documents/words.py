"""The words and numbers of a text that say something: those that every text has are left out."""

import re
from functools import lru_cache

# Also the words that questions are asked with.
STOP_WORDS = frozenset(
    """
    a about above after again all am an and any are aren't as at be because been before being below between both but
    by can cannot could did didn't do does doesn't doing don't down during each else ever few for from further had
    has hasn't have haven't having he her here hers him himself his how i if in into is isn't it its itself just let
    many may me might more most much must my myself no nor not now of off on once one only or other our ours out
    over own please same shall she should so some such tell than that the their theirs them then there these they
    this those through to too under until up upon us very was wasn't we were weren't what when where whether which
    while who whom whose why will with won't would you your yours according describe document documents explain file
    give happen happened kind mean passage say says show text und der die das den dem ein eine ist im mit von zu auf
    für nicht wie was wer wo les des est une dans pour qui que
    """.split()  # noqa: SIM905 - a list of words a line each would be longer than all else here
)
WORD = re.compile(r"\w+(?:['’]\w+)*")
# Capitals behind a small letter: those that begin a sentence may be any word.
NAME = re.compile(r"(?<=[a-z0-9,;:] )[A-Z]\w+")
WHOSE = re.compile(rf"{NAME.pattern}(?:['’]s)?")
NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
# Without one, which is seldom meant as a number; thousands and millions are words like others.
UNIT_NAMES = """
    two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen
    nineteen
"""
UNITS = {name: number for number, name in enumerate(UNIT_NAMES.split(), 2)}
TENS = {
    name: 10 * number
    for number, name in enumerate(("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"), 2)
}
SPELLED = re.compile(rf"\b(?:({'|'.join(TENS)})(?:[- ]({'|'.join(UNITS)})\b)?|({'|'.join(UNITS)}))\b")
QUERY_WORDS = 40
SHORTEST = 2


def content_words(text: str) -> list[str]:
    """Lower case, in order, without stop words and single letters."""
    found = (word.replace("’", "'").removesuffix("'s") for word in WORD.findall(text.lower()))
    return [word for word in found if word not in STOP_WORDS and (len(word) >= SHORTEST or word.isdigit())]


def words_to_find(question: str) -> list[str]:
    """Each once; none when there is nothing to look for."""
    return list(dict.fromkeys(content_words(question)))[:QUERY_WORDS]


def without_names(text: str) -> str:
    return " ".join(WHOSE.sub("", text).split())


def numbers(text: str) -> frozenset[str]:
    """As they are compared: 1,200 and 1200 are the same, and so are 25 and twenty-five."""
    digits = (found.replace(",", "").rstrip(".:") for found in NUMBER.findall(text))
    return frozenset((*digits, *(str(spelled(found)) for found in SPELLED.finditer(text.lower()))))


def spelled(found: re.Match[str]) -> int:
    return TENS.get(found[1] or "", 0) + UNITS.get(found[2] or found[3] or "", 0)


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """A rough one, to compare words of a sentence and a passage: both sides err alike."""
    for ending in ("'s", "ations", "ation", "ements", "ement", "ities", "ity", "ings", "ing", "edly", "ied", "ies"):
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word[: -len(ending)]
    for ending in ("ed", "es", "ly", "er", "s", "e", "y"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def stems(text: str) -> list[str]:
    return [stem(word) for word in content_words(text)]
