"""Datasets from every source: files by name and by path, the person's conversations, the hub."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from modules.children import Launcher
from modules.errors import BadRequest, HubError, NotFound
from modules.services.conversation_samples import ConversationSamples
from modules.services.datasets import NOTHING_THERE, DatasetService
from modules.services.hub import HubService
from modules.storage.conversations import ConversationStore
from modules.storage.database import Database
from modules.storage.datasets import DatasetStore
from modules.training.datasets.reader import DatasetReader
from modules.types.conversation import Conversation, MessageState
from modules.types.datasets import ConversationChoice, DataSource, Example

NOWHERE = "http://127.0.0.1:9"


@dataclass
class Rig:
    folder: Path
    datasets: DatasetService
    conversations: ConversationStore

    def talk(self, title: str, *turns: tuple[str, str, MessageState]) -> Conversation:
        """A conversation of questions, their answers, and the answers' states."""
        conversation = self.conversations.create(title)
        parent = None
        for asked, answer, state in turns:
            revision = self.conversations.get(conversation.id).revision
            _, reply = self.conversations.append_turn(conversation.id, parent, asked, "m", revision)
            self.conversations.update_reply(reply.id, content=answer, reasoning="hm", state=state)
            parent = reply.id
        return self.conversations.get(conversation.id)


@pytest.fixture
def rig(tmp_path: Path, launcher: Launcher) -> Iterator[Rig]:
    database = Database.open(tmp_path / "parlor.db")
    conversations = ConversationStore(database)
    service = DatasetService(
        DatasetStore(tmp_path / "datasets"),
        DatasetReader(launcher),
        ConversationSamples(conversations),
        HubService(NOWHERE, tmp_path / "token", {}),
        tmp_path / "hub",
    )
    yield Rig(tmp_path, service, conversations)
    database.close()


def test_an_uploaded_dataset(rig: Rig) -> None:
    with rig.datasets.upload("a.jsonl") as staged:
        staged.write(b'{"text": "one"}\n{"text": ""}\n{"text": "three"}')
        staged.publish()
    source = DataSource(dataset="a.jsonl")
    assert [one.name for one in rig.datasets.datasets()] == ["a.jsonl"]
    assert rig.datasets.look(source).format == "text"
    assert rig.datasets.check(source).problem_count == 1
    assert [one.text for one in rig.datasets.sound_examples(source)] == ["one", "three"]
    taking = rig.datasets.examples(source)
    assert next(taking).text == "one"
    with pytest.raises(BadRequest, match=r"a\.jsonl, row 2, column text: It is empty"):
        next(taking)
    assert list(rig.datasets.examples(source.model_copy(update={"first_rows": 1}))) == [
        Example(text="one", row=1, file="a.jsonl")
    ]


def test_a_path(rig: Rig) -> None:
    (rig.folder / "texts").mkdir()
    (rig.folder / "texts" / "a.md").write_text("A")
    assert rig.datasets.check(DataSource(path=str(rig.folder / "texts"))).examples == 1
    for path in ("texts", "/absent/x.jsonl", "\0", "~nobody-here/x", str(rig.folder / ("x" * 300))):
        with pytest.raises(BadRequest, match=NOTHING_THERE):
            rig.datasets.look(DataSource(path=path))


def test_exactly_one_source(rig: Rig) -> None:
    choice = ConversationChoice()
    for source in (DataSource(), DataSource(path="/a", dataset="a"), DataSource(dataset="a", conversations=choice)):
        for use in (rig.datasets.look, rig.datasets.check, lambda one: list(rig.datasets.examples(one))):  # pyright: ignore[reportUnknownLambdaType, reportUnknownVariableType]
            with pytest.raises(BadRequest, match="exactly one"):
                use(source)  # pyright: ignore[reportArgumentType]
    for name in ("absent.jsonl", "absent"):
        with pytest.raises(NotFound):
            rig.datasets.check(DataSource(dataset=name))
    with pytest.raises(BadRequest):
        rig.datasets.check(DataSource(dataset="../parlor.db"))


