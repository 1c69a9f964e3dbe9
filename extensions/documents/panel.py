"""The panel beside a conversation: which collections it is answered from."""

from collections.abc import Sequence

from modules.extensions import Button, Field, Part, Text, ViewEvent

from .adding import added
from .desk import Desk
from .marks import escaped
from .store import Collection
from .tab import at_work, document_parts, model_parts, remove_named

OWN = "Files of conversation "
WITHOUT_COLLECTION = "Collections of files for any conversation are made in the view Documents."


def collection_panel(desk: Desk, event: ViewEvent) -> Sequence[Part]:
    conversation = event.conversation_id
    problem = pressed(desk, event, conversation)
    chosen = desk.chosen(conversation)
    collections = desk.store.collections(conversation)
    parts: list[Part] = [Text(f"**{escaped(problem)}**")] if problem else []
    switches = [
        Field(field_of(one), title(one), "switch", one.id in chosen, help=counted(one.documents)) for one in collections
    ]
    adding = (Field("file", "A file for this conversation alone", "file"), Button("add", "Add"))
    own = [document for one in collections if one.conversation_id for document in desk.store.documents(one.id)]
    return (
        *parts,
        *at_work(desk),
        *switches,
        Button("choose", "Answer from these", is_main=True) if switches else Text(WITHOUT_COLLECTION),
        *(adding if conversation else (Text("Files can be added after the first message."),)),
        *(document_parts(desk, own) if own else ()),
        *model_parts(desk),
    )


def pressed(desk: Desk, event: ViewEvent, conversation: str | None) -> str:
    """Does what the button says; returns what is wrong."""
    try:
        match event.button:
            case "choose":
                collections = desk.store.collections(conversation)
                desk.choose(conversation, [one.id for one in collections if event.values.get(field_of(one))])
            case "add" if conversation:
                own = desk.store.add_collection(OWN + conversation, conversation)
                desk.store.choose(conversation, {*desk.store.chosen(conversation), own})
                return added(desk, own, event)
            case "remove" if conversation:
                for own in desk.store.collections(conversation):
                    if own.conversation_id:
                        remove_named(desk, own.id, event)
            case "fetch-model":
                desk.fetch_model()
            case _:
                pass
    except (ValueError, OSError) as error:
        return str(error)
    return ""


def field_of(collection: Collection) -> str:
    return f"collection-{collection.id}"


def counted(documents: int) -> str:
    return "1 document" if documents == 1 else f"{documents:,} documents"


def title(collection: Collection) -> str:
    return collection.name if collection.conversation_id is None else "Files of this conversation"
