"""Chat templates of families that call tools, small ones written after the originals' shape: what they say and refuse."""

HERMES = """
{%- if tools -%}
<|im_start|>system
{{ messages[0].content if messages[0].role == "system" else "You help." }}

You may call these, given within <tools></tools>:
<tools>
{% for tool in tools %}{{ tool | tojson }}
{% endfor %}</tools>
Write each call as <tool_call>
{\\"name\\": <name>, \\"arguments\\": <object>}
</tool_call><|im_end|>
{% endif -%}
{%- for message in messages -%}
  {%- if message.role == "tool" -%}
    {{- "<|im_start|>user" if loop.first or messages[loop.index0 - 1].role != "tool" }}
<tool_response>
{{ message.content }}
</tool_response>
    {{- "<|im_end|>\\n" if loop.last or messages[loop.index0 + 1].role != "tool" }}
  {%- elif message.role != "system" or not tools -%}
    {{- "<|im_start|>" + message.role + "\\n" + message.content -}}
    {%- for call in message.tool_calls or [] -%}
      {{- "\\n" if not loop.first or message.content -}}
      {{- '<tool_call>\\n{"name": "' + call.function.name + '", "arguments": ' -}}
      {{- call.function.arguments | tojson + "}\\n</tool_call>" -}}
    {%- endfor -%}
    {{- "<|im_end|>\\n" }}
  {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""

LLAMA = """{{- bos_token -}}
{%- set system = messages[0].content if messages[0].role == "system" else "" -%}
{%- set turns = messages[1:] if system else messages -%}
<|start_header_id|>system<|end_header_id|>

{% if tools is not none %}Environment: ipython
{% endif %}{{ system }}<|eot_id|>
{%- if tools is not none -%}
  {%- if not turns or turns[0].role != "user" %}{{ raise_exception("There is no first user message for the tools.") }}{% endif -%}
<|start_header_id|>user<|end_header_id|>

Answer with JSON for a function call: {"name": its name, "parameters": its arguments}.

{% for tool in tools %}{{ tool | tojson(indent=4) }}

