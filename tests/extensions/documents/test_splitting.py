"""Passages hold whole sentences of one heading, know their page, and lose nothing."""

from itertools import pairwise

from extensions.documents.splitting import end_of_sentence, sentence_texts, split, windows
from modules.extensions import Passage


def sentence(number: int) -> str:
    return f"Sentence number {number} tells of the harbour and its {number} boats."


def test_about_two_hundred_words_with_the_last_sentence_repeated() -> None:
    told = [sentence(number) for number in range(60)]
    found = list(split([Passage(" ".join(told))]))
    assert all(189 < len(one.text.split()) <= 200 for one in found[:-1])
    assert len(found) == 4
    for before, after in pairwise(found):
        assert after.text.startswith(list(sentence_texts(before.text))[-1])
    assert set(told) == {one for passage in found for one in sentence_texts(passage.text)}


def test_never_across_headings() -> None:
    blocks = [Passage("One. Two.", None, "A"), Passage("Three.", None, "A"), Passage("Four.", None, "B")]
    assert list(split(blocks)) == [Passage("One. Two.\n\nThree.", None, "A"), Passage("Four.", None, "B")]


def test_never_across_pages_but_a_sentence_that_is_cut_stands_whole_on_the_second() -> None:
    pages = [Passage("All is well. The harbour of", 1), Passage("Velmoor is deep. Its fees are low.", 2)]
    assert list(split(pages)) == [
        Passage("All is well. The harbour of", 1),
        Passage("The harbour of Velmoor is deep. Its fees are low.", 2),
    ]
    long = [Passage(" ".join(sentence(30 * page + one) for one in range(30)), page) for page in range(1, 4)]
    assert [one.page for one in split(long)] == [1, 1, 2, 2, 3, 3]


def test_abbreviations_and_initials_end_nothing() -> None:
    text = 'Dr. Moor met J. R. Vale at 3.15 p.m. on St. Ann\'s Day. "Stay," he said. She left.'
    assert list(sentence_texts(text)) == [
        "Dr. Moor met J. R. Vale at 3.15 p.m. on St. Ann's Day.",
        '"Stay," he said.',
        "She left.",
    ]


def test_endless_sentences_are_cut() -> None:
    found = list(split([Passage("word " * 1000), Passage("x" * 100_000), Passage("語" * 20_000)]))
    assert all(len(one.text) < 3000 for one in found)
    assert sum(one.text.count("語") for one in found) >= 20_000


def test_windows_are_sentences_that_follow_each_other() -> None:
    text = " ".join(sentence(number) for number in range(12))
    assert " ".join(windows(text)) == text
    assert all(len(one.split()) <= 40 for one in windows(text))
    assert windows("") == []
    assert windows("The harbour\n\nIt is deep.") == ["The harbour It is deep."]


def test_the_end_of_a_sentence_that_is_still_written() -> None:
    assert end_of_sentence("It stands. ") is None
    assert end_of_sentence("It stands. T") == len("It stands.")
    assert end_of_sentence("It stands at 3. t") is None
    assert end_of_sentence("Dr. T") is None
    assert end_of_sentence("- first\n- second") == len("- first")
    assert end_of_sentence('He said "no." T') == len('He said "no."')
