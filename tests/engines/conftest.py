from collections.abc import Iterator
from typing import Any

import pytest
import torch

from modules.engines.hf.scheduler import Scheduler

# One thread computes what the tests themselves compute: models this small only lose by more.
torch.set_num_threads(1)


@pytest.fixture(scope="module", autouse=True)
def schedulers_end() -> Iterator[None]:
    """A test that fails closes no engine, and the thread of one left open would keep the run from ending."""
    begun: list[Scheduler] = []
    begin = Scheduler.__init__

    def begin_noted(self: Scheduler, *parts: Any, **settings: Any) -> None:
        begin(self, *parts, **settings)
        begun.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Scheduler, "__init__", begin_noted)
        yield
    for scheduler in begun:
        scheduler.close()
