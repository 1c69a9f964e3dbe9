"""The program `modules.training.rank RUN MODEL THREADS`: one of the processes of a run that several compute."""

import json
import os
import sys
import threading
from pathlib import Path

from modules.training.orders import Order, obey


def main() -> None:
    # Only what is told may stand on the output, whatever libraries print.
    output = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    from modules.training.distributed import join
    from modules.training.running import train
    from modules.training.telling import Nobody, RunFolder

    folder, model, threads = sys.argv[1:]
    order = Order(Path(folder), Path(model), int(threads))
    group = join()
    if not group.is_first:
        end = train(order, group, Nobody(), lambda: False)
        sys.exit(end["kind"] == "error")
    stop = threading.Event()
    threading.Thread(target=obey, args=(sys.stdin.buffer, stop), name="orders", daemon=True).start()

    def send(line: bytes) -> None:
        output.write(line + b"\n")

    end = train(order, group, RunFolder(folder=order.folder, send=send), stop.is_set)
    send(json.dumps(end).encode())
    # An error of one is seen by the others only when it leaves.
    os._exit(end["kind"] == "error")


if __name__ == "__main__":
    main()
