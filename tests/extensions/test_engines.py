"""What extensions bring to workers: logits processors and engines."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from modules.app import App, build_app
from modules.engines.generation import Generation
from modules.errors import BadRequest, ModelError
from modules.library.starter import STARTER
from modules.services.request_hooks import RequestSource
from modules.settings import Settings
from modules.types.generation import Failed, Finished
from modules.types.reply_params import ReplyParams
from modules.types.sampling import SamplingParams
from tests.engines.tiny_models import make_folder, tokens_of
from tests.extensions.programs import begin, program, reply, slow_script, wait_until, write_extension

GREEDY = ReplyParams(SamplingParams(temperature=0, ignore_eos=True), max_tokens=6)
ONLY = """
import torch
from modules.extensions import LogitsProcessor, hook

class Only:
    def __init__(self, token):
        self.token = token
    def __call__(self, ids, logits):
        {body}

@hook
def logits_processors():
    return [LogitsProcessor("main:Only", {{"token": 42}}, logit_bias={{42: 90.0}})]
"""
BODIES = {
    "works": "changed = torch.full_like(logits, -1e9); changed[0, self.token] = 1; return changed",
    "raises": "raise ValueError('out of ideas')",
    "exits": "raise SystemExit",
    "nothing": "return None",
    "no numbers": "return logits * float('nan')",
    "sleeps": "import time; time.sleep(60)",
}


@pytest.fixture(scope="module")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("brought")


@pytest.fixture(scope="module")
def tiny(tiny_folder: Path) -> Iterator[App]:
    """With a tiny model on the transformers engine."""
    make_folder(tiny_folder / "models" / "tiny", "llama")
    settings = Settings(
        data=tiny_folder / "data",
        models=tiny_folder / "models",
        extensions=tiny_folder / "none",
        model="tiny",
        threads=1,
    )
    app = build_app(settings)
    yield app
    app.close()


def complete(app: App, prompt: str = "t5 t6 t7", params: ReplyParams = GREEDY) -> Generation:
    generation = app.inference.complete(prompt, params, asked_by=RequestSource("api"))
    for _ in generation:
        pass
    assert isinstance(generation.end, Finished), generation.end
    return generation


@pytest.mark.parametrize("way", BODIES)
def test_a_logits_processor_on_the_transformers_engine(tiny: App, tiny_folder: Path, way: str) -> None:
    plain = complete(tiny).text
    name = f"only-{way}".replace(" ", "-")
    write_extension(tiny_folder, name, ONLY.format(body=BODIES[way]))
    tiny.extensions.enable(name)
    generation = complete(tiny)
    tiny.extensions.disable(name)
    assert isinstance(generation.end, Finished)
    if way == "works":
        assert tokens_of(generation.text) == [42] * 6
        assert not generation.end.notes
    else:
        assert generation.text == plain
        assert "left out" in generation.end.notes[0].text
        assert tiny.extensions.faults(name)[0].hook == "logits_processors"
    assert complete(tiny).text == plain


def test_a_worker_takes_the_newest_code_of_an_extension(tiny: App, tiny_folder: Path) -> None:
    for token in (7, 9):
        body = BODIES["works"].replace("self.token", str(token))
        write_extension(tiny_folder, "changing", ONLY.format(body=body))
        tiny.extensions.enable("changing")
        assert tokens_of(complete(tiny).text) == [token] * 6
    tiny.extensions.disable("changing")


def test_llama_cpp_takes_bias_instead_of_code(tmp_path: Path, models_folder: Path) -> None:
    settings = Settings(
        data=tmp_path / "data", models=models_folder, extensions=tmp_path / "none", model=STARTER.id, threads=1
    )
    write_extension(tmp_path, "only", ONLY.format(body="raise ValueError('never called')"))
    write_extension(
        tmp_path,
        "code-alone",
        "from modules.extensions import LogitsProcessor, hook\n"
        "@hook\ndef logits_processors(): return [LogitsProcessor('main:Anything')]",
    )
    app = build_app(settings)
    try:
        app.extensions.enable("only")
        app.extensions.enable("code-alone")
        generation = complete(app, "Once upon", ReplyParams(SamplingParams(temperature=0), max_tokens=3))
        said = app.inference.token_pieces(generation.text).result()
        assert generation.text
        assert 42 in {piece.id for piece in said}
        assert isinstance(generation.end, Finished)
        assert "code-alone does nothing on llama.cpp" in generation.end.notes[0].text
    finally:
        app.close()


ENGINE = """
from modules.engines.echo import EchoEngine, EchoOptions, estimate
from modules.engines.protocol import EngineKind
from modules.extensions import hook

