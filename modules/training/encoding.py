"""Samples as tokens: what a model reads of each, and which tokens of it are learned."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from transformers import AutoTokenizer

from modules.errors import ModelError
from modules.training.chat_encoding import ChatEncoder
from modules.types.datasets import Example, Turn
from modules.types.recipes import Objective, Recipe
from modules.types.training import RedFlag

# transformers is typed only in parts.
tokenizers: Any = AutoTokenizer
# Generation configs are small; a larger one is not read.
CONFIG_BYTES = 1024 * 1024


class SampleDropped(Exception):
    """Nothing can be learned from this sample; the message is a sentence that says why."""


@dataclass(frozen=True)
class EncodedSample:
    """`trained[i]`: token i is learned, that is predicted from those before it; never the first, which has none.

    `cut_ids` are the tokens behind the limit, which the model does not see.
    """

    input_ids: list[int]
    trained: list[bool]
    row: int
    cut_ids: list[int] = field(default_factory=list[int])
    flags: tuple[RedFlag, ...] = ()

    @property
    def cut_tokens(self) -> int:
        return len(self.cut_ids)

    @property
    def trained_tokens(self) -> int:
        return sum(self.trained)


class SampleEncoder:
    """Encodes samples for one run. Renders chat templates, so it belongs into child processes.

    `max_length` counts tokens, None is without a limit; `end_tokens` are those that end a reply, besides the
    tokenizer's own.
    """

    def __init__(
        self,
        tokenizer: Any,
        *,
        objective: Objective,
        max_length: int | None = None,
        too_long: Literal["truncate", "drop"] = "truncate",
        train_on: Literal["assistant", "all"] = "assistant",
        end_tokens: Collection[int] = (),
    ) -> None:
        self.tokenizer = tokenizer
        self._objective: Objective = objective
        self._max_length = max_length
        self._too_long = too_long
        self._train_on = train_on
        self._bos = leading_bos(tokenizer)
        self._chats = ChatEncoder(tokenizer, self._ids, end_tokens)

    @property
    def chat_template(self) -> str:
        """The one in use: the model's own, or the plain one for models without."""
        return self._chats.template

    @property
    def has_own_template(self) -> bool:
        return self._chats.has_own_template

    def prompt_ids(self, prompt: str) -> list[int]:
        """What the model reads before it answers: of a chat that begins with it, or of a text. Never empty.

        Raises ValueError where the chat template refuses it.
        """
        ids = self._ids(prompt) if self._objective == "text" else self._chats.prompt([Turn("user", prompt)])
        return ids or [self.tokenizer.eos_token_id or 0]

    def encode(self, example: Example) -> tuple[EncodedSample, ...]:
        """One sample, or several pieces of a text that is longer than the limit. Raises SampleDropped."""
        sample = self._whole(example)
        if not any(sample.trained):
            raise SampleDropped("It has no token to learn.")
        if self._max_length is None or len(sample.input_ids) <= self._max_length:
            return (sample,)
        if self._too_long == "drop":
            raise SampleDropped(f"It has {len(sample.input_ids):,} tokens; the limit is {self._max_length:,}.")
        if self._objective == "text":
            return tuple(pieces(sample, self._max_length, self._bos))
        return (truncated(sample, self._max_length),)

    def _whole(self, example: Example) -> EncodedSample:
        if example.turns:
            return self._chat(example)
        if example.completion:
            return self._completion(example)
        if self._objective == "chat":
            raise SampleDropped("It is plain text without an answer to learn; choose the objective text.")
        return self._text(example.text, example.row)

    def _chat(self, example: Example) -> EncodedSample:
        try:
            chat = self._chats.encode(example)
        except ValueError as error:
            raise SampleDropped(str(error)) from error
        trained = all_but_first(chat.input_ids) if self._learns_all else chat.trained
        return EncodedSample(chat.input_ids, trained, example.row, flags=chat.flags)

    def _completion(self, example: Example) -> EncodedSample:
        """The raw texts one behind the other, whatever chat template the model has."""
        prompt = self._ids(example.prompt)
        whole = self._ids(example.prompt + example.completion)
        if whole[: len(prompt)] != prompt:
            # A token would reach across the border, which a model that reads the prompt alone never sees.
            whole = prompt + self._bare_ids(example.completion)
        sample = self._ended(whole, example.row)
        start = 0 if self._learns_all else len(prompt)
        trained = [place >= max(start, 1) for place in range(len(sample.input_ids))]
        return replace(sample, trained=trained)

    def _text(self, text: str, row: int) -> EncodedSample:
        return self._ended(self._ids(text), row)

    def _ended(self, ids: list[int], row: int) -> EncodedSample:
        """With the token that ends a text behind it; every token is learned."""
        end: int | None = self.tokenizer.eos_token_id
        ended = ids if end is None or ids[-1:] == [end] else [*ids, end]
        return EncodedSample(ended, all_but_first(ended), row, flags=double_bos(ended, self._bos, row))

    @property
    def _learns_all(self) -> bool:
        return self._objective == "text" or self._train_on == "all"

    def _ids(self, text: str) -> list[int]:
        """Special tokens recognised, and exactly one BOS in front where the model wants one, as in a chat."""
        ids = self._bare_ids(text)
        if self._bos is None or ids[:1] == [self._bos]:
            return ids
        return [self._bos, *ids]

    def _bare_ids(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]


