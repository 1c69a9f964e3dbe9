"""Tries constraints in a child that is killed when they take too long, before any engine sees them."""

import json
from dataclasses import asdict
from functools import lru_cache

from modules.children import Launcher, TimedChild
from modules.errors import BadRequest
from modules.limits import LIMITS
from modules.types.generation import Constraint

FIELD = "response_format"
KNOWN = 256


class GrammarChecker:
    """Any thread may call. What was found sound is not tried again."""

    def __init__(self, launcher: Launcher) -> None:
        self._child = TimedChild(launcher, "modules.engines.grammars", LIMITS.constraint_seconds)
        self._check = lru_cache(KNOWN)(self._try)

    def check(self, constraint: Constraint) -> None:
        """Raises BadRequest for one that is wrong, too large, or too complex to be followed."""
        if len(constraint.source) > LIMITS.constraint_chars:
            raise BadRequest(
                f"The {constraint.kind} constraint has {len(constraint.source):,} characters; "
                f"{LIMITS.constraint_chars:,} is the limit.",
                FIELD,
            )
        self._check(constraint)

    def close(self) -> None:
        self._child.close()

    def _try(self, constraint: Constraint) -> None:
        try:
            answer = self._child.ask(json.dumps(asdict(constraint)))
        except TimeoutError:
            raise BadRequest(
                f"The {constraint.kind} constraint is too complex: trying it took longer than "
                f"{LIMITS.constraint_seconds:g} seconds, which is the limit. Simplify it.",
                FIELD,
            ) from None
        except BrokenPipeError:
            raise BadRequest(
                f"The {constraint.kind} constraint is too complex: it is nested too deeply or needs more than "
                f"{LIMITS.constraint_bytes // 2**20:,} MiB, which is the limit. Simplify it.",
                FIELD,
            ) from None
        if "error" in answer:
            raise BadRequest(answer["error"], FIELD)
