"""Which models are loaded and used, and options of loading: checked, remembered per model, and who wins over whom."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modules.app import App, build_app
from modules.errors import BadRequest, ModelBusy, ModelError, NotFound
from modules.settings import Settings
from modules.storage.database import Database
from modules.types.generation import Finished
from modules.types.messages import Message
from modules.types.reply_params import ReplyParams
from tests.engines.tiny_gguf import make_gguf
from tests.engines.tiny_models import make_encoder, make_folder


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Of one program: its data, and two tiny models, for llama.cpp because that starts soonest."""
    (tmp_path / "models").mkdir()
    make_gguf(tmp_path / "models" / "tiny.gguf")
    make_gguf(tmp_path / "models" / "other.gguf", seed=1)
    return tmp_path


@pytest.fixture
def large(folders: Path) -> str:
    """The name of another, which transformers runs."""
    return make_folder(folders / "models" / "large", "llama").name


def start(folders: Path, **settings: Any) -> App:
    return build_app(Settings(data=folders / "data", models=folders / "models", **settings))


@pytest.fixture
def app(folders: Path) -> Iterator[App]:
    app = start(folders)
    yield app
    app.close()


def load(app: App, name: str, options: dict[str, Any] | None = None) -> int:
    """Returns the worker's process, which changes when a model is loaded anew."""
    app.models.load(name, options=options).result.result(60)
    status = app.models.status()
    assert status is not None
    assert (status.id, status.state) == (name, "ready")
    return status.worker_pid


def slots(app: App) -> int:
    status = app.models.status()
    return status.slots if status else 0


def remembered(app: App, name: str) -> dict[str, Any]:
    return app.models.remembered(app.models.find(name))


def test_a_draft_model_goes_by_its_name(app: App, folders: Path, large: str) -> None:
    make_folder(folders / "models" / "smaller", "llama", seed=1, num_hidden_layers=1)
    options = {"speculation": "draft", "draft_model": "smaller", "threads": 1}
    load(app, large, options)
    assert remembered(app, large) == options
    for wrong, message in (("nobody", "nobody"), ("echo", "cannot guess"), ("/etc", "/etc")):
        with pytest.raises(BadRequest, match=message) as caught:
            app.models.load(large, options={"speculation": "draft", "draft_model": wrong})
        assert caught.value.field == "options.draft_model"
    assert load(app, large)


def test_options_are_remembered_and_replaced(app: App) -> None:
    first = load(app, "echo", {"slots": 2, "context_length": 100})
    assert slots(app) == 2
    assert load(app, "echo") == first
    app.models.unload()
    load(app, "echo")
    assert slots(app) == 2
    load(app, "echo", {"slots": 3})
    assert remembered(app, "echo") == {"slots": 3}
    load(app, "echo", {})
    assert (slots(app), remembered(app, "echo")) == (4, {})


def test_other_options_load_anew_and_the_same_do_not(app: App) -> None:
    first = load(app, "tiny", {"mmap": False, "slots": 2})
    assert load(app, "tiny", {"slots": 2, "mmap": False}) == first
    second = load(app, "tiny", {"mmap": True, "slots": 2})
    assert second != first
    assert load(app, "other") not in {first, second}
    assert (remembered(app, "tiny"), remembered(app, "other")) == ({"mmap": True, "slots": 2}, {})


def test_two_wishes_at_once(app: App) -> None:
    """The same wish shares one load, another has to wait; what was asked for is remembered all the same."""
    first = app.models.load("tiny")
    assert app.models.load("tiny") is first
    assert app.models.load("tiny", options={}) is first
    with pytest.raises(ModelBusy, match="being loaded"):
        app.models.load("tiny", options={"slots": 2})
    first.result.result(60)
    load(app, "tiny", {"slots": 2})
    assert remembered(app, "tiny") == {"slots": 2}


