"""What the extension does. Change it: extensions/README.md of Parlor lists all hooks there are."""

from pydantic import BaseModel, Field

from modules.extensions import Command, RequestContext, hook


class Settings(BaseModel):
    ending: str = Field(default="", max_length=200, description="Put at the end of every reply.")


@hook
def settings_model() -> type[Settings]:
    return Settings


@hook
def filter_reply(text: str, context: RequestContext) -> str:
    ending: str = context.settings.ending
    return f"{text}\n\n{ending}" if ending else text


@hook
def commands() -> list[Command]:
    return [Command("skeleton", "Says hello: /skeleton NAME", hello)]


def hello(rest: str, _context: RequestContext) -> str:
    return f"Hello, {rest or 'you'}!"
