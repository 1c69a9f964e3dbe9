"""Finetuning over the API, in a real program with a tiny model: from the plan to the adapter in use."""

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.engines.tiny_models import make_folder, words
from tests.program import RunningProgram

BASE = "/control/training"
SAMPLES = [words([5, 9, 17, 33, 65, 2 + number % 7]) for number in range(40)]
# What the samples teach: after 5 comes 9, then 17.
PROMPT = words([5])


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProgram]:
    folder = tmp_path_factory.mktemp("training-program")
    make_folder(folder / "models" / "tiny", "llama")
    samples = folder / "data" / "datasets" / "words.jsonl"
    samples.parent.mkdir(parents=True)
    samples.write_text("".join(json.dumps({"text": text}) + "\n" for text in SAMPLES))
    with RunningProgram(folder, "--no-ui", "--admin-key", "test-admin", "--threads", "1") as program:
        yield program


def recipe(name: str, **fields: Any) -> dict[str, Any]:
    usual = {"rank": 4, "learning_rate": 0.02, "steps": 12, "evaluate_every": 4, "checkpoint_every": 4, "seed": 1}
    return {"model": "tiny", "name": name, "data": {"dataset": "words.jsonl"}, "objective": "text", **usual, **fields}


def post(program: RunningProgram, path: str, **body: Any) -> Any:
    with program.control() as client:
        response = client.post(f"{BASE}/{path}", json=body, timeout=120)
    assert response.status_code == 200, response.text
    return response.json()


def get(program: RunningProgram, path: str) -> Any:
    with program.control() as client:
        response = client.get(f"{BASE}/{path}")
    assert response.status_code == 200, response.text
    return response.json()


def refused(program: RunningProgram, path: str, **body: Any) -> tuple[int, str, str]:
    """(status, the field, the sentence)."""
    with program.control() as client:
        response = client.post(f"{BASE}/{path}", json=body, timeout=120)
    error = response.json()["error"]
    return response.status_code, error["param"] or "", error["message"]


def wait_for(program: RunningProgram, name: str, *states: str) -> dict[str, Any]:
    deadline = time.monotonic() + 110
    while (run := get(program, f"runs/{name}")["run"])["state"] not in states:
        assert time.monotonic() < deadline, run
        assert run["state"] != "failed", run
        time.sleep(0.1)
    return run


def test_what_can_be_asked_before_anything_is_begun(program: RunningProgram) -> None:
    fields = {field["name"]: field for field in get(program, "fields")["fields"]}
    assert fields["method"]["options"] == ["lora", "rslora", "dora", "full", "prompt_tuning"]
    models = {one["id"]: one for one in get(program, "models")["models"]}
    assert (models["tiny"]["is_trainable"], models["tiny"]["parameters"] > 0) == (True, True)
    assert "echo" not in models
    assert {one["name"] for one in get(program, "recipes")["recipes"] if one["is_shipped"]} >= {"careful", "quick-try"}
    assert get(program, "runs")["runs"] == []


def test_a_plan_chooses_and_predicts(program: RunningProgram) -> None:
    plan = post(program, "plan", recipe=recipe("planned", rank=None))["plan"]
    assert plan["refusal"] == ""
    assert plan["recipe"]["rank"] > 0
    assert plan["reasons"]["rank"]
    assert plan["facts"]["samples"] == 40
    assert plan["prediction"]["steps"] == 12
    assert plan["prediction"]["memory_bytes"] > 0
    lens = post(program, "lens", recipe=recipe("planned"), first=0, count=3)
    assert len(lens["samples"]) == 3
    assert lens["total"] >= 36
    assert [len(one) for one in lens["samples"][0]["tokens"][:2]] == [3, 3]


