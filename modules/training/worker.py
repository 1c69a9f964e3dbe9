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


def main() -> None:
    pipe = ParentPipe()
    lines = pipe.lines()
    first = next(lines, None)
    if first is None:
        return
    said = json.loads(first)
    os.environ["HF_HUB_OFFLINE"] = "1"
    # PyTorch's threads sleep while they wait for each other. Those that spin take the cores from who chats, and lose
    # more than they win: on two busy cores the same products took 4 to 8 s instead of 2 to 4.
    os.environ["OMP_WAIT_POLICY"] = "passive"
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    # What it takes seconds to import is imported while the parent can already be heard.
    stop = threading.Event()
    threading.Thread(target=obey, args=(lines, stop), name="orders", daemon=True).start()
    from modules.training.distributed import Group, launch
    from modules.training.running import read_recipe, train
    from modules.training.telling import RunFolder

    order = Order(Path(said["folder"]), Path(said["model"]), int(said.get("threads") or 0) or usable_cores())
    processes = read_recipe(order.folder).processes
    if processes > 1:
        end = launch(order, processes, pipe.send, stop)
    else:
        end = train(order, Group(), RunFolder(order.folder, pipe.send), stop.is_set)
    pipe.send(json.dumps(end).encode())
    # The thread that waits for orders cannot be ended.
    os._exit(0)


if __name__ == "__main__":
    main()
