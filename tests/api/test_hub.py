"""The hub over /control, by a program that really runs, and where the token does not appear."""

from collections.abc import Iterator

import pytest

from tests.hub.scripted_hub import Scripted, ScriptedHub
from tests.program import RunningProgram

TOKEN = "hf_canary0123456789"
SEARCH = "/control/hub/search"


@pytest.fixture(scope="module")
def hub() -> Iterator[ScriptedHub]:
    with ScriptedHub() as hub:
        hub.answers["/api/models"] = Scripted([{"id": "user/model", "tags": ["gguf"]}])
        hub.answers["/api/whoami-v2"] = Scripted({"name": "someone"})
        hub.repository("user/model", {"README.md": b"# Card", "m-Q8_0.gguf": b"x"})
        yield hub


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory, hub: ScriptedHub) -> Iterator[RunningProgram]:
    folder = tmp_path_factory.mktemp("hub-program")
    arguments = ("--no-ui", "--admin-key", "test-admin", "--hub-endpoint", hub.endpoint)
    with RunningProgram(folder, *arguments, environment={"HF_TOKEN": ""}) as program:
        yield program


def test_the_start_asks_nobody(program: RunningProgram, hub: ScriptedHub) -> None:
    with program.control() as client:
        told = client.get("/control/hub").json()
    assert told == {"endpoint": hub.endpoint, "has_token": False, "from_environment": False}
    assert hub.asked == []


def test_search_and_look(program: RunningProgram, hub: ScriptedHub) -> None:
    with program.control() as client:
        found = client.get(SEARCH, params={"words": "smol", "format": "gguf", "least_parameters": "1000000"}).json()
        page = client.get("/control/hub/model", params={"repository": "user/model"}).json()
    assert [entry["repository"] for entry in found["entries"]] == ["user/model"]
    assert found["next"] == ""
    assert (page["card"], page["has_access"], page["revision"]) == ("# Card", True, "main")
    assert [(choice["name"], choice["size_bytes"]) for choice in page["choices"]] == [("Q8_0", 1)]


def test_the_token_comes_and_goes_and_is_never_told(program: RunningProgram, hub: ScriptedHub) -> None:
    said: list[str] = []
    with program.control() as client:
        said.append(client.post("/control/hub/token", json={"token": TOKEN}).text)
        assert client.get("/control/hub/account").json() == {
            "user": "someone",
            "has_token": True,
            "from_environment": False,
        }
        assert hub.asked[-1].headers["authorization"] == f"Bearer {TOKEN}"
        hub.answers["/api/models"] = Scripted({}, 500)
        said += [client.get(path).text for path in (SEARCH, "/control/hub", "/control/hub/account", "/control/status")]
        said.append(client.post("/control/hub/token", json={"token": f"{TOKEN} {TOKEN}"}).text)
        said.append(client.post("/control/hub/token", json={"token": [TOKEN]}).text)
        assert client.delete("/control/hub/token").json() == {"status": "ok"}
        assert client.get("/control/hub").json()["has_token"] is False
    assert TOKEN not in "\n".join([*said, *program.lines, *program.errors])


@pytest.mark.parametrize(
    ("path", "parameters", "field"),
    [
        (SEARCH, {"sorting": "size"}, "sorting"),
        (SEARCH, {"format": "pickle"}, "format"),
        (SEARCH, {"least_parameters": "-1"}, "least_parameters"),
        (SEARCH, {"most_parameters": "1e99"}, "most_parameters"),
        (SEARCH, {"words": "x" * 201}, "words"),
        (SEARCH, {"words": "a\0b"}, "words"),
        (SEARCH, {"cursor": "a b"}, "cursor"),
        (SEARCH, {"unknown": "1"}, "unknown"),
        ("/control/hub/model", {}, "repository"),
        ("/control/hub/model", {"repository": "model"}, "repository"),
        ("/control/hub/model", {"repository": "user/model", "revision": ""}, "revision"),
    ],
)
def test_bad_input_is_named(program: RunningProgram, path: str, parameters: dict[str, str], field: str) -> None:
    with program.control() as client:
        answer = client.get(path, params=parameters)
    assert answer.status_code == 400, answer.text
    assert field in answer.json()["error"]["param"]


@pytest.mark.parametrize("path", ["", "/search", "/model?repository=a/b", "/account"])
def test_only_with_the_admin_key(program: RunningProgram, hub: ScriptedHub, path: str) -> None:
    before = len(hub.asked)
    with program.client() as client:
        assert client.get(f"/control/hub{path}").status_code in {401, 403}
        assert client.post("/control/hub/token", json={"token": TOKEN}).status_code in {401, 403}
    assert len(hub.asked) == before
