"""Prompt templates as files: those that ship, one's own, and files that are wrong."""

from pathlib import Path

import pytest

from modules.errors import BadRequest, NotFound
from modules.limits import LIMITS
from modules.paths import PROJECT
from modules.prompts.filling import render
from modules.storage.prompt_templates import PromptTemplateStore, parse
from modules.types.sampling import SamplingParams

SHIPPED = PROJECT / "presets" / "prompts"
GOOD = "# Mine\nprompt: Say {{ word }}\nvariables:\n  - name: word\n"


@pytest.fixture
def store(tmp_path: Path) -> PromptTemplateStore:
    return PromptTemplateStore(SHIPPED, tmp_path / "prompts")


def test_all_that_ship_can_be_used(store: PromptTemplateStore) -> None:
    listed = store.all()
    assert [one.problem for one in listed if one.problem] == []
    assert {"answer", "summarise", "rewrite", "translate", "classify", "extract", "write-code"} <= {
        one.name for one in listed
    }
    for one in listed:
        assert one.template is not None
        assert one.is_shipped
        assert one.template.title
        assert one.template.description
        values = {variable.name: "a text" for variable in one.template.variables if variable.default is None}
        rendered = render(one.template, values)
        assert rendered.messages or rendered.prompt
        assert isinstance(rendered.parameters, SamplingParams)


def test_ones_own_goes_before_a_shipped_one_until_it_is_deleted(store: PromptTemplateStore) -> None:
    before = store.text("answer")
    store.save("answer", GOOD)
    listed = next(one for one in store.all() if one.name == "answer")
    assert (listed.is_shipped, listed.is_changed) == (False, True)
    assert store.text("answer") == GOOD
    store.delete("answer")
    assert store.text("answer") == before
    with pytest.raises(BadRequest, match="ships with Parlor"):
        store.delete("answer")


def test_a_new_one_and_its_end(store: PromptTemplateStore) -> None:
    assert store.save("Mein Übersetzer", GOOD).name == "Mein Übersetzer"
    assert store.get("Mein Übersetzer").prompt == "Say {{ word }}"
    store.delete("Mein Übersetzer")
    with pytest.raises(NotFound):
        store.get("Mein Übersetzer")
    with pytest.raises(NotFound):
        store.delete("Mein Übersetzer")


@pytest.mark.parametrize("name", ["../answer", "a/b", "", ".hidden", "con", "x" * 200])
def test_names_that_lead_elsewhere(store: PromptTemplateStore, name: str) -> None:
    for act in (store.text, store.get, store.delete, lambda one: store.save(one, GOOD)):  # pyright: ignore[reportUnknownLambdaType, reportUnknownVariableType, reportUnknownArgumentType]
        with pytest.raises(BadRequest) as refused:
            act(name)
        assert refused.value.field == "name"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "name: value"),
        ("- a", "name: value"),
        ("prompt: [", "line 1"),
        ("title: x", "prompt: Field required"),
        ("prompt: a\nprompt2: b", "prompt2: Extra"),
        ("prompt: 'x {{ word }}'", "word }} is no variable"),
        (GOOD + "  - name: other\n", "other is used nowhere"),
        (GOOD + "  - name: word\n", "word is there twice"),
        (GOOD.replace("name: word", "name: Wo rd"), "variables.0.name"),
        (GOOD + "    kind: choice\n", "needs `choices`"),
        (GOOD + "    kind: choice\n    choices: [a]\n    default: b\n", "none of the choices"),
        (GOOD + "parameters: {temperature: 99}", "temperature can be 5 at most"),
        (GOOD + "parameters: {temprature: 1}", "temprature is not known"),
        (GOOD + "parameters: {constraint: {kind: regex, source: a}}", "beside `parameters`"),
        (GOOD + "output: labels", "kind choice"),
        (GOOD + "output: json", "kind json_schema"),
        (GOOD + "constraint: {kind: regex}", "`source` or `variable`"),
        (GOOD + "constraint: {kind: choice, variable: word}", "kind must be list"),
        (GOOD + "kind: text\nsystem: a", "no system message"),
        ("prompt: &a x\ntitle: *a", "an alias"),
        ("prompt: x\ntitle: !!python/object/apply:os.system [ls]", "line 2"),
        ("a: " + "[" * 3000, "cannot be used"),
        ("prompt: " + "x" * LIMITS.template_chars, "longer than"),
    ],
)
def test_a_file_that_is_wrong_says_where(text: str, reason: str) -> None:
    with pytest.raises(BadRequest) as refused:
        parse("mine", text)
    assert reason in str(refused.value)


def test_a_damaged_file_is_listed_with_what_is_wrong(store: PromptTemplateStore, tmp_path: Path) -> None:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "bad.yaml").write_bytes(b"prompt: \xff")
    (tmp_path / "prompts" / "typo.yaml").write_text("promt: a")
    problems = {one.name: one.problem for one in store.all() if one.template is None}
    assert "not UTF-8" in problems["bad"]
    assert "promt" in problems["typo"] or "prompt" in problems["typo"]
