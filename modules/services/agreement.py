"""Whether a GGUF file says what the model it was made of says: greedy tokens of both engines, place by place."""

import queue
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modules.children import Launcher
from modules.engines.process import EngineProcess
from modules.engines.protocol import Capabilities
from modules.errors import EngineError, ModelError
from modules.prompts.renderer import TemplateRenderer
from modules.types.exports import Agreement
from modules.types.generation import Event, Failed, Finished, GenerationRequest, TextDelta
from modules.types.local_model import LocalModel, ModelShape
from modules.types.messages import Message
from modules.types.sampling import SamplingParams

Report = Callable[[float | None, str], None]
TOKENS = 24
CONTEXT = 1024
PROMPT_SHARE = 2
GREEDY = SamplingParams(temperature=0.0, n_probs=1)
ENGINES = {"safetensors": "transformers", "gguf": "llamacpp"}
# Of subjects and forms as different as few can be; asked where a run has no prompts of its own.
NEUTRAL_PROMPTS = (
    "What is the capital of France?",
    "Write a short poem about the sea.",
    "Explain in two sentences how a bicycle stays upright.",
    "Count from 1 to 20.",
    "Translate into German: The weather is nice today, isn't it?",
    "Write a Python function that adds two numbers.",
)
# The least share of places at which both must choose the same token. On these prompts SmolLM2-135M has 0.99, 0.98,
# 0.97, 0.73 and 0.95 (its weights were Q4_1 before); larger models lose less, and a file that is wrong has about none.
LEAST_SHARES = {"F16": 0.95, "BF16": 0.95, "Q8_0": 0.9, "Q4_0": 0.5, "Q4_1": 0.5}


@dataclass(frozen=True)
class Reference:
    """What transformers wrote after a prompt, token by token."""

    text: str
    prompt_tokens: tuple[int, ...]
    written: tuple[int, ...]


class AgreementCheck:
    """Loads one engine after the other, apart from the models that people have loaded."""

    def __init__(self, launcher: Launcher, renderer: TemplateRenderer) -> None:
        self._launcher = launcher
        self._renderer = renderer

    def compare(
        self,
        folder: Path,
        gguf: Path,
        *,
        type_name: str,
        shape: ModelShape,
        prompts: Sequence[str],
        report: Report,
        cancelled: Callable[[], bool],
    ) -> Agreement:
        """At each place of what transformers writes, llama.cpp is asked what it would write there.

        Raises ModelError when one of them cannot be loaded, or when it is cancelled.
        """
        report(None, "asking the transformers engine")
        with self._loaded(folder, "safetensors", shape, cancelled) as (process, capabilities):
            references = [self._reference(process, capabilities, prompt, cancelled) for prompt in prompts]
        with self._loaded(gguf, "gguf", shape, cancelled) as (process, _):
            for reference in references:
                check_tokens(process, reference)
            tokens = agreed = 0
            for place, reference in enumerate(references):
                report(None, f"asking llama.cpp ({place + 1} of {len(references)})")
                for length, token in enumerate(reference.written):
                    known = (*reference.prompt_tokens, *reference.written[:length])
                    said, ended = written(process, known, 1, cancelled)
                    # It tells nothing of a token that is a part of a character.
                    is_told = bool(said) or ended
                    tokens += is_told
                    agreed += said[:1] == (token,)
        return Agreement(tokens, agreed, LEAST_SHARES[type_name], len(references))

    def _reference(
        self, process: EngineProcess, capabilities: Capabilities, prompt: str, cancelled: Callable[[], bool]
    ) -> Reference:
        text = prompt
        if capabilities.chat_template:
            text = self._renderer.chat(
                [Message("user", prompt)],
                template=capabilities.chat_template,
                bos_token=capabilities.bos_token,
                eos_token=capabilities.eos_token,
            ).text
        tokens = process.tokenize(text)[-capabilities.context_length // PROMPT_SHARE :]
        if capabilities.bos_token_id is not None and tokens[:1] != [capabilities.bos_token_id]:
            tokens = [capabilities.bos_token_id, *tokens]
        length = min(TOKENS, capabilities.context_length - len(tokens))
        said, _ = written(process, tuple(tokens), length, cancelled)
        return Reference(text, tuple(tokens), said)

    @contextmanager
    def _loaded(
        self, path: Path, form: str, shape: ModelShape, cancelled: Callable[[], bool]
    ) -> Generator[tuple[EngineProcess, Capabilities]]:
        require_going(cancelled)
        model = LocalModel(path.name, path.name, form, path, size_of(path), shape=shape)
        options: dict[str, Any] = {"context_length": min(CONTEXT, shape.context_length or CONTEXT), "slots": 1}
        if form == "safetensors":
            # Sums in few bits would choose differently by themselves.
            options["dtype"] = "float32"
        process = EngineProcess(self._launcher, lambda: None)
        try:
            yield process, process.load(ENGINES[form], model, options, lambda _fraction, _note: None)
        finally:
            process.end()


def written(
    process: EngineProcess, prompt: tuple[int, ...], length: int, cancelled: Callable[[], bool]
) -> tuple[tuple[int, ...], bool]:
    """(the tokens that a model writes greedily, whether it ended by itself).

    Raises ModelError when it is cancelled, EngineError when it fails.
    """
    require_going(cancelled)
    events: queue.Queue[Event] = queue.Queue()
    process.generate(GenerationRequest("", prompt, length, sampling=GREEDY), events.put)
    tokens: list[int] = []
    while True:
        match events.get():
            case TextDelta(logprobs=logprobs):
                tokens += [one.chosen.id for one in logprobs]
            case Finished(reason=reason):
                return tuple(tokens), reason == "stop"
            case Failed(message=message):
                raise EngineError(message)
            case _:
                pass


def check_tokens(process: EngineProcess, reference: Reference) -> None:
    """Raises ModelError when llama.cpp reads a prompt as other tokens."""
    found = tuple(process.tokenize(reference.text))
    if found != reference.prompt_tokens[-len(found) :]:
        raise ModelError(
            f"llama.cpp reads the text {reference.text[:80]!r} as other tokens than transformers, so the file was not "
            "published: the tokenizer could not be written faithfully."
        )


def require_going(cancelled: Callable[[], bool]) -> None:
    if cancelled():
        raise ModelError("The export was cancelled.")


def size_of(path: Path) -> int:
    files = [path] if path.is_file() else list(path.glob("*.safetensors"))
    return sum(file.stat().st_size for file in files)
