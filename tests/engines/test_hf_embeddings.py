"""Vectors are those of a plain forward pass of each text by itself, in whatever company it is computed."""

import json
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn.functional import normalize
from transformers import AutoModel

from modules.engines.hf.embedder import Embedder
from modules.engines.hf.encoder import EncoderEngine
from modules.engines.hf.engine import HfEngine
from modules.engines.hf.kind import HF, HfOptions
from modules.errors import BadRequest, EngineError, ModelError
from modules.types.embeddings import decoded
from modules.types.generation import Event, Finished, GenerationRequest, TextDelta
from modules.types.local_model import LocalModel
from modules.types.sampling import SamplingParams
from tests.engines.tiny_models import ARCHITECTURES, ENCODERS, make_encoder, make_folder

Engine = HfEngine | EncoderEngine
Pool = Callable[[torch.Tensor], torch.Tensor]


def load(folder: Path, **options: Any) -> Any:
    model = LocalModel(folder.name, folder.name, "safetensors", folder)
    return HF.load(model, HfOptions(**{"dtype": "float32", "threads": 1, **options}), lambda *_: None)


def texts(*lengths: int, seed: int = 0) -> list[list[int]]:
    numbers = random.Random(seed)
    return [[numbers.randrange(2, 160) for _ in range(length)] for length in lengths]


def mean(hidden: torch.Tensor) -> torch.Tensor:
    return normalize(hidden.mean(0), dim=0)


def expected(folder: Path, asked: Sequence[list[int]], pool: Pool = mean) -> torch.Tensor:
    reference: Any = AutoModel.from_pretrained(folder, dtype=torch.float32)
    reference.eval()
    with torch.no_grad():
        return torch.stack([pool(reference(torch.tensor([tokens])).last_hidden_state[0]) for tokens in asked])


def embed(engine: Engine, asked: Sequence[list[int]]) -> torch.Tensor:
    return torch.tensor([decoded(vector) for vector in engine.embed(asked)])


def assert_same(found: torch.Tensor, right: torch.Tensor) -> None:
    assert found.shape == right.shape
    assert float((found - right).abs().max()) < 1e-5


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))


def make_sentence_transformer(folder: Path, pooling: dict[str, Any], *more: str, max_tokens: int | None = None) -> Path:
    make_encoder(folder, "bert")
    kinds = ["Transformer", "Pooling", *more]
    steps = [
        {
            "idx": place,
            "name": str(place),
            "path": f"{place}_{kind}" if place else "",
            "type": f"sentence_transformers.models.{kind}",
        }
        for place, kind in enumerate(kinds)
    ]
    write(folder / "modules.json", steps)
    write(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": 64, **pooling})
    write(folder / "sentence_bert_config.json", {"max_seq_length": max_tokens, "do_lower_case": False})
    return folder


@pytest.fixture(scope="module", params=[*ENCODERS, *ARCHITECTURES])
def subject(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Engine]]:
    folder = tmp_path_factory.mktemp("tiny") / request.param
    make_encoder(folder, request.param) if request.param in ENCODERS else make_folder(folder, request.param)
    engine = load(folder)
    yield folder, engine
    engine.close()


def test_alone_and_in_company(subject: tuple[Path, Engine]) -> None:
    """Of very different lengths, unsorted, so that passes hold much filling."""
    folder, engine = subject
    asked = texts(7, 1, 60, 23, 2, 128, 9, 9, 40, 3)
    right = expected(folder, asked)
    assert_same(embed(engine, asked), right)
    for place in (1, 5):
        assert_same(embed(engine, [asked[place]]), right[place : place + 1])


def test_a_long_text_in_pieces(subject: tuple[Path, Engine], monkeypatch: pytest.MonkeyPatch) -> None:
    """Longer than the sliding windows of those that have one."""
    folder, engine = subject
    monkeypatch.setattr(engine._embedder._pace, "tokens", 16)
    monkeypatch.setattr("modules.engines.hf.scheduler.CHUNKS", (16, 16))
    asked = texts(5, 100, 6, seed=1)
    assert_same(embed(engine, asked), expected(folder, asked))


