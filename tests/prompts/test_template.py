"""Chat templates are hostile text: rendered truly, and stopped when they misbehave."""

import time
from collections.abc import Iterator

import psutil
import pytest

from modules.children import Launcher
from modules.errors import BadRequest
from modules.prompts.renderer import TemplateRenderer
from modules.types.messages import Message

MESSAGES = [Message("system", "Be kind."), Message("user", "Hi <b>{{ 7*7 }}</b>")]


@pytest.fixture(scope="module")
def renderer(launcher: Launcher) -> Iterator[TemplateRenderer]:
    renderer = TemplateRenderer(launcher)
    yield renderer
    renderer.close()


def render(renderer: TemplateRenderer, template: str) -> str:
    return renderer.chat(MESSAGES, template=template, bos_token="<s>", eos_token="</s>").text


def test_default_template_is_used_when_the_model_has_none(renderer: TemplateRenderer) -> None:
    expected = (
        "<|im_start|>system\nBe kind.<|im_end|>\n"
        "<|im_start|>user\nHi <b>{{ 7*7 }}</b><|im_end|>\n<|im_start|>assistant\n"
    )
    assert render(renderer, "") == expected


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ bos_token }}{% for m in messages %}{{ m.role }}:{{ m['content'] | trim }}|{% endfor %}", None),
        ("{{ messages | tojson }}", None),
        ("{% for m in messages %}{% if loop.first %}{% continue %}{% endif %}{{ m.role }}{% endfor %}", "user"),
        ("{% generation %}{{ messages[0].role }}{% endgeneration %}!", "system!"),
        ("{% if tools %}a{% else %}b{% endif %}", "b"),
        ("{{ strftime_now('%Y')|length }}", "4"),
        ("{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}", "2"),
    ],
)
def test_what_templates_use(renderer: TemplateRenderer, template: str, expected: str | None) -> None:
    text = render(renderer, template)
    assert text
    if expected is not None:
        assert text == expected


def test_tojson_does_not_escape_for_html(renderer: TemplateRenderer) -> None:
    assert "<b>" in render(renderer, "{{ messages[1].content | tojson }}")


@pytest.mark.parametrize(
    "template",
    [
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
        "{% set ns = namespace(x='a'*1000) %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
        "{{ 'a' * 99999999999 }}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% for i in range(99999) %}{{ 'a' * 1000 }}{% endfor %}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages.append(1) }}",
        "{{ cycler.__init__.__globals__.os.system('true') }}",
        "{{ raise_exception('roles must alternate') }}",
        "{% for %}",
        "{{ nothing.at.all }}",
        "{# " + "x" * 300_000 + " #}",
    ],
)
def test_bad_templates_are_refused_and_the_next_render_works(renderer: TemplateRenderer, template: str) -> None:
    before = psutil.Process().memory_info().rss
    started = time.monotonic()
    with pytest.raises(BadRequest, match="chat template refused"):
        render(renderer, template)
    assert time.monotonic() - started < 4
    assert psutil.Process().memory_info().rss - before < 100 * 2**20
    assert render(renderer, "fine") == "fine"


def test_the_reason_of_the_template_reaches_the_person(renderer: TemplateRenderer) -> None:
    with pytest.raises(BadRequest, match="roles must alternate"):
        render(renderer, "{{ raise_exception('roles must alternate') }}")
