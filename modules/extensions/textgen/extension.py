"""Makes hooks of a script: each function that it has is called where its program called it."""

import inspect
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from pydantic import BaseModel

from modules.extensions.contracts import ExtensionHost, LogitsProcessor, Panel, RequestContext, Tab
from modules.extensions.hooks import hook
from modules.extensions.textgen.controls import Interface
from modules.extensions.textgen.importing import ScriptImports
from modules.extensions.textgen.params import Params
from modules.extensions.textgen.source import examine
from modules.extensions.textgen.standins import Modules
from modules.extensions.textgen.state import knobs_in, params_with, state_of, stops_in
from modules.extensions.textgen.turns import Chat, Turn
from modules.extensions.textgen.view import ScriptView
from modules.types.messages import Message
from modules.types.reply_params import ReplyParams

# Replies that may be on their way at once; a turn that is not asked for any more is forgotten in time.
TURNS = 256
VIEW = "controls"
PROMPT_FUNCTIONS = ("custom_generate_chat_prompt", "bot_prefix_modifier", "input_modifier")
MESSAGE_FUNCTIONS = (
    "state_modifier",
    "history_modifier",
    "chat_input_modifier",
    "input_modifier",
    "custom_generate_chat_prompt",
    "bot_prefix_modifier",
)


def load_script(folder: Path, name: str, title: str) -> ModuleType:
    """Runs the script; returns a module with those hooks that it has functions for.

    Raises BadRequest that names what cannot work here, and whatever the script raises.
    """
    extension = ScriptExtension(folder, name, title)
    module = ModuleType(name, doc=title)
    for hook_name in extension.hooks():
        setattr(module, hook_name, getattr(extension, hook_name))
    return module


