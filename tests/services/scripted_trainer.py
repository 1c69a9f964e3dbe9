"""A training process that plays the script beside the model, and speaks as the real one does.

`script.json` in the model's folder: `steps`, `seconds` a step, and `end`: done, hang, oom, killed, or any other for an
error. Each step is a checkpoint, so that a resumed run goes on behind the last.
"""

import json
import os
import queue
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from modules.children import ParentPipe


def main() -> None:
    pipe = ParentPipe()
    lines = pipe.lines()
    order = json.loads(next(lines))
    folder, script = Path(order["folder"]), json.loads((Path(order["model"]) / "script.json").read_text())
    stop: queue.Queue[bytes] = queue.Queue()
    threading.Thread(target=lambda: [stop.put(line) for line in lines] and None, daemon=True).start()
    metrics = folder / "metrics.jsonl"
    first = len([line for line in read(metrics) if line["kind"] == "step"]) + 1
    pipe.send(
        json.dumps({"kind": "status", "note": "reading the model", "step": 0, "total_steps": script["steps"]}).encode()
    )
    if first == 1:
        tell(pipe, metrics, {"kind": "evaluation", "step": 0, "loss": 4.0, "is_best": True})
    for step in range(first, script["steps"] + 1):
        time.sleep(script.get("seconds", 0.01))
        tell(pipe, metrics, step_line(step))
        if not stop.empty():
            write_result(pipe, folder, step)
            pipe.send(json.dumps({"kind": "stopped", "step": step}).encode())
            return
    tell(pipe, metrics, {"kind": "evaluation", "step": script["steps"], "loss": 2.5, "is_best": True})
    (folder / "log.txt").write_text("10:00 the last step is done\n")
    end(pipe, folder, script)


def end(pipe: ParentPipe, folder: Path, script: dict[str, Any]) -> None:
    match script.get("end", "done"):
        case "done":
            write_result(pipe, folder, script["steps"])
            pipe.send(json.dumps({"kind": "done", "step": script["steps"]}).encode())
        case "hollow":
            pipe.send(json.dumps({"kind": "done", "step": script["steps"]}).encode())
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "oom":
            print(
                "RuntimeError: [enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: not enough memory",
                file=sys.stderr,
            )
            sys.exit(1)
        case cause:
            message = {"kind": "error", "message": "The loss is not a number.", "cause": cause}
            pipe.send(json.dumps(message).encode())


def write_result(pipe: ParentPipe, folder: Path, step: int) -> None:
    """An adapter whose only weights are the step."""
    result = folder / "result"
    result.mkdir(exist_ok=True)
    (result / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 4, "lora_alpha": 8}))
    header = json.dumps({"a.weight": {"dtype": "I32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    weights = len(header).to_bytes(8, "little") + header + step.to_bytes(4, "little")
    (result / "adapter_model.safetensors").write_bytes(weights)
    tell(pipe, folder / "metrics.jsonl", {"kind": "result", "step": step})


def tell(pipe: ParentPipe, metrics: Path, line: dict[str, Any]) -> None:
    with metrics.open("a") as file:
        file.write(json.dumps(line) + "\n")
    pipe.send(json.dumps(line).encode())


def step_line(step: int) -> dict[str, Any]:
    return {
        "kind": "step", "step": step, "epoch": step / 10, "loss": 4 - step / 10, "learning_rate": 1e-4,
        "gradient_norm": 1.0, "tokens": 100 * step, "trained_tokens": 50 * step, "tokens_per_second": 100.0,
        "memory_bytes": 10**9 + step, "seconds": 0.5 * step,
    }  # fmt: skip


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


if __name__ == "__main__":
    main()
