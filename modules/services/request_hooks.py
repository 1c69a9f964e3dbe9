"""One request on its way through the extensions: what is asked, and the events that answer it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from modules.engines.generation import Generation
from modules.engines.loaded import LoadedModel
from modules.extension_packages import package_name
from modules.extensions.contracts import LogitsProcessor, RequestContext, Source
from modules.extensions.facts import Given
from modules.extensions.registry import Extensions
from modules.extensions.running import Stage
from modules.extensions.steps import ChainWatch, Draft
from modules.services.document_prompt import DocumentPrompt
from modules.services.prompt_requests import ChatPrompt, Prompt, RawPrompt
from modules.services.written_reply import write
from modules.types.generation import Event, Failed, Finished, GenerationRequest, Note, ProcessorUse, Replaced
from modules.types.reply_params import ReplyParams

PROGRAM = "modules.extensions."


@dataclass(frozen=True)
class RequestSource:
    """Where a request comes from, as extensions are told."""

    source: Source
    conversation_id: str | None = None


class RequestHooks:
    """What the extensions that are enabled now do to one request. One thread at a time."""

    def __init__(
        self,
        extensions: Extensions,
        asked_by: RequestSource,
        generation: Generation,
        loaded: LoadedModel,
        params: ReplyParams,
    ) -> None:
        self._extensions = extensions
        self._generation = generation
        self._loaded = loaded
        self._context = RequestContext(
            generation.id, asked_by.source, loaded.model.id, loaded.engine, asked_by.conversation_id, params=params
        )
        self._changes: list[tuple[str, str]] = []
        self._watch = ChainWatch(
            lambda extension, hook: self._changes.append((extension, hook)), lambda: generation.cancelled
        )
        self._absent = [
            Note(f"The extension {name} was still being loaded and had no part in this reply.")
            for name in extensions.loading
        ]
        self._notes = list(self._absent)
        self._stages: tuple[Stage, ...] = ()
        self._begun = ""

    @property
    def has_changed(self) -> bool:
        """Whether the request is any other than it was."""
        return bool(self._changes)

    def applied(self, prompt: Prompt, params: ReplyParams) -> tuple[Prompt, ReplyParams]:
        """The prompt and what is asked of the reply instead; a prompt's text is filtered once it is known."""
        messages = prompt.told if isinstance(prompt, ChatPrompt) else ()
        draft = self._extensions.draft(Draft(messages, params), self._context, self._watch)
        self._stages = draft.stages
        params = draft.params
        for given in draft.processors:
            params = self._with_processor(params, given)
        match prompt:
            case ChatPrompt():
                self._begun = prompt.begun
                return replace(prompt.telling(draft.messages), filter_text=self._text), params
            case RawPrompt(prompt=str(text)):
                return RawPrompt(self._text(text)), params
            case DocumentPrompt():
                return replace(prompt, filter_text=self._text), params
            case _:
                return prompt, params

    def refused(self, error: Exception) -> None:
        """The request as it was changed cannot be asked, and is asked as it was."""
        for extension, hook in dict.fromkeys(self._changes):
            self._extensions.record_fault(extension, hook, f"made a request that was refused: {error}")
        changed = ", ".join(dict.fromkeys(extension for extension, _ in self._changes))
        left_out = Note(f"What {changed} changed could not be asked ({error}), so it was left out of this reply.")
        self._notes = [*self._absent, left_out]

    def delivery(self) -> Callable[[Event], None]:
        """What takes the engine's events; they arrive at the generation."""
        stream = self._extensions.reply_stream(self._stages, self._context, self._deliver, self._watch)
        return self._deliver if stream is None else stream.take

    def write_instead(self, request: GenerationRequest, deliver: Callable[[Event], None]) -> bool:
        """Whether an extension has written the reply, which has ended then."""
        messages = request.messages
        question = request.prompt or (messages[-1].content if messages else "")
        given = self._extensions.writer(question, self._context)
        return given is not None and write(self._extensions, given, self._generation, deliver)

    def asked(self) -> None:
        """The engine has the request now."""
        self._extensions.notify("generation_started", context=self._context)
        self._generation.on_end(self._tell_end)

    def _changed(self, extension: str, hook: str) -> None:
        self._changes.append((extension, hook))

    def _text(self, text: str) -> str:
        return self._extensions.chain("filter_prompt", text, self._context, self._watch)

    def _with_processor(self, params: ReplyParams, given: Given) -> ReplyParams:
        processor: LogitsProcessor = given.item
        can = self._loaded.capabilities
        source = self._extensions.source(given.extension)
        if source is None:
            # It was disabled a moment ago.
            return params
        if can.logits_processors and processor.path:
            path = import_path(given.extension, processor.path)
            use = ProcessorUse(path, dict(processor.arguments), source)
            self._changed(given.extension, "logits_processors")
            return replace(params, processors=(*params.processors, use))
        changed = params
        if processor.logit_bias and "logit_bias" not in can.ignored_knobs:
            bias = {str(token): float(value) for token, value in processor.logit_bias.items()}
            bias |= params.sampling.logit_bias or {}
            changed = replace(changed, sampling=params.sampling.model_copy(update={"logit_bias": bias}))
        constraint = processor.constraint
        if constraint is not None and params.constraint is None and constraint.kind in can.constraints:
            changed = replace(changed, constraint=constraint)
        if changed is params:
            self._notes.append(Note(f"The logits processor of {given.extension} does nothing on {can.runs_on}."))
        else:
            self._changed(given.extension, "logits_processors")
        return changed

    def _deliver(self, event: Event) -> None:
        if isinstance(event, Finished):
            self._record(event.notes)
            event = replace(event, notes=(*event.notes, *self._notes))
        if isinstance(event, Replaced):
            # Extensions know of what was written now, not of what it goes on from.
            event = replace(event, text=self._begun + event.text)
        self._generation.put(event)

    def _record(self, notes: Sequence[Note]) -> None:
        """What the worker tells of an extension that failed there."""
        for note in notes:
            if note.fault_of:
                self._extensions.record_fault(note.fault_of, "logits_processors", note.text)

    def _tell_end(self) -> None:
        end = self._generation.end
        reason = "error" if isinstance(end, Failed) or end is None else end.reason
        self._extensions.notify("generation_finished", text=self._generation.text, reason=reason, context=self._context)


def import_path(extension: str, path: str) -> str:
    """Within the extension's own package, but for what the program has for it."""
    return path if path.startswith(PROGRAM) else f"{package_name(extension)}.{path}"