class Backwards(EchoEngine):
    def generate(self, request, emit, cancelled):
        from dataclasses import replace
        super().generate(replace(request, prompt=request.prompt[::-1]), emit, cancelled)

def load(model, options, report):
    return Backwards(options)

@hook
def engines():
    return [EngineKind("{name}", ("echo",), EchoOptions, load, {estimate})]
"""


@pytest.mark.parametrize("estimate", ["estimate", "lambda *_: 1 / 0"])
def test_an_engine_of_an_extension_runs_in_a_worker(tmp_path: Path, estimate: str) -> None:
    write_extension(tmp_path, "backwards", ENGINE.format(name="backwards", estimate=estimate))
    with program(tmp_path) as app:
        app.extensions.enable("backwards")
        assert [kind.name for kind in app.models.engines_for("echo")] == ["echo", "backwards"]
        app.models.load("echo", "backwards").result.result()
        assert reply(app, "abc") == "cba"
        app.extensions.disable("backwards")
        assert [kind.name for kind in app.models.engines_for("echo")] == ["echo"]
        assert [status.state for status in app.models.statuses()] == ["failed"]
        assert "The extension backwards" in app.models.statuses()[0].error
        assert reply(app, "abc") == "abc"


@pytest.mark.parametrize("way", ["disabled", "loaded anew", "changed"])
def test_a_reply_on_an_engine_that_goes_ends_with_a_sentence(tmp_path: Path, way: str) -> None:
    write_extension(tmp_path, "backwards", ENGINE.format(name="backwards", estimate="estimate"))
    with program(tmp_path, script=slow_script(tmp_path, 200, 100)) as app:
        app.extensions.enable("backwards")
        app.models.load("echo", "backwards").result.result()
        generation = begin(app)
        assert wait_until(lambda: "word1 " in generation.text, 20)
        if way == "disabled":
            app.extensions.disable("backwards")
        elif way == "changed":
            app.extensions.changed("backwards", lambda: None)
        else:
            app.extensions.enable("backwards")
        list(generation)
        assert isinstance(generation.end, Failed)
        assert generation.end.message == f"The extension backwards, whose engine this model ran on, was {way}."
        assert app.models.loaded("echo") is None


def test_a_model_that_is_being_loaded_on_an_engine_that_goes_is_not_loaded(tmp_path: Path) -> None:
    slow = ENGINE.replace("    return Backwards", "    import time\n    time.sleep(60)\n    return Backwards")
    write_extension(tmp_path, "backwards", slow.format(name="backwards", estimate="estimate"))
    with program(tmp_path) as app:
        app.extensions.enable("backwards")
        loading = app.models.load("echo", "backwards")
        assert wait_until(lambda: loading.process is not None)
        app.extensions.disable("backwards")
        with pytest.raises(ModelError, match=r"backwards.*disabled"):
            loading.result.result(20)


def test_an_engine_may_not_take_the_name_of_another(tmp_path: Path) -> None:
    write_extension(tmp_path, "backwards", ENGINE.format(name="llamacpp", estimate="estimate"))
    with program(tmp_path) as app, pytest.raises(BadRequest, match="called llamacpp already\\."):
        app.extensions.enable("backwards")
    for name in ("one", "other"):
        write_extension(tmp_path, name, ENGINE.format(name="backwards", estimate="estimate"))
    with program(tmp_path) as app:
        app.extensions.enable("one")
        with pytest.raises(BadRequest, match="backwards already, of the extension one\\."):
            app.extensions.enable("other")
