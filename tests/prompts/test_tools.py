"""What a model reads of tools: by its template where that knows of them, else in plain messages."""

from modules.children import Launcher
from modules.prompts.renderer import TemplateRenderer
from modules.prompts.tools import in_plain_messages, knows_tools
from modules.types.messages import Message
from modules.types.tools import ToolCall, ToolSpec

ADD = ToolSpec("add", "Adds two numbers.", {"type": "object", "properties": {"a": {"type": "integer"}}})
CALL = ToolCall("add", '{"a": 1}', "call_1")
ROUND = [Message("user", "1?"), Message("assistant", "", (CALL,)), Message("tool", "one", (), "call_1")]
NATIVE = (
    "{% if tools %}T:{% for tool in tools %}{{ tool | tojson }}{% endfor %}|{% endif %}"
    "{% for message in messages %}{{ message.role }}:{{ message.content }}"
    '{% for call in message.tool_calls or [] %}<tool_call>{"name": "{{ call.function.name }}", '
    '"arguments": {{ call.function.arguments | tojson }}}</tool_call>{% endfor %}'
    "{% if message.tool_call_id %}({{ message.tool_call_id }}){% endif %}|{% endfor %}"
)
FOREIGN = "{% for message in messages %}{{ message.role }}:{{ message.content }}|{% endfor %}{{ tools }}"


def test_a_template_that_knows_tools_tells_of_them_itself(launcher: Launcher) -> None:
    renderer = TemplateRenderer(launcher)
    prompt = renderer.chat(ROUND, template=NATIVE, bos_token="", eos_token="", tools=(ADD,)).text
    assert prompt == (
        'T:{"type": "function", "function": {"name": "add", "description": "Adds two numbers.", "parameters": '
        '{"type": "object", "properties": {"a": {"type": "integer"}}}}}|'
        'user:1?|assistant:<tool_call>{"name": "add", "arguments": {"a": 1}}</tool_call>|tool:one(call_1)|'
    )
    renderer.close()


def test_others_get_words_of_ours(launcher: Launcher) -> None:
    renderer = TemplateRenderer(launcher)
    prompt = renderer.chat(ROUND, template=FOREIGN, bos_token="", eos_token="", tools=(ADD,)).text
    assert prompt.startswith('system:You can call these functions, one per line:\n{"name": "add"')
    assert prompt.endswith(
        '|user:1?|assistant:<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>|'
        "user:<tool_response>\none\n</tool_response>|None"
    )
    renderer.close()


def test_only_templates_that_write_calls_as_they_are_read_here_are_known() -> None:
    assert knows_tools(NATIVE)
    assert knows_tools(NATIVE.replace('{"name"', '{\\"name\\"'))
    assert not knows_tools(FOREIGN)
    assert not knows_tools("{{ tools }}<tool_call><function={{ name }}>")


def test_results_of_one_round_are_one_message_and_the_own_system_text_stays() -> None:
    messages = [Message("system", "Be kind."), *ROUND, Message("tool", "two", (), "unknown")]
    plain = in_plain_messages(messages, (ADD,))
    assert [one.role for one in plain] == ["system", "user", "assistant", "user"]
    assert plain[0].content.startswith("Be kind.\n\nYou can call")
    assert plain[-1].content == "<tool_response>\none\n</tool_response>\n<tool_response>\ntwo\n</tool_response>"
    assert in_plain_messages(ROUND[:1], ()) == ROUND[:1]