def test_remembered_after_a_restart(folders: Path) -> None:
    app = start(folders)
    load(app, "tiny", {"slots": 3, "mmap": False})
    app.close()
    app = start(folders)
    load(app, "tiny")
    assert slots(app) == 3
    app.close()


def test_the_flags_of_the_start_win_over_memory_and_the_call_over_both(folders: Path) -> None:
    app = start(folders)
    load(app, "echo", {"slots": 3, "context_length": 100})
    app.close()
    app = start(folders, slots=2)
    load(app, "echo")
    status = app.models.status()
    assert status is not None
    assert (status.slots, status.context_length) == (2, 100)
    load(app, "echo", {"slots": 5})
    assert slots(app) == 5
    assert remembered(app, "echo") == {"slots": 5}
    app.close()


WRONG = [
    ({"slots": 65}, "options.slots", "64"),
    ({"slots": "2"}, "options.slots", "whole number"),
    ({"slots": None}, "options.slots", "whole number"),
    ({"threads": -1}, "options.threads", "0"),
    ({"weights": "int3"}, "options.weights", "int4"),
    ({"speed": 1}, "options.speed", "It has: .*weights"),
    ({"x" * 500: 1}, "options.x", "no option"),
    ({"trust_remote_code": True}, "options.trust_remote_code", "flag"),
    ({"trust_remote_code": False}, "options.trust_remote_code", "flag"),
    ({"chat_template": "no such"}, "options.chat_template", "chatml"),
    ({"chat_template": "../templates/chatml"}, "options.chat_template", "chatml"),
    ({"chat_template": "\ud800"}, "options.chat_template", "surrogate"),
]


@pytest.mark.parametrize(("options", "field", "said"), WRONG, ids=[case[1] for case in WRONG])
def test_wrong_options_leave_the_loaded_model(
    app: App, large: str, options: dict[str, Any], field: str, said: str
) -> None:
    before = load(app, "echo")
    with pytest.raises(BadRequest, match=said) as refused:
        app.models.load(large, options=options)
    assert (refused.value.field or "").startswith(field)
    assert load(app, "echo") == before
    assert remembered(app, large) == {}


def test_scripts_of_the_echo_engine_are_no_option_of_a_request(app: App) -> None:
    with pytest.raises(BadRequest, match="flag"):
        app.models.load("echo", options={"script": "/etc/passwd"})


def test_options_that_failed_are_not_remembered(app: App, large: str) -> None:
    with pytest.raises(ModelError, match="bfloat16"):
        load(app, large, {"weights": "int4", "dtype": "float32"})
    assert remembered(app, large) == {}
    load(app, large)


def test_memory_that_has_become_wrong_is_dropped_one_by_one(folders: Path) -> None:
    start(folders).close()
    database = Database.open(folders / "data" / "parlor.db")
    kept = {"slots": 2, "speed": 9, "threads": "many", "trust_remote_code": True, "chat_template": "deleted"}
    with database.transaction() as connection:
        connection.execute("INSERT INTO model_options VALUES ('tiny', 'llamacpp', ?)", (json.dumps(kept),))
    database.close()
    app = start(folders)
    assert remembered(app, "tiny") == {"slots": 2}
    load(app, "tiny")
    assert slots(app) == 2
    app.close()


def test_a_chosen_template_replaces_the_models_own(folders: Path) -> None:
    """The echo engine says its prompt, which is what the template made."""
    app = start(folders)
    load(app, "echo", {"chat_template": "alpaca"})
    assert "### Instruction:\nhi" in reply(app)
    load(app, "echo", {})
    assert reply(app) == "hi"
    own = app.paths.own_templates
    own.mkdir()
    (own / "shout.jinja").write_text("{{ messages[0].content | upper }}!")
    first = load(app, "echo", {"chat_template": "shout"})
    assert reply(app) == "HI!"
    (own / "shout.jinja").write_text("edited")
    assert load(app, "echo") == first
    assert load(app, "echo", {"chat_template": "shout"}) != first
    assert reply(app) == "edited"
    app.close()


