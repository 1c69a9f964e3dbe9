"""Extensions come and go: their order, the start of the program, and one that changes."""

import threading
import time
from pathlib import Path

import pytest

from modules.app import App
from modules.errors import BadRequest
from modules.extensions.budgets import Budgets
from modules.storage.extension_states import read_enabled
from tests.extensions.programs import ASKED, begin, program, reply, wait_until, write_extension

SIGNED = """
from modules.extensions import hook

@hook
def filter_reply(text):
    return text + "{sign}"
"""
HANGING = "import time\ntime.sleep(60)\n"


def write_signed(folder: Path, *names: str) -> None:
    for name in names:
        write_extension(folder, name, SIGNED.format(sign=f" {name}"))


def signs(app: App) -> list[str]:
    """Of the extensions, in the order in which their filters ran."""
    return reply(app).removeprefix(ASKED).split()


def test_what_changes_keeps_its_place(tmp_path: Path) -> None:
    write_signed(tmp_path, "c", "a", "b")
    with program(tmp_path) as app:
        for name in ("c", "a", "b"):
            app.extensions.enable(name)
        assert signs(app) == ["c", "a", "b"]

        def change() -> int:
            assert signs(app) == ["c", "b"]
            write_extension(tmp_path, "a", SIGNED.format(sign=" new"))
            return 7

        assert app.extensions.changed("a", change) == (7, "")
        assert signs(app) == ["c", "new", "b"]
        app.extensions.enable("c")
        assert signs(app) == ["c", "new", "b"]
    for _ in range(2):
        with program(tmp_path) as app:
            assert signs(app) == ["c", "new", "b"]


def test_a_person_moves_one_among_the_others(tmp_path: Path) -> None:
    write_signed(tmp_path, "a", "b", "c")
    with program(tmp_path) as app:
        for name in ("a", "b", "c"):
            app.extensions.enable(name)
        app.extensions.move("c", -1)
        assert signs(app) == ["a", "c", "b"]
        app.extensions.move("a", -1)
        app.extensions.move("b", 1)
        assert app.extensions.order == ("a", "c", "b")
        app.extensions.move("a", 1)
        app.extensions.disable("c")
        with pytest.raises(BadRequest, match="not enabled"):
            app.extensions.move("c", 1)
        app.extensions.enable("c")
        assert signs(app) == ["a", "b", "c"]
    with program(tmp_path) as app:
        assert signs(app) == ["a", "b", "c"]


def test_a_change_that_fails_or_cannot_be_enabled(tmp_path: Path) -> None:
    write_signed(tmp_path, "a", "b")
    with program(tmp_path) as app:
        app.extensions.enable("a")
        app.extensions.enable("b")
        with pytest.raises(BadRequest, match="no room"):
            app.extensions.changed("a", refuse)
        assert signs(app) == ["a", "b"]
        _, fault = app.extensions.changed("a", lambda: write_extension(tmp_path, "a", "1 / 0"))
        assert "ZeroDivisionError" in fault
        assert signs(app) == ["b"]
        assert app.extensions.find("a").state == "failed"
        _, fault = app.extensions.changed("a", lambda: write_signed(tmp_path, "a"))
        assert fault == ""
        assert signs(app) == ["a", "b"]
        app.extensions.disable("a")
        assert app.extensions.changed("a", lambda: None) == (None, "")
        assert signs(app) == ["b"]


def refuse() -> None:
    raise BadRequest("There is no room.")


def test_one_that_hangs_at_the_start_delays_nobody(tmp_path: Path) -> None:
    names = [f"signed-{place}" for place in range(3)]
    write_signed(tmp_path, "hanging", *names)
    with program(tmp_path) as app:
        for name in ("hanging", *names):
            app.extensions.enable(name)
    write_extension(tmp_path, "hanging", HANGING)
    with program(tmp_path, Budgets(load=3.0), settles=False) as app:
        assert wait_until(lambda: app.extensions.loading == ("hanging",), 2.5)
        assert app.extensions.find("hanging").state == "loading"
        generation = begin(app)
        list(generation)
        assert generation.text.split()[-3:] == names
        assert generation.end is not None
        assert "hanging was still being loaded" in str(generation.end)
        assert app.extensions.settled(10)
        card = app.extensions.find("hanging")
        assert card.state == "failed"
        assert "took longer than 3 s" in card.fault
    # It will be tried again at the next start, in its place.
    assert read_enabled(app.paths.database) == ("hanging", *names)


def test_many_are_loaded_side_by_side(tmp_path: Path) -> None:
    names = [f"slow-{place}" for place in range(6)]
    for name in names:
        write_extension(tmp_path, name, f"import time\ntime.sleep(0.4)\n{SIGNED.format(sign=' ' + name)}")
    with program(tmp_path, Budgets()) as app:
        for name in names:
            app.extensions.enable(name)
    started = time.monotonic()
    with program(tmp_path, Budgets()) as app:
        assert time.monotonic() - started < 6 * 0.4
        assert signs(app) == names


def test_a_person_disables_one_while_it_is_loaded(tmp_path: Path) -> None:
    write_extension(tmp_path, "slow", f"import time\ntime.sleep(0.5)\n{SIGNED.format(sign=' slow')}")
    with program(tmp_path, Budgets()) as app:
        app.extensions.enable("slow")
    with program(tmp_path, Budgets(), settles=False) as app:
        app.extensions.disable("slow")
        assert app.extensions.settled(10)
        assert app.extensions.find("slow").state == "disabled"
        assert signs(app) == []


def test_the_end_of_the_program_while_one_is_loaded(tmp_path: Path) -> None:
    write_extension(tmp_path, "slow", f"import time\ntime.sleep(0.7)\n{SIGNED.format(sign=' slow')}")
    with program(tmp_path, Budgets()) as app:
        app.extensions.enable("slow")
    started = time.monotonic()
    with program(tmp_path, Budgets(), settles=False) as app:
        pass
    assert time.monotonic() - started < 30
    assert app.extensions.settled(10)
    assert app.extensions.collect("filter_reply") == ()
    assert not any("parlor_extension_slow" in thread.name for thread in threading.enumerate())
