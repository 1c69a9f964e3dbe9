"""Completions with a suffix, and insertions into documents, on models whose vocabulary has tokens for that."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from modules.app import App, build_app
from modules.serve.web import build_api
from modules.settings import Settings
from tests.engines.tiny_gguf import WORDS as GGUF_WORDS
from tests.engines.tiny_gguf import make_gguf
from tests.engines.tiny_models import WORDS, make_folder, save_tokenizer

MARKS = ("<fim_prefix>", "<fim_suffix>", "<fim_middle>")
GREEDY = {"temperature": 0, "max_tokens": 8}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder: Path = tmp_path_factory.mktemp("fill")
    models = folder / "models"
    models.mkdir()
    make_gguf(models / "gguf.gguf", further=MARKS)
    make_gguf(models / "plain.gguf")
    save_tokenizer(make_folder(models / "folder", "llama"), further=MARKS)
    app = build_app(Settings(data=folder / "data", models=models, threads=1))
    yield app
    app.close()


def complete(app: App, body: dict[str, Any]) -> tuple[int, Any]:
    answer = TestClient(build_api(app)).post("/v1/completions", json={**GREEDY, **body})
    return answer.status_code, answer.json()


@pytest.mark.parametrize("model", ["gguf", "folder"])
def test_the_gap_is_filled_as_by_hand(app: App, model: str) -> None:
    status, filled = complete(app, {"model": model, "prompt": "t5 t6 t7", "suffix": "t8 t9"})
    assert status == 200, filled
    count = app.inference.count_tokens
    before, after = (list(count(text, model).result(60).tokens) for text in ("t5 t6 t7", "t8 t9"))
    words, bos = (GGUF_WORDS, [1]) if model == "gguf" else (WORDS, [])
    start, middle, end = words - 3, words - 2, words - 1
    by_hand = [*bos, start, *before[len(bos) :], middle, *after[len(bos) :], end]
    assert filled["usage"]["prompt_tokens"] == len(by_hand)
    assert filled["choices"][0]["text"] == complete(app, {"model": model, "prompt": by_hand})[1]["choices"][0]["text"]
    assert (
        filled["choices"][0]["text"] != complete(app, {"model": model, "prompt": "t5 t6 t7"})[1]["choices"][0]["text"]
    )


def test_a_long_text_is_cut_to_the_context(app: App) -> None:
    status, filled = complete(app, {"model": "folder", "prompt": "t5 " * 5000, "suffix": "t8 " * 5000})
    assert status == 200
    assert 100 < filled["usage"]["prompt_tokens"] < 512


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"model": "plain", "prompt": "t5", "suffix": "t6"}, "suffix"),
        ({"model": "gguf", "prompt": [5, 6], "suffix": "t6"}, "suffix"),
        ({"model": "gguf", "prompt": "t5", "suffix": "t6", "echo": True}, "echo"),
    ],
)
def test_what_cannot_be_is_refused(app: App, body: dict[str, Any], field: str) -> None:
    status, answer = complete(app, body)
    assert (status, answer["error"]["param"]) == (400, field)


def test_an_insertion_into_a_document_reads_what_follows(app: App) -> None:
    inserted: list[int] = []
    for mode in ("insert", "continue"):
        view = app.notebook.create(text="t5 t6 t7 t8 t9")
        begun = app.notebook.generate(view.document.id, view.version.id, "folder", cursor=8, mode=mode)
        live = app.notebook.live(begun.writing[0].generation_id)
        assert live.saved.wait(60)
        end = live.generation.end
        inserted.append(getattr(end, "usage").prompt_tokens)  # noqa: B009 - a failure would say so
    assert inserted == [8, 3]
