"""A document on its way to a model: cut to the context, and asked for with the alternatives of each token."""

from dataclasses import dataclass, replace

from modules.engines.loaded import LoadedModel
from modules.errors import BadRequest
from modules.prompts.document import DocumentContext, fitting_prompt
from modules.prompts.gap import SUFFIX_SHARE
from modules.services.gap_prompt import gap_tokens, with_bos
from modules.services.prompt_requests import FilterText, as_it_is, reply_tokens, request_for, self_counted, tokens_of
from modules.types.generation import GenerationRequest
from modules.types.reply_params import ReplyParams

ALTERNATIVES = 10
# What every server that can tell any will tell.
REMOTE_ALTERNATIVES = 5
# What we take a token for where an engine counts for itself.
CHARS_A_TOKEN = 3


@dataclass(frozen=True)
class DocumentPrompt:
    """The text that is continued, and what the model reads besides.

    `after` is what will follow; a model that can fill in the middle reads it too.
    """

    context: DocumentContext
    after: str = ""
    filter_text: FilterText = as_it_is

    def request(self, loaded: LoadedModel, params: ReplyParams) -> tuple[GenerationRequest, int]:
        """Raises BadRequest when memory and note leave no room for any text."""
        can = loaded.capabilities
        if can.logprobs:
            usual = REMOTE_ALTERNATIVES if can.renders_chat else ALTERNATIVES
            wanted = max(usual, params.sampling.n_probs)
            params = replace(params, sampling=params.sampling.model_copy(update={"n_probs": wanted}))
        budget = can.context_length - reply_tokens(can.context_length, params)
        if can.renders_chat:
            text = self._guessed(budget) if can.context_length else self.context.prompt()
            text = self.filter_text(text)
            return replace(self_counted(loaded, GenerationRequest(text, (), 0), params), keep_tags=True), 0
        if self.after and can.fill_tokens:
            return replace(request_for(loaded, "", self._filling(loaded, params, budget), params), keep_tags=True), 0
        text = fitting_prompt(self.context, lambda prompt: len(tokens_of(loaded, prompt)), budget)
        text = self.filter_text(text)
        tokens = tokens_of(loaded, text)
        if len(tokens) >= can.context_length:
            raise BadRequest(
                f"Memory and note take {len(tokens):,} tokens, but this model's context holds {can.context_length:,}. "
                "Shorten them.",
                field="memory",
            )
        return replace(request_for(loaded, text, tokens, params), keep_tags=True), 0

    def _filling(self, loaded: LoadedModel, params: ReplyParams, budget: int) -> tuple[int, ...]:
        """The memory stays, as far as it takes no more than its share."""
        marks = loaded.capabilities.fill_tokens
        assert marks is not None
        before = budget - budget // SUFFIX_SHARE
        text = fitting_prompt(self.context, lambda prompt: len(tokens_of(loaded, prompt)), before)
        prefix = tokens_of(loaded, text, add_bos=False)
        return with_bos(loaded, params, gap_tokens(loaded, marks, prefix, self.after, budget))

    def _guessed(self, budget: int) -> str:
        return fitting_prompt(self.context, lambda prompt: len(prompt) // CHARS_A_TOKEN, budget)
