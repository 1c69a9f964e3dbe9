"""Which tokens a constraint allows next, by llguidance."""

from functools import lru_cache
from threading import Lock
from typing import Any

import llguidance
import llguidance.hf
import numpy
import torch
from torch import Tensor

from modules.engines.grammars import own_tokens, with_marks
from modules.errors import BadRequest, EngineError
from modules.types.generation import Constraint

COMPILED = 64

binding: Any = llguidance


class Matcher:
    """How far one text has come in its grammar. Not for several threads at once."""

    def __init__(self, native: Any, vocabulary: int) -> None:
        self._native = native
        self._vocabulary = vocabulary

    @property
    def is_complete(self) -> bool:
        """Nothing may follow but the end. Raises EngineError like `accept`."""
        self._require_sound()
        return self._native.is_stopped()

    def allowed(self) -> Tensor:
        """Of each token of the logits, [vocabulary] booleans; logits may have more places than there are tokens.

        Raises EngineError like `accept`.
        """
        bits = numpy.frombuffer(self._native.compute_bitmask(), dtype=numpy.uint8)
        self._require_sound()
        flags = numpy.unpackbits(bits, bitorder="little", count=self._vocabulary)
        return torch.as_tensor(flags, dtype=torch.bool)

    def accept(self, token: int) -> None:
        """Raises EngineError when the grammar proves too complex to go on, which only shows on the way."""
        self._native.consume_token(token)
        self._require_sound()

    def _require_sound(self) -> None:
        # A matcher that has failed calls itself stopped, as one that is complete does.
        if self._native.is_error():
            raise EngineError(f"The constraint cannot be followed any further: {self._native.get_error()[:300]}")


class ConstraintCompiler:
    """Compiled grammars are kept; any thread may ask."""

    def __init__(self, tokenizer: Any, vocabulary: int, end_tokens: tuple[int, ...]) -> None:
        self._tokenizer = tokenizer
        self._vocabulary = vocabulary
        self._end_tokens = end_tokens
        self._lock = Lock()
        self._reading = Lock()
        self._native_tokenizer: Any = None
        self._compiled = lru_cache(COMPILED)(self._compile)

    def matcher(self, constraint: Constraint) -> Matcher:
        """At the beginning of a text. Raises BadRequest for a constraint that does not compile."""
        with self._lock:
            return Matcher(self._compiled(constraint).deep_copy(), self._vocabulary)

    def own_tokens(self, constraint: Constraint | None) -> dict[str, int]:
        """Those marks of a constraint that the model has as tokens."""
        return own_tokens(constraint, lambda text: self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def token_bytes(self, token: int) -> bytes:
        """Raises BadRequest for a tokenizer that the grammars' library does not know."""
        return self._native().decode_bytes([token])

    def _native(self) -> Any:
        with self._reading:
            if self._native_tokenizer is None:
                self._native_tokenizer = self._read_tokenizer()
            return self._native_tokenizer

    def _compile(self, constraint: Constraint) -> Any:
        matcher = binding.LLMatcher(self._native(), with_marks(constraint, self.own_tokens(constraint)), log_level=0)
        if matcher.is_error():
            reason = matcher.get_error()[:300]
            raise BadRequest(f"The {constraint.kind} constraint is too complex: {reason}", field="response_format")
        return matcher

    def _read_tokenizer(self) -> Any:
        try:
            return llguidance.hf.from_tokenizer(
                self._tokenizer, n_vocab=self._vocabulary, eos_token=list(self._end_tokens)
            )
        except ValueError as error:
            raise BadRequest(
                f"Constraints do not work with this model's tokenizer: {error}.", field="response_format"
            ) from error
