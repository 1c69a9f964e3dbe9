"""Adapters over the API: on a model that takes them, with requests that name them, and where there are none."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.engines.tiny_adapters import make_adapter
from tests.engines.tiny_models import make_folder
from tests.program import RunningProgram

COMPLETIONS = "/v1/completions"
CHAT = "/v1/chat/completions"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProgram]:
    folder = tmp_path_factory.mktemp("adapters-program")
    base = make_folder(folder / "models" / "tiny", "llama")
    for seed, name in enumerate(("one", "two"), start=1):
        make_adapter(base, folder / "models" / "adapters" / name, ["q_proj", "v_proj", "down_proj"], seed=seed)
    other = make_folder(folder / "other", "llama", hidden_size=32)
    make_adapter(other, folder / "models" / "adapters" / "foreign", ["q_proj"])
    with RunningProgram(folder, "--no-ui", "--model", "tiny", "--admin-key", "test-admin") as program:
        program.wait_until_loaded()
        yield program


def post(program: RunningProgram, path: str, **body: Any) -> Any:
    with program.control() as client:
        return client.post(path, json=body)


def listed(program: RunningProgram) -> dict[str, dict[str, Any]]:
    with program.control() as client:
        return {adapter["name"]: adapter for adapter in client.get("/control/adapters").json()["adapters"]}


def completed(program: RunningProgram, **fields: Any) -> str:
    body = {"prompt": [5, 9, 17, 33, 65], "max_tokens": 16, "temperature": 0, "ignore_eos": True, **fields}
    response = post(program, COMPLETIONS, **body)
    assert response.status_code == 200, response.text
    return response.json()["choices"][0]["text"]


def assert_refused(response: Any, status: int, field: str, said: str) -> None:
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert (error["param"] or "").startswith(field)
    assert said in error["message"]


def use(name: str, weight: float = 1.0) -> dict[str, Any]:
    return {"name": name, "weight": weight}


def test_from_loading_to_unloading(program: RunningProgram) -> None:
    base = completed(program)
    assert {name: one["loaded"] for name, one in listed(program).items()} == {
        "foreign": False,
        "one": False,
        "two": False,
    }
    for name in ("one", "two"):
        adapter = post(program, "/control/adapters/load", name=name).json()["adapter"]
        assert (adapter["loaded"], adapter["weight"], adapter["kind"], adapter["rank"]) == (True, None, "lora", 4)
        assert adapter["memory_bytes"] > 1000
    assert completed(program) == base

    choices: list[Any] = [[], [use("one")], [use("two", 0.5)], [use("one", -1), use("two", 2)]]
    alone = [completed(program, adapters=choice) for choice in choices]
    assert alone[0] == base
    assert len(set(alone)) == 4
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda choice: completed(program, adapters=choice), choices)) == alone

    assert post(program, "/control/adapters/set", adapters=[use("two", 0.5)]).json() == {"status": "ok"}
    assert listed(program)["two"]["weight"] == 0.5
    assert completed(program) == alone[2]
    assert completed(program, adapters=[use("one")]) == alone[1]
    assert completed(program, adapters=[]) == base
    assert post(program, CHAT, messages=[{"role": "user", "content": "t5"}], adapters=[use("no")]).status_code == 400

    assert_refused(post(program, COMPLETIONS, prompt="t5", adapters=[use("three")]), 400, "adapters", "one, two")
    assert_refused(post(program, COMPLETIONS, prompt="t5", adapters=[use("one")] * 2), 400, "adapters", "twice")
    assert_refused(post(program, "/control/adapters/set", adapters=[use("three")]), 400, "adapters", "one, two")
    assert_refused(post(program, "/control/adapters/load", name="foreign"), 400, "name", "32")

    for name in ("one", "two"):
        assert post(program, "/control/adapters/unload", name=name).json() == {"status": "ok"}
    assert completed(program) == base
    assert not any(adapter["loaded"] for adapter in listed(program).values())
    assert_refused(post(program, "/control/adapters/unload", name="one"), 400, "name", "none")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"adapters": "one"}, "adapters"),
        ({"adapters": [{}]}, "adapters.0.name"),
        ({"adapters": ["one"]}, "adapters.0"),
        ({"adapters": [use("one", 4.1)]}, "adapters.0.weight"),
        ({"adapters": [use("one", -4.1)]}, "adapters.0.weight"),
        ({"adapters": [{"name": "one", "weight": "1"}]}, "adapters.0.weight"),
        ({"adapters": [use("x" * 121)]}, "adapters.0.name"),
        ({"adapters": [use("one")] * 9}, "adapters"),
    ],
    ids=str,
)
def test_wrong_fields_are_named(program: RunningProgram, body: dict[str, Any], field: str) -> None:
    assert_refused(post(program, COMPLETIONS, prompt="t5", **body), 400, field, "")
    assert_refused(post(program, "/control/adapters/set", **body), 400, field, "")


@pytest.mark.parametrize(("name", "status"), [("nothing", 404), ("../tiny", 400), ("", 400)])
def test_names_of_no_adapter(program: RunningProgram, name: str, status: int) -> None:
    assert_refused(post(program, "/control/adapters/load", name=name), status, "name", "")


def test_an_engine_without_adapters_says_so(echo_program: RunningProgram, tmp_path: Path) -> None:
    adapters = echo_program.models / "adapters" / "one"
    make_adapter(make_folder(tmp_path / "tiny", "llama"), adapters, ["q_proj"])
    assert_refused(
        post(echo_program, "/control/adapters/load", name="one"), 400, "name", "echo engine takes no adapters"
    )
    request = {"prompt": "hello", "adapters": [use("one")]}
    assert_refused(post(echo_program, COMPLETIONS, **request), 400, "adapters", "echo engine takes no adapters")
    assert post(echo_program, COMPLETIONS, prompt="hello", adapters=[]).status_code == 200
    assert post(echo_program, "/control/adapters/set", adapters=[]).status_code == 200


def test_without_a_model(tmp_path: Path) -> None:
    with RunningProgram(tmp_path, "--no-ui", "--admin-key", "test-admin") as program:
        assert listed(program) == {}
        for path in ("load", "unload"):
            assert_refused(post(program, f"/control/adapters/{path}", name="one"), 404, "model", "No model is loaded")
