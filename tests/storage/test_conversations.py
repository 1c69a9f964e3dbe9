"""Conversations: nothing acknowledged is lost, nothing is overwritten."""

import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from modules.errors import BadRequest, Conflict, NotFound
from modules.paths import PROJECT
from modules.storage.conversations import ConversationStore, title_from
from modules.storage.database import Database
from modules.storage.folder_names import moved_folders
from modules.types.tools import CallRecord


@pytest.fixture
def store(tmp_path: Path) -> ConversationStore:
    return ConversationStore(Database.open(tmp_path / "parlor.db"))


def finish(store: ConversationStore, message_id: str, text: str) -> None:
    store.update_reply(message_id, content=text, reasoning="", state="complete")


def test_tree(store: ConversationStore) -> None:
    conversation = store.create("Tree")
    asked, reply = store.append_turn(conversation.id, None, "one", "m", 0)
    finish(store, reply.id, "first")
    second = store.append_reply(conversation.id, asked.id, "m", 1)
    finish(store, second.id, "second")
    path = store.path(conversation.id)
    assert [message.content for message in path] == ["one", "second"]
    assert path[1].siblings == (reply.id, second.id)
    third, follow = store.append_turn(conversation.id, second.id, "two", "m", 2)
    finish(store, follow.id, "after")
    store.select_version(conversation.id, reply.id, 3)
    assert [message.content for message in store.path(conversation.id)] == ["one", "first"]
    store.select_version(conversation.id, second.id, 4)
    assert [message.content for message in store.path(conversation.id)] == ["one", "second", "two", "after"]
    assert store.message(third.id).role == "user"
    other_root, _ = store.append_turn(conversation.id, None, "one, edited", "m", 5)
    assert store.path(conversation.id)[0].siblings == (asked.id, other_root.id)


def test_coming_back_to_a_version_shows_what_was_chosen_below_it(store: ConversationStore) -> None:
    conversation = store.create("Versions")
    asked, first_reply = store.append_turn(conversation.id, None, "asked", "", 0)
    store.append_reply(conversation.id, asked.id, "", 1)
    store.select_version(conversation.id, first_reply.id, 2)
    edited, _ = store.append_turn(conversation.id, None, "edited", "", 3)
    store.select_version(conversation.id, asked.id, 4)
    assert [message.id for message in store.path(conversation.id)] == [asked.id, first_reply.id]
    _, deeper = store.append_turn(conversation.id, first_reply.id, "more", "", 5)
    store.append_reply(conversation.id, deeper.parent_id or "", "", 6)
    store.select_version(conversation.id, deeper.id, 7)
    store.select_version(conversation.id, edited.id, 8)
    store.select_version(conversation.id, asked.id, 9)
    assert store.path(conversation.id)[-1].id == deeper.id


def test_stale_revision_changes_nothing(store: ConversationStore) -> None:
    conversation = store.create("x")
    store.append_turn(conversation.id, None, "one", "", 0)
    before = store.path(conversation.id)
    with pytest.raises(Conflict):
        store.append_turn(conversation.id, None, "two", "", 0)
    assert store.path(conversation.id) == before


