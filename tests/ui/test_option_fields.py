"""Fields are made from an engine's declaration."""

from typing import Literal

import pytest
from pydantic import Field

from modules.engines.protocol import ADVANCED, START_ONLY, EngineOptions
from modules.engines.registry import ENGINES, engine_named
from modules.ui.option_fields import label_of, option_fields


class Options(EngineOptions):
    context_length: int = Field(default=0, ge=0, le=4096, description="Tokens one request may hold.")
    device: Literal["auto", "cpu"] = Field(default="auto", description="Where.")
    fast: bool = Field(default=True, description="Quickly.", json_schema_extra=ADVANCED)
    draft_model: str = Field(default="", max_length=500, description="Who guesses.")
    secret: bool = Field(default=False, description="Never.", json_schema_extra=START_ONLY)


def test_every_kind_of_option_becomes_its_field() -> None:
    fields = {one["name"]: one for one in option_fields(Options, {}, {"draft_model": ["tiny"]}, has_gpu=True)}
    assert list(fields) == ["chat_template", "context_length", "device", "fast", "draft_model"]
    assert fields["context_length"] == {
        "name": "context_length",
        "label": "Context length",
        "help": "Tokens one request may hold.",
        "advanced": False,
        "default": 0,
        "kind": "number",
        "automatic": "automatic",
        "minimum": 0,
        "maximum": 4096,
    }
    assert fields["device"]["choices"] == [{"value": "auto", "text": "automatic"}, {"value": "cpu", "text": "cpu"}]
    assert (fields["fast"]["kind"], fields["fast"]["default"], fields["fast"]["advanced"]) == ("switch", True, True)
    assert fields["draft_model"]["choices"] == [{"value": "", "text": "automatic"}, {"value": "tiny", "text": "tiny"}]
    assert (fields["chat_template"]["kind"], fields["chat_template"]["max_length"]) == ("text", 120)


def test_flags_of_the_start_stand_where_nothing_is_set() -> None:
    fields = {
        one["name"]: one for one in option_fields(Options, {"context_length": 512, "fast": False}, {}, has_gpu=True)
    }
    assert fields["context_length"]["automatic"] == "512"
    assert fields["fast"]["default"] is False
    assert fields["device"]["default"] == "auto"


@pytest.mark.parametrize("kind", ENGINES, ids=lambda kind: kind.name)
def test_every_engine_has_fields_with_words(kind: type) -> None:
    for field in option_fields(kind.options, {}, {}, has_gpu=True):  # type: ignore[attr-defined]
        assert field["label"], field
        assert field["help"], field
        assert field["kind"] in {"number", "choice", "switch", "text"}


@pytest.mark.parametrize(
    ("engine", "names"),
    [
        ("llamacpp", {"gpu_layers"}),
        ("transformers", {"device", "gpu_memory_mib", "cuda_graphs"}),
        ("remote", set[str]()),
        ("echo", set[str]()),
    ],
)
def test_what_needs_a_graphics_card_is_left_out_without_one(engine: str, names: set[str]) -> None:
    options = engine_named(engine).options
    with_gpu = {one["name"] for one in option_fields(options, {}, {}, has_gpu=True)}
    without = {one["name"] for one in option_fields(options, {}, {}, has_gpu=False)}
    assert with_gpu - without == names
    # What a flag of the start sets is shown all the same.
    flags = dict.fromkeys(names, 0)
    assert {one["name"] for one in option_fields(options, flags, {}, has_gpu=False)} == with_gpu


def test_names_become_labels() -> None:
    assert label_of("gpu_memory_mib") == "GPU memory (MiB)"
    assert label_of("dtype") == "Number format"
