"""Exports as jobs: whole or not at all, compared before they are published, refused where nothing can come of it."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from threading import Event as Flag
from typing import Any, cast

import pytest
import torch

from modules.app import App, build_app
from modules.errors import BadRequest, Conflict, NotFound, ParlorError, StorageError
from modules.library.library import Library
from modules.services import agreement
from modules.settings import Settings
from modules.types.exports import GGUF_TYPES, ExportKind, GgufType
from modules.types.generation import AdapterUse, GenerationRequest, TextDelta
from modules.types.jobs import Job
from modules.types.sampling import SamplingParams
from tests.engines.tiny_adapters import make_adapter, make_prompt, with_adapters
from tests.engines.tiny_models import make_folder
from tests.training.export.tiny_exports import assert_same_model, base_of, make_model, told_in


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    models = tmp_path / "models"
    base = make_model(models / "tiny", "llama")
    make_adapter(base, models / "adapters" / "one", ["q_proj", "v_proj", "down_proj"], lora_alpha=2)
    app = build_app(Settings(data=tmp_path / "data", models=models))
    yield app
    app.close()


def done(app: App, job: Job) -> Job:
    return app.jobs.wait(job.id)


def exported(app: App, kind: ExportKind, name: str, type_name: GgufType | None = None) -> Path:
    job = done(app, app.finetuning.export.start("one", kind, name, type_name))
    assert (job.state, job.error) == ("done", "")
    path = Library(app.paths.models).find(name).path
    assert path is not None
    return path


def left(app: App) -> set[str]:
    return {path.name for path in app.paths.models.iterdir()} - {".downloads"} | {
        path.name for path in app.paths.downloads.glob("*")
    }


def test_merged_and_written_as_gguf(app: App) -> None:
    tuned = with_adapters(app.paths.models / "tiny", one=app.paths.adapters / "one")
    sizes = {choice.kind: choice.size_bytes for choice in app.finetuning.export.choices("one")}

    merged = exported(app, "merged", "whole")
    # Weights of bfloat16 are what differs.
    assert_same_model(tuned, told_in(base_of(merged)), tolerance=0.15)
    weights = sum(path.stat().st_size for path in merged.glob("*.safetensors"))
    assert weights == pytest.approx(sizes["merged"][""], rel=0.1)

    # Random weights have no choices that are sure enough to outlast fewer bits.
    file = exported(app, "gguf", "file", "F16")
    assert file.stat().st_size == pytest.approx(sizes["gguf"]["F16"], rel=0.2)
    written, whole = app.finetuning.export.results()
    assert (written.name, written.kind, written.type, written.error) == ("file", "gguf", "F16", "")
    assert written.agreement is not None
    assert written.agreement.is_good
    assert written.agreement.tokens > 50
    assert (whole.name, whole.kind, whole.agreement) == ("whole", "merged", None)
    assert left(app) == {"tiny", "adapters", "whole", "file.gguf"}


def test_what_the_engines_do_not_agree_on_is_not_published(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreement, "LEAST_SHARES", dict.fromkeys(GGUF_TYPES, 1.01))
    job = done(app, app.finetuning.export.start("one", "gguf", "file", "F16"))
    assert job.state == "failed"
    assert "file was not published: llama.cpp chose only" in job.error
    (result,) = app.finetuning.export.results()
    assert result.error == job.error
    assert result.agreement is not None
    assert not result.agreement.is_good
    assert left(app) == {"tiny", "adapters"}


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("kind", "targets", "changes"),
    [
        ("gemma3", ["q_proj", "down_proj"], {"initializer_range": 0.1, "query_pre_attn_scalar": 8}),
        ("phi3", ["qkv_proj", "gate_up_proj"], {}),
    ],
)
def test_kinds_of_their_own(app: App, kind: str, targets: list[str], changes: dict[str, Any]) -> None:
    """Both engines agree on the file before it is published; that an adapter alone can be written is offered."""
    base = make_model(app.paths.models / kind, kind, **changes)
    make_adapter(base, app.paths.adapters / f"on-{kind}", targets, lora_alpha=2)
    assert all(choice.is_possible for choice in app.finetuning.export.choices(f"on-{kind}"))
    job = done(app, app.finetuning.export.start(f"on-{kind}", "gguf", "file", "F16"))
    assert (job.state, job.error) == ("done", "")
    (written,) = app.finetuning.export.results()
    assert written.agreement is not None
    assert written.agreement.is_good
    assert written.agreement.tokens > 50


def test_an_adapter_for_llamacpp(app: App) -> None:
    job = done(app, app.finetuning.export.start("one", "gguf_lora", ""))
    assert (job.state, job.error) == ("done", "")
    assert (app.paths.adapters / "one" / "adapter.gguf").stat().st_size > 1000


def test_cancelled_it_leaves_nothing(app: App) -> None:
    job = app.finetuning.export.start("one", "gguf", "file", "F16")
    app.jobs.cancel(job.id)
    assert done(app, job).state == "cancelled"
    assert app.finetuning.export.results() == []
    assert left(app) == {"tiny", "adapters"}


def test_a_model_that_was_trained_whole(app: App) -> None:
    choices = {choice.kind: choice for choice in app.finetuning.export.choices("tiny")}
    assert [kind for kind, choice in choices.items() if choice.is_possible] == ["gguf", "push"]


def test_what_cannot_be_exported_is_refused_at_once(app: App) -> None:
    models = app.paths.models
    make_adapter(models / "tiny", models / "adapters" / "dora", ["q_proj"], use_dora=True)
    make_adapter(make_folder(models.parent / "gone", "llama"), models / "adapters" / "orphan", ["q_proj"])
    make_adapter(make_folder(models / "mixture", "mixtral"), models / "adapters" / "on-mixture", ["o_proj"])
    make_prompt(models / "tiny", models / "adapters" / "soft")
    (models / "taken.gguf").write_bytes(b"x")
    cases: list[tuple[tuple[Any, ...], type[ParlorError], str]] = [
        (("nothing", "merged", "x"), NotFound, "no model called 'nothing'"),
        (("one", "merged", "tiny"), Conflict, "a model called tiny already"),
        (("one", "gguf", "taken", "F16"), Conflict, "a model called taken already"),
        (("one", "gguf", "../x", "F16"), BadRequest, "name cannot be used"),
        (("one", "gguf", "", "F16"), BadRequest, "name cannot be used"),
        (("one", "gguf", "x"), BadRequest, "Choose a type: F16"),
        (("one", "merged", "x", None, "nothing"), NotFound, "nothing"),
        (("one", "merged", "x", None, "echo"), BadRequest, "cannot be the base"),
        (("orphan", "merged", "x"), BadRequest, "is not here as a folder"),
        (("dora", "gguf_lora", ""), BadRequest, "DoRA"),
        (("soft", "merged", "x"), BadRequest, "changes no weights"),
        (("soft", "gguf_lora", ""), BadRequest, "changes no weights"),
        (("on-mixture", "gguf", "x", "F16"), BadRequest, "mixtral cannot be written"),
        (("tiny", "merged", "x"), BadRequest, "whole model already"),
    ]
    for arguments, error, said in cases:
        with pytest.raises(error, match=said):
            app.finetuning.export.start(*arguments)
    assert app.finetuning.export.results() == []


def test_another_models_name_as_the_base(app: App) -> None:
    """An adapter that does not fit the named base fails with a sentence, and leaves nothing."""
    make_model(app.paths.models / "narrow", "llama", hidden_size=32)
    job = done(app, app.finetuning.export.start("one", "merged", "x", base="narrow"))
    assert job.state == "failed"
    assert "does not fit this model" in job.error
    assert left(app) == {"tiny", "narrow", "adapters"}


def test_no_room(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    full = shutil.disk_usage("/")._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: full)
    with pytest.raises(StorageError, match="MB are free"):
        app.finetuning.export.start("one", "merged", "x")


def test_the_starter_with_an_adapter_of_its_folder(tmp_path: Path, models_folder: Path, starter_folder: Path) -> None:
    """The GGUF answers with an adapter that was trained on the folder it was converted to, and as peft has it."""
    folder = models_folder / "adapters" / "taught"
    make_adapter(starter_folder, folder, ["q_proj", "k_proj", "v_proj", "down_proj"], lora_alpha=2)
    app = build_app(Settings(data=tmp_path / "data", models=models_folder))
    loaded = app.models.load("starter", options={"context_length": 512, "slots": 2}).result.result(120)
    assert "loads the model anew" in app.adapters.note()
    status = app.adapters.load("taught")
    assert (status.loaded, status.weight) == (True, None)
    prompt = loaded.tokenize("The capital of France is Paris. The capital of Italy is")
    said: dict[float, list[int]] = {}
    for weight in (0.0, 1.0):
        tokens: list[int] = said.setdefault(weight, [])
        ended = Flag()

        def take(event: Any, tokens: list[int] = tokens, ended: Flag = ended) -> None:
            if isinstance(event, TextDelta):
                tokens += [one.chosen.id for one in event.logprobs]
            elif event.kind in {"finished", "failed"}:
                ended.set()

        request = GenerationRequest(
            "",
            tuple(prompt),
            16,
            sampling=SamplingParams(temperature=0, n_probs=1),
            adapters=(AdapterUse("taught", weight),),
        )
        loaded.process.generate(request, take)
        assert ended.wait(120)
    assert said[0.0] != said[1.0]
    with torch.inference_mode():
        model = with_adapters(starter_folder, taught=folder)
        expected = (
            cast(Any, model)
            .generate(input_ids=torch.tensor([prompt]), max_new_tokens=16, do_sample=False)[0, len(prompt) :]
            .tolist()
        )
    assert said[1.0][:4] == expected[:4]
    app.close()
