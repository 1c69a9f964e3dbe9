"""An extension that shows all that the page can show of one."""

from pathlib import Path

from tests.extensions.programs import write_extension_folder

MANIFEST = """
author = "A. Tester"
licence = "MIT"
description = "Counts what it is given."
requirements = []

[touches]
network = ["example.org"]
models = true
"""

CODE = '''
"""Counts, and fails when it is told to."""

from pathlib import Path

from pydantic import BaseModel, Field as Setting, SecretStr

from modules.extensions import (
    Button, Command, Field, Heading, Panel, Progress, Route, RouteAnswer, Tab, Table, Text, hook,
)

counts = {"presses": 0, "worked": 0, "steps": 0}


class Settings(BaseModel):
    greeting: str = Setting("Hello", max_length=20, description="What it says first.")
    times: int = Setting(3, ge=1, le=9)
    is_loud: bool = False
    key: SecretStr = SecretStr("")
    words: list[str] = []


@hook
def settings_model():
    return Settings


def working():
    worked, steps = counts["worked"], counts["steps"]
    return [Progress(f"step {worked} of {steps}", worked / steps)] if worked < steps else []


def counter(event):
    if event.button == "break":
        raise RuntimeError("told to fail")
    if event.button == "tell":
        return [Heading(event.settings.key.get_secret_value())]
    if event.button == "count":
        counts["presses"] += 1
    if event.button == "work":
        counts.update(worked=0, steps=int(event.values["steps"]))
    counts["worked"] += counts["worked"] < counts["steps"]
    sent = event.values.get("document")
    size = f"The file has {Path(sent).stat().st_size} bytes." if sent else ""
    chosen = event.values.get("row", "")
    return [
        Heading("Counter"),
        Text(f"**{event.settings.greeting}**, pressed {counts['presses']} times. <script>document.title = 'bad'</script>"),
        Text(f"{size} {chosen}"),
        Field("word", "A word", value=event.values.get("word", "")),
        Field("document", "A document", kind="file"),
        Field("size", "Size", kind="choice", value="small", choices=("small", "large")),
        Button("count", "Count", is_main=True),
        Button("break", "Break"),
        Table(("Name", "Number"), (("first", "1"), ("second", "2")), open_name="row"),
        Table(("Name", "Nothing"), ()),
        Field("steps", "Steps", kind="number", value=0),
        Button("stay", "Stay"),
        Button("work", "Work", is_main=True),
        Text(f"Worked: {counts['worked']}"),
        *working(),
    ]


def beside(event):
    return [Text(f"Conversation: {event.conversation_id or 'none'}"), Button("again", "Again")]


@hook
def tabs():
    return [Tab("counter", "Counting", counter)]


@hook
def panels():
    return [Panel("beside", "Beside", beside)]


def shout(rest, context):
    if not rest:
        raise ValueError("Say what to shout.")
    return f"**{rest.upper()}**" * (context.settings.times if context.settings.is_loud else 1)


@hook
def commands():
    return [Command("shout", "Says it in capitals.", shout), Command("shorten", "Says less.", lambda rest, context: rest[:3])]


@hook
def routes():
    return [
        Route("count", lambda request: RouteAnswer({"presses": counts["presses"], "rest": request.path})),
        Route("open", lambda request: RouteAnswer(request.body, "text/plain"), methods=("GET", "POST"), audience="api"),
        Route("page", lambda request: RouteAnswer("<h1>Hello</h1><script>document.title = 'bad'</script>", "text/html")),
        Route("odd", lambda request: RouteAnswer("x", "text/html\\r\\nSet-Cookie: a=b")),
    ]


@hook
def custom_css():
    return "body { --sample-extension: 1; }"


@hook
def custom_js():
    return "document.documentElement.dataset.sampleExtension = 'here';"
'''


def write_extension(folder: Path, name: str = "sample", title: str = "Sample", code: str = CODE) -> Path:
    """Into `folder`/`name`."""
    return write_extension_folder(folder / name, code, MANIFEST, title=title, version="1.2.0")