{% endfor %}{{ turns[0].content }}<|eot_id|>
  {%- set turns = turns[1:] -%}
{%- endif -%}
{%- for message in turns -%}
  {%- if message.tool_calls -%}
    {%- if message.tool_calls | length != 1 %}{{ raise_exception("One call at a time only.") }}{% endif -%}
    {%- set call = message.tool_calls[0].function -%}
    {{- "<|start_header_id|>assistant<|end_header_id|>\\n\\n" -}}
    {{- '{"name": "' + call.name + '", "parameters": ' + call.arguments | tojson + "}<|eot_id|>" -}}
  {%- elif message.role in ["tool", "ipython"] -%}
    {{- "<|start_header_id|>ipython<|end_header_id|>\\n\\n" + message.content | tojson + "<|eot_id|>" -}}
  {%- else -%}
    {{- "<|start_header_id|>" + message.role + "<|end_header_id|>\\n\\n" + message.content | trim + "<|eot_id|>" -}}
  {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
<|start_header_id|>assistant<|end_header_id|>

{% endif %}"""

MISTRAL = """
{%- set system = messages[0].content if messages[0].role == "system" else "" -%}
{%- set turns = messages[1:] if system else messages -%}
{%- set ns = namespace(turn=0) -%}
{%- for message in turns if message.role == "user" or (message.role == "assistant" and message.tool_calls is not defined) -%}
  {%- if (message.role == "user") != (ns.turn % 2 == 0) %}{{ raise_exception("user and assistant must alternate") }}{% endif -%}
  {%- set ns.turn = ns.turn + 1 -%}
{%- endfor -%}
{{- bos_token -}}
{%- for message in turns -%}
  {%- if message.role == "user" -%}
    {%- if tools and message == (turns | selectattr("role", "equalto", "user") | list)[-1] -%}
      {{- "[AVAILABLE_TOOLS] " + tools | tojson + "[/AVAILABLE_TOOLS]" -}}
    {%- endif -%}
    {{- "[INST] " + (system + "\\n\\n" if loop.last and system else "") + message.content + "[/INST]" -}}
  {%- elif message.tool_calls is defined -%}
    {{- "[TOOL_CALLS] [" -}}
    {%- for call in message.tool_calls -%}
      {%- if call.id is not defined or call.id | length != 9 %}{{ raise_exception("An id of 9 letters is needed.") }}{% endif -%}
      {{- (call.function | tojson)[:-1] + ', "id": "' + call.id + '"}' + (", " if not loop.last else "]" + eos_token) -}}
    {%- endfor -%}
  {%- elif message.role == "assistant" -%}
    {{- " " + message.content + eos_token -}}
  {%- elif message.role == "tool" -%}
    {%- if message.tool_call_id | length != 9 %}{{ raise_exception("An id of 9 letters is needed.") }}{% endif -%}
    {{- '[TOOL_RESULTS] {"content": ' + message.content | tojson + ', "call_id": "' + message.tool_call_id -}}
    {{- '"}[/TOOL_RESULTS]' -}}
  {%- endif -%}
{%- endfor -%}"""

MISTRAL_ARGS = """{{- bos_token -}}
{%- if messages[0].role == "system" %}[SYSTEM_PROMPT]{{ messages[0].content }}[/SYSTEM_PROMPT]{% endif -%}
{%- if tools %}[AVAILABLE_TOOLS]{{ tools | tojson }}[/AVAILABLE_TOOLS]{% endif -%}
{%- for message in messages -%}
  {%- if message.role == "user" -%}
    {{- "[INST]" + message.content + "[/INST]" -}}
  {%- elif message.role == "assistant" -%}
    {{- message.content -}}
    {%- for call in message.tool_calls or [] -%}
      {{- "[TOOL_CALLS]" + call.function.name + "[ARGS]" + call.function.arguments | tojson(ensure_ascii=False) -}}
    {%- endfor -%}
    {{- eos_token -}}
  {%- elif message.role == "tool" -%}
    {{- "[TOOL_RESULTS]" + message.content + "[/TOOL_RESULTS]" -}}
  {%- endif -%}
{%- endfor -%}"""

COMMAND = """{{- bos_token -}}
{%- if tools -%}
<|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|>Your tools:
{% for tool in tools %}{"name": {{ tool.function.name | tojson }}, "parameters": {{ tool.function.parameters | tojson }}}
{% endfor %}<|END_OF_TURN_TOKEN|>
{%- endif -%}
{%- for message in messages -%}
  {%- if message.role == "tool" -%}
    {{- '<|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|><|START_TOOL_RESULT|>[{"tool_call_id": "0", "results": {"0": ' -}}
    {{- message.content | tojson + "}}]<|END_TOOL_RESULT|><|END_OF_TURN_TOKEN|>" -}}
  {%- elif message.tool_calls -%}
    {{- "<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|><|START_ACTION|>[" -}}
    {%- for call in message.tool_calls -%}
      {{- '\\n    {"tool_call_id": "0", "tool_name": "' + call.function.name + '", "parameters": ' -}}
      {{- call.function.arguments | tojson + "}" + ("," if not loop.last else "\\n") -}}
    {%- endfor -%}
    {{- "]<|END_ACTION|><|END_OF_TURN_TOKEN|>" -}}
  {%- else -%}
    {{- "<|START_OF_TURN_TOKEN|><|" + {"user": "USER", "assistant": "CHATBOT", "system": "SYSTEM"}[message.role] -}}
    {{- "_TOKEN|>" + message.content + "<|END_OF_TURN_TOKEN|>" -}}
  {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt %}<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>{% endif %}"""

FAMILIES = {
    "hermes": HERMES,
    "llama": LLAMA,
    "mistral": MISTRAL,
    "mistral_args": MISTRAL_ARGS,
    "command": COMMAND,
}
