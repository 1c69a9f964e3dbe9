"""Which parameters hold where, and that nothing changes them unseen."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modules.app import App, build_app
from modules.errors import BadRequest, Conflict, NotFound
from modules.library.starter import STARTER
from modules.settings import Settings
from modules.storage.files import write_atomically
from modules.types.generation import Failed
from modules.types.messages import Message
from modules.types.parameters import checked
from modules.types.presets import EVERYWHERE, Scope
from modules.types.reply_params import reply_params

ECHO = Scope("model", "echo")


def start(folder: Path) -> App:
    return build_app(Settings(data=folder / "data", models=folder / "models", model="echo"))


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    app = start(tmp_path)
    yield app
    app.close()


def conversation(app: App, text: str = "one two three four") -> Scope:
    view = app.chat.send(None, text, None, 0)
    for generation in view.generations.values():
        assert app.chat.reply(generation).saved.wait(30)
    return Scope("conversation", view.conversation.id)


def temperature(app: App, **place: str) -> float:
    return app.parameters.current(**place).values.temperature


def own_preset(tmp_path: Path, name: str) -> Path:
    return tmp_path / "data" / "presets" / f"{name}.yaml"


def test_the_narrowest_scope_with_its_own_holds(app: App) -> None:
    talk = conversation(app)
    place = {"model": "echo", "conversation": talk.target}
    assert app.parameters.current(**place).values == app.presets.parameters(None)
    for scope, value in ((EVERYWHERE, 0.1), (ECHO, 0.2), (talk, 0.3)):
        app.parameters.change(scope, {"temperature": value})
        assert temperature(app, **place) == value
        assert app.parameters.current(**place).scope == scope
    assert [scoped.scope for scoped in app.parameters.scopes(**place)] == [talk, ECHO, EVERYWHERE]
    assert temperature(app, model="echo") == temperature(app, model="echo", document="x") == 0.2
    # Without a model, the one that would answer.
    assert temperature(app) == 0.2
    app.parameters.unbind(talk)
    app.parameters.unbind(ECHO)
    assert temperature(app, **place) == 0.1


def test_a_scope_begins_with_what_was_in_use_there(app: App) -> None:
    talk = conversation(app)
    app.parameters.change(EVERYWHERE, {"top_k": 11})
    app.parameters.bind(ECHO, "Precise")
    changed = app.parameters.change(talk, {"seed": 5}, model="echo")
    assert (changed.preset, changed.changes) == ("Precise", {"seed": 5})
    assert app.parameters.change(Scope("model", "echo"), {"seed": 6}).preset == "Precise"


def test_changes_are_what_differs_from_the_preset(app: App) -> None:
    app.parameters.choose(EVERYWHERE, "Precise")
    precise = app.presets.parameters("Precise")
    changed = app.parameters.change(EVERYWHERE, {"temperature": 1, "seed": 3})
    assert changed.changes == {"temperature": 1.0, "seed": 3}
    assert changed.values.top_k == precise.top_k
    back = app.parameters.change(EVERYWHERE, {"temperature": precise.temperature})
    assert back.changes == {"seed": 3}
    # A default is a change where the preset says otherwise.
    assert app.parameters.change(EVERYWHERE, {"temperature": 0.7}).changes == {"temperature": 0.7, "seed": 3}
    assert app.parameters.choose(EVERYWHERE, "Precise").changes == {}
    assert app.parameters.choose(EVERYWHERE, "").values == app.presets.parameters(None)


def test_they_survive_a_restart(app: App, tmp_path: Path) -> None:
    talk = conversation(app)
    app.parameters.choose(talk, "Poetry")
    expected = app.parameters.change(talk, {"constraint": {"kind": "regex", "source": "a+"}})
    app.close()
    again = start(tmp_path)
    assert again.parameters.current(conversation=talk.target) == expected
    again.close()


def test_neutral_means_that_nothing_chooses(app: App) -> None:
    app.parameters.choose(EVERYWHERE, "Creative story")
    app.parameters.change(EVERYWHERE, {"stop": ["###"], "max_tokens": 99})
    neutral = app.parameters.neutralise(EVERYWHERE)
    values = neutral.values
    assert (values.temperature, values.top_k, values.top_p, values.min_p) == (1.0, 0, 1.0, 0.0)
    assert (values.xtc_probability, values.dry_multiplier) == (0.0, 0.0)
    assert (neutral.preset, values.stop, values.max_tokens) == ("", ["###"], 99)


def test_a_renamed_preset_is_followed(app: App) -> None:
    app.presets.save("Mine", {"temperature": 0.11})
    app.parameters.choose(ECHO, "Mine")
    app.parameters.change(ECHO, {"top_k": 3})
    before = app.parameters.current(model="echo").values
    app.presets.rename("Mine", "Ours")
    after = app.parameters.current(model="echo")
    assert (after.preset, after.changes, after.values) == ("Ours", {"top_k": 3}, before)
    assert "Mine" not in [preset.name for preset in app.presets.presets()]


def test_a_deleted_preset_leaves_its_values(app: App) -> None:
    app.presets.save("Mine", {"temperature": 0.11, "top_k": 9})
    app.parameters.choose(ECHO, "Mine")
    app.parameters.change(ECHO, {"top_k": 3})
    before = app.parameters.current(model="echo").values
    app.presets.delete("Mine")
    after = app.parameters.current(model="echo")
    assert (after.preset, after.values, after.problem) == ("", before, "")
    assert after.changes == {"temperature": 0.11, "top_k": 3}
    app.presets.restore("Mine")
    assert app.parameters.current(model="echo") == after


def test_a_preset_that_is_gone_or_damaged_by_hand_is_an_error(app: App, tmp_path: Path) -> None:
    talk = conversation(app)
    app.presets.save("Mine", {"max_tokens": 1})
    app.parameters.choose(talk, "Mine")
    write_atomically(own_preset(tmp_path, "Mine"), b"parlor: 1\nmax_tokens: none at all\n")
    problem = app.parameters.current(conversation=talk.target).problem
    assert "Longest reply" in problem
    own_preset(tmp_path, "Mine").unlink()
    assert "no preset called 'Mine'" in app.parameters.current(conversation=talk.target).problem
    view = app.chat.open(talk.target)
    answered = app.chat.send(talk.target, "hello", None, view.conversation.revision)
    assert answered.messages[-1].state == "failed"
    assert "no preset called 'Mine'" in answered.messages[-1].error
    app.parameters.choose(talk, "")
    assert app.parameters.current(conversation=talk.target).problem == ""


def test_replies_are_written_with_them(app: App) -> None:
    talk = conversation(app)

    def reply(text: str = "one two three four") -> str:
        view = app.chat.open(talk.target)
        sent = app.chat.send(talk.target, text, None, view.conversation.revision)
        for generation in sent.generations.values():
            assert app.chat.reply(generation).saved.wait(30)
        return app.chat.open(talk.target).messages[-1].content

    assert reply() == "one two three four"
    app.parameters.change(ECHO, {"max_tokens": 2})
    assert reply().split() == ["one", "two"]
    app.parameters.change(talk, {"max_tokens": None, "stop": ["four"]})
    assert reply().split() == ["one", "two", "three"]
    app.parameters.unbind(talk)
    view = app.chat.open(talk.target)
    again = app.chat.regenerate(talk.target, view.messages[-1].id, "echo", view.conversation.revision)
    for generation in again.generations.values():
        assert app.chat.reply(generation).saved.wait(30)
    assert app.chat.open(talk.target).messages[-1].content.split() == ["one", "two"]


def test_every_knob_reaches_the_engine(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr("modules.engines.loaded.LoadedModel.submit", lambda *args: asked.append(args[1]))
    values = {"temperature": 1.5, "top_k": 3, "stop": ["x"], "max_tokens": 7, "dry_multiplier": 0.5, "seed": 4}
    app.parameters.change(EVERYWHERE, values)
    app.chat.send(None, "hello", None, 0)
    deadline = time.monotonic() + 20
    while not asked:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    (request,) = asked
    assert (request.sampling.temperature, request.sampling.top_k, request.sampling.seed) == (1.5, 3, 4)
    assert (request.sampling.dry_multiplier, request.stop, request.max_tokens) == (0.5, ("x",), 7)
    assert request.sampling.min_p == 0.05


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"temperature": 7}, "temperature", "Temperature can be 5 at most, and it was 7"),
        ({"temprature": 1}, "temprature", "Did you mean temperature"),
        ({"top_k": 3, "stop": "x"}, "stop", "must be a list, and it was 'x'"),
    ],
)
def test_wrong_changes_are_named_and_change_nothing(
    app: App, changes: dict[str, Any], field: str, message: str
) -> None:
    before = app.parameters.change(EVERYWHERE, {"top_p": 0.5})
    with pytest.raises(BadRequest, match=message) as refused:
        app.parameters.change(EVERYWHERE, changes)
    assert refused.value.field == field
    assert app.parameters.current() == before


def test_scopes_are_of_what_there_is(app: App) -> None:
    for scope in (Scope("model", "nothing"), Scope("conversation", "nothing")):
        with pytest.raises(NotFound):
            app.parameters.bind(scope, "Precise")
    for scope in (Scope("everywhere", "x"), Scope("model"), Scope("document")):
        with pytest.raises(BadRequest):
            app.parameters.change(scope, {})
    with pytest.raises(BadRequest, match="Everywhere always"):
        app.parameters.bind(EVERYWHERE, "Precise")
    with pytest.raises(BadRequest, match="Everywhere always"):
        app.parameters.unbind(EVERYWHERE)
    with pytest.raises(NotFound, match="There are: Balanced"):
        app.parameters.bind(ECHO, "nothing")
    app.parameters.unbind(ECHO)


def test_a_deleted_conversation_gets_its_parameters_back_with_it(app: App, tmp_path: Path) -> None:
    talk = conversation(app)
    app.parameters.choose(talk, "Poetry")
    app.chat.delete(talk.target)
    app.close()
    again = start(tmp_path)
    again.chat.restore(talk.target)
    assert again.parameters.current(conversation=talk.target).preset == "Poetry"
    again.close()


def test_a_renamed_model_takes_its_parameters_along(tmp_path: Path, models_folder: Path) -> None:
    app = build_app(Settings(data=tmp_path / "data", models=models_folder))
    app.parameters.bind(Scope("model", STARTER.id), "Code")
    app.library.rename(STARTER.id, "tiny")
    assert app.parameters.current(model="tiny").preset == "Code"
    assert app.parameters.current(model="echo").preset == ""
    app.close()


def test_what_a_model_does_nothing_with_is_told(tmp_path: Path, models_folder: Path) -> None:
    """Before it is loaded, its engine says so."""
    app = build_app(Settings(data=tmp_path / "data", models=models_folder))
    refusals = app.parameters.refusals(STARTER.id)
    assert {"tfs", "smoothing_factor"} <= set(refusals)
    assert "temperature" not in refusals
    assert "llamacpp" in refusals["tfs"]
    with pytest.raises(NotFound):
        app.parameters.refusals("nothing")
    app.close()


def test_presets_are_compared_and_copied_as_text(app: App) -> None:
    app.presets.save("Mine", {"temperature": 0.11, "top_k": 9}, "for tests")
    assert app.presets.compare("", "Mine") == [("temperature", 0.7, 0.11), ("top_k", 40, 9)]
    assert app.presets.compare("Mine", "Mine") == []
    copied = app.presets.import_text("Copy", app.presets.export_text("Mine"))
    assert (copied.values, copied.description) == ({"temperature": 0.11, "top_k": 9}, "for tests")
    with pytest.raises(Conflict):
        app.presets.import_text("Copy", "temperature: 1\n")
    with pytest.raises(BadRequest, match=r"cannot be imported: line 1") as refused:
        app.presets.import_text("Other", "a: [")
    assert refused.value.field == "text"


def test_saving_keeps_what_is_not_understood_and_the_description(app: App) -> None:
    imported = app.presets.import_text("Theirs", "penalty_alpha: 0.6\ntop_k: 4\n")
    assert imported.unknown == {"penalty_alpha": 0.6}
    app.presets.save("Theirs", {"top_k": 5}, "mine now")
    saved = app.presets.save("Theirs", {"top_k": 6})
    assert (saved.unknown, saved.description, saved.values) == ({"penalty_alpha": 0.6}, "mine now", {"top_k": 6})
    with pytest.raises(BadRequest, match="Top-k must be at least 0, and it was -1"):
        app.presets.save("Theirs", {"top_k": -1})
    assert app.presets.get("Theirs") == saved


def test_shipped_presets_are_not_renamed_or_deleted(app: App) -> None:
    with pytest.raises(NotFound):
        app.presets.rename("Code", "My code")
    with pytest.raises(BadRequest):
        app.presets.delete("Code")
    app.presets.save("Code", {"temperature": 0.5})
    renamed = app.presets.rename("Code", "My code")
    assert (renamed.values, app.presets.get("Code").is_changed) == ({"temperature": 0.5}, False)


def test_the_system_prompt_stands_before_a_chat_unless_it_has_its_own(tmp_path: Path) -> None:
    app = build_app(Settings(data=tmp_path / "data", models=tmp_path / "models", model="echo", chat_template="chatml"))

    def told(*messages: Message) -> str:
        """Echo says what it reads: the whole prompt."""
        generation = app.inference.chat(messages, app.parameters.for_reply())
        assert not isinstance([*generation][-1], Failed)
        return generation.text

    try:
        hello = Message("user", "Hello")
        assert "system" not in told(hello)
        app.parameters.change(EVERYWHERE, {"system_prompt": "Answer in verse."})
        assert "<|im_start|>system\nAnswer in verse.<|im_end|>\n<|im_start|>user\nHello" in told(hello)
        own = told(Message("system", "Be brief."), hello)
        assert "Be brief." in own
        assert "verse" not in own
        app.parameters.change(EVERYWHERE, {"system_prompt": " \n"})
        assert "system" not in told(hello)
        params = reply_params(checked({"system_prompt": "Answer in verse."}))
        text = app.inference.complete("Once upon", params)
        assert not isinstance([*text][-1], Failed)
        assert text.text == "Once upon"
    finally:
        app.close()
