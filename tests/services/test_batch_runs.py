"""Runs over many rows: every row once, whatever ends the run, and what the result file holds."""

import csv
import io
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modules.app import App, build_app
from modules.errors import BadRequest, Busy, Conflict, NotFound
from modules.paths import PROJECT
from modules.services.batch_runs import RunPlan
from modules.settings import Settings
from modules.storage.tables import read_table
from modules.types.batch_runs import BatchRun, RunState, Table

ECHO = "prompt: '{{ text }}'\nvariables:\n  - name: text\n"
PLAN = RunPlan("echo-it", {"text": "text"}, {})
SLOW: list[dict[str, Any]] = [{"text": "slow", "delay_ms": 150}]


def start(folder: Path, steps: list[dict[str, Any]] | None = None) -> App:
    script = folder / "script.json"
    if steps is not None:
        script.write_text(json.dumps(steps))
    settings = Settings(
        data=folder / "data", models=folder / "models", model="echo", echo_script=script if steps else None
    )
    app = build_app(settings)
    app.prompts.save("echo-it", ECHO)
    return app


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    app = start(tmp_path)
    yield app
    app.close()


def table(*texts: str) -> Table:
    return Table(("text",), tuple({"text": text} for text in texts), "texts.csv")


def wait_for(app: App, name: str, state: RunState = "done") -> BatchRun:
    deadline = time.monotonic() + 60
    while (run := app.runs.get(name)).state != state:
        assert time.monotonic() < deadline, run
        time.sleep(0.02)
    return run


def rows_of(app: App, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO("".join(app.runs.result(name, "csv")), newline="")))


