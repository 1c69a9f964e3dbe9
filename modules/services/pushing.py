"""Adapters and trained models published on the hub, with a card that says what they are."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

from modules.errors import BadRequest, HubAccessError
from modules.jobs import JobRunner
from modules.library.folders import CONFIG, INDEX, MAX_JSON_BYTES, read_json
from modules.services.child_task import Report
from modules.services.export_sources import ExportSource, ExportSources
from modules.services.hub import HubService
from modules.services.model_card import base_name, base_on_hub, model_card
from modules.types.jobs import Job
from modules.types.local_adapter import ADAPTER_CONFIG, ADAPTER_WEIGHTS

CARD = "README.md"
# What a model needs besides config and weights; nothing else of its folder leaves this machine.
COMPANIONS = (
    "chat_template.jinja", "generation_config.json", "merges.txt", "special_tokens_map.json", "tokenizer.json",
    "tokenizer.model", "tokenizer_config.json", "vocab.json",
)  # fmt: skip


class PushService:
    """Pushes are jobs. The hub is asked when one is started, and at no other time. Any thread may call."""

    def __init__(self, sources: ExportSources, hub: HubService, jobs: JobRunner) -> None:
        self._sources = sources
        self._hub = hub
        self._jobs = jobs

    def start(self, name: str, repository: str, *, is_private: bool) -> Job:
        """Raises at once NotFound, BadRequest, Conflict for a repository that has files, HubAccessError or HubError."""
        source = self._sources.find(name)
        if not self._hub.has_token:
            raise HubAccessError("Publishing wants a token of yours that may write. Give Parlor one first.")
        self._hub.pusher.check(repository)
        work = partial(self._push, source, repository, is_private)
        return self._jobs.start(f"push {name} to {repository}", work)

    def _push(
        self, source: ExportSource, repository: str, is_private: bool, report: Report, cancelled: Callable[[], bool]
    ) -> None:
        report(0.0, "writing the card")
        address = self._hub.pusher.push(
            repository,
            published_files(source),
            is_private=is_private,
            title=f"Publish {source.name}",
            report=report,
            cancelled=cancelled,
        )
        report(1.0, address)


def published_files(source: ExportSource) -> dict[str, Path | bytes]:
    """By their names in the repository: weights, what they need, and the card; paths of this machine are left out."""
    card = model_card(source).encode()
    if source.adapter is not None:
        folder = source.adapter.path
        config = read_json(folder / ADAPTER_CONFIG, MAX_JSON_BYTES)
        config["base_model_name_or_path"] = base_on_hub(source) or base_name(source)
        content = json.dumps(config, indent=2, sort_keys=True).encode()
        return {CARD: card, ADAPTER_CONFIG: content, ADAPTER_WEIGHTS: folder / ADAPTER_WEIGHTS}
    model = source.model
    if model is None or model.path is None:
        raise BadRequest(source.reason, field="adapter")
    config = read_json(model.path / CONFIG, MAX_JSON_BYTES)
    config.pop("_name_or_path", None)
    files: dict[str, Path | bytes] = {CARD: card, CONFIG: json.dumps(config, indent=2).encode()}
    files |= {path.name: path for path in model.files}
    files |= {name: model.path / name for name in (*COMPANIONS, INDEX) if (model.path / name).is_file()}
    return files
