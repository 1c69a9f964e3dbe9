"""What is set of an extension as plain values, to be kept."""

from typing import Any

from pydantic import BaseModel, SecretStr


def plain_values(settings: BaseModel) -> dict[str, Any]:
    """As JSON has them; a secret as the text that it is, where a plain dump would keep asterisks."""
    secrets = {name: value.get_secret_value() for name, value in settings if isinstance(value, SecretStr)}
    return {**settings.model_dump(mode="json", exclude=set(secrets)), **secrets}
