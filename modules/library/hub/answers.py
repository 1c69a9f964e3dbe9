"""What the hub's API says, checked before it is believed."""

import re
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from modules.errors import HubError
from modules.types.hub import Gate, HubEntry, HubFile, HubFormat

REPOSITORY = re.compile(r"\w[\w.-]{0,95}/\w[\w.-]{0,95}", re.ASCII)
COMMIT = re.compile(r"[0-9a-f]{40}")
DIGEST = re.compile(r"[0-9a-f]{64}")
MAX_FILE_BYTES = 2**50
TEXT_CHARS = 200
FORMATS: tuple[HubFormat, ...] = ("gguf", "safetensors")
GATES: dict[bool | str, Gate] = {False: "open", True: "manual", "auto": "automatic", "manual": "manual"}

Size = Annotated[int, Field(ge=0, le=MAX_FILE_BYTES)]
Count = Annotated[int, Field(ge=0, lt=2**63)]


def matching(pattern: re.Pattern[str]) -> AfterValidator:
    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            raise ValueError("it has another form than it should")
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
    blob_id: Annotated[str, matching(COMMIT)] = Field(default="", alias="blobId")
    lfs: LargeFileAnswer | None = None

    def file(self) -> HubFile:
        if self.lfs is None:
            return HubFile(self.rfilename, self.size, blob_id=self.blob_id)
        return HubFile(self.rfilename, self.lfs.size, self.lfs.sha256)


class GgufAnswer(Answer):
    total: Count = 0
    architecture: str = ""
    context_length: Count = 0


class SafetensorsAnswer(Answer):
    total: Count = 0


class CardAnswer(Answer):
    """What the card's front matter says. A licence may be one name or a list of them."""

    license: str | list[str] | None = None
    license_name: str | None = None


class EntryAnswer(Answer):
    id: str = Field(max_length=TEXT_CHARS)
    pipeline_tag: str | None = None
    tags: list[str] = []
    gguf: GgufAnswer | None = None
    safetensors: SafetensorsAnswer | None = None
    downloads: Count = 0
    likes: Count = 0
    last_modified: datetime | None = Field(default=None, alias="lastModified")
    gated: bool | Literal["auto", "manual"] = False
    private: bool = False

    @property
    def formats(self) -> tuple[HubFormat, ...]:
        given = {"gguf": self.gguf, "safetensors": self.safetensors}
        return tuple(form for form in FORMATS if form in self.tags or given[form])

    @property
    def parameters(self) -> int:
        """0 when the hub does not say."""
        return next((counted.total for counted in (self.safetensors, self.gguf) if counted and counted.total), 0)

    @property
    def licence(self) -> str:
        return next((tag.removeprefix("license:") for tag in self.tags if tag.startswith("license:")), "")

    def entry(self) -> HubEntry:
        return HubEntry(
            repository=self.id,
            task=(self.pipeline_tag or "")[:TEXT_CHARS],
            licence=self.licence[:TEXT_CHARS],
            formats=self.formats,
            parameters=self.parameters,
            downloads=self.downloads,
            likes=self.likes,
            updated=self.last_modified.timestamp() if self.last_modified else 0.0,
            gate=GATES[self.gated],
            private=self.private,
        )


class RepositoryAnswer(EntryAnswer):
    """`id` is its name now, which may be another than was asked for."""

    id: Annotated[str, matching(REPOSITORY)]
    sha: Annotated[str, matching(COMMIT)]
    siblings: list[FileAnswer] = []
    card: CardAnswer | None = Field(default=None, alias="cardData")

    @property
    def licence(self) -> str:
        """The card names licences that the hub's own list only calls `other`."""
        card = self.card or CardAnswer()
        given = ", ".join(card.license) if isinstance(card.license, list) else card.license or super().licence
        return (card.license_name or given) if given in {"", "other"} else given

    def files(self) -> tuple[HubFile, ...]:
        return tuple(sibling.file() for sibling in self.siblings)


class CommitAnswer(Answer):
    sha: Annotated[str, matching(COMMIT)]


class ListAnswer(Answer):
    models: list[EntryAnswer]


class AccountAnswer(Answer):
    name: str = Field(max_length=TEXT_CHARS)


Kind = TypeVar("Kind", bound=Answer)


def parse_answer(kind: type[Kind], value: Any) -> Kind:
    """Raises HubError that names the field."""
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise HubError(f"The hub's answer could not be understood: {place or 'it'}: {first['msg']}.") from error
