"""A chat as tokens: rendered by the chat template as in a chat with the model, each answer learned exactly.

Few templates mark what the assistant says. So an answer is found by lengths: it is what lies between the chat up to it,
with the prompt for a reply, and the chat with it; both must be beginnings of the whole.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import TemplateError

from modules.prompts.template import render
from modules.types.datasets import Example, Turn
from modules.types.training import RedFlag

# For models without a template: Parlor prompts them like this too, and the answer ends with the token that ends a text.
PLAIN_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}"
    "{% if message.role == 'assistant' %}{{ eos_token }}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@dataclass(frozen=True)
class EncodedChat:
    """`trained` as in EncodedSample."""

    input_ids: list[int]
    trained: list[bool]
    flags: tuple[RedFlag, ...]


@dataclass(frozen=True)
class Answer:
    """Where an answer lies in the whole chat; whether the prompt for a reply leads to it exactly, and whether it ends
    with a token at which replies end."""

    start: int
    end: int
    is_prompted: bool
    is_ended: bool


class ChatEncoder:
    """`tokenize` gives the ids of a rendered chat; `end_tokens` end a reply, besides the tokenizer's own."""

    def __init__(self, tokenizer: Any, tokenize: Callable[[str], list[int]], end_tokens: Collection[int] = ()) -> None:
        own: str | dict[str, str] | None = tokenizer.chat_template
        if isinstance(own, dict):
            own = own.get("default") or next(iter(own.values()), "")
        self.has_own_template = bool(own)
        self.template = own or PLAIN_TEMPLATE
        self._tokenize = tokenize
        self._bos_token: str = tokenizer.bos_token or ""
        self._eos_token: str = tokenizer.eos_token or ""
        self._bos_id: int | None = tokenizer.bos_token_id
        self._ends = {*end_tokens, tokenizer.eos_token_id} - {None}
        self._marks = special_texts(tokenizer)

    def encode(self, example: Example) -> EncodedChat:
        """Raises ValueError with a sentence where the template refuses the chat or there is no answer to learn."""
        turns = up_to_last_answer(example.turns)
        text = self._render(turns)
        whole = self._tokenize(text)
        answers = self._answers(turns, whole)
        trained = [False] * len(whole)
        for answer in answers:
            trained[answer.start : answer.end] = [True] * (answer.end - answer.start)
        trained[0] = False
        flags = (*self._faults_of_template(turns, text, whole, answers), *self._faults_of_texts(turns))
        return EncodedChat(whole, trained, tuple(RedFlag(code, message, example.row) for code, message in flags))

    def prompt(self, turns: Sequence[Turn]) -> list[int]:
        """The chat up to where the assistant's reply begins. Raises ValueError where the template refuses it."""
        return self._tokenize(self._render(turns, prompt_reply=True))

    def _answers(self, turns: Sequence[Turn], whole: list[int]) -> list[Answer]:
        """Those that the whole chat holds as they were given; the last one always is."""
        found: list[Answer] = []
        for place, turn in enumerate(turns):
            if turn.role != "assistant" or not turn.is_trained:
                continue
            is_last = place == len(turns) - 1
            given = whole if is_last else self._tokenize(self._render(turns[: place + 1]))
            if whole[: len(given)] != given:
                continue
            prompt = self.prompt(turns[:place])
            start = common_length(prompt, given)
            end, is_ended = self._end_of_answer(given, start)
            found.append(Answer(start, end, is_prompted=start == len(prompt), is_ended=is_ended))
        return found

    def _end_of_answer(self, given: list[int], start: int) -> tuple[int, bool]:
        """(the place behind the last end token, True), or (behind all, False) where there is none.

        What a template writes behind the end of a turn, a line break mostly, is never written by the model.
        """
        for place in range(len(given) - 1, start - 1, -1):
            if given[place] in self._ends:
                return place + 1, True
        return len(given), False

    def _render(self, turns: Sequence[Turn], *, prompt_reply: bool = False) -> str:
        variables: dict[str, Any] = {
            "messages": [{"role": turn.role, "content": turn.content} for turn in turns],
            "add_generation_prompt": prompt_reply,
            "bos_token": self._bos_token,
            "eos_token": self._eos_token,
            "tools": None,
        }
        try:
            return render(self.template, variables)
        except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, RecursionError) as error:
            raise ValueError(f"The model's chat template refuses it: {str(error)[:300]}") from error

    def _faults_of_template(
        self, turns: Sequence[Turn], text: str, whole: list[int], answers: Sequence[Answer]
    ) -> Iterator[tuple[str, str]]:
        """(code, sentence)."""
        wanted = sum(turn.role == "assistant" and turn.is_trained for turn in turns)
        if len(answers) < wanted:
            yield (
                "answers_rewritten",
                "The chat template writes earlier answers differently once a chat goes on, so that "
                f"{wanted - len(answers)} of {wanted} cannot be learned here. End a sample with each to learn it.",
            )
        if not all(answer.is_prompted for answer in answers):
            yield (
                "template_mismatch",
                "The chat template's prompt for a reply differs from how it writes the answer; learned is what "
                "follows the beginning that both share.",
            )
        if not all(answer.is_ended for answer in answers):
            yield (
                "no_eos",
                "The chat template ends an answer with no token at which replies end, so that the model does not learn "
                "where to stop.",
            )
        if self._bos_id is not None and whole[:2] == [self._bos_id, self._bos_id]:
            yield "double_bos", "The chat begins with the beginning token twice."
        if any(turn.role == "system" and turn.content.strip() not in text for turn in turns):
            yield "system_cut", "The chat template leaves the system message out, or parts of it."

    def _faults_of_texts(self, turns: Sequence[Turn]) -> Iterator[tuple[str, str]]:
        """(code, sentence)."""
        mark = next((mark for mark in self._marks if any(mark in turn.content for turn in turns)), None)
        if mark is not None:
            yield "special_in_text", f"The text itself holds {mark}, which the model reads as a mark and not as text."


def special_texts(tokenizer: Any) -> tuple[str, ...]:
    """What a text must not hold by chance: it is read as one token, which stands for no text."""
    tokens = tokenizer.added_tokens_decoder.values()
    return tuple(str(token.content) for token in tokens if token.special and str(token.content).strip())


def up_to_last_answer(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """What follows the last answer to learn teaches nothing. Raises ValueError where there is none."""
    for end in range(len(turns), 0, -1):
        if turns[end - 1].role == "assistant" and turns[end - 1].is_trained:
            return tuple(turns[:end])
    raise ValueError("It has no assistant's turn to learn.")


def common_length(one: Sequence[int], other: Sequence[int]) -> int:
    """Of the beginning that both share."""
    for place, (first, second) in enumerate(zip(one, other, strict=False)):
        if first != second:
            return place
    return min(len(one), len(other))
