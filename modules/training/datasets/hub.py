"""Rows of a dataset on the hub, through the datasets library. Only a child process of bounded memory reads them."""

import os
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from modules.errors import BadRequest
from modules.training.datasets.order import HubRows
from modules.training.datasets.rows import Row, Rows


def read_hub_rows(hub: HubRows, *, is_whole: bool) -> Rows:
    """All of them, from what is downloaded into the cache once, or the first ones as they come.

    Imports datasets. Raises BadRequest when the hub or the dataset gives none.
    """
    prepare(hub)
    numbers = count(1)
    with told(hub):
        builder = builder_of(hub)
        require_own_files(builder, hub.name)
        if is_whole:
            builder.download_and_prepare()
            rows: Iterable[Mapping[str, Any]] = builder.as_dataset(split=hub.split)
        else:
            rows = builder.as_streaming_dataset(split=hub.split)
        for cells in rows:
            yield Row(next(numbers), cells, hub.name)


def prepare(hub: HubRows) -> None:
    """What the libraries read when they are imported. A name must not lead to a folder near this process."""
    cache = Path(hub.cache)
    cache.mkdir(parents=True, exist_ok=True)
    os.chdir(cache)
    os.environ |= {
        "HF_ENDPOINT": hub.endpoint,
        "HF_HOME": hub.cache,
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
        "HF_HUB_DISABLE_XET": "1",
        "HF_UPDATE_DOWNLOAD_COUNTS": "0",
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    }


def builder_of(hub: HubRows) -> Any:
    import datasets

    return datasets.load_dataset_builder(  # pyright: ignore[reportUnknownMemberType]
        hub.name,
        hub.config or None,
        revision=hub.revision,
        token=hub.token or False,
        cache_dir=hub.cache,
    )


def require_own_files(builder: Any, name: str) -> None:
    """A dataset's description may name files of this machine or of other hosts; only its own are read."""
    named: Mapping[str, Iterable[object]] = builder.config.data_files or {}
    files = [str(file) for one in named.values() for file in one]
    if not files or not all(file.startswith(f"hf://datasets/{name}@") for file in files):
        raise BadRequest("The dataset names files that are not its own; these are not read.", field="hub")


@contextmanager
def told(hub: HubRows) -> Generator[None]:
    """The libraries' errors as sentences. The hub was asked for the dataset's commit already, so they are rare."""
    from datasets.exceptions import DatasetNotFoundError

    try:
        yield
    except BadRequest:
        raise
    except DatasetNotFoundError as error:
        raise BadRequest(f"{short(error)}. Accept its terms there, and give Parlor a token of yours.", "hub") from error
    except OSError as error:
        reason = f"The dataset {hub.name} could not be downloaded: {short(error)}. Check the connection and the disk."
        raise BadRequest(reason, field="hub") from error
    except Exception as error:
        raise BadRequest(f"The dataset {hub.name} cannot be read: {short(error)}.", field="hub") from error


def short(error: Exception) -> str:
    return " ".join(str(error).split())[:300].rstrip(".") or type(error).__name__
