"""What the hub's API says, checked before it is believed."""

import re
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from modules.errors import HubError
from modules.types.hub import HubFile

COMMIT = re.compile(r"[0-9a-f]{40}")
DIGEST = re.compile(r"[0-9a-f]{64}")
MAX_FILE_BYTES = 2**50

Size = Annotated[int, Field(ge=0, le=MAX_FILE_BYTES)]
Count = Annotated[int, Field(ge=0, lt=2**63)]


def matching(pattern: re.Pattern[str]) -> AfterValidator:
    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            raise ValueError("is not a hexadecimal number of its length")
        return value

    return AfterValidator(check)


class Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class LargeFileAnswer(Answer):
    sha256: Annotated[str, matching(DIGEST)]
    size: Size


class FileAnswer(Answer):
    rfilename: str
    size: Size
    lfs: LargeFileAnswer | None = None

    def file(self) -> HubFile:
        if self.lfs is None:
            return HubFile(self.rfilename, self.size)
        return HubFile(self.rfilename, self.lfs.size, self.lfs.sha256)


class RepositoryAnswer(Answer):
    id: str
    sha: Annotated[str, matching(COMMIT)]
    siblings: list[FileAnswer] = []

    def files(self) -> tuple[HubFile, ...]:
        return tuple(sibling.file() for sibling in self.siblings)


Kind = TypeVar("Kind", bound=Answer)


def parse_answer(kind: type[Kind], value: Any) -> Kind:
    """Raises HubError that names the field."""
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise HubError(f"The hub's answer could not be understood: {place or 'it'}: {first['msg']}.") from error
