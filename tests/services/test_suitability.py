"""Which of a hub model's choices is recommended for this machine."""

from collections.abc import Mapping
from typing import Any

from modules.engines.protocol import EngineKind
from modules.errors import ModelError
from modules.services.suitability import Judged, judge, recommend
from modules.types.estimates import Estimate, Fit, MemoryEstimate, Range
from modules.types.hub import HubChoice, HubEntry, HubFile, HubFormat, HubModel
from modules.types.local_model import LocalModel

GIB = 2**30
FREE = 8 * GIB


def choice(name: str, gib: float, model_format: HubFormat = "gguf", problem: str = "") -> HubChoice:
    file = HubFile(f"{name}.gguf", int(gib * GIB))
    return HubChoice(name, model_format, (file,), quantization=name, problem=problem)


def estimate(gib: float, fit: Fit = "cpu", speed: float | None = 20.0) -> Estimate:
    memory = Range(gib * GIB, gib * GIB * 0.95, gib * GIB * 1.05)
    band = Range(speed, speed * 0.7, speed * 1.3) if speed else None
    return Estimate(MemoryEstimate(int(gib * GIB)), memory, band, fit, FREE)


def judged(name: str, gib: float, fit: Fit = "cpu", speed: float | None = 20.0) -> Judged:
    return Judged(choice(name, gib), estimate(gib, fit, speed))


def recommended(*of: Judged) -> str | None:
    best = recommend(of)
    return of[best.place].choice.name if best else None


def test_the_largest_that_fits_well() -> None:
    assert recommended(judged("Q2_K", 3), judged("Q4_K_M", 5), judged("Q8_0", 7), judged("F32", 9, "no")) == "Q8_0"


def test_what_fits_the_gpu_comes_first() -> None:
    assert recommended(judged("Q2_K", 3, "gpu"), judged("Q4_K_M", 5, "gpu"), judged("Q8_0", 7, "partly")) == "Q4_K_M"


def test_what_would_be_slow_or_tight_is_not_what_a_newcomer_should_get() -> None:
    assert (
        recommended(judged("Q2_K", 3, speed=15), judged("Q4_K_M", 5, speed=9), judged("Q8_0", 7, speed=5)) == "Q4_K_M"
    )
    assert recommended(judged("Q2_K", 3), judged("Q4_K_M", 5), judged("Q8_0", 7.9)) == "Q4_K_M"


def test_where_all_are_slow_it_is_the_fastest() -> None:
    assert recommended(judged("Q2_K", 3, speed=4), judged("Q4_K_M", 5, speed=2)) == "Q2_K"


def test_speed_that_is_not_known_yet_does_not_matter() -> None:
    assert recommended(judged("Q2_K", 3, speed=None), judged("Q4_K_M", 5, speed=None)) == "Q4_K_M"


def test_unquantized_only_where_there_is_nothing_else() -> None:
    assert recommended(judged("Q8_0", 1), judged("F16", 2), judged("BF16", 2)) == "Q8_0"
    assert recommended(judged("F16", 2), judged("F32", 4)) == "F32"


def test_nothing_where_nothing_can_be_said() -> None:
    assert recommended(judged("Q2_K", 30, "no"), judged("Q4_K_M", 50, "no")) is None
    assert recommended(judged("Q2_K", 3)) is None
    assert recommended(Judged(choice("Q2_K", 3), None), Judged(choice("Q4_K_M", 5), None)) is None


def test_each_choice_is_asked_about_as_it_would_be_loaded() -> None:
    asked: list[tuple[str, str, Mapping[str, Any]]] = []

    def estimating(model: LocalModel, kind: EngineKind, options: Mapping[str, Any]) -> Estimate:
        asked.append((model.quantization, kind.name, options))
        if model.quantization == "odd":
            raise ModelError("No word on this one.")
        return estimate(3)

    choices = (
        choice("Q4_K_M", 3), choice("BF16", 6, "safetensors"), choice("odd", 1), choice("Q8_0", 5, problem="Incomplete."),
    )  # fmt: skip
    model = HubModel(HubEntry("maker/model"), "main", "0" * 40, "", (), choices)
    result = judge(estimating, model, 4096)
    assert [one.choice.name for one in result] == ["Q4_K_M", "BF16", "odd", "Q8_0"]
    assert [one.estimate is not None for one in result] == [True, True, False, False]
    context = {"context_length": 4096}
    assert asked == [("Q4_K_M", "llamacpp", context), ("BF16", "transformers", context), ("odd", "llamacpp", context)]
