"""The reference: the llama.cpp binding's own HTTP server, with the settings our engine chooses for this machine.

usage: python -m tests.benchmarks.binding_server GGUF [--embed]   (prints its address)
"""

import signal
import sys
from pathlib import Path

import xllamacpp

from modules.engines.llamacpp.kind import LlamaCppOptions
from modules.engines.llamacpp.plan import make_plan
from modules.library.library import Library
from modules.machine import read_machine

path = Path(sys.argv[1])
model = next(model for model in Library(path.parent).models() if model.path == path)
plan = make_plan(model, LlamaCppOptions(), read_machine(gpus=()))
parameters = xllamacpp.CommonParams()
parameters.model.path = str(path)
parameters.n_ctx = plan.context_tokens * plan.slots
parameters.n_parallel = plan.slots
parameters.n_batch = parameters.n_ubatch = plan.batch_tokens
parameters.cache_ram_mib = plan.prompt_cache_mib
parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = plan.threads
parameters.verbosity = 0
parameters.fit_params = False
if "--embed" in sys.argv:
    parameters.embedding = True
    parameters.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
server = xllamacpp.Server(parameters)
print(server.listening_address, flush=True)
signal.pause()
