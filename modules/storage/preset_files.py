"""A preset's file: our own form, or that of text-generation-webui."""

from typing import Any

from modules.errors import BadRequest
from modules.limits import LIMITS
from modules.storage.plain_yaml import read_mapping, written
from modules.storage.textgen_presets import translated
from modules.types.parameters import Parameters, checked, non_defaults
from modules.types.presets import Preset

# The first line of a file of ours: the version of its form.
MARK = "parlor"
VERSION = 1
DESCRIPTION = "description"


def read_preset(name: str, text: str) -> Preset:
    """What the file says. Whatever is wrong with it is the preset's problem, which nothing else suffers from."""
    try:
        return parsed(name, text)
    except BadRequest as error:
        return Preset(name, problem=f"The preset {name} cannot be used: {str(error).rstrip('.')}.")


def parsed(name: str, text: str) -> Preset:
    """Raises BadRequest for what is wrong."""
    fields = read_mapping(text)
    if MARK not in fields:
        values, unknown = translated(fields)
        return Preset(name, non_defaults(checked(values)), unknown=unknown)
    version = fields.pop(MARK)
    if version != VERSION:
        raise BadRequest(f"it says `{MARK}: {version}`, and this Parlor reads `{MARK}: {VERSION}`")
    description = fields.pop(DESCRIPTION, "")
    check_description(description)
    values = {key: value for key, value in fields.items() if key in Parameters.model_fields}
    unknown = {key: value for key, value in fields.items() if key not in values}
    return Preset(name, non_defaults(checked(values)), description, unknown)


def written_preset(preset: Preset) -> str:
    """Our own form."""
    fields: dict[str, Any] = {MARK: VERSION}
    if preset.description:
        fields[DESCRIPTION] = preset.description
    return written({**fields, **preset.values, **preset.unknown})


def check_description(description: object) -> None:
    if not isinstance(description, str) or len(description) > LIMITS.preset_description_chars:
        raise BadRequest(
            f"The description must be text of at most {LIMITS.preset_description_chars:,} characters.", DESCRIPTION
        )
