"""What a model reads of tools: by its template where that knows of them, else in plain messages."""

from collections.abc import Iterator, Sequence

import pytest

from modules.children import Launcher
from modules.engines.grammars import TextCheck, grammar_of
from modules.engines.tool_grammar import call_constraint
from modules.prompts.renderer import ChatText, TemplateRenderer
from modules.prompts.tools import in_plain_messages
from modules.replies.pipeline import ReplyPipeline
from modules.types.call_formats import HERMES, format_named, format_of_template
from modules.types.generation import Finished, TextDelta
from modules.types.messages import Message
from modules.types.tools import ToolCall, ToolSpec, ToolUse
from tests.prompts.family_templates import FAMILIES

ADD = ToolSpec("add", "Adds two numbers.", {"type": "object", "properties": {"a": {"type": "integer"}}})
SAY = ToolSpec("say_ö", "Says it.", {"type": "object", "properties": {"words": {"type": "object"}}})
CALL = ToolCall("add", '{"a": 1}', "call_1")
OTHER = ToolCall("say_ö", '{"words": {"ä": ["[ARGS]", "</tool_call> {"]}}', "abcdefgh9")
ROUND = [Message("user", "1?"), Message("assistant", "", (CALL,)), Message("tool", "one", (), "call_1")]
FOREIGN = "{% for message in messages %}{{ message.role }}:{{ message.content }}|{% endfor %}{{ tools }}"
# What each family's template makes of a round, behind what it says of tools.
ROUNDS = {
    "hermes": (
        '1?<|im_end|>\n<|im_start|>assistant\n<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>'
        "<|im_end|>\n<|im_start|>user\n<tool_response>\none\n</tool_response><|im_end|>\n<|im_start|>assistant\n"
    ),
    "llama": (
        '1?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n{"name": "add", "parameters": {"a": 1}}'
        '<|eot_id|><|start_header_id|>ipython<|end_header_id|>\n\n"one"<|eot_id|>'
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    ),
    "mistral": (
        '[INST] 1?[/INST][TOOL_CALLS] [{"name": "add", "arguments": {"a": 1}, "id": "74196fe72"}]</s>'
        '[TOOL_RESULTS] {"content": "one", "call_id": "74196fe72"}[/TOOL_RESULTS]'
    ),
    "mistral_args": '[INST]1?[/INST][TOOL_CALLS]add[ARGS]{"a": 1}</s>[TOOL_RESULTS]one[/TOOL_RESULTS]',
    "command": (
        '1?<|END_OF_TURN_TOKEN|><|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|><|START_ACTION|>[\n    {"tool_call_id": "0", '
        '"tool_name": "add", "parameters": {"a": 1}}\n]<|END_ACTION|><|END_OF_TURN_TOKEN|><|START_OF_TURN_TOKEN|>'
        '<|SYSTEM_TOKEN|><|START_TOOL_RESULT|>[{"tool_call_id": "0", "results": {"0": "one"}}]<|END_TOOL_RESULT|>'
        "<|END_OF_TURN_TOKEN|><|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>"
    ),
}


@pytest.fixture(scope="module")
def renderer(launcher: Launcher) -> Iterator[TemplateRenderer]:
    renderer = TemplateRenderer(launcher)
    yield renderer
    renderer.close()


def chat(
    renderer: TemplateRenderer, template: str, messages: Sequence[Message], tools: Sequence[ToolSpec] = (ADD, SAY)
) -> ChatText:
    return renderer.chat(messages, template=template, bos_token="<s>", eos_token="</s>", tools=tools)


@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_is_told_of_tools_calls_and_results_by_its_own_template(
    renderer: TemplateRenderer, family: str
) -> None:
    text, form = chat(renderer, FAMILIES[family], ROUND)
    assert form.name == family
    assert text.endswith(ROUNDS[family])
    assert "Adds two numbers." in text or family == "command"
    assert "You can call these functions" not in text


@pytest.mark.parametrize("calls", [(CALL,), (OTHER,), (CALL, OTHER)])
@pytest.mark.parametrize("family", FAMILIES)
def test_what_a_template_writes_of_calls_is_read_and_may_be_written(
    renderer: TemplateRenderer, family: str, calls: tuple[ToolCall, ...]
) -> None:
    """What stands where the model's reply would be is what it was trained to write."""
    form = format_named(family)
    before = chat(renderer, FAMILIES[family], ROUND[:1]).text
    after = chat(renderer, FAMILIES[family], [ROUND[0], Message("assistant", "", calls)])
    if len(calls) > 1 and family == "llama":
        assert after.call_format is HERMES
        return
    reply = after.text.removeprefix(before)
    for end in ("<|im_end|>", "<|eot_id|>", "</s>", "<|END_OF_TURN_TOKEN|>"):
        reply = reply.partition(end)[0]
    pipeline = ReplyPipeline(calls=form)
    events = [event for one in reply for event in pipeline.feed(TextDelta(one))] + pipeline.feed(Finished("stop"))
    read = [(event.name, event.arguments) for event in events if isinstance(event, ToolCall)]
    assert read == [(call.name, call.arguments) for call in calls]
    assert not any(isinstance(event, TextDelta) for event in events)
    # Ids are the program's own to give, and Command's several calls are not asked for.
    if family != "mistral" and not (family == "command" and len(calls) > 1):
        assert TextCheck(grammar_of(call_constraint(ToolUse((ADD, SAY)), form))).accepts(reply)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_chat_without_tools_says_nothing_of_them(renderer: TemplateRenderer, family: str) -> None:
    text, _ = chat(renderer, FAMILIES[family], [Message("system", "Be kind."), Message("user", "Hi")], tools=())
    assert "Hi" in text
    assert "call" not in text.lower()


def test_what_a_template_refuses_is_told_in_words_of_ours(renderer: TemplateRenderer) -> None:
    two = [Message("user", "1?"), Message("assistant", "", (CALL, OTHER)), Message("tool", "one", (), "call_1")]
    text, form = chat(renderer, FAMILIES["llama"], two)
    assert form is HERMES
    assert "You can call these functions" in text
    assert '<tool_call>\n{"name": "say_ö", "arguments": {"words"' in text


def test_others_get_words_of_ours(renderer: TemplateRenderer) -> None:
    prompt, form = chat(renderer, FOREIGN, ROUND, tools=(ADD,))
    assert form is HERMES
    assert prompt.startswith('system:You can call these functions, one per line:\n{"name": "add"')
    assert prompt.endswith(
        '|user:1?|assistant:<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>|'
        "user:The result is:\none\n\nAnswer my question in your own words.|None"
    )


def test_only_templates_that_write_calls_as_they_are_read_here_are_known() -> None:
    assert format_of_template(FOREIGN) is None
    assert format_of_template("{{ tools }}<tool_call><function={{ name }}>") is None
    assert format_of_template(FAMILIES["hermes"].replace("tools", "things")) is None


def test_results_of_one_round_are_one_message_and_the_own_system_text_stays() -> None:
    messages = [Message("system", "Be kind."), *ROUND, Message("tool", "two", (), "unknown")]
    plain = in_plain_messages(messages, (ADD,))
    assert [one.role for one in plain] == ["system", "user", "assistant", "user"]
    assert plain[0].content.startswith("Be kind.\n\nYou can call")
    assert plain[-1].content == "The result is:\none\nThe result is:\ntwo\n\nAnswer my question in your own words."
    assert in_plain_messages(ROUND[:1], ()) == ROUND[:1]
