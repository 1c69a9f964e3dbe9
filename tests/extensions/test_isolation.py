"""Extensions in a process of their own: the same hooks, and nobody is harmed when that process is."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from modules.errors import BadRequest
from modules.extensions import Button, Field, Heading, RouteRequest, Table, Text, ToolContext, ViewEvent
from modules.extensions.contracts import Passage
from modules.extensions.facts import Given
from modules.extensions.guard import Unfit
from modules.extensions.isolation import process
from modules.extensions.testing import Trial, tried, wait_until
from modules.paths import PROJECT
from modules.types.messages import Message
from modules.types.reply_params import ReplyParams
from modules.types.sampling import SamplingParams
from tests.extensions.programs import write_extension_folder

SUBJECT = Path(__file__).parent / "isolated_subject.py"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_extension_folder(tmp_path / "subject", SUBJECT.read_text(), "isolated = true\n")


@pytest.fixture
def subject(folder: Path) -> Iterator[Trial]:
    with tried(folder, replies=["Hello."]) as trial:
        yield trial


def pid_of(subject: Trial) -> int:
    return int([line for line in subject.log if "started in" in line][-1].split()[-1])


def note_of(subject: Trial) -> str:
    return subject.extensions.find("subject").note


def test_the_example_passes_its_own_tests_in_a_process_of_its_own(tmp_path: Path) -> None:
    copy = tmp_path / "example"
    shutil.copytree(PROJECT / "extensions" / "example", copy)
    main = (copy / "main.py").read_text()
    (copy / "main.py").write_text(re.sub(r"@parlor.hook\ndef engines\(.*?\n\n\n", "", main, flags=re.DOTALL))
    manifest = (copy / "extension.toml").read_text()
    (copy / "extension.toml").write_text(manifest.replace("api = 1", "api = 1\nisolated = true"))
    pytest_itself = [sys.executable, "-m", "pytest", "-c", "tests/pytest.ini", "--rootdir", str(PROJECT), "-q"]
    done = subprocess.run([*pytest_itself, str(copy)], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_it_is_another_process_and_says_what_that_costs(subject: Trial) -> None:
    assert pid_of(subject) != os.getpid()
    assert re.fullmatch(r"in a process of its own, about \d+\.\d\d ms a call", note_of(subject))


def test_values_cross_as_they_are(subject: Trial) -> None:
    told = (Message("user", "half \u2014 \U0001f600\n"),)
    assert subject.filter("filter_messages", told) == (Message("system", "Be brief."), *told)
    params = ReplyParams(SamplingParams(temperature=0.3, logit_bias={"5": -1.5}), 7, ("a",), "drop_oldest")
    assert subject.filter("filter_request", params) == params
    assert subject.stream(["ab", "c"]) == "ABC!"
    assert subject.given("logits_processors")[0].logit_bias == {3: -100.0}
    assert subject.given("custom_css") == ["a { color: red; }"]
    assert not subject.faults


def test_settings_are_those_of_its_own_model(subject: Trial) -> None:
    subject.set({"times": 2})
    assert subject.filter("filter_reply", "ab") == "abab"
    schema = subject.extensions.settings_schema("subject")
    assert schema is not None
    assert schema["properties"]["times"] == {
        "default": 1,
        "maximum": 5,
        "minimum": 1,
        "title": "Times",
        "type": "integer",
    }
    assert schema["properties"]["mood"]["enum"] == ["calm", "loud"]
    for values, sentence in (
        ({"times": 6}, "times can be 5 at most"),
        ({"times": "many"}, "times must be a whole number"),
        ({"mood": "sad"}, "mood must be one of 'calm' or 'loud'"),
        ({"times": 4, "mood": "loud"}, "loud and more than 3 times"),
    ):
        with pytest.raises(BadRequest, match=sentence):
            subject.set(values)
    assert subject.settings.times == 2
    subject.set({"key": "secret"})
    assert subject.filter("filter_reply", "key") == "secret"
    subject.extensions.enable("subject")
    assert subject.log[-3].endswith("times is 2"), "its settings are there when it is started"
    assert subject.filter("filter_reply", "key") == "secret"
    with pytest.raises(ValidationError):
        type(subject.settings)(times=0)


def test_functions_are_called_where_they_are(subject: Trial, tmp_path: Path) -> None:
    subject.set({"mood": "loud"})
    for hook in ("tabs", "panels"):
        assert subject.given(hook)[0].view(ViewEvent("b", {"a": "c"}, None, subject.settings)) == [
            Heading("b Settings(times=1, mood='loud')"),
            Text("text"),
            Field("a", "A", "choice", "b", ("b", "c"), "help"),
            Button("b", "B", is_main=True),
            Table(("x",), (("1",), ("2",)), "open"),
        ]
    get, post = subject.given("routes")
    assert (get.methods, post.methods, post.audience) == (("GET",), ("POST",), "api")
    assert get.answer(RouteRequest("GET", "", {}, b"\xff\x00a")).body == b"a\x00\xff"
    assert (
        post.answer(RouteRequest("POST", "", {}, b"")).body,
        post.answer(RouteRequest("POST", "", {}, b"")).status,
    ) == (
        b'{"a": 1}',
        201,
    )
    assert subject.given("commands")[0].run("hi", subject.context("api")) == "hi api Settings(times=1, mood='loud')"
    (tmp_path / "a.up").write_text("abc")
    reader = subject.given("document_readers")[0]
    assert list(reader.read(tmp_path / "a.up")) == [Passage("ABC", 1, "head")]
    with pytest.raises(ValueError, match=r"There is no such file\."):
        reader.read(tmp_path / "b.up")
    assert subject.given("embedding_models")[0].embed(["abc"]) == [[3.0]]


def test_what_the_host_does_crosses_back(subject: Trial, tmp_path: Path) -> None:
    (tmp_path / "a.up").write_text("abc")
    tool = subject.given("tools")[0]
    cancelled = ToolContext(None, subject.settings, lambda: True)

    def asked(what: str) -> str:
        return tool.run({"what": what, "path": str(tmp_path / "a.up")}, cancelled)

    assert asked("reply") == "Hello."
    assert subject.host.asked == [(Message("user", "hi"),)]
    assert asked("embed") == "[[2.0]]"
    assert asked("read") == "ABC"
    assert asked("fetch").startswith("FetchError: Tests fetch nothing")
    assert asked("settings") == "Settings(times=1, mood='calm')"
    assert asked("data") == str(subject.host.data)
    assert asked("conversations") == "[True, False]"
    assert asked("cancelled") == "True"
    assert asked("job") == "count"
    assert subject.host.reports == [(0.0, "0 False"), (1 / 3, "1 False"), (2 / 3, "2 False")]
    with pytest.raises(ValueError, match=r"Ask for something else\."):
        asked("nothing")
    with pytest.raises(BadRequest, match="No model is loaded"):
        asked("reply")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("raise", r"raised ZeroDivisionError: division by zero \(main.py, line \d+\)\."),
        ("none", "returned None"),
        ("object", "gave what cannot leave its process"),
        ("exit", "raised SystemExit: 3"),
        ("die", "was left without an answer: its process was ended by signal 9"),
        ("leave", "was left without an answer: its process ended with status 3"),
    ],
)
def test_the_reply_goes_on(subject: Trial, text: str, sentence: str) -> None:
    assert subject.filter("filter_reply", text) == text
    [fault] = subject.faults
    assert fault.hook == "filter_reply"
    assert re.match(sentence, fault.sentence), fault.sentence


def test_a_reply_that_is_being_written_survives_its_end(subject: Trial) -> None:
    assert subject.stream(["one ", "two die ", "three"]) == "ONE two die three"


def test_a_reply_it_writes_comes_piece_by_piece(subject: Trial) -> None:
    def written(prompt: str) -> Given | None:
        return subject.extensions.writer(prompt, subject.context())

    assert written("leave it to the model") is None
    given = written("write")
    assert given is not None
    assert list(given.item) == ["Once ", "upon ", "a time."]
    assert written("write a list") is None
    assert subject.faults[-1].sentence == "returned a list instead of an iterator of texts."
    for prompt, sentence in (
        ("write a number", "wrote an int instead of text"),
        ("write and die", "ended by signal 9"),
    ):
        given = written(prompt)
        assert given is not None
        assert next(given.item).startswith("On")
        with pytest.raises(Unfit, match=sentence):
            next(given.item)


def test_a_process_that_hangs_is_ended(subject: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "QUICK_SECONDS", 1.5)
    first = pid_of(subject)
    started = time.monotonic()
    assert subject.filter("filter_reply", "hang") == "hang"
    assert time.monotonic() - started < 5
    wait_until(lambda: pid_of(subject) != first)
    assert not is_alive(first)
    assert subject.filter("filter_reply", "ab") == "ab"


def test_it_is_started_again_three_times(subject: Trial) -> None:
    subject.set({"times": 2})
    for time_number in (1, 2, 3):
        first = pid_of(subject)
        os.kill(first, signal.SIGKILL)
        wait_until(lambda first=first: pid_of(subject) != first)
        wait_until(lambda: subject.filter("filter_reply", "ab") == "abab")
        assert note_of(subject).endswith(f"started again {time_number} of 3 times")
    os.kill(pid_of(subject), signal.SIGKILL)
    wait_until(lambda: note_of(subject) == "no more: its process has ended 4 times; enable it to start it again")
    assert subject.filter("filter_reply", "ab") == "ab"
    assert (
        "was ended by signal 9 once more"
        in [line for line in subject.log if "process" in line and "filter" not in line][-1]
    )
    subject.extensions.enable("subject")
    assert subject.filter("filter_reply", "ab") == "abab"


def test_its_process_ends_when_it_is_disabled(subject: Trial) -> None:
    pid = pid_of(subject)
    subject.extensions.disable("subject")
    assert not is_alive(pid)


def test_it_dies_with_the_program(folder: Path) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom modules.extensions.testing import tried\n"
        "with tried(Path(sys.argv[1])) as trial:\n    print(trial.log[1].split()[-1], flush=True)\n    time.sleep(60)\n"
    )
    program = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], cwd=PROJECT, stdout=subprocess.PIPE, text=True
    )
    assert program.stdout is not None
    pid = int(program.stdout.readline())
    assert is_alive(pid)
    program.kill()
    program.wait()
    program.stdout.close()
    wait_until(lambda: not is_alive(pid))


def test_what_cannot_cross_is_refused_with_a_sentence(folder: Path) -> None:
    main = folder / "main.py"
    main.write_text(main.read_text() + "\n\n@parlor.hook\ndef engines():\n    return []\n")
    with pytest.raises(BadRequest, match="Engines cannot be isolated: each runs in a worker process"), tried(folder):
        pass


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("import nothing_of_this_name", "nothing_of_this_name"),
        ("raise SystemExit", "SystemExit"),
        ("import os\nos._exit(4)", "its process ended with status 4"),
        ("def f(:", "SyntaxError"),
    ],
)
def test_what_cannot_be_loaded_says_why(folder: Path, source: str, sentence: str) -> None:
    (folder / "main.py").write_text(source)
    with pytest.raises(BadRequest, match=sentence), tried(folder):
        pass


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
