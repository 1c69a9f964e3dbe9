"""Each shipped chat template writes exactly the text of its format."""

from collections.abc import Iterator

import pytest

from modules.children import Launcher
from modules.paths import PROJECT
from modules.prompts.renderer import TemplateRenderer
from modules.types.messages import Message

FOLDER = PROJECT / "presets" / "templates"
MESSAGES = [
    Message("system", "Be kind."),
    Message("user", "Hi <b>"),
    Message("assistant", "Hello!\nYes?"),
    Message("user", "Who are you?"),
]
EXPECTED = {
    "chatml": "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHi <b><|im_end|>\n<|im_start|>assistant\nHello!\nYes?<|im_end|>\n<|im_start|>user\nWho are you?<|im_end|>\n<|im_start|>assistant\n",
    "llama3": "<|start_header_id|>system<|end_header_id|>\n\nBe kind.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHi <b><|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nHello!\nYes?<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nWho are you?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
    "mistral": "[INST] Be kind.\n\nHi <b> [/INST] Hello!\nYes?</s>[INST] Who are you? [/INST]",
    "gemma": "<start_of_turn>user\nBe kind.\n\nHi <b><end_of_turn>\n<start_of_turn>model\nHello!\nYes?<end_of_turn>\n<start_of_turn>user\nWho are you?<end_of_turn>\n<start_of_turn>model\n",
    "phi": "<|system|>\nBe kind.<|end|>\n<|user|>\nHi <b><|end|>\n<|assistant|>\nHello!\nYes?<|end|>\n<|user|>\nWho are you?<|end|>\n<|assistant|>\n",
    "alpaca": "Be kind.\n\n### Instruction:\nHi <b>\n\n### Response:\nHello!\nYes?</s>\n\n### Instruction:\nWho are you?\n\n### Response:\n",
    "vicuna": "Be kind. USER: Hi <b> ASSISTANT: Hello!\nYes?</s>USER: Who are you? ASSISTANT:",
}
WITHOUT_SYSTEM = {
    "mistral": "[INST] Hi <b> [/INST]",
    "gemma": "<start_of_turn>user\nHi <b><end_of_turn>\n<start_of_turn>model\n",
    "alpaca": "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n### Instruction:\nHi <b>\n\n### Response:\n",
    "vicuna": "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and polite answers to the user's questions. USER: Hi <b> ASSISTANT:",
}


@pytest.fixture(scope="module")
def renderer(launcher: Launcher) -> Iterator[TemplateRenderer]:
    renderer = TemplateRenderer(launcher)
    yield renderer
    renderer.close()


def render(renderer: TemplateRenderer, name: str, messages: list[Message]) -> str:
    template = (FOLDER / f"{name}.jinja").read_text(encoding="utf-8")
    return renderer.chat(messages, template=template, bos_token="<s>", eos_token="</s>").text


def test_each_is_tested() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == EXPECTED.keys()


@pytest.mark.parametrize("name", EXPECTED)
def test_a_conversation(renderer: TemplateRenderer, name: str) -> None:
    assert render(renderer, name, MESSAGES) == EXPECTED[name]


@pytest.mark.parametrize("name", WITHOUT_SYSTEM)
def test_without_a_system_text(renderer: TemplateRenderer, name: str) -> None:
    assert render(renderer, name, MESSAGES[1:2]) == WITHOUT_SYSTEM[name]


def test_the_default_is_chatml(renderer: TemplateRenderer) -> None:
    default = renderer.chat(MESSAGES, template="", bos_token="", eos_token="").text
    assert default == EXPECTED["chatml"]