def open_encoder(folder: Path, recipe: Recipe) -> SampleEncoder:
    """For a model's folder and a recipe whose objective is chosen. Raises ModelError for a tokenizer that cannot be
    read."""
    return encoder_for(recipe, load_tokenizer(folder), stated_ends(folder))


def encoder_for(recipe: Recipe, tokenizer: Any, end_tokens: Collection[int]) -> SampleEncoder:
    assert recipe.objective is not None
    return SampleEncoder(
        tokenizer,
        objective=recipe.objective,
        max_length=recipe.max_length,
        too_long=recipe.too_long,
        train_on=recipe.train_on,
        end_tokens=end_tokens,
    )


def load_tokenizer(folder: Path) -> Any:
    """From local files alone, running no code of theirs. Raises ModelError."""
    try:
        return tokenizers.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # whatever a stranger's files make the library raise
        said = str(error).replace(str(folder), folder.name)[:300]
        raise ModelError(f"The tokenizer of {folder.name} cannot be read: {said}", cause="damaged_file") from error


def stated_ends(folder: Path) -> frozenset[int]:
    """The tokens that end a reply, by the model's generation config; none where it says nothing."""
    path = folder / "generation_config.json"
    try:
        if path.stat().st_size > CONFIG_BYTES:
            return frozenset()
        said: Any = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return frozenset()
    match said:
        case {"eos_token_id": int(end)}:
            return frozenset((end,))
        case {"eos_token_id": [*ends]}:
            return frozenset(end for end in ends if isinstance(end, int))
        case _:
            return frozenset()


def leading_bos(tokenizer: Any) -> int | None:
    """The token that the tokenizer itself puts before a text, if it does."""
    bos: int | None = tokenizer.bos_token_id
    added: list[int] = tokenizer("a")["input_ids"]
    return bos if bos is not None and added[:1] == [bos] else None


def all_but_first(ids: Sequence[int]) -> list[bool]:
    return [place > 0 for place in range(len(ids))]


def truncated(sample: EncodedSample, length: int) -> EncodedSample:
    """Raises SampleDropped where nothing that is learned would be left."""
    trained = sample.trained[:length]
    if not any(trained):
        raise SampleDropped(f"What is to be learned lies behind the limit of {length:,} tokens.")
    return replace(sample, input_ids=sample.input_ids[:length], trained=trained, cut_ids=sample.input_ids[length:])


def pieces(sample: EncodedSample, length: int, bos: int | None) -> list[EncodedSample]:
    """A long text in pieces of at most `length` tokens, each token learned exactly once.

    A piece begins with BOS where the model wants one, else with the token before it, so that its first is learned too.
    """
    body = sample.input_ids
    found = [replace(sample, input_ids=body[:length], trained=all_but_first(body[:length]))]
    for start in range(length, len(body), length - 1):
        ahead = bos if bos is not None else body[start - 1]
        ids = [ahead, *body[start : start + length - 1]]
        found.append(replace(sample, input_ids=ids, trained=all_but_first(ids), flags=()))
    return found


def double_bos(ids: Sequence[int], bos: int | None, row: int) -> tuple[RedFlag, ...]:
    if bos is None or list(ids[:2]) != [bos, bos]:
        return ()
    return (RedFlag("double_bos", "The text brings a beginning token of its own, so that it is read twice.", row),)
