"""A corpus that is made up, and questions about it whose answers are known.

Every name is told about in twenty paragraphs, half of which answer nothing, and every topic of many names: neither a name
nor a topic is enough to find an answer.
Half of the questions are asked in other words: but for the name they share no word with the passage that answers them.
"""

import itertools
import random
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FACTS = Path(__file__).with_name("facts.toml")
ONSETS = ("Bal", "Cor", "Dra", "El", "Fen", "Gor", "Hal", "Ist", "Jor", "Kel", "Lom", "Mar", "Nev", "Or", "Pel", "Quin")
MIDDLES = ("a", "e", "i", "o", "u", "an", "er", "il", "on", "um")
CODAS = (
    "bach",
    "dova",
    "fell",
    "gast",
    "heim",
    "kova",
    "lund",
    "mere",
    "nitz",
    "quist",
    "rath",
    "stad",
    "thal",
    "wick",
)
AROUND = 4
GENERAL = 9


@dataclass(frozen=True)
class Paragraph:
    name: str
    topic: int | None
    text: str
    fact: str = ""
    near: str = ""
    far: str = ""


@dataclass(frozen=True)
class Question:
    """A passage with any of `answers` in it answers; `is_far` when it is asked in other words."""

    text: str
    answers: tuple[str, ...]
    is_far: bool


def paragraphs(names_of_each_kind: int, seed: int = 1) -> list[Paragraph]:
    """Those of one name follow each other, in an order of their own: with a fact and without one."""
    told = tomllib.loads(FACTS.read_text(encoding="utf-8"))
    dice = random.Random(seed)
    names = [first + middle + last for first, middle, last in itertools.product(ONSETS, MIDDLES, CODAS)]
    dice.shuffle(names)
    kinds: list[str] = list(told["general"])
    subjects = [(kind, names.pop()) for kind in kinds for _ in range(names_of_each_kind)]
    dice.shuffle(subjects)
    found: list[Paragraph] = []
    for kind, name in subjects:
        own = [(place, topic) for place, topic in enumerate(told["topic"]) if topic["kind"] == kind]
        tellings = [telling(place, topic, name, told, dice) for place, topic in own]
        tellings += [distraction(own, name, told["general"][kind], dice) for _ in own]
        dice.shuffle(tellings)
        found += tellings
    return found


def telling(place: int, topic: dict[str, Any], name: str, told: dict[str, Any], dice: random.Random) -> Paragraph:
    chosen = {slot: dice.choice(told["values"][kind]) for slot, kind in topic["values"].items()}
    fact = filled(topic["fact"], name, chosen)
    sentences = dice.sample(topic["around"], AROUND) + dice.sample(told["general"][topic["kind"]], GENERAL)
    dice.shuffle(sentences)
    sentences.insert(dice.randrange(len(sentences) + 1), fact)
    text = " ".join(filled(one, name, {}) for one in sentences)
    return Paragraph(name, place, text, fact, *(filled(topic[how], name, chosen) for how in ("near", "far")))


def distraction(own: list[tuple[int, dict[str, Any]]], name: str, general: list[str], dice: random.Random) -> Paragraph:
    """What stands beside the facts of several topics, and none of the facts."""
    around = [sentence for _, topic in own for sentence in topic["around"]]
    sentences = dice.sample(around, 2 * AROUND) + dice.sample(general, GENERAL - AROUND + 1)
    dice.shuffle(sentences)
    return Paragraph(name, None, " ".join(filled(one, name, {}) for one in sentences))


def filled(text: str, name: str, values: dict[str, str]) -> str:
    result = text.format(n=name, **values)
    return result[0].upper() + result[1:]


def questions(told: list[Paragraph], of_each_topic: int, seed: int = 2) -> list[Question]:
    """As many near as far ones."""
    dice = random.Random(seed)
    asked: list[Question] = []
    for topic in sorted({one.topic for one in told if one.topic is not None}):
        chosen = dice.sample([one for one in told if one.topic == topic], of_each_topic)
        for number, one in enumerate(chosen):
            is_far = number % 2 == 1
            asked.append(Question(one.far if is_far else one.near, (one.fact,), is_far))
    return asked
