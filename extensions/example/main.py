"""Every hook there is, in the order of modules/extensions/hooks.py; the modules beside this one do the work."""

from collections.abc import Iterator

import modules.extensions as parlor
from modules.engines.protocol import EngineKind
from modules.types.jobs import Job
from modules.types.messages import Message
from modules.types.reply_params import ReplyParams

from . import dice, letters, logfile, recite, texts
from .counters import Counters
from .settings import Settings

# What the extension remembers while it is enabled: it is imported anew each time.
COUNTERS = Counters()


@parlor.hook
def filter_messages(messages: tuple[Message, ...], context: parlor.RequestContext) -> tuple[Message, ...]:
    return texts.calm(messages) if context.settings.calm else messages


@parlor.hook
def filter_prompt(prompt: str, context: parlor.RequestContext) -> str:
    return texts.trimmed(prompt) if context.settings.trim else prompt


@parlor.hook
def filter_request(params: ReplyParams, context: parlor.RequestContext) -> ReplyParams:
    return texts.not_longer(params, context.settings.longest)


@parlor.hook
def filter_reply(text: str, context: parlor.RequestContext) -> str:
    return texts.tidy(text) if context.settings.tidy else text


@parlor.hook
def write_reply(prompt: str, context: parlor.RequestContext) -> Iterator[str] | None:
    return texts.word_by_word(context.settings.recites) if context.settings.recites else None


@parlor.hook
def stream_transformer(context: parlor.RequestContext) -> parlor.StreamTransformer:
    return texts.Dashes(is_on=context.settings.dashes)


@parlor.hook
def logits_processors(context: parlor.RequestContext) -> list[parlor.LogitsProcessor]:
    return letters.banning(context.settings.banned_token)


@parlor.hook
def tools() -> list[parlor.Tool]:
    return [dice.TOOL] if COUNTERS.settings.dice else []


@parlor.hook
def tabs() -> list[parlor.Tab]:
    return [parlor.Tab("counters", "Counters", COUNTERS.view)]


@parlor.hook
def panels() -> list[parlor.Panel]:
    return [parlor.Panel("dice", "Dice", dice.view)] if COUNTERS.settings.dice else []


@parlor.hook
def routes() -> list[parlor.Route]:
    return [parlor.Route("counters", COUNTERS.answer, audience="api")]


@parlor.hook
def settings_model() -> type[Settings]:
    return Settings


@parlor.hook
def commands() -> list[parlor.Command]:
    return [parlor.Command("roll", "Rolls dice: /roll 2d6", dice.command)]


@parlor.hook
def engines() -> list[EngineKind]:
    return [recite.RECITE]


@parlor.hook
def document_readers() -> list[parlor.DocumentReader]:
    return [parlor.DocumentReader("log files", (".log",), logfile.read)]


@parlor.hook
def embedding_models() -> list[parlor.EmbeddingModel]:
    return [parlor.EmbeddingModel("letters", letters.DIMENSIONS, letters.embed)]


@parlor.hook
def custom_css() -> str:
    return "pre code { white-space: pre-wrap; }" if COUNTERS.settings.wrap else ""


@parlor.hook
def custom_js() -> str:
    return texts.COPY_BY_DOUBLE_CLICK if COUNTERS.settings.wrap else ""


@parlor.hook
def started(host: parlor.ExtensionHost) -> None:
    COUNTERS.begin(host)


@parlor.hook
def stopping() -> None:
    COUNTERS.end()


@parlor.hook
def model_loaded(model: str, engine: str) -> None:
    COUNTERS.count(f"{model} was loaded, on {engine}")


@parlor.hook
def generation_started(context: parlor.RequestContext) -> None:
    COUNTERS.count(f"A model was asked, by way of: {context.source}")


@parlor.hook
def generation_finished(text: str, reason: str, context: parlor.RequestContext) -> None:
    COUNTERS.count_words(text, reason, context.model)


@parlor.hook
def conversation_saved(conversation_id: str) -> None:
    COUNTERS.count("A conversation was saved")


@parlor.hook
def job_finished(job: Job) -> None:
    COUNTERS.count(f"A job ended: {job.state}")
