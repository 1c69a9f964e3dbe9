"""The page's actions, as far as they check what the page sends."""

from pathlib import Path

import pytest

from modules.app import build_app
from modules.settings import Settings
from modules.ui.chat_tab import ChatTab
from modules.ui.views import View


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("chat_send", {"text": "x" * 1_000_001}, "The message has more than 1,000,000 characters, which is the limit."),
        ("chat_list", {"search": "x" * 501}, "The search has more than 500 characters, which is the limit."),
        ("chat_rename", {"title": "x" * 201}, "The title has more than 200 characters, which is the limit."),
        (
            "chat_open",
            {"id": "x" * 65},
            "Parlor does not understand what this page asks. Reload the page and try again.",
        ),
        ("chat_open", None, "Parlor does not understand what this page asks. Reload the page and try again."),
    ],
)
def test_wrong_values_are_told_in_sentences(tmp_path: Path, name: str, values: View | None, message: str) -> None:
    app = build_app(Settings(data=tmp_path / "data", models=tmp_path / "models"))
    assert ChatTab(app).actions()[name](values) == {"error": {"message": message, "code": "invalid_request"}}
    app.close()


def test_the_state_tells_the_revision_of_the_open_conversation(tmp_path: Path) -> None:
    app = build_app(Settings(data=tmp_path / "data", models=tmp_path / "models"))
    state = ChatTab(app).actions()["chat_state"]
    sent = app.chat.send(None, "Hello", None, 0)
    assert state({"id": sent.conversation.id})["revision"] == sent.conversation.revision
    assert state({"id": "gone"})["revision"] is None
    assert state({})["revision"] is None
    app.close()