def test_what_a_model_says_it_can(subject: tuple[Path, Engine]) -> None:
    folder, engine = subject
    can = engine.capabilities
    assert can.embeds
    assert can.generates == (folder.name in ARCHITECTURES)
    if folder.name in ENCODERS:
        assert can.embedding_frame == ((2,), (3,))
        assert can.context_length == ENCODERS[folder.name][3]
        longest = texts(can.context_length)
        assert_same(embed(engine, longest), expected(folder, longest))


@pytest.mark.parametrize(
    ("switches", "pool"),
    [
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}, lambda hidden: hidden.mean(0)),
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, lambda hidden: hidden[0]),
        ({"pooling_mode_max_tokens": True}, lambda hidden: hidden.amax(0)),
        ({"pooling_mode_lasttoken": True}, lambda hidden: hidden[-1]),
        ({"pooling_mode": "lasttoken"}, lambda hidden: hidden[-1]),
        (
            {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True},
            lambda hidden: torch.cat([hidden[0], hidden.mean(0)]),
        ),
    ],
    ids=["mean", "cls", "max", "last", "named", "two"],
)
def test_pooling_is_the_folders(tmp_path: Path, switches: dict[str, Any], pool: Pool) -> None:
    folder = make_sentence_transformer(tmp_path / "tiny", switches, max_tokens=50)
    asked = texts(12, 50, 3, seed=2)
    plain = load(folder)
    assert plain.capabilities.context_length == 50
    assert_same(embed(plain, asked), expected(folder, asked, pool))
    plain.close()
    make_sentence_transformer(folder, switches, "Normalize")
    of_length_1 = load(folder)
    assert_same(embed(of_length_1, asked), expected(folder, asked, lambda hidden: normalize(pool(hidden), dim=0)))
    of_length_1.close()


def test_a_model_that_writes_pools_as_its_folder_says(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "tiny", "qwen3")
    write(folder / "modules.json", [{"path": "", "type": "x.Transformer"}, {"path": "1_Pooling", "type": "x.Pooling"}])
    write(folder / "1_Pooling" / "config.json", {"pooling_mode_lasttoken": True})
    engine = load(folder)
    asked = texts(12, 3)
    assert_same(embed(engine, asked), expected(folder, asked, lambda hidden: hidden[-1]))
    engine.close()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda folder: make_sentence_transformer(folder, {"pooling_mode_mean_tokens": True}, "Dense"), "Dense"),
        (lambda folder: make_sentence_transformer(folder, {"pooling_mode_weightedmean_tokens": True}), "weightedmean"),
        (lambda folder: write(folder / "modules.json", {"a": 1}), "damaged"),
        (lambda folder: write(folder / "modules.json", [{"type": "x.Pooling", "path": "../../.."}]), "damaged"),
    ],
    ids=["module", "mode", "shape", "outside"],
)
def test_files_that_are_not_understood_are_refused(tmp_path: Path, change: Callable[[Path], None], said: str) -> None:
    folder = make_encoder(tmp_path / "tiny", "bert")
    change(folder)
    with pytest.raises(ModelError, match=said):
        load(folder)


def test_an_encoder_without_its_layers_is_refused(tmp_path: Path) -> None:
    """Its pooler may be missing, nothing else."""
    folder = make_encoder(tmp_path / "tiny", "bert")
    tensors = load_file(folder / "model.safetensors")
    del tensors["encoder.layer.1.output.dense.weight"]
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=r"encoder\.layer\.1"):
        load(folder)


