"""Settings: defaults < file < environment < flags, and every mistake names its flag."""

from pathlib import Path

import pytest

from modules.errors import StartError
from modules.settings import COMMANDS, Settings, load_settings, make_parser


def test_order(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("port: 1111\nslots: 2\nhost: 127.0.0.2\n")
    settings, notices = load_settings(
        ["--settings", str(file), "--host", "localhost"], {"PARLOR_SLOTS": "3", "PARLOR_HOST": "x", "OTHER": "y"}
    )
    assert (settings.port, settings.slots, settings.host, settings.threads) == (1111, 3, "localhost", 0)
    assert notices == []


def test_the_data_folders_own_file(tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_text("model: echo\nui: false\n")
    settings, _ = load_settings(["--data", str(tmp_path)], {})
    assert (settings.model, settings.ui) == ("echo", False)


@pytest.mark.parametrize(
    ("arguments", "flag"),
    [
        (["--port", "70000"], "--port"),
        (["--port", "x"], "--port"),
        (["--slots", "-1"], "--slots"),
        (["--slots", "65"], "--slots"),
        (["--context-length", "1e9"], "--context-length"),
        (["--engine", "magic"], "--engine"),
        (["--gpu-layers", "-2"], "--gpu-layers"),
        (["--model-folders", "/models,here"], "--model-folders"),
    ],
)
def test_wrong_values(arguments: list[str], flag: str) -> None:
    with pytest.raises(StartError, match=flag):
        load_settings(arguments, {})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--prot", "7"], "--prot is not known here; did you mean --port?"),
        (["--weigths=int4"], "--weigths is not known here; did you mean --weights?"),
        (["--port", "1", "convert", "a", "b"], "convert is not known here; convert must come first"),
        (["conver", "a", "b"], "did you mean convert?"),
        (["xyzzy"], "xyzzy is not known here; see --help"),
    ],
)
def test_an_unknown_word_is_named_with_what_it_is_near_to(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    with pytest.raises(SystemExit) as end:
        load_settings(arguments, {})
    assert end.value.code == 2
    assert words in capsys.readouterr().err


def test_what_is_wrong_is_told_in_words() -> None:
    for arguments, words in (
        (["--port", "abc"], "--port: must be a whole number."),
        (["--port", "99999"], "--port: can be 65,535 at most."),
        (["--device", "tpu"], "--device: must be one of 'auto', 'cpu' or 'cuda'."),
    ):
        with pytest.raises(StartError) as wrong:
            load_settings(arguments, {})
        assert str(wrong.value) == words


DAMAGED = [
    "port: [1", "{", "\t- x", "port: !!python/object/apply:os.system ['true']", "just text", "- a\n- b", "a: &a [*a]", "\x00",
    "port: 1\nport: {", "%YAML 9\n---", "? !!binary x", "port: 'x", "&", "@x", "`x", "port: >", "- - - -", "!!map [1]", "x: *nothing", "\ud800",
]  # fmt: skip


@pytest.mark.parametrize("content", DAMAGED, ids=range(len(DAMAGED)))
def test_damaged_files_are_left_alone(tmp_path: Path, content: str) -> None:
    file = tmp_path / "settings.yaml"
    file.write_bytes(content.encode("utf-8", "surrogatepass"))
    before = file.read_bytes()
    settings, notices = load_settings(["--data", str(tmp_path)], {})
    assert settings.port == 7860
    assert file.read_bytes() == before
    assert content == "port: >" or "settings.yaml" in notices[0]


def test_the_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_text("port: 1\nslots: 2\nhost: [x\n")
    _, notices = load_settings(["--data", str(tmp_path)], {})
    assert "line" in notices[0]


def test_one_wrong_value_does_not_spoil_the_rest(tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_text("port: 99999\nslots: 2\nunknown: 1\n")
    settings, notices = load_settings(["--data", str(tmp_path)], {})
    assert (settings.port, settings.slots) == (7860, 2)
    assert len(notices) == 2


def test_every_setting_has_a_flag_and_a_meaning() -> None:
    text = make_parser().format_help()
    for name, field in Settings.model_fields.items():
        assert "--" + name.replace("_", "-") in text
        assert field.description
    assert "--weights {auto,plain,packed,int4,int8,nf4,fp4}" in text
    assert "--engine {llamacpp,transformers,echo}" in text
    for command in COMMANDS:
        assert f"webui.py {command} " in text


def test_secrets_do_not_print() -> None:
    settings, _ = load_settings(["--api-key", "canary", "--auth", "a:canary", "--admin-key", "canary"], {})
    assert "canary" not in repr(settings) + str(settings)


def test_a_wrong_variable_is_named_as_such() -> None:
    with pytest.raises(StartError, match=r"^PARLOR_PORT: "):
        load_settings([], {"PARLOR_PORT": "abc"})
    with pytest.raises(StartError, match=r"^--port: "):
        load_settings(["--port", "abc"], {"PARLOR_PORT": "1"})


def test_code_of_models_is_allowed_by_the_flag_alone(tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_text("trust_remote_code: true\n")
    settings, notices = load_settings(["--data", str(tmp_path)], {"PARLOR_TRUST_REMOTE_CODE": "1"})
    assert not settings.trust_remote_code
    assert any("only be set by its flag" in notice for notice in notices)
    assert load_settings(["--trust-remote-code"], {})[0].trust_remote_code


def test_further_model_folders() -> None:
    settings, _ = load_settings(["--model-folders", "/a b, ~/models,,"], {})
    assert settings.further_model_folders == (Path("/a b"), Path.home() / "models")
    assert Settings().further_model_folders == ()
