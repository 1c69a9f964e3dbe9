"""Typed settings: defaults < settings file < environment < flags; the flags are generated from the fields."""

import argparse
import os
from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from modules.errors import StartError
from modules.paths import PROJECT, Paths
from modules.types.faults import fault_of

ENVIRONMENT_PREFIX = "PARLOR_"
USAGE = """python3 webui.py [--model starter] [flags]    start Parlor and open it in the browser
       python3 webui.py download SOURCE             fetch a model from the hub
       python3 webui.py convert SOURCE TARGET       make a folder that can be trained of a GGUF model
       python3 webui.py train RECIPE.yaml           teach a model
       python3 webui.py extension WHAT              install, change and try extensions
       python3 webui.py test                        run the tests"""
COMMANDS = ("download", "convert", "train", "extension", "test")
# Marks what neither an environment variable nor a file may set.
FLAG_ONLY: dict[str, Any] = {"flag_only": True}


class Settings(BaseModel):
    """One field per flag: `api_key` is `--api-key`, `PARLOR_API_KEY`, and `api_key:` in a settings file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str | None = Field(
        default=None, description="model to load at the start: starter, echo, or a name that is listed"
    )
    engine: Literal["llamacpp", "transformers", "echo"] | None = Field(
        default=None, description="engine for --model (default: by its format)"
    )
    echo_script: Path | None = Field(default=None, description="JSON list of steps that the echo engine plays")
    context_length: int = Field(
        0, ge=0, le=4_194_304, description="tokens a request may hold (0: chosen for the machine)"
    )
    chat_template: str = Field(
        "", max_length=120, description="chat template instead of the models' own: chatml, llama3, or one of yours"
    )
    slots: int = Field(default=0, ge=0, le=64, description="requests answered at once (0: chosen for the machine)")
    gpu_layers: int = Field(default=-1, ge=-1, le=10_000, description="layers kept on the GPU (-1: as many as fit)")
    threads: int = Field(default=0, ge=0, le=1024, description="threads for computing (0: one per core)")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="number format of a transformers model"
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="where a transformers model computes")
    weights: Literal["auto", "plain", "packed", "int4", "int8", "nf4", "fp4"] = Field(
        "auto", description="how a transformers model keeps its weights"
    )
    attention: Literal["auto", "sdpa", "eager", "flash_attention_2"] = Field(
        "auto", description="attention kernels of a transformers model"
    )
    gpu_memory_mib: int = Field(
        0, ge=0, le=16_777_216, description="GPU memory for a transformers model's weights (0: as much as there is)"
    )
    cpu_memory_mib: int = Field(
        0, ge=0, le=16_777_216, description="main memory for its weights; the rest stays on disk (0: no limit)"
    )
    speculation: Literal["off", "lookup", "draft"] = Field(
        "off", description="how a transformers model guesses ahead: from the text itself, or by a smaller model"
    )
    draft_model: str = Field("", max_length=500, description="the smaller model that guesses, by its name")
    trust_remote_code: bool = Field(
        default=False,
        description="run Python code from a model's folder; dangerous, and only this flag can allow it",
        json_schema_extra=FLAG_ONLY,
    )
    tool_rounds: int = Field(
        default=8, ge=1, le=64, description="how often a model may call tools before it must answer"
    )
    tool_seconds: int = Field(
        default=0,
        ge=0,
        le=3600,
        description="seconds that a tool may take (0: what it asks for itself, usually 30)",
    )
    dev: bool = Field(default=False, description="reload extensions whose files change, for who writes one")
    memory_budget_mib: int = Field(
        0, ge=0, le=16_777_216, description="main memory for all loaded models (0: chosen for the machine)"
    )
    idle_unload_minutes: int = Field(
        0, ge=0, le=525_600, description="unload a model nobody has used for so long (0: never)"
    )
    api_models: str = Field(
        "*", max_length=10_000, description="models that API requests may load, patterns separated by commas"
    )
    model_folders: str = Field(
        "", max_length=10_000, description="further folders with models, separated by commas, left as they are"
    )
    hub_endpoint: str = Field("", max_length=500, description="model hub (default: HF_ENDPOINT, or huggingface.co)")
    host: str = Field(
        "127.0.0.1", description="address to listen on; other than this machine's needs --auth or --api-key"
    )
    port: int = Field(default=7860, ge=0, le=65_535, description="port to listen on; 0 picks a free one")
    allowed_hosts: str = Field(
        "", description="further host names, separated by commas, that the page may be reached by"
    )
    share: bool = Field(default=False, description="open a public link to this program through Gradio's relay")
    auth: SecretStr | None = Field(default=None, description="USER:PASSWORD that the page asks for")
    api_key: SecretStr | None = Field(
        default=None, description="key that /v1 needs, and the page when there is no --auth"
    )
    admin_key: SecretStr | None = Field(default=None, description="key that opens /control to programs")
    ui: bool = Field(default=True, description="serve the page; --no-ui serves the API alone")
    open: bool = Field(default=True, description="open the page in the browser when it is ready")
    data: Path = Field(default=PROJECT / "data", description="folder for conversations, settings and secrets")
    models: Path = Field(default=PROJECT / "models", description="folder of the models")
    extensions: Path = Field(default=PROJECT / "extensions", description="folder of the extensions")
    extension_gallery: str = Field(
        "",
        max_length=2000,
        description="list of known extensions: a web address or a file (default: the one that ships)",
    )
    settings: Path | None = Field(default=None, description="settings file (default: settings.yaml in the data folder)")

    @field_validator("model_folders")
    @classmethod
    def check_model_folders(cls, text: str) -> str:
        model_folders_of(text)
        return text

    @property
    def further_model_folders(self) -> tuple[Path, ...]:
        return model_folders_of(self.model_folders)

    @property
    def paths(self) -> Paths:
        return Paths(self.data.absolute(), self.models.absolute(), self.extensions.absolute())


def model_folders_of(text: str) -> tuple[Path, ...]:
    """Raises ValueError for a path that depends on where the program is started."""
    folders = [Path(part.strip()).expanduser() for part in text.split(",") if part.strip()]
    for folder in folders:
        if not folder.is_absolute():
            raise ValueError(f"{str(folder)!r} must begin with / or ~")
    return tuple(folders)


def is_flag_only(name: str) -> bool:
    return Settings.model_fields[name].json_schema_extra == FLAG_ONLY


class SettingsFile(BaseModel):
    """What a settings file said: the values that are known, and what was wrong with the rest."""

    values: dict[str, Any]
    notices: tuple[str, ...] = ()


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python3 webui.py",
        usage=USAGE,
        description="Parlor: chat with language models on your own machine. --help after a command says more of it.",
        epilog="Each flag may also be set as PARLOR_<FLAG>.",
        allow_abbrev=False,
    )
    for name, field in Settings.model_fields.items():
        flag = "--" + name.replace("_", "-")
        if field.annotation is bool:
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=field.description)
        else:
            metavar = "USER:PASSWORD" if name == "auth" else choices_of(field.annotation) or name.upper()
            parser.add_argument(flag, metavar=metavar, default=None, help=field.description)
    return parser


def choices_of(annotation: Any) -> str:
    """{a,b} of a Literal, None beside it left out; empty where anything may be written."""
    literals = [part for part in (annotation, *get_args(annotation)) if get_origin(part) is Literal]
    names = [name for literal in literals for name in get_args(literal)]
    return f"{{{','.join(names)}}}" if names else ""


def parsed(arguments: Sequence[str]) -> dict[str, Any]:
    """The flags that are there. Ends the program with status 2 for one that is not known."""
    parser = make_parser()
    flags, unknown = parser.parse_known_args(arguments)
    if unknown:
        word = unknown[0].partition("=")[0]
        known = ["--" + name.replace("_", "-") for name in Settings.model_fields]
        near = get_close_matches(word, [*known, *COMMANDS], 1)
        hint = f"{word} must come first" if word in COMMANDS else f"did you mean {near[0]}?" if near else "see --help"
        parser.error(f"{word} is not known here; {hint}")
    return {name: value for name, value in vars(flags).items() if value is not None}


def load_settings(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> tuple[Settings, list[str]]:
    """(the settings, what a person should know of them). Raises StartError naming the flag that is wrong.

    A damaged settings file is left as it is; the program starts without it and says so.
    """
    flags = parsed(arguments)
    variables = {
        name: environment[ENVIRONMENT_PREFIX + name.upper()]
        for name in Settings.model_fields
        if ENVIRONMENT_PREFIX + name.upper() in environment and not is_flag_only(name)
    }
    chosen = validate({**variables, **flags}, by_variable=variables.keys() - flags.keys())
    file = read_settings_file(chosen.settings or chosen.paths.settings_file)
    return validate({**file.values, **variables, **flags}), list(file.notices)


def validate(values: Mapping[str, Any], by_variable: Collection[str] = ()) -> Settings:
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        shown = ENVIRONMENT_PREFIX + name.upper() if name in by_variable else "--" + name.replace("_", "-")
        raise StartError(f"{shown}: {fault_of(first)}.") from error


def read_settings_file(path: Path) -> SettingsFile:
    if not path.is_file():
        return SettingsFile(values={})
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        return unusable(path, f"line {line}: {error.problem}")
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        return unusable(path, type(error).__name__)
    if content is None:
        return SettingsFile(values={})
    if not isinstance(content, dict):
        return unusable(path, "it is not a list of `name: value` lines")
    values: dict[str, Any] = {}
    notices: list[str] = []
    for key, value in content.items():  # pyright: ignore[reportUnknownVariableType]
        name = str(key)  # pyright: ignore[reportUnknownArgumentType]
        if name in Settings.model_fields and is_flag_only(name):
            notices.append(f"{path.name}: {name} can only be set by its flag; it was passed over.")
            continue
        if name not in Settings.model_fields or name == "settings":
            notices.append(f"{path.name}: {name[:80]!r} is not a setting; it was passed over.")
            continue
        try:
            Settings.model_validate({name: value})
        except ValidationError as error:
            notices.append(f"{path.name}: {name} {fault_of(error.errors()[0])}; the default is used.")
        else:
            values[name] = value
    return SettingsFile(values=values, notices=tuple(notices))


def unusable(path: Path, reason: str) -> SettingsFile:
    return SettingsFile(values={}, notices=(f"{path.name} is damaged ({reason}); it was left as it is and not used.",))
