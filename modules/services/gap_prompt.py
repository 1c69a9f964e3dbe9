"""A text with a gap on its way to a model that can fill it."""

from dataclasses import dataclass

from modules.engines.loaded import LoadedModel
from modules.errors import BadRequest
from modules.prompts.gap import gap_prompt
from modules.services.prompt_requests import reply_tokens, request_for, tokens_of
from modules.types.generation import FillTokens, GenerationRequest
from modules.types.reply_params import ReplyParams


@dataclass(frozen=True)
class GapPrompt:
    """What stands before the gap and after it; a longer text than the context holds loses what is farthest from it."""

    prefix: str
    suffix: str

    def request(self, loaded: LoadedModel, params: ReplyParams) -> tuple[GenerationRequest, int]:
        """Raises BadRequest for a model that cannot fill in the middle."""
        marks = loaded.capabilities.fill_tokens
        if marks is None:
            raise BadRequest(
                f"{loaded.model.title} cannot fill in the middle of a text: its vocabulary has no tokens for that. "
                "Leave `suffix` out, or choose a model made for it, such as Qwen Coder or StarCoder.",
                field="suffix",
            )
        budget = loaded.capabilities.context_length - reply_tokens(loaded.capabilities.context_length, params)
        prefix = tokens_of(loaded, self.prefix, add_bos=False)
        tokens = with_bos(loaded, params, gap_tokens(loaded, marks, prefix, self.suffix, budget))
        return request_for(loaded, "", tokens, params), 0


def gap_tokens(
    loaded: LoadedModel, marks: FillTokens, prefix: tuple[int, ...], suffix: str, budget: int
) -> tuple[int, ...]:
    """Without BOS, for which one token of the budget is left."""
    return gap_prompt(marks, prefix, tokens_of(loaded, suffix, add_bos=False), budget - 1)


def with_bos(loaded: LoadedModel, params: ReplyParams, tokens: tuple[int, ...]) -> tuple[int, ...]:
    bos = loaded.capabilities.bos_token_id
    return tokens if bos is None or not params.sampling.add_bos else (bos, *tokens)
