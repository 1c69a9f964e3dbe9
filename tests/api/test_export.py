"""Exports and llama.cpp's adapters over the API: offered, begun, followed, and what came of them."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from modules.training.export.gguf_model import write_gguf
from tests.engines.tiny_adapters import make_adapter
from tests.program import RunningProgram
from tests.training.export.tiny_exports import make_model

PROMPT = [5, 9, 17, 33, 65]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProgram]:
    folder = tmp_path_factory.mktemp("export-program")
    base = make_model(folder / "models" / "tiny", "llama")
    write_gguf(base, folder / "models" / "small.gguf", "F16", "small", lambda _share, _note: None)
    for seed, name in enumerate(("one", "two"), start=1):
        make_adapter(base, folder / "models" / "adapters" / name, ["q_proj", "v_proj", "down_proj"], seed=seed)
    make_adapter(base, folder / "models" / "adapters" / "dora", ["q_proj"], use_dora=True)
    with RunningProgram(folder, "--no-ui", "--model", "small", "--admin-key", "test-admin") as program:
        program.wait_until_loaded()
        yield program


def post(program: RunningProgram, path: str, **body: Any) -> Any:
    with program.control() as client:
        return client.post(path, json=body)


def get(program: RunningProgram, path: str) -> Any:
    with program.control() as client:
        return client.get(path).json()


def completed(program: RunningProgram, *adapters: tuple[str, float]) -> str:
    uses = [{"name": name, "weight": weight} for name, weight in adapters]
    body = {"prompt": PROMPT, "max_tokens": 12, "temperature": 0, "ignore_eos": True, "adapters": uses}
    response = post(program, "/v1/completions", **body)
    assert response.status_code == 200, response.text
    return response.json()["choices"][0]["text"]


def test_adapters_on_llamacpp(program: RunningProgram) -> None:
    base = completed(program)
    for name in ("one", "two"):
        answer = post(program, "/control/adapters/load", name=name).json()
        assert "loads the model anew" in answer["note"]
        assert answer["adapter"]["loaded"]
        assert answer["adapter"]["memory_bytes"] > 1000
    choices: list[tuple[tuple[str, float], ...]] = [(), (("one", 1),), (("two", 0.5),), (("one", -1), ("two", 2))]
    alone = [completed(program, *choice) for choice in choices]
    assert alone[0] == base
    assert len(set(alone)) == 4
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda choice: completed(program, *choice), choices)) == alone
    refused = post(program, "/control/adapters/load", name="dora")
    assert refused.status_code == 400
    assert "DoRA" in refused.json()["error"]["message"]
    assert post(program, "/control/adapters/unload", name="one").json() == {"status": "ok"}
    assert completed(program, ("two", 0.5)) == alone[2]
    assert completed(program) == base


def exported(program: RunningProgram, **body: Any) -> None:
    job = post(program, "/control/export/start", **body).json()["job"]
    deadline = time.monotonic() + 100
    while job["state"] == "running" and time.monotonic() < deadline:
        time.sleep(0.2)
        job = next(one for one in get(program, "/control/jobs")["jobs"] if one["id"] == job["id"])
    assert (job["state"], job["error"]) == ("done", "")


def test_from_choice_to_result(program: RunningProgram) -> None:
    choices = {one["kind"]: one for one in get(program, "/control/export/choices?name=one")["choices"]}
    assert {kind: one["is_possible"] for kind, one in choices.items()} == {
        "merged": True,
        "gguf": True,
        "gguf_lora": True,
        "push": True,
    }
    assert set(choices["gguf"]["size_bytes"]) == set(choices["gguf"]["types"])
    exported(program, adapter="one", kind="merged", name="merged")
    (result,) = get(program, "/control/export/results")["results"]
    assert (result["name"], result["kind"], result["agreement"], result["error"]) == ("merged", "merged", None, "")
    assert "merged" in [one["id"] for one in get(program, "/control/models")["models"]]


def test_an_adapter_for_llamacpp_is_used_on_a_gguf_of_its_model(program: RunningProgram) -> None:
    exported(program, adapter="two", kind="gguf_lora", name="")
    result = next(one for one in get(program, "/control/export/results")["results"] if one["kind"] == "gguf_lora")
    assert (result["name"], result["models"]) == ("two", ["small"])
    used = post(program, "/control/training/use", name="two", model="small").json()
    assert used == {"model": "small", "adapter": "two"}
    adapters = get(program, "/control/adapters")["adapters"]
    assert next(one for one in adapters if one["name"] == "two")["weight"] == 1
    assert post(program, "/control/adapters/unload", name="two").json() == {"status": "ok"}


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("start", {"adapter": "one", "kind": "merged", "name": "tiny"}, 409, "already"),
        ("start", {"adapter": "nothing", "kind": "merged", "name": "x"}, 404, "nothing"),
        ("start", {"adapter": "one", "kind": "exe", "name": "x"}, 400, "kind"),
        ("start", {"adapter": "one", "kind": "gguf", "type": "Q5_K", "name": "x"}, 400, "type"),
        ("start", {"adapter": "one", "kind": "gguf", "name": "x"}, 400, "Choose a type"),
        ("push", {"adapter": "one", "repository": "someone/x"}, None, "token"),
    ],
    ids=str,
)
def test_refused(program: RunningProgram, path: str, body: dict[str, Any], status: int | None, said: str) -> None:
    response = post(program, f"/control/export/{path}", **body)
    assert response.status_code == status if status else response.status_code >= 400
    assert said in response.text
