"""How the next token would be chosen where a person is: the parameters in use there, and nothing loaded for it."""

from typing import Any

from tests.program import RunningProgram


def post(program: RunningProgram, **body: Any) -> tuple[int, Any]:
    with program.control() as client:
        answer = client.post("/control/distribution/next", json=body)
    return answer.status_code, answer.json()


def set_parameters(program: RunningProgram, **changes: Any) -> None:
    with program.control() as client:
        body = {"scope": {"kind": "everywhere"}, "changes": changes}
        assert client.post("/control/parameters/change", json=body).status_code == 200


def test_a_draft_is_asked_with_the_parameters_in_use(starter_program: RunningProgram) -> None:
    set_parameters(starter_program, top_k=20, top_p=1.0, min_p=0.0, temperature=0.7)
    status, body = post(starter_program, model="starter", draft="Say hello.", n=4)
    assert (status, body["is_loaded"]) == (200, True), body
    assert [(step["name"], step["kept"]) for step in body["steps"][1:]] == [("top_k", 20), ("temperature", 20)]
    set_parameters(starter_program, top_k=5)
    _, body = post(starter_program, model="starter", draft="Say hello.", n=4)
    assert body["steps"][-1]["kept"] == 5


def test_a_structure_is_left_out(starter_program: RunningProgram) -> None:
    set_parameters(starter_program, constraint={"kind": "choice", "source": '["yes", "no"]'})
    status, body = post(starter_program, model="starter", draft="Say hello.")
    assert status == 200, body
    set_parameters(starter_program, constraint=None)


def test_where_nothing_is_written_it_says_so(starter_program: RunningProgram) -> None:
    status, body = post(starter_program, model="starter")
    assert (status, body["error"]["param"]) == (400, "draft")
    status, _ = post(starter_program, model="starter", conversation="gone", draft="hello")
    assert status == 404


def test_nothing_is_loaded_for_it(starter_program: RunningProgram) -> None:
    status, body = post(starter_program, model="echo", draft="hello")
    assert (status, body) == (200, {"is_loaded": False, "steps": []})
    with starter_program.control() as client:
        states = {model["id"]: model for model in client.get("/control/models").json()["models"]}
    assert states["echo"]["state"] != "ready"