@pytest.mark.parametrize(
    ("changes", "writes"),
    [
        ({"architectures": ["BertLMHeadModel"], "is_decoder": True}, True),
        ({"architectures": None, "is_decoder": True}, True),
        ({"architectures": None}, False),
        ({"architectures": ["BertForPreTraining"]}, False),
        ({"architectures": ["OddModel"], "auto_map": {"AutoModelForCausalLM": "odd.Odd"}}, True),
    ],
)
def test_the_checkpoint_decides_whether_it_writes(tmp_path: Path, changes: dict[str, Any], writes: bool) -> None:
    folder = make_encoder(tmp_path / "tiny", "bert-masked")
    config = json.loads((folder / "config.json").read_text())
    write(folder / "config.json", {**config, **changes})
    engine = load(folder)
    assert engine.capabilities.generates == writes
    engine.close()


@pytest.mark.parametrize("weights", ["plain", "packed", "int4"])
@pytest.mark.parametrize("kind", ["bert", "llama"])
def test_every_form_of_weights_embeds(tmp_path: Path, kind: str, weights: str) -> None:
    folder = make_encoder(tmp_path / "tiny", kind) if kind in ENCODERS else make_folder(tmp_path / "tiny", kind)
    engine = load(folder, weights=weights, dtype="bfloat16")
    asked = texts(5, 30)
    nearness = (embed(engine, asked) * expected(folder, asked)).sum(-1)
    assert float(nearness.min()) > (0.9 if weights == "int4" else 0.999)
    engine.close()


def test_from_a_model_that_is_on_disk(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "wide", "llama", hidden_size=256, intermediate_size=1024)
    engine = load(folder, cpu_memory_mib=1)
    assert "disk" in set(engine.placement.values())
    asked = texts(5, 30)
    assert_same(embed(engine, asked), expected(folder, asked))
    engine.close()


def test_streams_go_on_meanwhile(tmp_path: Path) -> None:
    """Tokens come between the passes; the text is that of a stream that is alone."""
    engine = load(make_folder(tmp_path / "tiny", "llama"))
    request = GenerationRequest("", (5, 6, 7), 100, (), SamplingParams(temperature=0.0, ignore_eos=True))

    def said(events: list[Event]) -> str:
        assert isinstance(events[-1], Finished)
        return "".join(event.text for event in events if isinstance(event, TextDelta))

    alone: list[Event] = []
    engine.generate(request, alone.append, threading.Event())
    events: list[Event] = []
    stream = threading.Thread(target=engine.generate, args=(request, events.append, threading.Event()))
    stream.start()
    while not events:
        time.sleep(0.001)
    asked = texts(*[400] * 4)
    before = len(events)
    vectors = embed(engine, asked)
    during = len(events) - before
    stream.join()
    assert during >= 4
    assert said(events) == said(alone)
    assert_same(vectors, embed(engine, asked))
    engine.close()


def test_passes_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred texts are many passes, none larger than the pace allows."""
    engine = load(make_encoder(tmp_path / "tiny", "bert"))
    sizes: list[int] = []
    compute = Embedder._hidden

    def watched(self: Embedder, ids: torch.Tensor, **others: Any) -> torch.Tensor:
        sizes.append(ids.numel())
        return compute(self, ids, **others)

    monkeypatch.setattr(Embedder, "_hidden", watched)
    monkeypatch.setattr("modules.engines.hf.scheduler.CHUNKS", (64, 64))
    assert len(engine.embed(texts(*[20] * 100))) == 100
    assert max(sizes) <= 64
    engine.close()


def test_ids_beyond_the_vocabulary_are_refused(subject: tuple[Path, Engine]) -> None:
    with pytest.raises(BadRequest, match="159"):
        subject[1].embed([[5, 6], [5, 160]])


def test_broken_numbers_are_no_vector(tmp_path: Path) -> None:
    folder = make_encoder(tmp_path / "tiny", "bert")
    tensors = load_file(folder / "model.safetensors")
    tensors["embeddings.word_embeddings.weight"][9] = float("nan")
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    engine = load(folder)
    with pytest.raises(EngineError, match="not finite"):
        engine.embed([[5, 9]])
    assert len(engine.embed([[5, 6]])) == 1
    engine.close()
