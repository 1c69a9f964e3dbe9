"""llama.cpp's server inside this process, with a model and the adapters that are on it."""

from collections.abc import Sequence
from typing import Any

import xllamacpp  # pyright: ignore[reportMissingTypeStubs]

from modules.engines.llamacpp.adapters import LoadedFile
from modules.engines.llamacpp.kind import LlamaCppOptions
from modules.engines.llamacpp.plan import Plan
from modules.engines.llamacpp.socket_client import PrivateAddress, SocketClient
from modules.errors import ModelError
from modules.types.local_model import LocalModel
from modules.types.machine import Gpu

# The binding is native code without type information.
binding: Any = xllamacpp

FLASH_ATTENTION = {
    "auto": "LLAMA_FLASH_ATTN_TYPE_AUTO",
    "on": "LLAMA_FLASH_ATTN_TYPE_ENABLED",
    "off": "LLAMA_FLASH_ATTN_TYPE_DISABLED",
}
# By whether the file is mapped, and locked into memory.
LOAD_MODES = {
    (True, False): "LLAMA_LOAD_MODE_MMAP",
    (False, False): "LLAMA_LOAD_MODE_NONE",
    (True, True): "LLAMA_LOAD_MODE_MMAP_MLOCK",
    (False, True): "LLAMA_LOAD_MODE_MLOCK",
}
QUIET = 1  # errors only; they are the last words shown when a load fails


class RunningServer:
    """`handle_completions` is asked of `server`, everything else of `socket`."""

    def __init__(
        self, model: LocalModel, options: LlamaCppOptions, plan: Plan, adapters: Sequence[LoadedFile] = ()
    ) -> None:
        """Raises ModelError when llama.cpp does not load it."""
        self._address = PrivateAddress()
        try:
            self.server: Any = binding.Server(parameters(model, options, plan, self._address, adapters))
        except RuntimeError as error:
            self._address.remove()
            raise ModelError(f"llama.cpp could not load {model.title}: {error}") from error
        self.socket = SocketClient(self.server.listening_address, self._address.key)

    def close(self) -> None:
        """The memory is free when this returns; nobody may be asking any more."""
        del self.server
        self._address.remove()

    def leave(self) -> None:
        """Before the process ends: nothing stays on the disk, and nobody waits for native threads."""
        self._address.remove()


def parameters(
    model: LocalModel, options: LlamaCppOptions, plan: Plan, address: PrivateAddress, adapters: Sequence[LoadedFile]
) -> Any:
    chosen: Any = binding.CommonParams()
    chosen.model.path = str(model.path)
    chosen.n_ctx = plan.context_tokens * plan.slots
    chosen.n_parallel = plan.slots
    chosen.n_batch = chosen.n_ubatch = plan.batch_tokens
    chosen.n_gpu_layers = plan.gpu_layers
    chosen.cache_type_k = chosen.cache_type_v = binding.ggml_type[f"GGML_TYPE_{options.cache_type.upper()}"]
    chosen.flash_attn_type = binding.llama_flash_attn_type[FLASH_ATTENTION[options.flash_attention]]
    chosen.load_mode = binding.llama_load_mode[LOAD_MODES[options.mmap, options.mlock]]
    chosen.cache_ram_mib = plan.prompt_cache_mib
    chosen.cpuparams.n_threads = chosen.cpuparams_batch.n_threads = plan.threads
    chosen.hostnames = [address.hostname]
    chosen.api_keys = [address.key]
    chosen.verbosity = QUIET
    chosen.ui = False
    chosen.n_threads_http = 2
    # Our own plan has chosen; the library's fitting would override it.
    chosen.fit_params = False
    chosen.lora_adapters = [adapter_parameters(one) for one in adapters]
    return chosen


def adapter_parameters(adapter: LoadedFile) -> Any:
    chosen: Any = binding.CommonAdapterLoraInfo()
    chosen.path = adapter.path
    # Requests say themselves how strongly each counts.
    chosen.scale = 1.0
    return chosen


def gpus() -> tuple[Gpu, ...]:
    """Those that this build of llama.cpp can use."""
    devices: list[dict[str, Any]] = binding.get_device_info()
    return tuple(
        Gpu(device["description"], device["memory_total"], device["memory_free"])
        for device in devices
        if device["type"].name.endswith("GPU")
    )
