"""YAML of strangers: plain values come of it or a reason why not, quickly and without running anything."""

import time
from pathlib import Path

import pytest

from modules.errors import BadRequest
from modules.storage.plain_yaml import read_mapping, written


def test_plain_values() -> None:
    text = "a: 1\nb: 2.5\nc: [x, null, true]\nd: {e: 'f'}\n7: seven\nday: 2024-01-02\ntime: 1:30\n"
    assert read_mapping(text) == {
        "a": 1, "b": 2.5, "c": ["x", None, True], "d": {"e": "f"}, "7": "seven", "day": "2024-01-02", "time": "1:30",
    }  # fmt: skip


def test_what_is_written_is_read() -> None:
    values = {
        "a": "on: the #1\n\ttab",
        "b": ["\n", '"', "'", "ü\x07"],
        "c": {"1": -3.5e-7},
        "d": "2024-01-02",
        "f": "1:30",
        "e": "no",
    }
    assert read_mapping(written(values)) == values


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: [1", "line 1"),
        ("\ta: 1", "line 1"),
        ("- a\n- b", "name: value"),
        ("", "name: value"),
        ("just text", "name: value"),
        ("a: !!python/object/apply:os.system ['true']", "tags such as tag:yaml.org,2002:python"),
        ("a: !mine x", "tags"),
        ("a: !!binary aGk=", "tags"),
        ("a: &x [1]\nb: *x", "anchors"),
        ("a: &x [l]\nb: &y [*x,*x]\nc: [*y,*y]", "anchors"),
        ("a: " + "[" * 9 + "]" * 9, "nested deeper than 8"),
        ("a: " + "[" * 50_000, "nested deeper than 8"),
        ("a: [" + "1," * 30_000 + "]", "parts"),
        ("\n".join(f"k{n}: 1" for n in range(300)), "more than 200 entries"),
        ("a: " + "x" * 300_000, "larger than 256 KiB"),
        ("a: .inf", "finite"),
        ("a: .nan", "finite"),
        ("a: " + "9" * 5000, "no YAML|digits"),
        ("a: 99999999999999999999", "digits"),
        ('a: "\\0"', "NUL"),
        ('a: "\\ud800"', "surrogate"),
        ("? [a]\n: 1", "unhashable|line 1"),
        ("a: =", "line 1"),
        ("a: 1\n---\nb: 2", "line 2"),
    ],
)
def test_what_is_refused(text: str, reason: str) -> None:
    begun = time.monotonic()
    with pytest.raises(BadRequest, match=reason):
        read_mapping(text)
    assert time.monotonic() - begun < 5


def test_long_numbers_in_sixties_take_no_time() -> None:
    begun = time.monotonic()
    assert len(read_mapping("a: " + "1:" * 100_000 + "1")["a"]) == 200_001
    assert time.monotonic() - begun < 5


def test_nothing_is_run(tmp_path: Path) -> None:
    target = tmp_path / "made"
    with pytest.raises(BadRequest):
        read_mapping(f"a: !!python/object/apply:pathlib.Path.touch [{target}]")
    assert not target.exists()
