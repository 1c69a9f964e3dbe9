"""An extension whose every part can be made to misbehave; tests copy it into a folder and isolate it."""

import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, SecretStr, model_validator

import modules.extensions as parlor
from modules.errors import FetchError
from modules.types.messages import Message
from modules.types.reply_params import ReplyParams

HOST: dict[str, parlor.ExtensionHost] = {}


class Settings(BaseModel):
    times: int = Field(default=1, ge=1, le=5)
    mood: Literal["calm", "loud"] = "calm"
    key: SecretStr = Field(default=SecretStr(""), repr=False)

    @model_validator(mode="after")
    def loud_is_enough(self) -> "Settings":
        if self.mood == "loud" and self.times > 3:
            raise ValueError("loud and more than 3 times is too much")
        return self


@parlor.hook
def settings_model() -> type[Settings]:
    return Settings


@parlor.hook
def started(host: parlor.ExtensionHost) -> None:
    HOST["host"] = host
    host.log(f"times is {host.settings.times}")
    host.log(f"started in {os.getpid()}")


@parlor.hook
def filter_reply(text: str, context: parlor.RequestContext) -> Any:
    assert isinstance(context.settings, Settings)
    match text:
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "leave":
            os._exit(3)
        case "exit":
            raise SystemExit(3)
        case "hang":
            time.sleep(60)
        case "none":
            return None
        case "object":
            return object()
        case "key":
            return context.settings.key.get_secret_value()
        case "raise":
            return 1 / 0
        case _:
            pass
    return text * context.settings.times


@parlor.hook
def filter_messages(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    return (Message("system", "Be brief."), *messages)


@parlor.hook
def filter_request(params: ReplyParams) -> ReplyParams:
    return params


class Upper:
    def feed(self, text: str) -> str:
        if "die" in text:
            os.kill(os.getpid(), signal.SIGKILL)
        return text.upper()

    def end(self) -> str:
        return "!"


@parlor.hook
def stream_transformer(context: parlor.RequestContext) -> parlor.StreamTransformer:
    return Upper()


@parlor.hook
def write_reply(prompt: str) -> Any:
    match prompt:
        case "write":
            return iter(["Once ", "upon ", "a time."])
        case "write and die":
            return dying()
        case "write a number":
            return iter(["One", 2])
        case "write a list":
            return ["One"]
        case _:
            return None


def dying() -> Iterator[str]:
    yield "Once "
    os.kill(os.getpid(), signal.SIGKILL)


@parlor.hook
def logits_processors() -> list[parlor.LogitsProcessor]:
    return [parlor.LogitsProcessor("main:Ban", {"token": 3}, {3: -100.0})]


@parlor.hook
def tools() -> list[parlor.Tool]:
    return [parlor.Tool("host", "Asks the host.", {"type": "object"}, ask_host, seconds=7.0)]


def ask_host(arguments: Mapping[str, Any], context: parlor.ToolContext) -> str:
    host = HOST["host"]
    match arguments["what"]:
        case "reply":
            return host.reply([Message("user", "hi")], max_tokens=3)
        case "embed":
            return str(host.embed(["ab"]))
        case "read":
            return next(iter(host.readers()[0].read(Path(arguments["path"])))).text
        case "fetch":
            try:
                return str(host.fetch("https://example.org/"))
            except FetchError as error:
                return f"{type(error).__name__}: {error}"
        case "job":
            return host.start_job("count", count)
        case "settings":
            return repr(host.settings)
        case "cancelled":
            return str(context.cancelled())
        case "data":
            return str(host.data)
        case "conversations":
            return str([host.has_conversation(one) for one in ("a conversation", "gone")])
        case _:
            raise ValueError("Ask for something else.")


def count(report: Any, cancelled: Any) -> None:
    for number in range(3):
        report(number / 3, f"{number} {cancelled()}")


def view(event: parlor.ViewEvent) -> Sequence[parlor.Part]:
    return [
        parlor.Heading(f"{event.button} {event.settings!r}"),
        parlor.Text("text"),
        parlor.Field("a", "A", "choice", "b", ("b", "c"), "help"),
        parlor.Button("b", "B", is_main=True),
        parlor.Table(("x",), (("1",), ("2",)), "open"),
    ]


@parlor.hook
def tabs() -> list[parlor.Tab]:
    return [parlor.Tab("one", "One", view)]


@parlor.hook
def panels() -> list[parlor.Panel]:
    return [parlor.Panel("two", "Two", view)]


@parlor.hook
def routes() -> list[parlor.Route]:
    return [
        parlor.Route("same", lambda request: parlor.RouteAnswer(request.body[::-1], "application/octet-stream")),
        parlor.Route("same", lambda _request: parlor.RouteAnswer({"a": 1}, status=201), ("POST",), "api"),
    ]


@parlor.hook
def commands() -> list[parlor.Command]:
    return [parlor.Command("say", "Says it.", lambda rest, context: f"{rest} {context.source} {context.settings!r}")]


@parlor.hook
def document_readers() -> list[parlor.DocumentReader]:
    return [parlor.DocumentReader("upper", (".up",), read)]


def read(path: Path) -> Any:
    if not path.exists():
        raise ValueError("There is no such file.")
    yield parlor.Passage(path.read_text().upper(), 1, "head")


@parlor.hook
def embedding_models() -> list[parlor.EmbeddingModel]:
    return [parlor.EmbeddingModel("length", 1, lambda texts: [[float(len(text))] for text in texts])]


@parlor.hook
def custom_css() -> str:
    return "a { color: red; }"
