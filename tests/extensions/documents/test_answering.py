"""Marks stand behind the sentences they are about, and the text itself arrives as it was written."""

import random
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace

import numpy as np
import pytest

from extensions.documents.answering import Answering, Marking, questions_of, with_passages
from extensions.documents.marks import NOT_FOUND, SOURCES, without_marks
from extensions.documents.search import Found, unpacked
from extensions.documents.splitting import split
from extensions.documents.store import StoredPassage
from extensions.documents.support import evidence, is_claim, supporting
from modules.extensions import Message, Passage

PASSAGE = StoredPassage(7, "log.pdf", 3, "", "The harbour of Velmoor was dredged in 1794 by convicts from the north.")
ABOUT_HARBOUR, ABOUT_ELSE = [1.0, 0.0], [0.0, 1.0]
GIVEN = (evidence(PASSAGE, np.array([ABOUT_HARBOUR], np.float32)),)
TRUE = "The harbour of Velmoor was dredged by convicts."
FALSE = "Rabbits were bred behind the lighthouse tower."
MARK = " [[1]](/ext/documents/passages/7)"
TEXT = (
    f'{TRUE} "{FALSE}" Dr. Moor said: yes!\n\n'
    "- The harbour was dredged in 1801.\n- What of the harbour?\n\n"
    "```\nThe harbour. Was dredged. By convicts of nowhere.\n```\nThe end"
)


def known(vector: Sequence[float] | None) -> "Future[Sequence[float] | None]":
    future: Future[Sequence[float] | None] = Future()
    future.set_result(vector)
    return future


def never(_sentence: str) -> "Future[Sequence[float] | None]":
    return Future()


def marking(by_words_only: bool = True) -> Marking:
    return Marking(Answering(GIVEN, by_words_only), lambda _sentence: known(ABOUT_ELSE))


def pieces(text: str, seed: int) -> list[str]:
    dice = random.Random(seed)
    places = sorted(dice.sample(range(1, len(text)), 25))
    return [text[start:end] for start, end in zip([0, *places], [*places, len(text)], strict=True)]


def marked(text: str, seed: int = 1) -> str:
    one = marking()
    return "".join(one.feed(piece) for piece in pieces(text, seed)) + one.end()


@pytest.mark.parametrize("seed", range(40))
def test_however_the_text_arrives_nothing_but_marks_is_added(seed: int) -> None:
    reply = marked(TEXT, seed)
    assert without_marks(reply) == TEXT
    assert reply == marked(TEXT, 0)


def test_where_the_marks_stand() -> None:
    body = marked(TEXT).partition(SOURCES)[0]
    assert body == (
        f'{TRUE}{MARK} "{FALSE}"{NOT_FOUND} Dr. Moor said: yes!{NOT_FOUND}\n\n'
        f"- The harbour was dredged in 1801.{NOT_FOUND}\n- What of the harbour?\n\n"
        "```\nThe harbour. Was dredged. By convicts of nowhere.\n```\nThe end"
    )


def test_text_goes_on_at_once_within_a_sentence() -> None:
    one = marking()
    assert one.feed("The har") == "The har"
    assert one.feed("bour is") == "bour is"
    assert one.feed(" deep. ") == " deep."


def test_vectors_that_never_come_hold_up_neither_the_text_nor_the_end() -> None:
    now = [0.0]

    def clock() -> float:
        now[0] += 10
        return now[0]

    one = Marking(Answering(GIVEN, by_words_only=False), never, clock)
    shown = one.feed(f"{TRUE} Next") + one.feed(" one.")
    assert shown == ""
    assert without_marks(one.end()) == f"{TRUE} Next one."


def test_sources_are_what_a_sentence_rests_on_and_the_rest_was_only_read() -> None:
    others = [
        evidence(replace(PASSAGE, id=number, document=document, text="Rabbits."), np.zeros((0, 0), np.float32))
        for number, document in ((8, "log.pdf"), (9, "notes.md"), (10, "log.pdf"))
    ]
    one = Marking(Answering((*GIVEN, *others), by_words_only=True), never)
    assert (one.feed(TRUE) + one.end()).partition(SOURCES)[2] == (
        "[[1] log.pdf, page 3](/ext/documents/passages/7)\n\n"
        "Also read: log.pdf [[2]](/ext/documents/passages/8) [[4]](/ext/documents/passages/10), "
        "notes.md [[3]](/ext/documents/passages/9)\n\n"
        "Found and checked by words alone; with the embedding model meaning counts too.\n"
    )
    assert (
        marked("Nobody knows anything about that.")
        .partition(SOURCES)[2]
        .startswith("Read, though no sentence above rests on it: log.pdf [[1]](")
    )


def test_a_reply_without_a_word_has_no_sources() -> None:
    one = marking()
    assert one.feed("\n") + one.end() == "\n"


def test_meaning_supports_what_other_words_say() -> None:
    sentence = "Convicts deepened the harbour basin."
    assert supporting(sentence, GIVEN, None) is None
    assert supporting(sentence, GIVEN, ABOUT_HARBOUR) == 0
    assert supporting(sentence, GIVEN, ABOUT_ELSE) is None


def test_a_number_or_a_name_that_is_not_there_refutes() -> None:
    for wrong in (TRUE.replace("dredged", "dredged in 1795"), TRUE.replace("Velmoor", "Calvex")):
        assert supporting(wrong, GIVEN, ABOUT_HARBOUR) is None


def test_a_short_sentence_is_supported_by_one_row_of_a_table_alone() -> None:
    [table] = split([Passage("item: lamp; colour: green"), Passage("item: sofa; colour: blue; price: 799.00")])
    given = [evidence(StoredPassage(1, "stock.csv", None, "", table.text), unpacked([]))]
    for sentence, place in (
        ("The lamp is green.", 0),
        ("The lamp is blue.", None),
        ("The sofa is blue.", 0),
        ("The price of the sofa is 799.00.", 0),
        ("The price of the sofa is 39.00.", None),
    ):
        assert is_claim(sentence)
        assert supporting(sentence, given, None) == place


@pytest.mark.parametrize(
    "sentence", ["Sure!", "I hope this helps.", "The answer is not found in the passage.", "You are welcome!"]
)
def test_what_is_no_claim(sentence: str) -> None:
    assert not is_claim(sentence)


def test_questions_are_no_claims() -> None:
    assert not is_claim("Who dredged the deep harbour of Velmoor?")
    assert is_claim(TRUE)


def test_a_short_question_may_go_on_from_the_one_before() -> None:
    asked = [Message("user", "Who dredged the harbour of Velmoor?"), Message("assistant", "Convicts.")]
    both = "Who dredged the harbour of Velmoor? And when?"
    assert questions_of([*asked, Message("user", "And when?")]) == ("And when?", both)
    long = "Which animals did the keeper of the lighthouse breed?"
    assert questions_of([*asked, Message("user", long)]) == (long, long)


def test_passages_stand_before_the_last_question_only() -> None:
    told = [Message("user", "first"), Message("assistant", f"{TRUE}{MARK}"), Message("user", "second")]
    first, reply, second = with_passages(told, [Found(PASSAGE, None)])
    assert (first, reply) == (Message("user", "first"), Message("assistant", TRUE))
    assert second.content.startswith(f"[1] {PASSAGE.text}")
    assert second.content.endswith("\n\nsecond")
