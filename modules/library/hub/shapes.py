"""The shape of a model that is not here yet, from the beginning of one of its files."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import quote

from modules.errors import HubAccessError, ModelError, NotFound
from modules.library import folders
from modules.library.headers import read_gguf_prefix
from modules.library.hub.choices import CONFIG, SAFETENSORS, stem_of
from modules.library.hub.connection import HubConnection
from modules.types.hub import UNKNOWN, HubChoice, HubFile
from modules.types.local_model import ModelShape

FIRST_BYTES = 256 * 1024
LAST_BYTES = 8 * 1024 * 1024
MAX_CONFIG_BYTES = 1024 * 1024
# Repositories that hold more models than this leave the rest without a shape: each costs a request.
MAX_MODELS = 8
REMEMBERED = 256

Place = tuple[str, str, str]


class ShapeReader:
    """Any thread. What a file of one commit says is remembered, as it cannot change."""

    def __init__(self, hub: HubConnection) -> None:
        self._hub = hub
        self._known: OrderedDict[Place, ModelShape] = OrderedDict()
        self._lock = threading.Lock()

    def shaped(
        self, repository: str, commit: str, choices: Sequence[HubChoice], told: ModelShape
    ) -> tuple[HubChoice, ...]:
        """The choices with what their files say of them, and where those say nothing, what the hub `told`.

        All quantizations of a model are asked for once. Raises HubError when the hub does not answer.
        """
        first: dict[str, HubChoice] = {}
        for choice in choices:
            first.setdefault(stem_of(choice), choice)
        if len(first) > 1:
            # The hub counts one model of a repository, without saying which.
            told = UNKNOWN
        read = {
            stem: self._shape(repository, commit, choice, told) for stem, choice in list(first.items())[:MAX_MODELS]
        }
        return tuple(replace(choice, shape=read.get(stem_of(choice), told)) for choice in choices)

    def _shape(self, repository: str, commit: str, choice: HubChoice, told: ModelShape) -> ModelShape:
        file = telling_file(choice)
        if file is None:
            return told
        place = (repository, commit, file.path)
        with self._lock:
            known = self._known.get(place)
        if known is None:
            try:
                known = self._read(place, choice, told.parameters)
            except (HubAccessError, NotFound, ModelError):
                return told
            with self._lock:
                self._known[place] = known
                if len(self._known) > REMEMBERED:
                    self._known.popitem(last=False)
        return known

    def _read(self, place: Place, choice: HubChoice, parameters: int) -> ModelShape:
        if choice.format == "safetensors":
            config = self._beginning(place, MAX_CONFIG_BYTES)
            return folders.shape_of(folders.parse(config, CONFIG), parameters)
        return replace(self._gguf_shape(place), parameters=parameters)

    def _gguf_shape(self, place: Place) -> ModelShape:
        """From as little of the file as says it: the numbers come before the tokenizer's long lists, as a rule."""
        length = FIRST_BYTES
        while True:
            content = self._beginning(place, length)
            shape = read_gguf_prefix(content).shape
            if is_complete(shape) or len(content) < length or length >= LAST_BYTES:
                return shape
            length *= 2

    def _beginning(self, place: Place, length: int) -> bytes:
        repository, commit, path = place
        return self._hub.get(file_path(repository, commit, path), first_bytes=length).content


def file_path(repository: str, commit: str, path: str) -> str:
    """Where the hub serves a file of a repository."""
    return f"/{repository}/resolve/{quote(commit, safe='')}/{quote(path)}"


def telling_file(choice: HubChoice) -> HubFile | None:
    if choice.format == "gguf":
        return choice.files[0]
    config = (file for file in choice.files if file.path == CONFIG)
    return next(config, None) if choice.name == SAFETENSORS else None


def is_complete(shape: ModelShape) -> bool:
    return bool(shape.layers and shape.kv_heads and shape.key_length and shape.context_length)