def test_eight_writers_one_winner_each_revision(store: ConversationStore) -> None:
    conversation = store.create("race")
    won: list[tuple[int, int]] = []

    def write(name: int) -> None:
        for _ in range(40):
            revision = store.get(conversation.id).revision
            try:
                store.append_turn(conversation.id, None, f"{name}", "", revision)
            except Conflict:
                continue
            won.append((revision, name))

    threads = [threading.Thread(target=write, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(revision for revision, _ in won) == list(range(len(won)))
    assert store.get(conversation.id).revision == len(won)


def test_delete_restore_purge(store: ConversationStore) -> None:
    kept, gone = store.create("kept"), store.create("gone")
    store.append_turn(gone.id, None, "secret words", "", 0)
    store.delete(gone.id)
    assert [one.id for one in store.newest()] == [kept.id]
    assert store.search("secret") == []
    for action in (store.get, store.path, store.delete):
        with pytest.raises(NotFound):
            action(gone.id)
    assert store.restore(gone.id).title == "gone"
    assert len(store.search("secret")) == 1
    store.delete(gone.id)
    assert store.purge(3600) == 0
    time.sleep(0.01)
    assert store.purge(0) == 1
    with pytest.raises(NotFound):
        store.restore(gone.id)


def test_folders_live_as_long_as_they_hold_conversations(store: ConversationStore) -> None:
    first, second, loose = (store.create(title) for title in ("first", "second", "loose"))
    assert store.move(first.id, " Work / Letters/").folder == "Work/Letters"
    store.move(second.id, "Work")
    assert store.get(first.id).revision == first.revision
    assert store.folders() == ["Work", "Work/Letters"]
    assert {one.title: one.folder for one in store.listed()} == {"first": "Work/Letters", "second": "Work", "loose": ""}
    store.move_folder("Work", "Old/Work")
    assert store.folders() == ["Old", "Old/Work", "Old/Work/Letters"]
    store.delete(second.id)
    store.move_folder("Old/Work", "")
    assert store.folders() == ["Letters"]
    assert store.restore(second.id).folder == ""
    store.move(first.id, "")
    assert store.folders() == []
    for wrong in ("a//b", "..", "x" * 81, "\ud800"):
        with pytest.raises(BadRequest) as refused:
            store.move(loose.id, wrong)
        assert refused.value.field == "folder"
    with pytest.raises(NotFound):
        store.move("absent", "Work")


def test_a_folder_may_hold_one_of_its_own_name(store: ConversationStore) -> None:
    inner, outer = store.create("inner"), store.create("outer")
    store.move(inner.id, "Work/Work")
    store.move(outer.id, "Work")
    store.move_folder("Work", "")
    assert {one.title: one.folder for one in store.listed()} == {"inner": "Work", "outer": ""}


def test_moved_folders_leave_before_others_take_their_names() -> None:
    assert list(moved_folders(["a/b/b/b", "a/b/b", "c", "a/b"], "a/b", "a").items()) == [
        ("a/b", "a"),
        ("a/b/b", "a/b"),
        ("a/b/b/b", "a/b/b"),
    ]


def test_what_lies_in_a_folder_is_listed_however_old(store: ConversationStore) -> None:
    kept = store.create("kept")
    store.move(kept.id, "Work")
    for number in range(4):
        store.create(str(number))
    assert [one.title for one in store.listed(loose=2)] == ["3", "2", "kept"]


def test_purge_of_a_long_conversation(store: ConversationStore) -> None:
    """Longer than the recursion SQLite allows when rows remove the rows below them."""
    conversation = store.create("long")
    parent, revision = None, 0
    for revision in range(600):
        _, reply = store.append_turn(conversation.id, parent, "hello", "", revision)
        parent = reply.id
    assert len(store.path(conversation.id)) == 1200
    store.delete(conversation.id)
    assert store.purge(-1) == 1
    with pytest.raises(NotFound):
        store.message(str(parent))
    assert store.search("hello") == []


def test_search(store: ConversationStore) -> None:
    first = store.create("Rivers of Europe")
    _, reply = store.append_turn(first.id, None, "Tell me about the Danube", "", 0)
    store.update_reply(reply.id, content="It begins in the Black For", reasoning="", state="streaming")
    assert store.search("black") == []
    finish(store, reply.id, "It begins in the Black Forest, says Müller")
    store.create("Cooking")
    assert [hit.conversation.id for hit in store.search("danu")] == [first.id]
    assert [hit.conversation.id for hit in store.search("black fore")] == [first.id]
    assert "\x02Black\x03" in store.search("black")[0].snippet
    assert [hit.conversation.id for hit in store.search("muller")] == [first.id]
    assert [hit.conversation.id for hit in store.search("rivers")] == [first.id]
    store.rename(first.id, "Streams")
    assert store.search("rivers") == []
    assert len(store.search("streams")) == 1


def test_a_chatty_conversation_does_not_crowd_out_others(store: ConversationStore) -> None:
    chatty, deleted, quiet = store.create("chatty"), store.create("deleted"), store.create("quiet")
    for conversation in (chatty, deleted):
        for revision in range(30):
            store.append_turn(conversation.id, None, "river", "", revision)
    store.append_turn(quiet.id, None, "a river " + "and other things " * 50, "", 0)
    store.delete(deleted.id)
    assert [hit.conversation.id for hit in store.search("river", limit=2)] == [chatty.id, quiet.id]


@pytest.mark.parametrize("name", ["get", "path", "message", "search", "restore"])
def test_half_characters_are_refused(store: ConversationStore, name: str) -> None:
    with pytest.raises(BadRequest):
        getattr(store, name)("x\ud800")


@pytest.mark.parametrize(
    "words",
    [
        '"',
        "'",
        "*",
        "a*",
        "(",
        ")",
        "a AND",
        "NOT",
        "OR OR",
        "NEAR(a b)",
        "body:x",
        "^a",
        "-a",
        "{a}",
        "a\0b",
        '""""',
        "+",
        "%_!",
        "\\",
        "🙂",
    ],
)
def test_search_has_no_syntax(store: ConversationStore, words: str) -> None:
    store.create("plain")
    store.search(words)


def test_search_without_the_index(store: ConversationStore, monkeypatch: pytest.MonkeyPatch) -> None:
    conversation = store.create("Plain 100%")
    monkeypatch.setattr(store._database, "has_search_index", False)
    assert [hit.conversation.id for hit in store.search("plain 100%")] == [conversation.id]
    assert store.search("plain_100") == []


@pytest.mark.parametrize("title", ["", "   ", "x" * 201, "a\0b", "\ud800"], ids=ascii)
def test_bad_titles(store: ConversationStore, title: str) -> None:
    conversation = store.create("x")
    with pytest.raises(BadRequest) as caught:
        store.rename(conversation.id, title)
    assert caught.value.field == "title"


def test_text_is_kept_exactly(store: ConversationStore) -> None:
    text = "né 👩‍👩‍👧 العربية \u202e \ufffd \r\n\t  trailing  "
    conversation = store.create("x")
    asked, reply = store.append_turn(conversation.id, None, text, "", 0)
    assert store.message(asked.id).content == text
    with pytest.raises(BadRequest):
        store.append_turn(conversation.id, None, "half \ud83d", "", 1)
    store.update_reply(reply.id, content="half \ud83d and \0", reasoning="", state="complete")
    assert store.message(reply.id).content == "half ? and \ufffd"


def test_messages_of_another_conversation(store: ConversationStore) -> None:
    one, two = store.create("1"), store.create("2")
    asked, _ = store.append_turn(one.id, None, "x", "", 0)
    with pytest.raises(BadRequest):
        store.append_turn(two.id, asked.id, "y", "", 0)
    with pytest.raises(BadRequest):
        store.select_version(two.id, asked.id, 0)
    with pytest.raises(NotFound):
        store.message("nothing")


def test_interrupted_replies_keep_their_text(store: ConversationStore) -> None:
    conversation = store.create("x")
    _, reply = store.append_turn(conversation.id, None, "x", "", 0)
    store.update_reply(reply.id, content="half", reasoning="", state="streaming")
    assert store.interrupted() == 1
    message = store.message(reply.id)
    assert (message.state, message.content) == ("stopped", "half")
    assert "ended" in message.error


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Hello", "Hello"),
        ("\n\n  Hello \t there\nsecond line", "Hello there"),
        ("## Plan for #1\n\nText", "Plan for #1"),
        ("#1 of ten", "#1 of ten"),
        ("", "New chat"),
        ("   ", "New chat"),
        ("word " * 30, "word word word word word word word word word…"),
        ("x" * 100, "x" * 48 + "…"),
    ],
)
def test_titles(text: str, title: str) -> None:
    assert title_from(text) == title


