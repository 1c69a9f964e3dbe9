"""What a run has taught: its result in use, and side by side with the model it began from."""

from modules.engines.generation import Generation
from modules.errors import BadRequest, NotFound
from modules.library.adapters import AdapterLibrary
from modules.services.adapters import AdapterService
from modules.services.conversion import origin_of
from modules.services.inference import Inference
from modules.services.models import ModelService
from modules.services.training import TrainingService
from modules.types.generation import AdapterUse
from modules.types.local_model import LocalModel
from modules.types.messages import Message
from modules.types.reply_params import ReplyParams
from modules.types.sampling import SamplingParams

# The likeliest token each time: what differs comes from what was learned.
GREEDY = SamplingParams(temperature=0)
LOAD_SECONDS = 600.0


class TrainingComparison:
    """Any thread may call. Adapters go onto their base model, which is loaded if need be, as it was last.

    `model` names the base model; without it the run says which it was, or the adapter itself.
    """

    def __init__(
        self,
        training: TrainingService,
        library: AdapterLibrary,
        models: ModelService,
        adapters: AdapterService,
        inference: Inference,
    ) -> None:
        self._training = training
        self._library = library
        self._models = models
        self._adapters = adapters
        self._inference = inference

    def use(self, name: str, model: str | None = None) -> tuple[str, str]:
        """(the model to chat with, the adapter that is on): what the run `name` made is loaded and in use.

        The adapter counts for requests that name none, alone: others are switched off, as it was trained without them.
        A whole model is its own, and the adapter's name is empty. A model that is loaded stays as it is.
        Raises NotFound, BadRequest where it cannot be used, ModelError, ModelBusy.
        """
        if self._is_whole_model(name):
            self._models.load(name).result.result(LOAD_SECONDS)
            return name, ""
        base = self._put_on(name, model)
        self._adapters.switch_on([AdapterUse(name)], base.id)
        return base.id, name

    def compare(
        self, name: str, prompt: str, model: str | None = None, max_tokens: int = 128
    ) -> tuple[Generation, Generation]:
        """The answers before and after to `prompt`, as they are written, each token the likeliest.

        What is switched on does not change. Raises as `use`.
        """
        if self._is_whole_model(name):
            base = self._base_of(name, model)
            asked = [(base, None), (self._models.find(name), None)]
        else:
            base = self._put_on(name, model)
            asked = [(base, ()), (base, (AdapterUse(name),))]
        before, after = (self._ask(one, prompt, ReplyParams(GREEDY, max_tokens, adapters=uses)) for one, uses in asked)
        return before, after

    def ggufs_for(self, name: str) -> list[str]:
        """Models of llama.cpp that are built as the adapter's base model is, the file it was made of first.

        None where the base model is not known or not here.
        """
        try:
            base = self._base_of(name, None)
        except (NotFound, BadRequest):
            return []
        origin = origin_of(base.path) if base.path is not None else ""
        found = [one for one in self._models.models() if one.format == "gguf" and build_of(one) == build_of(base)]
        return [one.id for one in sorted(found, key=lambda one: one.path is None or one.path.name != origin)]

    def _ask(self, model: LocalModel, prompt: str, params: ReplyParams) -> Generation:
        if model.has_chat_template:
            return self._inference.chat([Message("user", prompt)], params, model.id)
        return self._inference.complete(prompt, params, model.id)

    def _put_on(self, name: str, model: str | None) -> LocalModel:
        """The base model, with the adapter loaded onto it, as it lies on the disk now."""
        base = self._base_of(name, model)
        self._models.load(base.id).result.result(LOAD_SECONDS)
        self._adapters.load(name, base.id)
        return base

    def _base_of(self, name: str, model: str | None) -> LocalModel:
        if model is not None:
            return self._models.find(model)
        try:
            return self._models.find(self._training.get(name).recipe.model)
        except NotFound:
            said = self._library.find(name).base_model
        for one in self._models.models():
            if said and (one.id == said or str(one.path) == said):
                return one
        raise BadRequest(
            f"The adapter {name} does not say which of the models here it belongs to. Name the model.", field="model"
        )

    def _is_whole_model(self, name: str) -> bool:
        try:
            return self._training.get(name).result == "model"
        except NotFound:
            return False


def build_of(model: LocalModel) -> tuple[int, ...]:
    """What two models have in common that take the same adapters."""
    shape = model.shape
    return shape.layers, shape.heads, shape.embedding_length, shape.feed_forward_length, shape.vocabulary
