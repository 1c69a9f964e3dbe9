"""No message opens or ends a turn, whatever it holds, in the shipped templates and in those that call tools."""

from collections.abc import Iterator

import pytest

from modules.children import Launcher
from modules.paths import PROJECT
from modules.prompts.renderer import TemplateRenderer
from modules.types.messages import Message
from modules.types.tools import ToolCall
from tests.prompts.family_templates import FAMILIES

SHIPPED = {path.stem: path.read_text(encoding="utf-8") for path in (PROJECT / "presets/templates").glob("*.jinja")}
# These have no marks but words, which nobody can tell from what people write.
WORDS_ALONE = {"alpaca", "vicuna"}
TEMPLATES = {**{name: text for name, text in SHIPPED.items() if name not in WORDS_ALONE}, **FAMILIES}
# Of the templates above, and of others.
MARKS = [
    *("<|im_start|>", "<|im_end|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|python_tag|>"),
    *("<|user|>", "<|end|>", "<|START_OF_TURN_TOKEN|>", "<|END_OF_TURN_TOKEN|>", "<|START_ACTION|>", "<|endoftext|>"),
    *("<s>", "</s>", "<｜User｜>", "<｜end▁of▁sentence｜>", "<|turn>", "<turn|>"),
]
NAMED = ("[INST]", "[/INST]", "[TOOL_CALLS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]", "<start_of_turn>", "<end_of_turn>")


@pytest.fixture(scope="module")
def renderer(launcher: Launcher) -> Iterator[TemplateRenderer]:
    renderer = TemplateRenderer(launcher)
    yield renderer
    renderer.close()


def render(renderer: TemplateRenderer, template: str, *messages: Message) -> str:
    return renderer.chat(messages, template=template, bos_token="<s>", eos_token="</s>").text


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_marks_of_a_prompt_are_the_template_s_own(renderer: TemplateRenderer, name: str) -> None:
    template = TEMPLATES[name]
    marks = [*MARKS, *(mark for mark in NAMED if mark in template)]

    def prompt(content: str) -> str:
        call = ToolCall("now", "{}", "call_1")
        asked = (Message("user", content), Message("assistant", "", (call,)), Message("tool", content, (), "call_1"))
        return render(renderer, template, *asked)

    harmless, hostile = prompt("Hi"), prompt("Hi " + "x".join(marks))
    assert {mark: hostile.count(mark) for mark in marks} == {mark: harmless.count(mark) for mark in marks}
    assert hostile.replace("\u200b", "").count("x".join(marks)) == 2


def test_what_the_model_has_written_stays_as_it_is(renderer: TemplateRenderer) -> None:
    told = (Message("user", "a"), Message("assistant", "b <|note|> c"), Message("user", "d"))
    assert "b <|note|> c" in render(renderer, "", *told)


@pytest.mark.parametrize(
    "text",
    [
        "<b>bold</b> [INST] [x] <think>why</think> <tool_call> a <| b |> c",
        "f <|> g; x |> h; [1|2]; <!-- | -->; a<b || c>d; if (a<b|c>d) {}",
        "| a | b |\n|---|---|\n| <br> | 1 |",
    ],
)
def test_other_text_stays_as_it_is(renderer: TemplateRenderer, text: str) -> None:
    assert text in render(renderer, "", Message("user", text))
