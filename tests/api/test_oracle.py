"""Estimates and their history over the control API."""

from tests.program import RunningProgram


def test_an_estimate_and_its_limits(starter_program: RunningProgram) -> None:
    client = starter_program.control()
    answer = client.post("/control/models/estimate", json={"model": "starter", "options": {"context_length": 512}})
    said = answer.json()["estimate"]
    assert said["parts"]["weights_bytes"] > 90e6
    assert said["memory"]["low"] < said["total_bytes"] < said["memory"]["high"]
    assert said["fit"] == "cpu"
    wrong = client.post("/control/models/estimate", json={"model": "starter", "options": {"cache_type": "q3"}})
    assert wrong.status_code == 400
    assert "cache_type" in wrong.text
    assert client.post("/control/models/estimate", json={"model": "nobody"}).status_code == 404
    assert client.get("/control/oracle/history", params={"model": "starter"}).json()["runs"] is not None
    assert client.get("/control/oracle/history").status_code == 400
