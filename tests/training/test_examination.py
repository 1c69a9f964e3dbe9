"""Samples looked at through the child, with real tokenizers; hostile templates end with it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from modules.children import Launcher
from modules.errors import BadRequest
from modules.training.examination import SampleExaminer
from modules.training.samples import write_samples
from modules.types.datasets import DataSource, Example, Turn
from modules.types.recipes import Recipe
from modules.types.training import LensSample
from tests.training.tiny_tokenizers import byte_tokenizer, save

LOOP = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"


@pytest.fixture(scope="module")
def examiner(launcher: Launcher) -> Iterator[SampleExaminer]:
    examiner = SampleExaminer(launcher, patience_seconds=2.0)
    yield examiner
    examiner.close()


def recipe(**fields: object) -> Recipe:
    chosen = {"model": "m", "name": "n", "data": DataSource(path="x"), "objective": "chat", **fields}
    return Recipe.model_validate(chosen)


def chat(row: int, answer: str, question: str = "Hi") -> Example:
    return Example(turns=(Turn("user", question), Turn("assistant", answer)), row=row)


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    examples = [
        chat(1, "one"),
        chat(2, "x" * 200),
        Example(turns=(Turn("user", "Hi"),), row=3),
        chat(4, "<s> é 漢", "q"),
    ]
    write_samples(tmp_path / "samples.jsonl", examples)
    return tmp_path / "samples.jsonl"


def text(sample: LensSample, state: str) -> str:
    return "".join(token.text for token in sample.tokens if token.state == state)


def test_facts_count_all_samples(examiner: SampleExaminer, samples: Path, tmp_path: Path) -> None:
    folder = save(byte_tokenizer(), tmp_path / "model")
    found = examiner.facts(folder, samples, recipe(max_length=100))
    facts = found.facts
    assert (facts.samples, facts.dropped_count, facts.truncated_count) == (3, 1, 1)
    assert facts.dropped[0][0] == 3
    assert "no assistant" in facts.dropped[0][1]
    assert facts.truncated[0][0] == 2
    assert facts.longest == 100
    assert facts.tokens == sum(found.lengths)
    assert sum(one.count for one in facts.histogram) == 3
    assert all(one.start <= facts.longest for one in facts.histogram)
    assert facts.trained_tokens == sum(found.trained)
    assert found.lines == (0, 1, 3)
    assert [(flag.code, flag.row, flag.count) for flag in facts.flags] == [("special_in_text", 4, 1)]


def test_the_lens_shows_every_token_and_what_becomes_of_it(
    examiner: SampleExaminer, samples: Path, tmp_path: Path
) -> None:
    folder = save(byte_tokenizer(), tmp_path / "model")
    odd, cut, padded = examiner.lens(
        folder, samples, recipe(max_length=100), [(3, 0, 0, 0), (1, 0, 1, 0), (0, 0, 1, 100)]
    )
    assert text(odd, "trained") == "<s> <C3><A9> <E6><BC><A2><|im_end|>"
    assert text(odd, "masked").startswith("<|im_start|>user\nq<|im_end|>\n")
    assert (odd.row, odd.pack, padded.pack) == (4, 0, 1)
    assert text(cut, "truncated").endswith("x<|im_end|>\n")
    assert cut.share_trained == sum(token.state == "trained" for token in cut.tokens) / 100
    assert len(padded.tokens) == 100
    assert padded.tokens[-1].state == "padded"


def test_a_very_long_sample_is_not_shown_whole(examiner: SampleExaminer, tmp_path: Path) -> None:
    folder = save(byte_tokenizer(), tmp_path / "model")
    write_samples(tmp_path / "samples.jsonl", [chat(1, "x" * 10_000)])
    (sample,) = examiner.lens(folder, tmp_path / "samples.jsonl", recipe(), [(0, 0, 0, 0)])
    assert sample.hidden_tokens > 5000
    assert len(sample.tokens) + sample.hidden_tokens == 10_000 + len("_user\nHi__\n_assistant\n_\n") - 1


def test_a_template_that_never_ends_is_ended(examiner: SampleExaminer, samples: Path, tmp_path: Path) -> None:
    folder = save(byte_tokenizer(LOOP), tmp_path / "hanging")
    with pytest.raises(BadRequest, match="longer than 2 seconds for a sample near row 1"):
        examiner.facts(folder, samples, recipe())
    sound = save(byte_tokenizer(), tmp_path / "sound")
    assert examiner.facts(sound, samples, recipe()).facts.samples == 3


def test_a_template_that_takes_all_memory_spoils_its_own_model_alone(
    examiner: SampleExaminer, samples: Path, tmp_path: Path
) -> None:
    folder = save(byte_tokenizer("{{ 'x' * 10**11 }}"), tmp_path / "bomb")
    with pytest.raises(BadRequest, match="memory"):
        examiner.facts(folder, samples, recipe())


def test_a_folder_without_a_tokenizer_is_refused(examiner: SampleExaminer, samples: Path, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="tokenizer of nothing cannot be read"):
        examiner.facts(tmp_path / "nothing", samples, recipe())


def test_a_model_without_a_template_is_told(examiner: SampleExaminer, samples: Path, tmp_path: Path) -> None:
    folder = save(byte_tokenizer(None), tmp_path / "plain")
    flags = examiner.facts(folder, samples, recipe()).facts.flags
    assert ("no_template", 0) in [(flag.code, flag.row) for flag in flags]


def test_rates_are_of_this_machine(examiner: SampleExaminer) -> None:
    rates = examiner.rates(256, 256)
    assert rates.bfloat16 > 1e8
    assert rates.float32 > 1e8