def test_from_the_start_to_the_adapter_in_use(program: RunningProgram) -> None:
    begun = post(program, "start", recipe=recipe("taught"))["run"]
    assert begun["state"] in {"queued", "running"}
    done = wait_for(program, "taught", "done")
    assert (done["result"], done["step"], done["total_steps"], done["error"]) == ("adapter", 12, 12, "")
    assert done["evaluation_loss"] < done["first_evaluation_loss"]
    assert done["best_evaluation_loss"] <= done["evaluation_loss"]
    assert done["peak_memory_bytes"] >= done["memory_bytes"] > 0
    told = get(program, "runs/taught/metrics")
    kinds = {line["kind"] for line in told["lines"]}
    assert {"step", "evaluation", "checkpoint"} <= kinds
    assert told["next"] == len(told["lines"])
    assert get(program, f"runs/taught/metrics?after={told['next'] - 1}")["lines"] == told["lines"][-1:]
    assert get(program, "runs/taught/log")["log"]

    both = post(program, "compare", adapter="taught", prompt=PROMPT, max_tokens=4)
    assert both["base"] != both["tuned"]
    with program.control() as client:
        body = {"adapter": "taught", "prompt": PROMPT, "max_tokens": 4, "stream": True}
        lines = client.post(f"{BASE}/compare", json=body).text.split("\n\n")
    pieces = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: {")]
    assert {side: "".join(piece.get(side, "") for piece in pieces) for side in both} == both
    assert lines[-2] == "data: [DONE]"
    assert post(program, "use", name="taught") == {"model": "tiny", "adapter": "taught"}
    with program.control() as client:
        body = {"prompt": PROMPT, "max_tokens": 4, "temperature": 0}
        said = client.post("/v1/completions", json=body).json()["choices"][0]["text"]
        listed = client.get("/control/adapters").json()["adapters"]
    assert said == both["tuned"]
    assert [(one["name"], one["loaded"], one["weight"]) for one in listed] == [("taught", True, 1.0)]

    with program.control() as client:
        text = client.get(f"{BASE}/runs/taught/recipe").text
    written = yaml.safe_load(text)
    assert (written["model"], written["rank"], written["parlor"]) == ("tiny", 4, 1)


def test_stopped_resumed_deleted(program: RunningProgram) -> None:
    post(program, "start", recipe=recipe("long", steps=4000))
    deadline = time.monotonic() + 60
    while get(program, "runs/long")["run"]["step"] < 2:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert get(program, "runs/long")["run"]["seconds_left"] > 0
    assert refused(program, "delete", name="long")[0] == 429
    second = post(program, "start", recipe=recipe("second"))["run"]
    assert (second["state"], second["place_in_queue"]) == ("queued", 1)
    post(program, "stop", name="second")
    post(program, "stop", name="long")
    stopped = wait_for(program, "long", "stopped")
    assert stopped["step"] >= 2
    # The best ones are kept, which may be those of an evaluation before.
    mark = rf"Stopped at step {stopped['step']:,} of 4,000\. These are the weights of step \d+\."
    marks = {run["name"]: run["mark"] for run in get(program, "runs")["runs"]}
    assert re.fullmatch(mark, marks["long"])
    assert marks["second"] == "Stopped before its first step."
    with program.control() as client:
        adapters = client.get("/control/adapters").json()["adapters"]
    assert next(one["mark"] for one in adapters if one["name"] == "long") == marks["long"]
    post(program, "resume", name="long")
    deadline = time.monotonic() + 60
    while get(program, "runs/long")["run"]["step"] <= stopped["step"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    post(program, "stop", name="long", at_once=True)
    wait_for(program, "long", "stopped")
    steps = [line["step"] for line in get(program, "runs/long/metrics")["lines"] if line["kind"] == "step"]
    assert steps == list(range(1, len(steps) + 1))
    deleted = {name: post(program, "delete", name=name) for name in ("long", "second")}
    assert [one["kept"] for one in deleted.values()] == ["models/adapters/long", ""]
    assert post(program, "restore", undo=deleted["second"]["undo"])["run"]["name"] == "second"
    assert refused(program, "restore", undo=deleted["second"]["undo"])[0] == 404
    post(program, "delete", name="second")
    assert {run["name"] for run in get(program, "runs")["runs"]} == {"taught"}


def test_recipes_are_kept(program: RunningProgram) -> None:
    fields = {"rank": 4, "steps": 12, "alpha": None}
    post(program, "recipes/save", name="mine", recipe=fields, description="For words.")
    found = {one["name"]: one for one in get(program, "recipes")["recipes"]}["mine"]
    assert found == {
        "name": "mine", "description": "For words.", "is_shipped": False, "problem": "", "recipe": {"rank": 4, "steps": 12}
    }  # fmt: skip
    post(program, "recipes/delete", name="mine")
    assert refused(program, "recipes/delete", name="mine")[0] == 404
    assert refused(program, "recipes/delete", name="careful")[:2] == (400, "name")


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("start", {"recipe": recipe("x", rank=-1)}, (400, "rank", "must be at least 1")),
        ("start", {"recipe": recipe("x", rnak=1)}, (400, "rnak", "no field called")),
        ("start", {"recipe": {"name": "x"}}, (400, "model", "says no model")),
        ("start", {"recipe": recipe("x", model="nobody")}, (404, "model", "no model called")),
        ("plan", {"recipe": recipe("x", model="echo")}, (400, "model", "cannot be trained")),
        ("start", {"recipe": recipe("x", data={"dataset": "none"})}, (404, "data", "none")),
        ("start", {"recipe": recipe("../x")}, (400, "name", "cannot be used")),
        ("start", {"recipe": recipe("tiny", method="full")}, (409, "name", "already")),
        ("stop", {"name": "nobody"}, (404, "name", "no run called")),
        ("resume", {"name": "nobody"}, (404, "name", "no run called")),
        ("use", {"name": "nobody"}, (404, "name", "no adapter called")),
        ("compare", {"adapter": "nobody", "prompt": "x"}, (404, "name", "no adapter called")),
        ("lens", {"recipe": recipe("x"), "count": 1000}, (400, "count", "64")),
    ],
)
def test_what_is_refused(
    program: RunningProgram, path: str, body: dict[str, Any], expected: tuple[int, str, str]
) -> None:
    status, field, sentence = refused(program, path, **body)
    assert (status, field.rpartition(".")[2]) == expected[:2]
    assert expected[2] in sentence


@pytest.mark.parametrize("action", ["plan", "lens", "start"])
@pytest.mark.parametrize("field", ["data", "evaluation_data"])
def test_files_of_this_machine_are_not_read_for_others(program: RunningProgram, action: str, field: str) -> None:
    recipe = {"model": "tiny", "name": "other", "data": {"dataset": "x.jsonl"}, field: {"path": "/etc/hostname"}}
    relayed = {"x-forwarded-for": "1.2.3.4"}
    with program.control() as client:
        response = client.post(f"{BASE}/{action}", json={"recipe": recipe}, headers=relayed, timeout=60)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "path"
