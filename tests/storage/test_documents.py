"""Documents: names, folders, search, and what is deleted."""

import time
from pathlib import Path

import pytest

from modules.errors import BadRequest, NotFound
from modules.storage.conversations import ConversationStore
from modules.storage.database import Database
from modules.storage.document_versions import VersionStore
from modules.storage.documents import DocumentStore
from modules.types.document import Document, Splice


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database.open(tmp_path / "parlor.db")


@pytest.fixture
def store(database: Database) -> DocumentStore:
    return DocumentStore(database)


def titles(documents: list[Document]) -> list[str]:
    return [document.title for document in documents]


def test_folders_are_paths_that_live_as_long_as_they_hold_documents(store: DocumentStore) -> None:
    draft = store.create("Draft", "Stories / Drafts/", "")
    store.create("Note", "", "")
    assert draft.folder == "Stories/Drafts"
    assert store.folders() == ["Stories", "Stories/Drafts"]
    assert titles(store.listed("Stories")) == ["Draft"]
    assert titles(store.listed()) == ["Note", "Draft"]
    assert titles(store.listed("Stor")) == []
    store.move_folder("Stories", "Tales/Old")
    assert store.folders() == ["Tales", "Tales/Old", "Tales/Old/Drafts"]
    store.move_folder("Tales/Old", "")
    assert store.folders() == ["Drafts"]
    store.move(draft.id, "")
    assert store.folders() == []


@pytest.mark.parametrize(
    ("folder", "sentence"),
    [
        ("/".join("abcdefghi"), "Folders lie at most 8 deep."),
        ("a//b", "A folder's name has 1 to 80 characters."),
        ("x" * 81, "A folder's name has 1 to 80 characters."),
        ("a/..", "A folder cannot be called '..'."),
        ("a\\b", "A folder cannot be called"),
        ("a\0b", "The text holds a NUL"),
    ],
)
def test_what_is_no_folder_is_refused(store: DocumentStore, folder: str, sentence: str) -> None:
    with pytest.raises(BadRequest, match=sentence.replace("(", r"\(")) as refused:
        store.create("x", folder, "")
    assert refused.value.field == "folder"
    assert store.listed() == []


def test_a_folder_stays_out_of_itself(store: DocumentStore) -> None:
    store.create("x", "a/b", "")
    with pytest.raises(BadRequest, match="into itself"):
        store.move_folder("a", "a/c")
    deep = "/".join("qrstuvwx")
    with pytest.raises(BadRequest, match="8 deep"):
        store.move_folder("a", deep)
    assert store.folders() == ["a", "a/b"]


def test_the_context_of_a_document_is_bounded(store: DocumentStore) -> None:
    document = store.create("x", "", "")
    changed = store.set_context(document.id, "A sad tale.", "[rain]", 4)
    assert (changed.memory, changed.note, changed.note_depth) == ("A sad tale.", "[rain]", 4)
    assert changed.revision == document.revision + 1
    for memory, note, depth, field in (
        ("m" * 50_001, "", 1, "memory"),
        ("", "n" * 10_001, 1, "note"),
        ("", "", 0, "note_depth"),
    ):
        with pytest.raises(BadRequest) as refused:
            store.set_context(document.id, memory, note, depth)
        assert refused.value.field == field
    assert store.get(document.id) == changed


def test_search_sees_the_shown_text_and_the_title(store: DocumentStore, database: Database) -> None:
    versions = VersionStore(database)
    river = store.create("Rivers", "Nature", "The Danube begins in the Black Forest.")
    store.create("Cooking", "", "Salt and pepper")
    assert [hit.document.id for hit in store.search("danu")] == [river.id]
    assert "\x02Black\x03" in store.search("black forest")[0].snippet
    assert [hit.document.id for hit in store.search("rivers")] == [river.id]
    assert store.search("rivers")[0].snippet == ""
    versions.append(river.id, river.head, Splice(4, 6, "Rhine"))
    assert store.search("danube") == []
    assert len(store.search("rhine")) == 1
    versions.undo(river.id, store.get(river.id).head)
    assert len(store.search("danube")) == 1
    assert store.search("danube", folder="Nature")
    assert store.search("danube", folder="Other") == []
    store.delete(river.id)
    assert store.search("danube") == []


def test_conversations_and_documents_are_found_apart(store: DocumentStore, database: Database) -> None:
    conversations = ConversationStore(database)
    conversation = conversations.create("About whales")
    document = store.create("Whale songs", "", "Whales sing.")
    assert [hit.document.id for hit in store.search("whale")] == [document.id]
    assert [hit.conversation.id for hit in conversations.search("whale")] == [conversation.id]


def test_documents_are_found_without_an_index_and_after_it_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "parlor.db"
    database = Database.open(path)
    DocumentStore(database).create("One", "", "the first words")
    assert DocumentStore(database).search("first")
    database.close()
    monkeypatch.setattr("modules.storage.database.has_fts5", lambda _connection: False)
    database = Database.open(path)
    store = DocumentStore(database)
    assert not database.has_search_index
    store.create("Two", "", "the second words")
    assert titles([hit.document for hit in store.search("words")]) == ["Two", "One"]
    database.close()
    monkeypatch.undo()
    database = Database.open(path)
    assert database.has_search_index
    assert sorted(titles([hit.document for hit in DocumentStore(database).search("words")])) == ["One", "Two"]
    database.close()


def test_an_index_of_an_earlier_version_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "parlor.db"
    database = Database.open(path)
    ConversationStore(database).create("Old words")
    with database.transaction() as connection:
        connection.execute("DROP TRIGGER document_text_added")
    database.close()
    database = Database.open(path)
    DocumentStore(database).create("New words", "", "")
    assert DocumentStore(database).search("new")
    assert ConversationStore(database).search("old")
    database.close()


def test_delete_restore_purge(store: DocumentStore, database: Database) -> None:
    document = store.create("x", "F", "text")
    store.search("text")
    store.delete(document.id)
    assert (store.listed(), store.folders()) == ([], [])
    for action in (store.get, store.delete):
        with pytest.raises(NotFound):
            action(document.id)
    assert store.restore(document.id).title == "x"
    store.delete(document.id)
    assert store.purge(3600) == 0
    time.sleep(0.01)
    assert store.purge(0) == 1
    with pytest.raises(NotFound):
        store.restore(document.id)
    with pytest.raises(NotFound):
        VersionStore(database).get(document.id, document.head)
    with database.read() as connection:
        for table in ("document_version", "document_token", "document_text"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] == 0
        assert connection.execute("SELECT count(*) FROM search WHERE search MATCH 'text'").fetchone()[0] == 0
