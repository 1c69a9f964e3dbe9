"""What the engine asks of a tokenizer."""

from collections.abc import Sequence
from functools import cached_property, lru_cache
from threading import Lock
from typing import Any

from torch import Tensor

from modules.engines.fill_tokens import find_ends
from modules.engines.hf.breakers import Breakers, read_breakers
from modules.engines.hf.constraints import ConstraintCompiler
from modules.engines.hf.token_texts import TokenTexts, read_texts
from modules.errors import BadRequest
from modules.types.generation import TokenChoice

# Sets of breakers that are kept.
BREAKERS = 16


class Vocabulary:
    def __init__(self, tokenizer: Any, model: Any) -> None:
        self.tokenizer = tokenizer
        self.size: int = model.get_input_embeddings().weight.shape[0]
        self.end_tokens = end_tokens(tokenizer, model, find_ends(self.tokenize))
        self._lock = Lock()
        self._texts = lru_cache(self._read_texts)
        self._breakers = lru_cache(BREAKERS)(self._read_breakers)

    @cached_property
    def constraints(self) -> ConstraintCompiler:
        return ConstraintCompiler(self.tokenizer, self.size, self.end_tokens)

    def tokenize(self, text: str) -> list[int]:
        """Special tokens recognised, nothing added."""
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def pieces(self, text: str) -> list[tuple[int, str]]:
        """As the engine protocol has them."""
        return [(token, self.piece(token).hex()) for token in self.tokenize(text)]

    def piece(self, token: int) -> bytes:
        """The bytes it adds to a text, a space that begins a word among them."""
        try:
            return self.constraints.token_bytes(token)
        except BadRequest:
            # A tokenizer that the library does not know; the text of a token alone is nearly as good.
            return self.tokenizer.decode([token], skip_special_tokens=False).encode()

    @cached_property
    def prompt_bos(self) -> int | None:
        """The token that the tokenizer itself puts before a text, if it does."""
        bos: int | None = self.tokenizer.bos_token_id
        added: list[int] = self.tokenizer("a")["input_ids"]
        return bos if bos is not None and added[:1] == [bos] else None

    @property
    def chat_template(self) -> str:
        """Of several named ones that for plain chats; empty when there is none."""
        found: str | dict[str, str] | None = self.tokenizer.chat_template
        if isinstance(found, dict):
            return found.get("default") or next(iter(found.values()), "")
        return found or ""

    @cached_property
    def frame(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """What the tokenizer itself puts before and after a text."""
        framed, bare = self.tokenizer("a")["input_ids"], self.tokenize("a")
        before = next(start for start in range(len(framed) + 1) if framed[start : start + len(bare)] == bare)
        return tuple(framed[:before]), tuple(framed[before + len(bare) :])

    def texts(self, *, special: bool, folded: bool) -> TokenTexts:
        """Of each token; special tokens' too where `special`, without regard to capitals where `folded`. Any thread."""
        with self._lock:
            return self._texts(special, folded)

    def breakers(self, texts: Sequence[str]) -> Breakers:
        """DRY's sequence breakers of these texts. Any thread."""
        tokens = self.texts(special=True, folded=False)
        with self._lock:
            return self._breakers(tuple(texts), tokens)

    def check(self, tokens: Sequence[int], field: str = "prompt") -> None:
        """Raises BadRequest for an id that the model has no embedding for."""
        largest = max(tokens, default=0)
        if largest >= self.size:
            raise BadRequest(
                f"The {field} holds the token id {largest:,}; this model's largest is {self.size - 1:,}.", field=field
            )

    def choice(self, token: int, logprob: float | None) -> TokenChoice:
        piece = self.piece(token)
        return TokenChoice(piece.decode(errors="replace"), logprob, tuple(piece), token)

    def choices(self, ids: Tensor, logprobs: Tensor) -> tuple[TokenChoice, ...]:
        """[n] both, on the CPU."""
        return tuple(self.choice(int(token), float(one)) for token, one in zip(ids, logprobs, strict=True))

    def _read_texts(self, special: bool, folded: bool) -> TokenTexts:
        return TokenTexts(read_texts(self.tokenizer, special=special, folded=folded))

    def _read_breakers(self, texts: tuple[str, ...], tokens: TokenTexts) -> Breakers:
        return read_breakers(texts, tokens, self.tokenize)


def end_tokens(tokenizer: Any, model: Any, further: set[int]) -> tuple[int, ...]:
    """From the generation config and the tokenizer; a model may have several."""
    given = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    found = further | ({given} if isinstance(given, int) else set(given or ()))
    if tokenizer.eos_token_id is not None:
        found.add(tokenizer.eos_token_id)
    return tuple(sorted(found))