class ScriptExtension:
    """Any thread may call its hooks."""

    def __init__(self, folder: Path, name: str, title: str) -> None:
        """Raises as `load_script` does."""
        self._host: ExtensionHost | None = None
        self._folder = folder
        self._name = name
        self._examined = examine(folder)
        self._modules = Modules(name, self)
        self._interface = Interface(self.log)
        stand_ins = {"modules": self._modules.top, "gradio": self._interface}
        self._script = ScriptImports(folder, name, stand_ins).script()
        names = vars(self._script)
        self._functions: Mapping[str, Callable[..., Any]] = {
            name: names[name] for name in self._examined.functions if callable(names.get(name))
        }
        values = names.get("params")
        self._params = Params(name, cast("dict[str, Any]", values) if isinstance(values, dict) else {})
        self._title = self._params.title or title
        self._turns: OrderedDict[str, Turn] = OrderedDict()
        self._lock = threading.Lock()
        self._at_work = threading.local()

    def hooks(self) -> list[str]:
        """The names of those that do anything."""
        needs: Mapping[str, bool] = {
            "started": True,
            "settings_model": self._params.model is not None,
            "filter_messages": self._has(*MESSAGE_FUNCTIONS),
            "filter_request": self._has("state_modifier"),
            "filter_prompt": self._has(*PROMPT_FUNCTIONS),
            "filter_reply": self._has("output_modifier"),
            "write_reply": self._has("custom_generate_reply"),
            "logits_processors": self._has("logits_processor_modifier"),
            "custom_css": self._has("custom_css"),
            "custom_js": self._has("custom_js"),
            "tabs": self._has("ui") and self._params.is_tab,
            "panels": self._has("ui") and not self._params.is_tab,
        }
        return [name for name, is_needed in needs.items() if is_needed]

    @hook
    def started(self, host: ExtensionHost) -> None:
        self._host = host
        for sentence in self._examined.left_out:
            host.log(sentence)
        self._params.restore(host.data)
        self._params.apply(host.settings)
        if self._has("setup"):
            self._call("setup")
        if self._has("ui"):
            try:
                self._interface.record(self._functions["ui"])
            except Exception as error:  # noqa: BLE001 - its controls are not worth the rest of it
                host.log(f"Its controls are left out: {error}")

    @hook
    def settings_model(self) -> type[BaseModel]:
        assert self._params.model is not None
        return self._params.model

    @hook
    def filter_messages(self, messages: tuple[Message, ...], context: RequestContext) -> tuple[Message, ...]:
        turn = self._begin(context, is_chat=True)
        chat = Chat.of(messages)
        state = turn.state
        history = self._changed("history_modifier", chat.own_history(), dict)
        state.update(context=chat.system, history=history)
        self._modify_state(turn)
        text = chat.message
        if text is not None:
            text, _visible = self._changed_pair(text, state)
            text = self._changed("input_modifier", text, str, turn.state, is_chat=True)
        if text is not None and self._has("bot_prefix_modifier"):
            turn.prefix = self._changed("bot_prefix_modifier", "", str, turn.state)
        if text is not None and self._has("custom_generate_chat_prompt"):
            turn.prompt = self._own_prompt(turn, chat, text)
            if (chosen := turn.chosen_messages()) is not None:
                return chosen
        return chat.with_changes(turn.state["context"], turn.state["history"], text)

    @hook
    def filter_request(self, params: ReplyParams, context: RequestContext) -> ReplyParams:
        turn = self._turn(context)
        return params_with(params, turn.changed_knobs(knobs_in(turn.state)))

    @hook
    def filter_prompt(self, prompt: str, context: RequestContext) -> str:
        turn = self._turn(context)
        if turn.is_chat:
            return turn.completed(prompt)
        return self._changed("input_modifier", prompt, str, turn.state, is_chat=False)

    @hook
    def filter_reply(self, text: str, context: RequestContext) -> str:
        turn = self._turn(context)
        return self._changed("output_modifier", text, str, turn.state, is_chat=turn.is_chat)

    @hook
    def write_reply(self, prompt: str, context: RequestContext) -> Iterator[str]:
        turn = self._turn(context)
        stops = list(stops_in(turn.state["custom_stopping_strings"]))
        return grown(self._call("custom_generate_reply", prompt, prompt, turn.state, stops, is_chat=turn.is_chat))

    @hook
    def logits_processors(self, context: RequestContext) -> Sequence[LogitsProcessor]:
        self._params.apply(context.settings)
        arguments = {"folder": str(self._folder), "name": self._name, "params": self._params.plain}
        return [LogitsProcessor(f"{__package__}.logits:ScriptLogits", arguments)]

    @hook
    def custom_css(self) -> str:
        return self._call("custom_css")

    @hook
    def custom_js(self) -> str:
        return self._call("custom_js")

    @hook
    def tabs(self) -> Sequence[Tab]:
        return [Tab(VIEW, self._title, self._view())] if self._interface.controls else []

    @hook
    def panels(self) -> Sequence[Panel]:
        return [Panel(VIEW, self._title, self._view())] if self._interface.controls else []

    def prepare(self, params: Mapping[str, Any]) -> None:
        """For the script's work without a host, in the process of a model."""
        self._params.set(params)
        if self._has("setup"):
            self._call("setup")

    def logits_processor_list(self, ids: Any) -> list[Any]:
        """What the script puts into the list, each called with ids and logits."""
        made: list[Any] = []
        self._call("logits_processor_modifier", made, ids)
        return made

    def rendered(self, user_input: str, state: Mapping[str, Any], history: Any) -> str:
        """What `generate_chat_prompt` returns; only while the script makes a prompt."""
        turn, chat = self._at_work.turn, self._at_work.chat
        past = state["history"] if history is None else history
        return turn.render(chat.with_changes(state["context"], past, user_input))

    def reply(self, messages: tuple[Message, ...], max_tokens: int) -> str:
        if self._host is None:
            raise RuntimeError("The model can be asked once the extension is enabled, not while it is imported.")
        return self._host.reply(messages, max_tokens=max_tokens)

    def log(self, text: str) -> None:
        if self._host is not None:
            self._host.log(text)

    def _view(self) -> ScriptView:
        return ScriptView(self._interface, self._params.keep)

    def _own_prompt(self, turn: Turn, chat: Chat, text: str) -> str:
        self._at_work.turn, self._at_work.chat = turn, chat
        function = self._functions["custom_generate_chat_prompt"]
        given = {"history": turn.state["history"], "_continue": False, "impersonate": False}
        prompt = function(text, turn.state, **{name: given[name] for name in named(function, given)})
        return checked("custom_generate_chat_prompt", prompt, str)

    def _modify_state(self, turn: Turn) -> None:
        state = self._changed("state_modifier", turn.state, dict)
        if state is not turn.state:
            # Whatever kind of dictionary it is, what it lacks is as it was.
            turn.state.update(state)

    def _changed_pair(self, text: str, state: Any) -> tuple[str, str]:
        if not self._has("chat_input_modifier"):
            return text, text
        pair = self._call("chat_input_modifier", text, text, state)
        match pair:
            case (str(new), visible):
                return new, visible
            case _:
                raise TypeError("chat_input_modifier did not return a text and a visible text")

    def _changed(self, name: str, value: Any, kind: type, *more: Any, is_chat: bool | None = None) -> Any:
        """What the function makes of `value`; the same where there is none."""
        return checked(name, self._call(name, value, *more, is_chat=is_chat), kind) if self._has(name) else value

    def _call(self, name: str, *arguments: Any, is_chat: bool | None = None) -> Any:
        """Older scripts take fewer arguments; they get the first ones. `is_chat` is given by its name, if at all."""
        function = self._functions[name]
        by_name = {} if is_chat is None else dict.fromkeys(named(function, ["is_chat"]), is_chat)
        return function(*arguments[: positional(function)], **by_name)

    def _has(self, *names: str) -> bool:
        return any(name in self._functions for name in names)

    def _begin(self, context: RequestContext, *, is_chat: bool) -> Turn:
        self._params.apply(context.settings)
        self._modules.shared["model_name"] = context.model
        state = state_of(context.params, context.conversation_id)
        turn = Turn(state, is_chat, knobs_in(state))
        with self._lock:
            self._turns[context.id] = turn
            while len(self._turns) > TURNS:
                self._turns.popitem(last=False)
        return turn

    def _turn(self, context: RequestContext) -> Turn:
        """That of the chat, or one that begins without messages."""
        with self._lock:
            turn = self._turns.get(context.id)
        if turn is None:
            turn = self._begin(context, is_chat=False)
            self._modify_state(turn)
        return turn


def positional(function: Callable[..., Any]) -> int | None:
    """How many arguments it takes without a name, `is_chat` not counted; None is any number."""
    parameters = inspect.signature(function).parameters.values()
    if any(one.kind is one.VAR_POSITIONAL for one in parameters):
        return None
    kinds = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
    return sum(one.kind in kinds and one.name != "is_chat" for one in parameters)


def grown(texts: Iterable[str]) -> Iterator[str]:
    """What each text adds to the one before. Raises ValueError for one that takes something back."""
    before = ""
    for text in texts:
        if not text.startswith(before):
            raise ValueError("custom_generate_reply changed what it had written, which has been read already.")
        yield text[len(before) :]
        before = text


def named(function: Callable[..., Any], names: Iterable[str]) -> list[str]:
    """Those of the names that it takes."""
    parameters = inspect.signature(function).parameters
    takes_all = any(one.kind is one.VAR_KEYWORD for one in parameters.values())
    return [name for name in names if takes_all or name in parameters]


def checked(name: str, value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"{name} returned {type(value).__name__} instead of {kind.__name__}")
    return value
