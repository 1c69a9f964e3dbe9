"""The extension as the program runs it, without the program."""

from pathlib import Path

from modules.extensions.testing import tried

FOLDER = Path(__file__).parents[1]


def test_a_reply_gets_its_ending() -> None:
    with tried(FOLDER) as extension:
        assert extension.filter("filter_reply", "Good morning.") == "Good morning."
        extension.set({"ending": "Yours"})
        assert extension.filter("filter_reply", "Good morning.") == "Good morning.\n\nYours"
        assert not extension.faults


def test_the_command_answers() -> None:
    with tried(FOLDER) as extension:
        [command] = extension.given("commands")
        assert command.run("Ada", extension.context()) == "Hello, Ada!"
