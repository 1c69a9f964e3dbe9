"""The reference: transformers' own `generate()` in bfloat16, greedy.

usage: python -m tests.benchmarks.generate_reference FOLDER   (reads {"ids", "tokens"} lines, answers with seconds)
"""

import json
import sys
import time
from typing import Any

import psutil
import torch
from transformers import AutoModelForCausalLM

torch.set_num_threads(psutil.cpu_count(logical=False) or 1)
model: Any = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.bfloat16)
for line in sys.stdin:
    order = json.loads(line)
    ids = torch.tensor([order["ids"]])
    count: int = order["tokens"]
    started = time.perf_counter()
    model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=count, min_new_tokens=count, do_sample=False
    )
    print(time.perf_counter() - started, flush=True)
