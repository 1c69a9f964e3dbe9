"""How long extensions may take."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Budgets:
    """Seconds of an extension's own time for one call; time that the program works for it is not counted."""

    load: float = 10.0
    filter: float = 1.0
    collect: float = 1.0
    feed: float = 0.25
    observe: float = 10.0
    close: float = 2.0


USUAL = Budgets()
