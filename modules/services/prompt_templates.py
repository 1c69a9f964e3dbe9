"""Prompt templates for people and programs: kept, filled in, and asked of a model."""

from collections.abc import Callable, Mapping

from modules.engines.generation import Generation
from modules.errors import BadRequest
from modules.prompts.filling import render
from modules.services.inference import Inference
from modules.services.label_scoring import LabelScorer
from modules.services.models import ModelService
from modules.services.request_hooks import RequestSource
from modules.storage.prompt_templates import PromptTemplateStore
from modules.types.prompt_templates import LabelProbabilities, ListedTemplate, PromptTemplate, RenderedPrompt
from modules.types.reply_params import reply_params


class PromptTemplateService:
    """Any thread may call. Variables and their values are texts by name."""

    def __init__(self, store: PromptTemplateStore, inference: Inference, models: ModelService) -> None:
        self._store = store
        self._inference = inference
        self._scorer = LabelScorer(inference, models)

    def templates(self) -> list[ListedTemplate]:
        """By name; damaged files too."""
        return self._store.all()

    def get(self, name: str) -> PromptTemplate:
        """Raises NotFound; BadRequest for a damaged file."""
        return self._store.get(name)

    def text(self, name: str) -> str:
        """The file as it stands. Raises NotFound."""
        return self._store.text(name)

    def save(self, name: str, text: str) -> PromptTemplate:
        """As one of the person's own, before a shipped one of the same name. Raises BadRequest naming the place."""
        return self._store.save(name, text)

    def delete(self, name: str) -> None:
        """One of the person's own; a shipped one of that name shows again. Raises NotFound, BadRequest."""
        self._store.delete(name)

    def render(self, name: str, variables: Mapping[str, str]) -> RenderedPrompt:
        """Raises NotFound, BadRequest naming the variable."""
        return render(self.get(name), variables)

    def start(
        self, rendered: RenderedPrompt, model: str | None = None, *, asked_by: RequestSource | None = None
    ) -> Generation:
        """Raises as `Inference.chat`; BadRequest where probabilities are asked instead of a text."""
        if rendered.output == "labels":
            raise BadRequest("This template tells probabilities, which cannot be streamed.", field="stream")
        params = reply_params(rendered.parameters)
        if rendered.messages:
            return self._inference.chat(rendered.messages, params, model, asked_by=asked_by)
        return self._inference.complete(rendered.prompt, params, model, asked_by=asked_by)

    def label_probabilities(
        self, rendered: RenderedPrompt, model: str | None = None, cancelled: Callable[[], bool] = lambda: False
    ) -> LabelProbabilities:
        """Of the template's labels, on the caller's thread; see LabelScorer."""
        return self._scorer.score(rendered, model, cancelled)
