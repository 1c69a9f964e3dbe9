"""The tokens of generated text on the starter model: what is known of them, and what another choice leads to."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from modules.app import App, build_app
from modules.engines.generation import Generation
from modules.errors import BadRequest, NotFound
from modules.services.document_writer import DocumentWriter
from modules.services.notebook import DocumentView, NotebookService
from modules.services.transcript import Transcript
from modules.settings import Settings
from modules.storage.conversations import ConversationStore
from modules.storage.database import Database
from modules.storage.document_versions import VersionStore
from modules.storage.documents import DocumentStore
from modules.types.document import Splice
from modules.types.generation import TextDelta, TokenChoice, TokenLogprob
from modules.types.reply_params import ReplyParams
from modules.types.sampling import SamplingParams
from tests.conftest import link_or_copy
from tests.services.test_notebook import finished, go_on

BEGINNING = "Once upon a time, in a small village by the sea, there lived"
PARAMS = ReplyParams(SamplingParams(temperature=0.0, ignore_eos=True), max_tokens=8)


@pytest.fixture(scope="module")
def app(starter_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder = tmp_path_factory.mktemp("notebook")
    (folder / "models").mkdir()
    link_or_copy(starter_file, folder / "models" / starter_file.name)
    app = build_app(Settings(data=folder / "data", models=folder / "models", model="starter"))
    yield app
    app.close()


@pytest.fixture(scope="module")
def notebook(app: App, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NotebookService]:
    database = Database.open(tmp_path_factory.mktemp("documents") / "parlor.db")
    versions = VersionStore(database)
    writer = DocumentWriter(versions, app.inference, lambda _document, _model: PARAMS)
    notebook = NotebookService(DocumentStore(database), versions, ConversationStore(database), writer, app.inference)
    yield notebook
    notebook.close()
    database.close()


def written(notebook: NotebookService) -> DocumentView:
    return finished(notebook, go_on(notebook, notebook.create(text=BEGINNING)))


def pieces_of(view: DocumentView) -> list[str]:
    """The text of each generated token, as it stands in the document."""
    pieces: list[str] = []
    for run in view.runs:
        place = run.start
        for length in run.lengths:
            pieces.append(view.traced.text[place : place + length])
            place += length
    return pieces


def test_every_generated_token_is_known_with_ten_alternatives(notebook: NotebookService) -> None:
    view = written(notebook)
    assert BEGINNING + "".join(pieces_of(view)) == view.traced.text
    (run,) = view.runs
    assert (run.version, run.first, run.start, len(run.lengths)) == (view.version.id, 0, len(BEGINNING), 8)
    assert all(0 < one <= 1 for one in run.probabilities)
    for index, piece in enumerate(pieces_of(view)):
        token = notebook.token(view.document.id, view.version.id, index).token
        assert token.chosen.token == piece
        assert len(token.alternatives) == 10
        assert token.alternatives[0].token == piece
    first = notebook.token_pieces(view.document.id, view.version.id, len(BEGINNING), len(view.traced.text), None)
    assert "".join(one.piece.decode() for one in first.result(30)) == view.traced.text[len(BEGINNING) :]


def test_another_choice_is_a_sibling_that_keeps_what_stood_before(notebook: NotebookService) -> None:
    view = written(notebook)
    document, owner = view.document.id, view.version.id
    other = notebook.token(document, owner, 3).token.alternatives[2]
    begun = notebook.alternative(document, owner, None, owner=owner, index=3, choice=2)
    before = BEGINNING + "".join(pieces_of(view)[:3])
    assert begun.traced.text == before
    assert [(one.start, one.removed, one.prefix) for one in begun.writing] == [(len(before), 0, "")]
    branch = finished(notebook, begun)
    assert branch.version.parent == view.version.parent
    assert branch.traced.text.startswith(before + other.token)
    assert len(branch.traced.text) > len(before + other.token)
    assert [(run.version, run.first) for run in branch.runs] == [(owner, 0), (branch.version.id, 0)]
    assert pieces_of(branch)[3] == other.token
    assert notebook.token(document, branch.version.id, 0).token.chosen == other
    again = notebook.regenerate(document, branch.version.id, None, count=2)
    assert [(one.prefix, one.start) for one in again.writing] == [
        (branch.traced.text[len(BEGINNING) : len(before + other.token)], len(BEGINNING))
    ] * 2
    finished(notebook, again)
    assert notebook.pick(document, again.writing[0].version).traced.text == branch.traced.text
    back = notebook.select(document, again.writing[0].version, owner)
    assert back.traced == view.traced


def test_another_choice_after_later_edits_keeps_them(notebook: NotebookService) -> None:
    view = written(notebook)
    document, owner = view.document.id, view.version.id
    head = notebook.save(document, owner, Splice(0, 4, "Twice")).id
    edited = notebook.open(document)
    other = notebook.token(document, owner, 5).token.alternatives[1]
    branch = finished(notebook, notebook.alternative(document, head, None, owner=owner, index=5, choice=1))
    before = "Twice" + BEGINNING[4:] + "".join(pieces_of(view)[:5])
    assert branch.traced.text.startswith(before + other.token)
    assert head in {one.leaf.id for one in notebook.branches(document)}
    assert pieces_of(branch)[:6] == [*pieces_of(edited)[:5], other.token]
    head = notebook.save(document, branch.version.id, Splice(len(before) - 1, 2, "!?")).id
    with pytest.raises(NotFound, match="does not stand in the text"):
        notebook.alternative(document, head, None, owner=owner, index=4, choice=1)
    with pytest.raises(BadRequest, match="10 alternatives"):
        notebook.alternative(document, head, None, owner=owner, index=0, choice=10)


def token(text: str) -> TokenLogprob:
    return TokenLogprob(TokenChoice(text, -0.5))


def spans(deltas: list[TextDelta]) -> list[tuple[int, int]]:
    transcript = Transcript()
    for delta in deltas:
        transcript.feed(delta)
    return [(one.start, one.length) for one in transcript.tokens]


@pytest.mark.parametrize(
    ("deltas", "expected"),
    [
        # A character of two tokens becomes the second one's.
        ([TextDelta("", (token("\ufffd"),)), TextDelta("é", (token("\ufffd"),))], [(0, 0), (0, 1)]),
        # Text held back for a stop string is each token's own when it comes.
        ([TextDelta("", (token("Us"),)), TextDelta("User", (token("er"),))], [(0, 2), (2, 2)]),
        # What never comes, because a stop string began, was no token of the text.
        ([TextDelta("one", (token("one"),)), TextDelta("", (token("User"),))], [(0, 3)]),
        # Several at once, as speculation makes them.
        ([TextDelta("a bc", (token("a"), token(" b"), token("c")))], [(0, 1), (1, 2), (3, 1)]),
        # Text of which nothing is known stands between tokens.
        ([TextDelta("x"), TextDelta("y", (token("y"),))], [(1, 1)]),
    ],
)
def test_which_characters_a_token_became(deltas: list[TextDelta], expected: list[tuple[int, int]]) -> None:
    assert spans(deltas) == expected


def test_a_token_is_known_before_it_is_saved(notebook: NotebookService, monkeypatch: pytest.MonkeyPatch) -> None:
    generation = Generation()
    generation.put(TextDelta("first", (token("first"),)))
    monkeypatch.setattr("modules.services.journal.WRITE_SECONDS", 1000)
    monkeypatch.setattr("modules.services.inference.Inference.start", lambda *_, asked_by: generation)
    begun = go_on(notebook, notebook.create(text="x"))
    generation.put(TextDelta(" second", (token(" second"),)))
    found = notebook.token(begun.document.id, begun.version.id, 1)
    assert (found.start, found.token.chosen.token) == (5, " second")
    generation.cancel()