def log_of(folder: Path, name: str) -> list[dict[str, Any]]:
    lines = (folder / "data" / "runs" / name / "results.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_every_row_has_its_result_in_its_place(app: App) -> None:
    texts = [f"text {number}" for number in range(40)]
    run = app.runs.create(PLAN, table(*texts), name="first")
    assert run.record.model == "echo"
    done = wait_for(app, "first")
    assert (done.done, done.failed, done.record.rows) == (40, 0, 40)
    rows = rows_of(app, "first")
    assert [row["text"] for row in rows] == texts
    assert [row["output"] for row in rows] == texts
    assert {row["finish_reason"] for row in rows} == {"stop"}
    lines = [json.loads(line) for line in app.runs.result("first", "jsonl")]
    assert lines[7] == {"text": "text 7", "output": "text 7", "finish_reason": "stop", "error": ""}


def test_a_bad_row_is_an_error_and_the_rest_goes_on(app: App) -> None:
    app.runs.create(PLAN, table("one", "", "word " * 9000, "four"), name="mixed")
    done = wait_for(app, "mixed")
    assert (done.done, done.failed, done.retriable) == (4, 2, 1)
    assert done.failure is not None
    assert (done.failure.row, "it is empty" in done.failure.error) == (2, True)
    rows = rows_of(app, "mixed")
    assert [row["output"] for row in rows] == ["one", "", "", "four"]
    assert "it is empty" in rows[1]["error"]
    assert "context holds" in rows[2]["error"]


def test_rows_are_asked_together(tmp_path: Path) -> None:
    app = start(tmp_path, SLOW)
    try:
        began = time.monotonic()
        app.runs.create(PLAN, table(*"abcdefghijkl"), name="together")
        wait_for(app, "together")
        # The echo engine has four slots.
        assert time.monotonic() - began < 12 * 0.15 * 0.75 + 2
        speeds = {row["output"] for row in rows_of(app, "together")}
        assert speeds == {"slow"}
    finally:
        app.close()


def test_a_stopped_run_goes_on_behind_its_last_result(tmp_path: Path) -> None:
    app = start(tmp_path, SLOW)
    try:
        app.runs.create(PLAN, table(*map(str, range(30))), name="halted")
        while app.runs.get("halted").done < 6:
            time.sleep(0.02)
        stopped = app.runs.stop("halted")
        assert stopped.state == "stopped"
        assert 6 <= stopped.done < 30
        before = log_of(tmp_path, "halted")
        assert len(before) == stopped.done
        assert [row["output"] for row in rows_of(app, "halted")].count("slow") == stopped.done
        app.runs.resume("halted")
        wait_for(app, "halted")
        after = log_of(tmp_path, "halted")
        assert after[: len(before)] == before
        assert sorted(line["row"] for line in after) == list(range(1, 31))
    finally:
        app.close()


def test_the_end_of_the_program_stops_a_run(tmp_path: Path) -> None:
    app = start(tmp_path, SLOW)
    app.runs.create(PLAN, table(*map(str, range(30))), name="left")
    while app.runs.get("left").done < 3:
        time.sleep(0.02)
    app.close()
    again = start(tmp_path, SLOW)
    try:
        run = again.runs.get("left")
        assert run.state == "stopped"
        assert 3 <= run.done < 30
        again.runs.resume("left")
        wait_for(again, "left")
        assert sorted(line["row"] for line in log_of(tmp_path, "left")) == list(range(1, 31))
    finally:
        again.close()


KILLED = """
import sys, time
from pathlib import Path
from tests.services.test_batch_runs import PLAN, SLOW, start, table
app = start(Path(sys.argv[1]), SLOW)
app.runs.create(PLAN, table(*map(str, range(30))), name="killed")
time.sleep(60)
"""


def test_a_killed_program_computes_no_row_twice(tmp_path: Path) -> None:
    program = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], cwd=PROJECT)
    results = tmp_path / "data" / "runs" / "killed" / "results.jsonl"
    deadline = time.monotonic() + 60
    while not results.is_file() or results.read_bytes().count(b"\n") < 5:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    program.send_signal(signal.SIGKILL)
    program.wait(10)
    with results.open("ab") as file:
        file.write(b'{"row": 29, "key": "half a li')
    kept = results.read_bytes().count(b"\n")
    app = start(tmp_path, SLOW)
    try:
        assert (app.runs.get("killed").state, app.runs.get("killed").done) == ("stopped", kept)
        app.runs.resume("killed")
        assert wait_for(app, "killed").done == 30
        lines = results.read_bytes().splitlines()
        whole = [json.loads(line) for line in lines if line.endswith(b"}")]
        assert sorted(line["row"] for line in whole) == list(range(1, 31))
        assert {row["output"] for row in rows_of(app, "killed")} == {"slow"}
    finally:
        app.close()


def test_failed_rows_are_asked_again_on_request_alone(tmp_path: Path) -> None:
    app = start(tmp_path, [{"fail": "no luck"}])
    app.runs.create(PLAN, table("a", "b"), name="luck")
    assert wait_for(app, "luck").failed == 2
    app.close()
    app = start(tmp_path, [{"text": "luck"}])
    try:
        app.runs.resume("luck")
        assert wait_for(app, "luck").failed == 2
        app.runs.resume("luck", retry_failed=True)
        assert wait_for(app, "luck").failed == 0
        assert [row["output"] for row in rows_of(app, "luck")] == ["luck", "luck"]
    finally:
        app.close()


def test_a_model_that_is_gone_ends_the_run_and_not_its_rows(tmp_path: Path, starter_file: Path) -> None:
    app = start(tmp_path)
    (tmp_path / "models").mkdir(exist_ok=True)
    broken = tmp_path / "models" / "broken.gguf"
    broken.write_bytes(starter_file.read_bytes()[:200_000])
    try:
        app.runs.create(PLAN, table("a", "b"), name="broken", model="broken")
        run = wait_for(app, "broken", "failed")
        assert run.done == 0
        assert "broken" in run.record.error
    finally:
        app.close()


