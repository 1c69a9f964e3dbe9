"""Every adapter under `models/adapters/`: one folder each, as peft saves them. Only headers are read."""

from pathlib import Path
from typing import Any, cast

from modules.errors import BadRequest, ModelError, NotFound
from modules.library.folders import MAX_JSON_BYTES, Values, count_parameters, read_json
from modules.library.library import printable
from modules.storage.files import resolve_name
from modules.types.local_adapter import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    KEPT_RECIPE,
    PICKLED_ADAPTER,
    STOPPED,
    LocalAdapter,
)

TEXT_CHARS = 200
TARGETS = 64


class AdapterLibrary:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def adapters(self) -> list[LocalAdapter]:
        """By name; damaged ones too, with their problem."""
        if not self._folder.is_dir():
            return []
        names = sorted((path.name for path in self._folder.iterdir()), key=str.casefold)
        return [describe(path) for name in names if (path := self._place(name)) is not None]

    def find(self, name: str) -> LocalAdapter:
        """Raises BadRequest for what is no name, NotFound with the names there are."""
        path = resolve_name(self._folder, name)
        if not is_adapter_folder(path):
            names = ", ".join(adapter.name for adapter in self.adapters()) or "none"
            raise NotFound(
                f"There is no adapter called {name!r}. There are: {names}. Adapters are folders in models/adapters.",
                field="name",
            )
        return describe(path)

    def _place(self, name: str) -> Path | None:
        """The adapter's folder; None for what is none, or has a name that nobody could ask for."""
        try:
            path = resolve_name(self._folder, name)
        except BadRequest:
            return None
        return path if is_adapter_folder(path) else None


def is_adapter_folder(path: Path) -> bool:
    """Whether it has a config of its own: a link may lead anywhere."""
    return (path / ADAPTER_CONFIG).is_file() and not (path / ADAPTER_CONFIG).is_symlink()


def describe(path: Path) -> LocalAdapter:
    values: Values = {}
    size_bytes, problem = 0, ""
    try:
        values = read_json(path / ADAPTER_CONFIG, MAX_JSON_BYTES)
        problem = fault_of(values)
        count_parameters(weights_of(path))
        size_bytes = weights_of(path).stat().st_size
    except ModelError as error:
        problem = problem or str(error)
    except OSError as error:
        problem = f"It cannot be read: {error.strerror}."
    rank, alpha = values.get("r"), values.get("lora_alpha")
    return LocalAdapter(
        name=path.name,
        path=path,
        base_model=text_of(values.get("base_model_name_or_path")),
        kind=kind_of(values),
        rank=rank if isinstance(rank, int) else 0,
        alpha=float(alpha) if isinstance(alpha, int | float) and abs(alpha) < 2**40 else 0.0,
        targets=targets_of(values.get("target_modules")),
        size_bytes=size_bytes,
        problem=problem,
        mark=mark_of(path),
    )


def mark_of(path: Path) -> str:
    """What the recipe beside the weights begins with, where its run was left half-way."""
    try:
        with (path / KEPT_RECIPE).open(encoding="utf-8") as file:
            first = file.readline(TEXT_CHARS).strip()
    except (OSError, ValueError):
        return ""
    return printable(first.removeprefix("# ")) if first.startswith(f"# {STOPPED}") else ""


def weights_of(path: Path) -> Path:
    """Raises ModelError when there are none that may be read."""
    weights = path / ADAPTER_WEIGHTS
    if weights.is_file() and not weights.is_symlink():
        return weights
    if (path / PICKLED_ADAPTER).is_file():
        raise ModelError(
            "Its weights are pickled, a format that may run any program when it is loaded. "
            f"Save it again as {ADAPTER_WEIGHTS}, which peft does by itself."
        )
    raise ModelError(f"{ADAPTER_WEIGHTS} is missing. Copy or download the adapter again.")


def fault_of(values: Values) -> str:
    kind = text_of(values.get("peft_type"))
    if kind in {"LORA", "PROMPT_TUNING"}:
        return ""
    return f"It is of the kind {kind or 'unknown'}; only LoRA and its kin, and prompt tuning, can be applied."


def kind_of(values: Values) -> str:
    if values.get("peft_type") == "LORA":
        return "dora" if values.get("use_dora") is True else "rslora" if values.get("use_rslora") is True else "lora"
    return text_of(values.get("peft_type")).lower()


def targets_of(value: Any) -> tuple[str, ...]:
    """A list of names, or one text: a pattern."""
    names = cast(list[Any], value) if isinstance(value, list) else [value]
    return tuple(sorted(text_of(name) for name in names[:TARGETS] if isinstance(name, str)))


def text_of(value: Any) -> str:
    return printable(value[:TEXT_CHARS]) if isinstance(value, str) else ""
