"""Models that embed and do not write, behind the engine protocol: BERT and its kin."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from tempfile import TemporaryDirectory
from threading import Event as Flag
from typing import Any

from torch import nn
from transformers import AutoModel

from modules.engines.hf.embedder import Embedder
from modules.engines.hf.kind import HfOptions
from modules.engines.hf.loading import load_model, thread_count
from modules.engines.hf.pooling import read_pooling
from modules.engines.hf.scheduler import explained
from modules.engines.hf.vocabulary import Vocabulary
from modules.engines.protocol import Capabilities, Emit, Report
from modules.errors import BadRequest
from modules.types.generation import GenerationRequest
from modules.types.local_model import LocalModel

DEFAULT_CONTEXT = 512


class EncoderEngine:
    """One text after the other, or many in a pass: all on one thread."""

    def __init__(self, model: LocalModel, options: HfOptions, report: Report) -> None:
        assert model.path is not None
        self._compute = ThreadPoolExecutor(1, thread_name_prefix="compute")
        self._scratch = TemporaryDirectory(prefix="parlor-weights-")
        pooling = read_pooling(model.path)
        loading = self._compute.submit(load_model, model, options, report, self._scratch.name, AutoModel)
        loaded, tokenizer = loading.result()
        self._vocabulary = Vocabulary(tokenizer, loaded)
        filler = tokenizer.pad_token_id or 0
        self._embedder = Embedder(loaded, pooling, self._compute.submit, is_causal=False, filler=filler)
        limits = (options.context_length, pooling.max_tokens, places(loaded))
        context = min((limit for limit in limits if limit), default=DEFAULT_CONTEXT)
        dtype = str(loaded.dtype).removeprefix("torch.")
        note = f"embeds texts up to {context:,} tokens, {thread_count(options)} threads, {dtype}"
        self.capabilities = Capabilities(
            context_length=context,
            slots=1,
            generates=False,
            embeds=True,
            embedding_frame=self._vocabulary.frame,
            notes=(note,),
        )

    def tokenize(self, text: str) -> list[int]:
        return self._vocabulary.tokenize(text)

    def token_pieces(self, text: str) -> list[tuple[int, str]]:
        return self._vocabulary.pieces(text)

    def embed(self, texts: Sequence[Sequence[int]]) -> list[str]:
        for tokens in texts:
            self._vocabulary.check(tokens, "input")
        try:
            return self._embedder.embed(texts)
        except Exception as error:
            raise explained(error) from error

    def generate(self, request: GenerationRequest, emit: Emit, cancelled: Flag) -> None:
        raise BadRequest("This model embeds texts and cannot write any.", field="model")

    def close(self) -> None:
        self._compute.shutdown()
        self._scratch.cleanup()


def places(model: Any) -> int | None:
    """How many tokens have a place: some architectures count from behind the filler's."""
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding):
            return module.num_embeddings - (0 if module.padding_idx is None else module.padding_idx + 1)
    return getattr(model.config.get_text_config(), "max_position_embeddings", None)
