"""What the engine asks of a tokenizer."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from modules.engines.hf.constraints import ConstraintCompiler
from modules.errors import BadRequest
from modules.types.generation import TokenChoice

# DRY's runs end at these, as in llama.cpp.
BREAKERS = ("\n", ":", '"', "*")


class Vocabulary:
    def __init__(self, tokenizer: Any, model: Any) -> None:
        self.tokenizer = tokenizer
        self.size: int = model.get_input_embeddings().weight.shape[0]
        self.end_tokens = end_tokens(tokenizer, model)

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

    @cached_property
    def breakers(self) -> frozenset[int]:
        texts = enumerate(self.tokenizer.batch_decode([[token] for token in range(len(self.tokenizer))]))
        return frozenset(token for token, text in texts if any(breaker in text for breaker in BREAKERS))

    def check(self, tokens: Sequence[int], field: str = "prompt") -> None:
        """Raises BadRequest for an id that the model has no embedding for."""
        largest = max(tokens)
        if largest >= self.size:
            raise BadRequest(
                f"The {field} holds the token id {largest:,}; this model's largest is {self.size - 1:,}.", field=field
            )

    def choice(self, token: int, logprob: float | None) -> TokenChoice:
        piece = self.piece(token)
        return TokenChoice(piece.decode(errors="replace"), logprob, tuple(piece), token)


def end_tokens(tokenizer: Any, model: Any) -> tuple[int, ...]:
    """From the generation config, else the tokenizer; a model may have several."""
    given = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    found = {given} if isinstance(given, int) else set(given or ())
    if tokenizer.eos_token_id is not None:
        found.add(tokenizer.eos_token_id)
    return tuple(sorted(found))
