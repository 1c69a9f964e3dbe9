"""`python -m modules.training.export.program PARENT_PID` writes models and adapters in other forms.

One order, by its `task`: {"merge", base, adapter, target} · {"gguf", folder, target, type, title} ·
{"adapter", adapter, target, shape}. It answers with {"fraction", "note"} lines and at last {"done": true} or {"error"}.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from modules.children import ParentPipe
from modules.errors import ParlorError

Report = Callable[[float, str], None]


def main() -> None:
    os.environ["HF_HUB_OFFLINE"] = "1"
    # Chatting goes on meanwhile.
    if hasattr(os, "nice"):
        os.nice(5)
    pipe = ParentPipe()

    def say(**values: Any) -> None:
        pipe.send(json.dumps(values).encode())

    def report(share: float, note: str) -> None:
        say(fraction=share, note=note)

    for line in pipe.lines():
        try:
            obey(json.loads(line), report)
        except ParlorError as error:
            say(error=str(error))
        except Exception as error:  # noqa: BLE001 - the boundary of this process: every fault becomes an answer
            say(error=f"It failed unexpectedly: {type(error).__name__}: {str(error)[:300]}.")
        else:
            say(done=True)
        break
    os._exit(0)


def obey(order: dict[str, Any], report: Report) -> None:
    from modules.adapter_files import read_adapter
    from modules.training.export.folder import write_folder
    from modules.training.export.gguf_adapter import GgufShape, write_adapter
    from modules.training.export.gguf_model import write_gguf
    from modules.training.export.weights import MergedWeights, StoredWeights, read_config

    target = Path(order["target"])
    match order["task"]:
        case "merge":
            base = Path(order["base"])
            adapter = read_adapter(Path(order["adapter"]))
            merged = MergedWeights(StoredWeights(base), read_config(base), adapter)
            write_folder(merged, base, target, report)
        case "gguf":
            write_gguf(Path(order["folder"]), target, order["type"], order["title"], report)
        case "adapter":
            write_adapter(read_adapter(Path(order["adapter"])), GgufShape(**order["shape"]), target)
        case task:
            raise ValueError(f"there is no task {task}")


if __name__ == "__main__":
    main()