def test_fields_of_json_become_columns(app: App) -> None:
    app.prompts.save("json-it", ECHO + "constraint: {kind: json_schema, source: {type: object}}\noutput: json\n")
    app.prompts.save("as-text", ECHO)
    content = '{"text": "{\\"name\\": \\"=A1\\", \\"age\\": 3}"}\n{"text": "{\\"age\\": 4, \\"output\\": \\"x\\"}"}\n'
    rows = read_table("people.jsonl", content.encode())
    app.runs.create(RunPlan("as-text", {"text": "text"}, {}), rows, name="people")
    assert wait_for(app, "people").record.format == "jsonl"
    assert rows_of(app, "people")[0] | {"text": ""} == {
        "text": "", "output": '{"name": "=A1", "age": 3}', "finish_reason": "stop", "error": "",
        "name": "'=A1", "age": "3", "output 2": "",
    }  # fmt: skip
    lines = [json.loads(line) for line in app.runs.result("people")]
    assert (lines[0]["name"], lines[0]["age"], lines[1]["output 2"]) == ("=A1", 3, "x")
    bare = next(app.runs.result("people", with_fields=False))
    assert set(json.loads(bare)) == {"text", "output", "finish_reason", "error"}
    # The echo engine follows no constraint, so each row says so.
    app.runs.create(RunPlan("json-it", {"text": "text"}, {}), rows, name="refused")
    assert wait_for(app, "refused").failed == 2


@pytest.mark.parametrize(
    ("plan", "field"),
    [
        (RunPlan("echo-it", {}, {}), "columns"),
        (RunPlan("echo-it", {}, {"text": "same"}), "columns"),
        (RunPlan("echo-it", {"text": "texts"}, {}), "columns"),
        (RunPlan("echo-it", {"words": "text"}, {}), "columns"),
        (RunPlan("echo-it", {"text": "text"}, {"text": "x"}), "values"),
        (RunPlan("extract", {"text": "text"}, {"schema": '{"type": "objekt"}'}), "response_format"),
        (RunPlan("summarise", {"text": "text"}, {"length": "endless"}), "columns"),
    ],
)
def test_a_plan_that_does_not_fit(app: App, plan: RunPlan, field: str) -> None:
    with pytest.raises(BadRequest) as refused:
        app.runs.create(plan, table("a"))
    assert refused.value.field == field
    assert app.runs.runs() == []


def test_names(app: App) -> None:
    app.runs.create(PLAN, table("a"), name="mine")
    with pytest.raises(Conflict):
        app.runs.create(PLAN, table("a"), name="mine")
    for name in ("../mine", ".hidden", "a/b"):
        with pytest.raises(BadRequest):
            app.runs.create(PLAN, table("a"), name=name)
        with pytest.raises(BadRequest):
            app.runs.delete(name)
    first, second = (app.runs.create(PLAN, table("a")).record.name for _ in range(2))
    assert first.startswith("echo-it ")
    assert first != second


def test_a_run_is_deleted_when_it_is_not_at_work(tmp_path: Path) -> None:
    app = start(tmp_path, SLOW)
    try:
        app.runs.create(PLAN, table(*map(str, range(30))), name="gone")
        with pytest.raises(Busy):
            app.runs.delete("gone")
        app.runs.stop("gone")
        app.runs.delete("gone")
        with pytest.raises(NotFound):
            app.runs.get("gone")
        assert list((tmp_path / "data" / "runs").iterdir()) == []
    finally:
        app.close()


def test_a_template_that_is_changed_leaves_a_run_alone(tmp_path: Path) -> None:
    app = start(tmp_path, SLOW)
    try:
        app.runs.create(PLAN, table("a", "b"), name="kept")
        app.runs.stop("kept")
        app.prompts.save("echo-it", ECHO.replace("text", "other"))
        app.runs.resume("kept")
        assert wait_for(app, "kept").failed == 0
    finally:
        app.close()


def test_a_preview_shows_what_rows_would_be_asked(app: App) -> None:
    previews = app.runs.preview(PLAN, table("one", "", "three", "four"))
    assert [one.rendered.messages[0].content if one.rendered else one.error[:12] for one in previews] == [
        "one", "The variable", "three",
    ]  # fmt: skip
