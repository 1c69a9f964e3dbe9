"""transformers models behind the engine protocol: one scheduler thread computes for all requests."""

from concurrent.futures import ThreadPoolExecutor
from tempfile import TemporaryDirectory
from threading import Event as Flag
from typing import Any

import psutil

from modules.engines.hf.batch import make_batch
from modules.engines.hf.kind import HfOptions
from modules.engines.hf.loading import load_model, thread_count
from modules.engines.hf.prefixes import PrefixStore
from modules.engines.hf.scheduler import Scheduler
from modules.engines.hf.sequence import Sequence
from modules.engines.hf.vocabulary import Vocabulary
from modules.engines.protocol import Capabilities, Emit, Report
from modules.types.generation import GenerationRequest
from modules.types.local_model import LocalModel

MIB = 1024 * 1024
SLOTS = 8
DEFAULT_CONTEXT = 8192


class HfEngine:
    """`generate` waits until the scheduler has ended its request."""

    def __init__(self, model: LocalModel, options: HfOptions, report: Report) -> None:
        # One thread for all of PyTorch: each thread that computes gets helpers of its own, and with more helpers than
        # cores OpenMP lets them sleep between any two operations, which costs a third of the speed.
        self._compute = ThreadPoolExecutor(1, thread_name_prefix="compute")
        self._scratch = TemporaryDirectory(prefix="parlor-weights-")
        loading = self._compute.submit(load_model, model, options, report, self._scratch.name)
        loaded, tokenizer = loading.result()
        # Each part of the model with the device that holds it; empty when one holds all.
        self.placement: dict[str, Any] = getattr(loaded, "hf_device_map", {})
        self._vocabulary = Vocabulary(tokenizer, loaded)
        config: Any = loaded.config.get_text_config()
        longest = getattr(config, "max_position_embeddings", None) or DEFAULT_CONTEXT
        available = psutil.virtual_memory().available
        slots = options.slots or SLOTS
        context = min(options.context_length or longest, longest)
        cache_mib = options.prompt_cache_mib if options.prompt_cache_mib >= 0 else min(1024, available // MIB // 16)
        self._scheduler = Scheduler(
            self._compute,
            make_batch(loaded, slots),
            PrefixStore(cache_mib * MIB),
            slots=slots,
            context_length=context,
        )
        dtype = str(loaded.dtype).removeprefix("torch.")
        note = f"context {context:,} tokens, {slots} at once, {thread_count(options)} threads, {dtype}"
        self.capabilities = Capabilities(
            context_length=context,
            slots=slots,
            chat_template=self._vocabulary.chat_template,
            bos_token=tokenizer.bos_token or "",
            eos_token=tokenizer.eos_token or "",
            bos_token_id=self._vocabulary.prompt_bos,
            logprobs=True,
            notes=(note,),
        )

    def tokenize(self, text: str) -> list[int]:
        return self._vocabulary.tokenize(text)

    def generate(self, request: GenerationRequest, emit: Emit, cancelled: Flag) -> None:
        sequence = Sequence(request, emit, cancelled, self._vocabulary)
        self._scheduler.add(sequence)
        sequence.wait()

    def close(self) -> None:
        self._scheduler.close()
        self._compute.shutdown()
        self._scratch.cleanup()