WRITER = """
import sys
from pathlib import Path
from modules.storage.conversations import ConversationStore
from modules.storage.database import Database
from modules.types.tools import CallRecord
store = ConversationStore(Database.open(Path(sys.argv[1])))
conversation = store.create("kill")
revision, number = 0, 0
while True:
    asked, reply = store.append_turn(conversation.id, None, f"message {number} " + "x" * 500, "", revision)
    print(asked.id, flush=True)
    store.update_reply(reply.id, content="y" * 2000, reasoning="", state="streaming")
    revision, number = revision + 1, number + 1
"""


def test_kill_loses_no_acknowledged_message(tmp_path: Path) -> None:
    path = tmp_path / "parlor.db"
    acknowledged: list[str] = []
    chance = random.Random(7)
    for _ in range(20):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], cwd=PROJECT, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        acknowledged.append(process.stdout.readline().strip())
        time.sleep(chance.uniform(0, 0.15))
        process.kill()
        acknowledged += [line.strip() for line in process.stdout if line.endswith("\n")]
        process.wait()
        database = Database.open(path)
        assert database.notices == ()
        store = ConversationStore(database)
        for message_id in acknowledged:
            assert store.message(message_id).content.startswith("message")
        database.close()
    assert len(acknowledged) > 50


def test_calls_are_kept_whatever_they_hold_and_end_with_the_program(store: ConversationStore) -> None:
    conversation = store.create("Calls")
    _, reply = store.append_turn(conversation.id, None, "hi", "m", 0)
    done = CallRecord("c1", "look", '{"a": "é"}', "toolbox", state="done", result="\0 \ud800 é", seconds=0.5)
    waiting = CallRecord("c2", "look", "{}", round=2, place=3, state="waiting")
    store.update_reply(reply.id, content="abc", reasoning="", state="streaming", calls=(done, waiting))
    kept = store.message(reply.id).calls
    assert (kept[0].result, kept[1]) == ("\0 ? é", waiting)
    store.interrupted()
    assert [call.state for call in store.message(reply.id).calls] == ["done", "interrupted"]
