"""Models that other programs keep on this machine: a hub's cache, LM Studio, Ollama. Looked for only when asked."""

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from modules.library.describe import describe
from modules.library.library import printable
from modules.library.scan import Candidate, candidate_at, is_inside, scan
from modules.storage.database import cleaned

DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
OLLAMA_MODEL = "application/vnd.ollama.image.model"
# What Ollama's own names leave out.
OLLAMA_DEFAULTS = ("registry.ollama.ai", "library")
MAX_MANIFEST_BYTES = 64 * 1024
MAX_MANIFESTS = 2000


@dataclass(frozen=True)
class FoundModel:
    """A model of another program; `path` is what an import names."""

    program: str
    title: str
    path: str
    format: str
    size_bytes: int
    problem: str


@dataclass(frozen=True)
class ForeignPrograms:
    """Where each keeps its models; nothing outside of these folders is opened."""

    hub_cache: Path
    lm_studio: tuple[Path, ...]
    ollama: Path

    @classmethod
    def of_this_person(cls, environment: Mapping[str, str] = os.environ, home: Path | None = None) -> "ForeignPrograms":
        home = home or Path.home()
        cache = Path(environment.get("XDG_CACHE_HOME") or home / ".cache")
        hub = Path(environment.get("HF_HOME") or cache / "huggingface") / "hub"
        return cls(
            hub_cache=Path(environment.get("HF_HUB_CACHE") or hub).expanduser(),
            lm_studio=(home / ".lmstudio" / "models", home / ".cache" / "lm-studio" / "models"),
            ollama=Path(environment.get("OLLAMA_MODELS") or home / ".ollama" / "models").expanduser(),
        )

    def models(self) -> list[FoundModel]:
        """By program and title; damaged ones too, with their problem."""
        found = [
            *(model for one in scan(self.hub_cache) for model in described("hub cache", one.name, one)),
            *(
                model
                for place in self.lm_studio
                for one in scan(place)
                for model in described("LM Studio", one.name, one)
            ),
            *(model for title, one in ollama_models(self.ollama) for model in described("Ollama", title, one)),
        ]
        return sorted(found, key=lambda model: (model.program, model.title.casefold()))


def described(program: str, title: str, candidate: Candidate) -> Iterator[FoundModel]:
    """Nothing for what is no model of its own."""
    description = describe(candidate)
    if description.is_model:
        yield FoundModel(
            program,
            printable(title),
            cleaned(str(candidate.path)),
            candidate.format,
            description.size_bytes,
            description.problem,
        )


def ollama_models(folder: Path) -> Iterator[tuple[str, Candidate]]:
    """(name, weights): each manifest is a file at HOST/OWNER/NAME/TAG that names blobs by their digests."""
    manifests = folder / "manifests"
    real_root = os.path.realpath(folder)
    for number, path in enumerate(manifests.glob("*/*/*/*")):
        if number == MAX_MANIFESTS:
            return
        blob = weights_of(folder, path) if path.is_file() and is_inside(str(path), real_root) else None
        candidate = candidate_at(blob) if blob is not None and is_inside(str(blob), real_root) else None
        if candidate is not None:
            host, owner, name, tag = path.relative_to(manifests).parts
            owners = [part for part, usual in zip((host, owner), OLLAMA_DEFAULTS, strict=True) if part != usual]
            yield "/".join([*owners, f"{name}:{tag}"]), candidate


def weights_of(folder: Path, manifest: Path) -> Path | None:
    """The blob that a manifest names as the model; None when it names none, or not by a digest."""
    try:
        with manifest.open("rb") as file:
            values: Any = json.loads(file.read(MAX_MANIFEST_BYTES))
        layers = cast(list[Any], values["layers"])
        digests = [str(layer["digest"]) for layer in layers if layer["mediaType"] == OLLAMA_MODEL]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    match = DIGEST.fullmatch(digests[0]) if digests else None
    return folder / "blobs" / f"sha256-{match[1]}" if match else None
