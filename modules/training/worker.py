"""The program `modules.training.worker PARENT_PID`: it carries out one run, from its newest whole checkpoint on."""

import json
import os
import threading
from pathlib import Path

from modules.children import ParentPipe
from modules.machine import usable_cores
from modules.training.orders import Order, obey

# Whoever chats meanwhile comes first.
NICENESS = 10

# How often PyTorch's threads look whether the others are done before they sleep (GNU OpenMP). With 1,000, 0 and the
# library's own 300,000: 336, 250 and 330 tokens a second on two idle cores; 170, 207 and below 20 beside a busy one.
SPIN_COUNT = "1000"


def main() -> None:
    pipe = ParentPipe()
    lines = pipe.lines()
    first = next(lines, None)
    if first is None:
        return
    said = json.loads(first)
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["GOMP_SPINCOUNT"] = SPIN_COUNT
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    # What it takes seconds to import is imported while the parent can already be heard.
    stop = threading.Event()
    threading.Thread(target=obey, args=(lines, stop), name="orders", daemon=True).start()
    from modules.training.distributed import Group, launch
    from modules.training.running import read_recipe, train
    from modules.training.telling import RunFolder

    order = Order(Path(said["folder"]), Path(said["model"]), int(said.get("threads") or 0) or usable_cores())
    recipe = read_recipe(order.folder)
    teller = RunFolder(order.folder, pipe.send)
    end = launch(order, recipe, teller, stop) if recipe.processes > 1 else train(order, Group(), teller, stop.is_set)
    pipe.send(json.dumps(end).encode())
    # The thread that waits for orders cannot be ended.
    os._exit(0)


if __name__ == "__main__":
    main()