def test_the_flag_chooses_a_template_for_all_models(folders: Path) -> None:
    app = start(folders, chat_template="vicuna")
    load(app, "echo")
    assert reply(app).endswith("USER: hi ASSISTANT:")
    app.close()


def reply(app: App) -> str:
    generation = app.inference.chat([Message("user", "hi")], ReplyParams(), "echo")
    list(generation)
    return generation.text


def test_a_model_at_work_is_not_loaded_anew(folders: Path) -> None:
    (folders / "slow.json").write_text('[{"text": "a"}, {"delay_ms": 60000}]')
    app = start(folders, echo_script=folders / "slow.json")
    load(app, "echo")
    generation = app.inference.chat([Message("user", "hi")], ReplyParams(), "echo")
    next(event for event in generation if event.kind == "text")
    with pytest.raises(ModelBusy, match="answering"):
        app.models.load("echo", options={"slots": 2})
    app.close()


def test_what_only_embeds_is_in_use_for_nothing_else(app: App, folders: Path) -> None:
    load(app, "echo")
    make_encoder(folders / "models" / "embeds", "bert")
    app.models.load("embeds", options={"threads": 1}).result.result(60)
    assert app.models.chosen(None).id == "echo"
    assert app.models.chosen(None, to_embed=True).id == "embeds"


def test_the_one_in_use_is_the_loaded_one_used_last(app: App) -> None:
    load(app, "tiny", {"threads": 1})
    load(app, "echo")
    assert app.models.chosen(None).id == "echo"
    list(app.inference.complete("t5", ReplyParams(max_tokens=1), "tiny"))
    assert app.models.chosen(None).id == "tiny"
    assert [status.id for status in app.models.statuses()] == ["tiny", "echo"]
    assert [model.id for model in app.models.models()] == ["tiny", "echo", "other"]
    memory = app.models.memory()
    assert memory.budget_bytes > memory.used_bytes > 0


def test_requests_load_what_the_setting_allows(folders: Path) -> None:
    app = start(folders, api_models="oth*, nobody", model="tiny")
    assert app.models.load_for_request("other").result.result(60).model.id == "other"
    for name in ("tiny", "echo"):
        with pytest.raises(NotFound, match="api_models") as refused:
            app.models.load_for_request(name)
        assert (refused.value.field, refused.value.code) == ("model", "model_not_allowed")
    load(app, "echo")
    assert app.models.load_for_request("echo").result.result(0)
    assert app.models.load_for_request(None).model.id == "echo"
    app.close()


def test_an_engine_that_does_not_fit_is_refused(app: App, large: str) -> None:
    with pytest.raises(BadRequest, match=r"format safetensors\. These can: transformers") as refused:
        app.models.load(large, "llamacpp")
    assert refused.value.field == "engine"
    assert [kind.name for kind in app.models.engines_for(large)] == ["transformers"]


def test_a_reply_that_is_prepared_keeps_its_model(folders: Path) -> None:
    app = start(folders, memory_budget_mib=1)
    reply_to = app.inference.chat([Message("user", "hi")], ReplyParams(), "echo")
    other = app.models.load("tiny", options={"threads": 1})
    list(reply_to)
    assert isinstance(reply_to.end, Finished)
    assert other.result.exception(60) is None or isinstance(other.result.exception(), ModelBusy)
    app.close()


def test_a_model_that_answered_was_used(app: App) -> None:
    def last_used() -> dict[str, float | None]:
        return {listed.model.id: listed.last_used for listed in app.library.models()}

    assert last_used() == {"other": None, "tiny": None}
    began = time.time()
    list(app.inference.complete("hello", ReplyParams(max_tokens=2), "tiny"))
    # Written beside the reply, not before its end is shown.
    while (used := last_used()["tiny"]) is None and time.time() < began + 20:
        time.sleep(0.02)
    assert began <= (used or 0.0) <= time.time()
    assert last_used()["other"] is None
