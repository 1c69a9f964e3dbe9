"""The presets that ship: each is sound, says what it is for, and changes how tokens are chosen."""

from pathlib import Path

import pytest

from modules.engines.registry import engine_named
from modules.paths import PROJECT
from modules.storage.presets import PresetStore
from modules.types.presets import Preset

PRESETS = PresetStore(PROJECT / "presets" / "samplers", Path("none")).presets()
# Knobs that act by themselves; the others say how one of these does.
ACTING = (
    "temperature", "dynatemp_range", "smoothing_factor", "top_k", "top_p", "min_p", "top_n_sigma", "typical_p",
    "xtc_probability", "repetition_penalty", "presence_penalty", "frequency_penalty", "dry_multiplier", "mirostat",
    "samplers",
)  # fmt: skip


def test_there_are_enough() -> None:
    assert len(PRESETS) >= 10
    assert len({tuple(sorted(map(str, preset.values.items()))) for preset in PRESETS}) == len(PRESETS)


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_each_is_sound_and_acts(preset: Preset) -> None:
    assert (preset.problem, preset.unknown) == ("", {})
    assert len(preset.description) > 20
    assert set(preset.values) & set(ACTING)
    text = (PROJECT / "presets" / "samplers" / f"{preset.name}.yaml").read_text()
    assert text.startswith("parlor: 1\n")
    # Nothing is said twice: only what differs from the defaults.
    assert set(preset.values) == {line.split(":")[0] for line in text.splitlines()} - {"parlor", "description"}


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_what_llamacpp_does_not_have_is_said(preset: Preset) -> None:
    kind = engine_named("llamacpp")
    lacking = kind.ignored_knobs & set(preset.values) or set(preset.values.get("samplers", [])) - set(kind.samplers)
    assert ("transformers engine" in preset.description) == bool(lacking)
    assert not engine_named("transformers").ignored_knobs & set(preset.values)
