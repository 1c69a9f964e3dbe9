"""What is asked for the next token: the chat up to the person's last message, or a document with what stands around it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from modules.app import App, build_app
from modules.errors import BadRequest, NotFound
from modules.services.next_token import NextTokenPlace
from modules.settings import Settings
from modules.types.generation import Distribution, SamplerStep
from modules.types.presets import EVERYWHERE
from tests.conftest import link_or_copy


@pytest.fixture(scope="module")
def app(starter_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder = tmp_path_factory.mktemp("next-token")
    (folder / "models").mkdir()
    link_or_copy(starter_file, folder / "models" / starter_file.name)
    app = build_app(Settings(data=folder / "data", models=folder / "models", model="starter", context_length=512))
    app.parameters.change(EVERYWHERE, {"temperature": 0.0, "max_tokens": 3})
    yield app
    app.close()


@pytest.fixture(scope="module")
def conversation(app: App) -> str:
    """With one message and its reply, after which the model is loaded."""
    assert app.next_token.begin(NextTokenPlace(draft="Say hello."), 3) is None
    view = app.chat.send(None, "Say hello.", None, 0)
    for generation in view.generations.values():
        assert app.chat.reply(generation).saved.wait(60)
    return view.conversation.id


def steps(app: App, place: NextTokenPlace) -> tuple[SamplerStep, ...]:
    generation = app.next_token.begin(place, 3)
    assert generation is not None
    return next(event for event in generation if isinstance(event, Distribution)).steps


def test_without_a_draft_it_is_the_reply_that_stands_there(app: App, conversation: str) -> None:
    found = steps(app, NextTokenPlace(conversation=conversation))
    reply = app.chat.open(conversation).messages[-1].content
    assert found[-1].kept == 1
    assert reply.startswith(found[-1].tokens[0].token)
    assert found == steps(app, NextTokenPlace(draft="Say hello."))
    assert found != steps(app, NextTokenPlace(conversation=conversation, draft="And now in French."))


def test_a_document_is_read_with_its_memory(app: App, conversation: str) -> None:
    assert conversation
    document = app.notebook.create(text="The capital of France is").document.id
    plain = steps(app, NextTokenPlace(document=document))
    assert plain[-1].tokens[0].token == " Paris"
    app.notebook.set_context(document, "In this story every city is called Blob. The capital of Spain is Blob.", "", 1)
    assert steps(app, NextTokenPlace(document=document)) != plain


def test_where_nothing_is_written_it_says_so(app: App, conversation: str) -> None:
    assert conversation
    with pytest.raises(BadRequest, match="Write a message first"):
        app.next_token.begin(NextTokenPlace(), 3)
    with pytest.raises(BadRequest, match="Write something first"):
        app.next_token.begin(NextTokenPlace(document=app.notebook.create().document.id), 3)
    with pytest.raises(NotFound):
        app.next_token.begin(NextTokenPlace(conversation="gone", draft="Hello"), 3)
