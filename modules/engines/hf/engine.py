"""transformers models behind the engine protocol: one scheduler thread computes for all requests."""

from collections.abc import Sequence as Many
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event as Flag
from typing import Any, get_args

import psutil
import torch

from modules.engines.fill_tokens import find_fill_tokens
from modules.engines.hf.adapters import Adapters
from modules.engines.hf.batch import Batch, input_device, make_batch
from modules.engines.hf.drafts import Draft, Drafter, DraftModel, LookupDraft, PromptLookup
from modules.engines.hf.embedder import Embedder
from modules.engines.hf.fixed import FixedPass, pass_kind
from modules.engines.hf.footprint import DEFAULT_CONTEXT, SLOTS, prompt_cache_bytes, slot_count
from modules.engines.hf.guidance import check_room
from modules.engines.hf.kind import HfOptions
from modules.engines.hf.loading import load_model, thread_count
from modules.engines.hf.pooling import read_pooling
from modules.engines.hf.prefixes import PrefixStore
from modules.engines.hf.scheduler import Scheduler
from modules.engines.hf.sequence import Sequence
from modules.engines.hf.vocabulary import Vocabulary
from modules.engines.protocol import AdaptableEngine, Capabilities, Emit, Report
from modules.errors import BadRequest, ModelError
from modules.types.generation import ConstraintKind, GenerationRequest
from modules.types.local_model import LocalModel
from modules.types.sampling import SamplingParams


class HfEngine(AdaptableEngine):
    """`generate` waits until the scheduler has ended its request."""

    def __init__(self, model: LocalModel, options: HfOptions, report: Report) -> None:
        assert model.path is not None
        pooling = read_pooling(model.path)
        # One thread for all of PyTorch: each thread that computes gets helpers of its own, and with more helpers than
        # cores OpenMP lets them sleep between any two operations, which costs a third of the speed.
        self._compute = ThreadPoolExecutor(1, thread_name_prefix="compute")
        self._scratch = TemporaryDirectory(prefix="parlor-weights-")
        loading = self._compute.submit(load_model, model, options, report, self._scratch.name)
        loaded, tokenizer = loading.result()
        drafting = self._compute.submit(load_drafter, options, tokenizer, report, self._scratch.name)
        self._drafter = drafting.result()
        # Each part of the model with the device that holds it; empty when one holds all.
        self.placement: dict[str, Any] = getattr(loaded, "hf_device_map", {})
        self._vocabulary = Vocabulary(tokenizer, loaded)
        config: Any = loaded.config.get_text_config()
        longest = getattr(config, "max_position_embeddings", None) or DEFAULT_CONTEXT
        available = psutil.virtual_memory().available
        context = min(options.context_length or longest, longest)
        slots = options.slots or choose_slots(loaded, context)
        self._adapters = Adapters(loaded, loaded.dtype, input_device(loaded))
        fixed = pass_kind(loaded.device) if options.cuda_graphs else None
        batch = self._compute.submit(prepared_batch, loaded, slots, self._adapters, fixed, report).result()
        self._scheduler = Scheduler(
            self._compute,
            batch,
            PrefixStore(prompt_cache_bytes(options, available)),
            self._adapters,
            slots=slots,
            context_length=context,
        )
        self._embedder = Embedder(loaded, pooling, self._scheduler.run_between, is_causal=True, filler=0)
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
            prompt_logprobs=True,
            adapters=True,
            logits_processors=True,
            constraints=get_args(ConstraintKind),
            embeds=True,
            embedding_frame=self._vocabulary.frame,
            distribution=True,
            fill_tokens=find_fill_tokens(self._vocabulary.tokenize),
            notes=(note,),
        )

    def tokenize(self, text: str) -> list[int]:
        return self._vocabulary.tokenize(text)

    def token_pieces(self, text: str) -> list[tuple[int, str]]:
        return self._vocabulary.pieces(text)

    def generate(self, request: GenerationRequest, emit: Emit, cancelled: Flag) -> None:
        check_room(
            request,
            self._vocabulary,
            slots=self.capabilities.slots,
            context_length=self.capabilities.context_length,
        )
        sequence = Sequence(request, emit, cancelled, self._vocabulary, self._draft(request.sampling))
        self._scheduler.add(sequence)
        sequence.wait()

    def _draft(self, knobs: SamplingParams) -> Draft | None:
        if knobs.prompt_lookup_tokens > 0:
            return LookupDraft(knobs.prompt_lookup_tokens)
        as_loaded = knobs.prompt_lookup_tokens < 0
        return self._drafter.follow() if as_loaded and self._drafter is not None else None

    def load_adapter(self, name: str, path: str) -> int:
        from modules.adapter_files import read_adapter

        weights = read_adapter(Path(path))
        if weights.vectors is not None and not self._scheduler.reads_in_pieces:
            raise BadRequest(
                "This model reads a prompt in one piece only, so no vectors can stand in front of it.", field="name"
            )
        return self._scheduler.run_between(
            lambda: self._adapters.put(name, weights, self._scheduler.running_mixes)
        ).result()

    def unload_adapter(self, name: str) -> None:
        self._scheduler.run_between(lambda: self._adapters.remove(name, self._scheduler.running_mixes)).result()

    def embed(self, texts: Many[Many[int]]) -> list[str]:
        for tokens in texts:
            self._vocabulary.check(tokens, "input")
        return self._embedder.embed(texts)

    def close(self) -> None:
        self._scheduler.close()
        self._compute.shutdown()
        self._scratch.cleanup()


def choose_slots(model: Any, context: int) -> int:
    """With what a GPU has free now that the weights are there."""
    if model.device.type != "cuda":
        return SLOTS
    config: Any = model.config.get_text_config()
    if not hasattr(config, "num_attention_heads"):
        # What a recurrent model remembers of a request does not grow with it.
        return SLOTS
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    per_request = 2 * config.num_hidden_layers * heads * head_dim * model.dtype.itemsize * context
    free, _ = torch.cuda.mem_get_info(model.device)
    return slot_count(per_request, free, on_gpu=True)


def prepared_batch(model: Any, slots: int, adapters: Adapters, fixed: type[FixedPass] | None, report: Report) -> Batch:
    with torch.inference_mode():
        batch = make_batch(model, slots, adapters, fixed)
        batch.warm_up(report)
    return batch


def load_drafter(options: HfOptions, tokenizer: Any, report: Report, scratch: str) -> Drafter | None:
    """Raises ModelError when the draft model cannot be loaded, or does not fit."""
    match options.speculation:
        case "off":
            return None
        case "lookup":
            return PromptLookup()
        case "draft":
            if not options.draft_model:
                raise ModelError("Speculation by a draft model needs one: set draft_model.")
            folder = Path(options.draft_model)
            model, own_tokenizer = load_model(
                LocalModel(folder.name, folder.name, "safetensors", folder),
                options,
                lambda fraction, note: report(fraction, f"draft model: {note}"),
                scratch,
            )
            return DraftModel(model, tokenizer, own_tokenizer)
