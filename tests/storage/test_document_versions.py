"""Versions of documents: no state of a text is ever lost, and generated tokens are known wherever they move."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modules.errors import BadRequest, Conflict, NotFound, StorageError
from modules.storage.database import Database
from modules.storage.document_versions import VersionStore
from modules.storage.documents import DocumentStore
from modules.storage.origins import spliced
from modules.storage.version_rows import WHOLE_EVERY
from modules.types.document import TYPED, Document, Draft, Origin, Splice, TracedText, WrittenToken
from modules.types.generation import TokenChoice, TokenLogprob


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database.open(tmp_path / "parlor.db")


@pytest.fixture
def documents(database: Database) -> DocumentStore:
    return DocumentStore(database)


@pytest.fixture
def versions(database: Database) -> VersionStore:
    return VersionStore(database)


def token(text: str, start: int, logprob: float = -0.1) -> WrittenToken:
    other = TokenChoice("other", -2.0, tuple(b"other"), 7)
    chosen = TokenChoice(text, logprob, tuple(text.encode()), 5)
    return WrittenToken(start, len(text), TokenLogprob(chosen, (chosen, other)))


def generated(versions: VersionStore, document: Document, base: int, splice: Splice, words: list[str]) -> int:
    """A version with these tokens; becomes the head."""
    (version,) = versions.begin(document.id, base, Draft(base, splice), count=1, model="m")
    tokens, place = [], 0
    for word in words:
        tokens.append(token(word, place))
        place += len(word)
    versions.write(version.id, "".join(words), tokens, 0, state="complete")
    return version.id


def test_undo_goes_back_to_what_was_shown_before_and_redo_forth_again(
    documents: DocumentStore, versions: VersionStore
) -> None:
    document = documents.create("x", "", "one")
    root = document.head
    two = versions.append(document.id, root, Splice(3, 0, " two")).id
    three = versions.append(document.id, two, Splice(0, 3, "1")).id
    assert versions.text(document.id, three).text == "1 two"
    versions.undo(document.id, three)
    assert versions.can_step(document.id) == (True, True)
    other = versions.append(document.id, two, Splice(7, 0, " other")).id
    assert versions.can_step(document.id) == (True, False)
    versions.select(document.id, other, three)
    walked: list[int] = [three]
    while versions.can_step(document.id)[0]:
        versions.undo(document.id, walked[-1])
        walked.append(documents.get(document.id).head)
    assert walked == [three, other, two, root]
    with pytest.raises(BadRequest, match="nothing to undo"):
        versions.undo(document.id, root)
    for before, after in ((root, two), (two, other), (other, three)):
        versions.redo(document.id, before)
        assert documents.get(document.id).head == after
    with pytest.raises(BadRequest, match="nothing to redo"):
        versions.redo(document.id, three)
    branches = versions.branches(document.id, three)
    assert [(one.leaf.id, one.fork, one.leaf.on_path) for one in branches] == [
        (other, two, False),
        (three, three, True),
    ]


def test_a_text_made_anew_is_undone_to_the_one_before_it(documents: DocumentStore, versions: VersionStore) -> None:
    document = documents.create("x", "", "Go")
    first = generated(versions, document, document.head, Splice(2, 0, ""), [" on"])
    draft = Draft(document.head, Splice(2, 0, ""))
    (second,) = versions.begin(document.id, first, draft, count=1, model="m")
    versions.write(second.id, " away", [], 0, state="complete")
    versions.undo(document.id, second.id)
    assert documents.get(document.id).head == first
    # One that came to nothing leaves what was there before, and its undo.
    (empty,) = versions.begin(document.id, first, draft, count=1, model="m")
    versions.write(empty.id, "", [], 0, state="stopped")
    assert documents.get(document.id).head == first
    versions.undo(document.id, first)
    assert documents.get(document.id).head == document.head


def test_a_stale_base_changes_nothing(documents: DocumentStore, versions: VersionStore) -> None:
    document = documents.create("x", "", "one")
    base = document.head
    head = versions.append(document.id, base, Splice(0, 0, "a")).id
    before = documents.get(document.id)
    for change in (
        lambda: versions.append(document.id, base, Splice(0, 0, "b")),
        lambda: versions.begin(document.id, base, Draft(base, Splice(0, 0, "")), count=2, model=""),
        lambda: versions.undo(document.id, base),
        lambda: versions.redo(document.id, base),
        lambda: versions.select(document.id, base, base),
    ):
        with pytest.raises(Conflict):
            change()
    assert documents.get(document.id) == before
    assert [one.id for one in versions.versions(document.id, head, before=None, limit=10)] == [head, base]
    assert versions.append(document.id, head, Splice(1, 0, "")).id == head
    assert documents.get(document.id) == before


@pytest.mark.parametrize("splice", [Splice(5, 0, "x"), Splice(0, 5, ""), Splice(-1, 1, ""), Splice(2, -1, "")])
def test_a_splice_beyond_the_text_is_refused(documents: DocumentStore, versions: VersionStore, splice: Splice) -> None:
    document = documents.create("x", "", "text")
    with pytest.raises(BadRequest, match="4 characters"):
        versions.append(document.id, document.head, splice)
    assert documents.get(document.id) == document


def test_versions_of_another_document_are_not_reached(documents: DocumentStore, versions: VersionStore) -> None:
    mine, other = documents.create("mine", "", "a"), documents.create("other", "", "b")
    for reach in (
        lambda: versions.text(mine.id, other.head),
        lambda: versions.select(mine.id, mine.head, other.head),
        lambda: versions.token(mine.id, other.head, 0),
    ):
        with pytest.raises(NotFound):
            reach()


def test_every_one_of_many_versions_is_there_and_listed(documents: DocumentStore, versions: VersionStore) -> None:
    document = documents.create("x", "", "")
    base, text, texts = document.head, "", {document.head: ""}
    for number in range(3 * WHOLE_EVERY):
        start = (number * 7) % (len(text) + 1)
        removed = min(number % 3, len(text) - start)
        text = text[:start] + f"{number} " + text[start + removed :]
        base = versions.append(document.id, base, Splice(start, removed, f"{number} ")).id
        texts[base] = text
    assert {version: versions.text(document.id, version).text for version in texts} == texts
    newest = versions.versions(document.id, base, before=None, limit=50)
    older = versions.versions(document.id, base, before=newest[-1].id, limit=1000)
    assert [one.id for one in (*newest, *older)] == sorted(texts, reverse=True)
    assert all(one.on_path and one.length == len(texts[one.id]) for one in (*newest, *older))
    assert (newest[0].preview, newest[0].kind) == (f"{3 * WHOLE_EVERY - 1} ", "typed")


def test_tokens_move_with_the_text_and_go_where_it_is_touched(documents: DocumentStore, versions: VersionStore) -> None:
    document = documents.create("x", "", "Say: .")
    owner = generated(versions, document, document.head, Splice(5, 0, ""), ["Hello", " big", " world"])
    traced = versions.text(document.id, owner)
    assert traced.text == "Say: Hello big world."
    (run,) = versions.runs(traced)
    assert (run.version, run.first, run.start, run.lengths) == (owner, 0, 5, (5, 4, 6))
    assert run.probabilities == (0.9048, 0.9048, 0.9048)
    head = versions.append(document.id, owner, Splice(0, 0, "Now. ")).id
    head = versions.append(document.id, head, Splice(17, 1, "u")).id
    traced = versions.text(document.id, head)
    assert traced.text == "Now. Say: Hello bug world."
    assert [(one.first, one.start, one.lengths) for one in versions.runs(traced)] == [(0, 10, (5,)), (2, 19, (6,))]
    head = versions.append(document.id, head, Splice(15, 0, ",")).id
    traced = versions.text(document.id, head)
    assert [(one.first, one.start) for one in versions.runs(traced)] == [(0, 10), (2, 20)]
    assert versions.token(document.id, owner, 1).token.alternatives[1].id == 7
    with pytest.raises(NotFound):
        versions.token(document.id, owner, 3)


def test_what_a_sibling_keeps_of_another_is_known_as_the_others(
    documents: DocumentStore, versions: VersionStore
) -> None:
    document = documents.create("x", "", "> ")
    owner = generated(versions, document, document.head, Splice(2, 0, ""), ["A", " b", " c"])
    draft = Draft(document.head, Splice(2, 0, "A other"), (Origin(owner, 0, 1),))
    (sibling,) = versions.begin(document.id, owner, draft, count=1, model="m")
    assert sibling.parent == document.head
    assert documents.get(document.id).head == sibling.id
    assert versions.text(document.id, sibling.id, without_written=True).text == "> A"
    versions.write(sibling.id, "A other end", [token(" other", 1), token(" end", 7)], 0, state="complete")
    traced = versions.text(document.id, sibling.id)
    assert traced.text == "> A other end"
    assert [(one.version, one.first, one.start, one.lengths) for one in versions.runs(traced)] == [
        (owner, 0, 2, (1,)),
        (sibling.id, 0, 3, (6, 4)),
    ]


def test_a_version_that_wrote_nothing_is_not_kept(documents: DocumentStore, versions: VersionStore) -> None:
    document = documents.create("x", "", "text")
    (empty,) = versions.begin(document.id, document.head, Draft(document.head, Splice(4, 0, "")), count=1, model="m")
    versions.write(empty.id, "", [], 0, state="failed", error="no")
    versions.write(empty.id, "", [], 0, state="failed", error="no")
    assert documents.get(document.id).head == document.head
    with pytest.raises(NotFound):
        versions.get(document.id, empty.id)
    with pytest.raises(BadRequest):
        versions.redo(document.id, document.head)


def test_interrupted_versions_keep_their_text(documents: DocumentStore, versions: VersionStore) -> None:
    document = documents.create("x", "", "text")
    several = versions.begin(document.id, document.head, Draft(document.head, Splice(4, 0, "")), count=2, model="m")
    assert documents.get(document.id).head == document.head
    written, empty = several
    versions.write(written.id, " more", [], 0)
    assert versions.interrupted() == 2
    kept = versions.get(document.id, written.id)
    assert (kept.state, kept.length) == ("stopped", 9)
    assert "program ended" in kept.error
    with pytest.raises(NotFound):
        versions.get(document.id, empty.id)


def test_a_refusing_database_keeps_what_was(documents: DocumentStore, database: Database) -> None:
    versions = VersionStore(database)
    document = documents.create("x", "", "a")
    with database.transaction() as connection:
        connection.execute(
            "CREATE TRIGGER refuse BEFORE UPDATE OF head ON document BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    with pytest.raises(StorageError, match="no"):
        versions.append(document.id, document.head, Splice(1, 0, "b"))
    with database.read() as connection:
        assert connection.execute("SELECT count(*) FROM document_version").fetchone()[0] == 1


STEPS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20), st.text("ab\U0001f600", max_size=8), st.booleans()))


@given(STEPS)
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_origins_are_those_of_each_single_character(steps: list[tuple[int, int, str, bool]]) -> None:
    """Against a list that remembers for each character where it came from."""
    traced, plain = TracedText("", ()), list[tuple[str, int, int]]()
    for number, (place, length, inserted, is_generated) in enumerate(steps, start=1):
        start = min(place, len(plain))
        removed = min(length, len(plain) - start)
        version = number if is_generated else TYPED
        origins = [Origin(version, 0, len(inserted))]
        traced = spliced(traced, Splice(start, removed, inserted), origins)
        plain[start : start + removed] = [
            (one, version, index if is_generated else 0) for index, one in enumerate(inserted)
        ]
    assert traced.text == "".join(one for one, _, _ in plain)
    spelled = [
        (origin.version, origin.start + index if origin.version != TYPED else 0)
        for origin in traced.origins
        for index in range(origin.length)
    ]
    assert spelled == [(version, index) for _, version, index in plain]
    typed_neighbours = [
        (first, second)
        for first, second in zip(traced.origins, traced.origins[1:], strict=False)
        if first.version == second.version == TYPED
    ]
    assert typed_neighbours == []