def test_conversations_are_samples_as_far_as_they_are_complete(rig: Rig) -> None:
    whole = rig.talk("whole", ("q", "a", "complete"), ("r", "b", "complete"))
    rig.talk("stopped", ("q", "a", "complete"), ("r", "b", "stopped"), ("s", "c", "complete"))
    rig.talk("failed", ("q", "", "failed"))
    rig.conversations.delete(rig.talk("deleted", ("q", "a", "complete")).id)
    source = DataSource(conversations=ConversationChoice())
    check = rig.datasets.check(source)
    assert (check.rows, check.examples, check.problem_count) == (3, 2, 1)
    assert (check.problems[0].file, check.problems[0].row) == ("failed", 1)
    assert "no complete answer" in check.problems[0].message
    found = {example.file: example for example in rig.datasets.sound_examples(source)}
    assert [(turn.role, turn.content) for turn in found["whole"].turns] == [
        ("user", "q"),
        ("assistant", "a"),
        ("user", "r"),
        ("assistant", "b"),
    ]
    assert [turn.content for turn in found["stopped"].turns] == ["q", "a"]
    assert rig.datasets.look(source).format == "messages"
    chosen = rig.datasets.conversations(ConversationChoice())
    assert (chosen.count, chosen.messages) == (3, 6)
    assert whole.id in {one.id for one in chosen.first}
    for wrong in ({"format": "text"}, {"columns": {"text": "t"}}):
        with pytest.raises(BadRequest, match="one form"):
            rig.datasets.check(source.model_copy(update=wrong))


def test_only_the_shown_path_is_learned(rig: Rig) -> None:
    conversation = rig.talk("t", ("q", "first", "complete"))
    asked = rig.conversations.path(conversation.id)[0]
    again = rig.conversations.append_reply(conversation.id, asked.id, "m", conversation.revision)
    rig.conversations.update_reply(again.id, content="second", reasoning="", state="complete")
    source = DataSource(conversations=ConversationChoice())
    assert [turn.content for turn in next(rig.datasets.examples(source)).turns] == ["q", "second"]


def test_conversations_are_chosen(rig: Rig) -> None:
    cats = rig.talk("about cats", ("cats?", "yes", "complete"))
    dogs = rig.talk("about dogs", ("dogs?", "no", "complete"))

    def titles(**choice: object) -> list[str]:
        made = ConversationChoice.model_validate(choice)
        return [one.title for one in rig.datasets.conversations(made).first]

    assert titles() == ["about dogs", "about cats"]
    assert titles(search="cat") == ["about cats"]
    assert titles(ids=(cats.id, dogs.id, cats.id)) == ["about cats", "about dogs"]
    assert titles(updated_from=dogs.updated) == ["about dogs"]
    assert titles(updated_until=cats.updated) == ["about cats"]
    assert titles(search="about", updated_until=cats.updated) == ["about cats"]
    with pytest.raises(NotFound):
        titles(ids=("absent",))


def test_conversations_are_chosen_by_their_folders(rig: Rig) -> None:
    for title, folder in (("a", "Work"), ("b", "Work/Letters"), ("c", "Workshop"), ("d", "")):
        rig.conversations.move(rig.talk(title, ("q", "a", "complete")).id, folder)

    def titles(**choice: object) -> list[str]:
        return sorted(one.title for one in rig.datasets.conversations(ConversationChoice.model_validate(choice)).first)

    assert titles(folder="Work") == ["a", "b"]
    assert titles(folder=" Work/Letters/ ") == ["b"]
    assert titles(folder="work") == []
    assert titles(folder="Work", search="b") == ["b"]
    assert titles() == ["a", "b", "c", "d"]
    assert rig.datasets.conversations(ConversationChoice()).folders == ("Work", "Work/Letters", "Workshop")
    source = DataSource(conversations=ConversationChoice(folder="Work"))
    assert sorted(one.file for one in rig.datasets.examples(source)) == ["a", "b"]
    with pytest.raises(BadRequest) as refused:
        titles(folder="a//b")
    assert refused.value.field == "folder"


def test_the_hub_is_asked_first_and_says_why_not(rig: Rig) -> None:
    uses: tuple[Callable[[DataSource], object], ...] = (rig.datasets.look, rig.datasets.check)
    for use in uses:
        with pytest.raises(HubError, match="cannot be reached"):
            use(DataSource(hub="someone/data"))
        with pytest.raises(BadRequest, match="user/model"):
            use(DataSource(hub="../../etc"))


def test_a_dataset_of_many_chats_is_told_in_order(rig: Rig) -> None:
    chats = [
        {"messages": [{"role": "user", "content": str(n)}, {"role": "assistant", "content": "a"}]} for n in range(300)
    ]
    with rig.datasets.upload("a.json") as staged:
        staged.write(json.dumps(chats).encode())
        staged.publish()
    examples = list(rig.datasets.examples(DataSource(dataset="a.json")))
    assert [example.turns[0].content for example in examples] == [str(n) for n in range(300)]
    assert [example.row for example in examples] == list(range(1, 301))
