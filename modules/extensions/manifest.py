"""What an extension says of itself in `extension.toml`, read without running anything of it."""

import re
import tomllib
import unicodedata
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from modules.errors import BadRequest
from modules.extensions.contracts import API_VERSION
from modules.types.faults import fault_of

MANIFEST = "extension.toml"
MANIFEST_BYTES = 64 * 1024


def written_as(pattern: str, words: str) -> AfterValidator:
    """A text of this pattern, which `words` describe to whoever wrote another."""

    def checked(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"{text[:60]!r} is not {words}")
        return text

    return AfterValidator(checked)


NAME = written_as(r"[a-z][a-z0-9-]{0,47}", "a letter and up to 47 small letters, digits and hyphens")
VERSION = written_as(r"[0-9]+(\.[0-9]+){0,3}([a-z0-9.+-]{0,20})", "a version such as 1.0 or 1.2.3rc1")
ENTRY = written_as(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*", "the name of a module, such as main")
Name = Annotated[str, NAME]
# Between letters of some languages, and of signs that are joined.
JOINERS = "\u200c\u200d"


def seen(text: str) -> str:
    """What people read before they say yes shows all that it holds, in the order in which it stands there."""
    for character in text:
        if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"} and character not in f"\n{JOINERS}":
            raise ValueError(f"{text[:60]!a} holds characters that cannot be seen")
    return text


Line = Annotated[str, Field(max_length=400)]
Words = Annotated[Line, AfterValidator(seen)]
Some = Field(max_length=100)


class Touches(BaseModel):
    """What it reaches outside its own folder, as its author says: code in this process can do more."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    network: Annotated[list[Words], Some] = Field(default=[], description="Hosts that it asks; * is any.")
    files: Annotated[list[Words], Some] = Field(default=[], description="Files and folders it reads or writes.")
    models: bool = Field(default=False, description="Whether it asks the loaded model by itself.")


class Manifest(BaseModel):
    """`entry` is the module with the hooks, within its folder; `isolated` runs it in a process of its own."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: Name
    title: Annotated[Words, Field(min_length=1, max_length=80)]
    version: Annotated[str, VERSION]
    author: Words = ""
    licence: Words = ""
    description: Annotated[str, Field(max_length=1000), AfterValidator(seen)] = ""
    homepage: Words = ""
    api: Annotated[int, Field(ge=1)] = API_VERSION
    entry: Annotated[str, ENTRY] = "main"
    requirements: Annotated[list[Line], Some] = []
    isolated: bool = False
    touches: Touches = Touches()


def read_manifest(folder: Path) -> Manifest:
    """Raises BadRequest that names the field when there is none, or it is wrong, or asks for a newer program."""
    try:
        content = (folder / MANIFEST).read_bytes()
    except OSError as error:
        raise BadRequest(f"{folder.name} has no {MANIFEST}, so it is no extension.", field=MANIFEST) from error
    return parse_manifest(content)


def parse_manifest(content: bytes) -> Manifest:
    """Raises BadRequest as `read_manifest` does."""
    if len(content) > MANIFEST_BYTES:
        raise BadRequest(f"{MANIFEST} is larger than {MANIFEST_BYTES // 1024} KiB.", field=MANIFEST)
    try:
        values = tomllib.loads(content.decode("utf-8"))
        check_api(values)
        manifest = Manifest.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise BadRequest(f"{MANIFEST}: {field} {fault_of(first)}.", field=field) from error
    except ValueError as error:
        raise BadRequest(f"{MANIFEST} cannot be read: {error}", field=MANIFEST) from error
    return manifest


def check_api(values: dict[str, Any]) -> None:
    """First of all, because a newer manifest may have fields that are not known here. Raises BadRequest."""
    api = values.get("api")
    if isinstance(api, int) and api > API_VERSION:
        raise BadRequest(
            f"{str(values.get('title', 'It'))[:80]} needs version {api} of the extension API; this program has "
            f"{API_VERSION}. Update Parlor first.",
            field="api",
        )
