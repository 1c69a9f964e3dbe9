"""What the page asks of extensions over /control and /ext: cards, settings, views, files, routes."""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from tests.end_to_end.sample_extension import write_extension
from tests.program import RunningProgram

ODD = """
from modules.extensions import Button, Field, Panel, Route, RouteAnswer, Tab, Table, Text, hook

SHOWN = {
    "none": None,
    "text": "no list",
    "other": ["no part"],
    "many": [Text("x")] * 201,
    "rows": [Table(("a",), (("x",),) * 1001)],
    "cell": [Table(("a",), ((1,),))],
    "value": [Field("a", "A", value={"a": 1})],
    "label": [Button("a", None)],
    "nan": [Field("a", "A", kind="number", value=float("nan"))],
    "half": [Text("\\ud800")],
    "long": [Text("x" * 200_001)],
}


def leave(event):
    raise SystemExit(3)


@hook
def tabs():
    made = [Tab(name, name, lambda event, shown=shown: shown) for name, shown in SHOWN.items()]
    return [*made, Tab("leave", "Leave", leave), Tab("sound", "Sound", lambda event: [Text(str(dict(event.values)))])]


@hook
def panels():
    return [Panel("sound", "Sound", lambda event: [Text("a panel")])]


@hook
def routes():
    return [
        Route("", lambda request: RouteAnswer(f"root {request.path}", "text/plain")),
        Route("a", lambda request: RouteAnswer(f"a {request.path}", "text/plain")),
        Route("a/b", lambda request: RouteAnswer(f"ab {request.path} {request.query['q']}", "text/plain")),
        Route("moved", lambda request: RouteAnswer("", status=302)),
        Route("none", lambda request: None),
        Route("large", lambda request: RouteAnswer(b"x" * (32 * 2**20 + 1))),
        Route("said", lambda request: RouteAnswer({"body": len(request.body)}, status=418), methods=("POST",)),
    ]
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProgram]:
    folder = tmp_path_factory.mktemp("extensions-api")
    own = folder / "data" / "extensions"
    write_extension(own)
    write_extension(own, "odd", "Odd", ODD)
    (own / "wrong").mkdir()
    arguments = ("--no-ui", "--model", "echo", "--admin-key", "test-admin", "--extensions", str(folder / "bundled"))
    with RunningProgram(folder, *arguments) as program, program.control() as client:
        for name in ("sample", "odd"):
            assert client.post(f"/control/extensions/{name}/enable", json={}).status_code == 200
        yield program


def ask(program: RunningProgram, path: str, method: str = "GET", **values: Any) -> tuple[int, Any]:
    with program.control() as client:
        answer = client.request(method, path, **values)
    is_json = answer.headers["content-type"].startswith("application/json")
    return answer.status_code, answer.json() if is_json else answer.text


def shown(program: RunningProgram, view: str, **body: Any) -> tuple[int, Any]:
    return ask(program, f"/control/extensions/views/{view}", "POST", json=body)


def test_what_is_no_extension_is_listed_with_its_fault(program: RunningProgram) -> None:
    _, answer = ask(program, "/control/extensions")
    found = {one["name"]: one for one in answer["extensions"]}
    assert set(found) == {"sample", "odd", "wrong"}
    assert "extension.toml" in found["wrong"]["fault"]
    assert not found["wrong"]["is_sound"]
    assert found["sample"]["state"] == "enabled"
    assert answer["refusal"] == ""
    assert ask(program, "/control/extensions/wrong/enable", "POST", json={})[0] == 400
    assert ask(program, "/control/extensions/nothing")[0] == 404


def test_the_order_of_filters_is_the_persons(program: RunningProgram) -> None:
    path = "/control/extensions/odd"
    assert ask(program, f"{path}/move", "POST", json={"steps": -1}) == (200, {"order": ["odd", "sample"]})
    assert ask(program, path)[1]["extension"]["order"] == ["odd", "sample"]
    assert ask(program, f"{path}/move", "POST", json={"steps": 2})[0] == 400
    assert ask(program, "/control/extensions/wrong/move", "POST", json={"steps": 1})[0] == 400
    assert ask(program, f"{path}/move", "POST", json={"steps": 1}) == (200, {"order": ["sample", "odd"]})
    assert ask(program, "/control/extensions/views")[1]["loading"] == []


def test_a_secret_is_kept_and_never_told(program: RunningProgram) -> None:
    path = "/control/extensions/sample/settings"
    status, answer = ask(program, path, "PUT", json={"values": {"key": "very secret", "times": 2}})
    assert status == 200
    assert answer["secrets"] == ["key"]
    ask(program, path, "PUT", json={"values": {"times": 4}})
    for name in ("disable", "enable"):
        ask(program, f"/control/extensions/sample/{name}", "POST", json={})
    told = ask(program, path)[1]
    assert told["values"]["times"] == 4
    assert "very secret" not in str(told)
    assert shown(program, "sample/counter", button="tell")[1]["parts"][0]["text"] == "very secret"
    status, answer = ask(program, path, "PUT", json={"values": {"times": "many"}})
    assert (status, answer["error"]["param"]) == (400, "times")


@pytest.mark.parametrize(
    ("view", "part"),
    [
        ("none", "returned None instead of a list of parts"),
        ("text", "returned a str instead of a list of parts"),
        ("other", "returned a list with a str in it"),
        ("many", "returned 201 parts; 200 are the limit"),
        ("rows", "a table of 1,001 rows; 1,000 are the limit"),
        ("cell", "a Table with an int where a text belongs"),
        ("value", "gave the field a a dict as its value"),
        ("label", "a Button with None where a text belongs"),
        ("nan", "gave the field a a value that is no number"),
        ("half", "half of a surrogate pair"),
        ("long", "a text of 200,001 characters; 200,000 are the limit"),
        ("leave", "raised SystemExit"),
    ],
)
def test_a_view_that_cannot_be_shown_says_why(program: RunningProgram, view: str, part: str) -> None:
    status, answer = shown(program, f"odd/{view}")
    assert status == 500
    assert part in answer["error"]["message"]
    assert shown(program, "odd/sound")[0] == 200


@pytest.mark.parametrize(
    "tab", ["Tab('a/b', 'A', print)", "Tab('a', None, print)", "Tab('a', object(), print)", "Tab(3, 'A', print)"]
)
def test_a_tab_that_cannot_be_called_is_left_out(program: RunningProgram, tab: str) -> None:
    code = f"from modules.extensions import Tab, hook\n@hook\ndef tabs():\n    return [{tab}]\n"
    folder = write_extension(program.data / "extensions", "unnamed", "Unnamed", code)
    assert ask(program, "/control/extensions/unnamed/enable", "POST", json={})[0] == 200
    status, answer = ask(program, "/control/extensions/views")
    assert status == 200
    assert {one["extension"] for one in answer["views"]} == {"parlor", "sample", "odd"}
    assert ask(program, "/control/extensions/unnamed")[1]["extension"]["faults"][0]["hook"] == "tabs"
    ask(program, "/control/extensions/unnamed/disable", "POST", json={})
    shutil.rmtree(folder)


def test_a_tab_and_a_panel_may_have_one_name(program: RunningProgram) -> None:
    assert "a panel" in shown(program, "odd/sound", place="panel")[1]["parts"][0]["html"]
    assert "a panel" not in shown(program, "odd/sound")[1]["parts"][0]["html"]
    assert shown(program, "odd/nothing")[0] == 404
    assert shown(program, "odd/sound", place="window")[0] == 400


def test_markdown_of_an_extension_is_as_harmless_as_a_models(program: RunningProgram) -> None:
    values = {"a": "<img src=x onerror=alert(1)> ![x](https://example.org/x.png)"}
    html = shown(program, "odd/sound", values=values)[1]["parts"][0]["html"]
    assert "<img" not in html


def test_files_reach_the_extension_they_were_sent_to_alone(program: RunningProgram) -> None:
    status, sent = ask(program, "/control/extensions/uploads/sample/a.txt", "PUT", content=b"1234567")
    assert status == 200
    parts = shown(program, "sample/counter", values={"document": sent})[1]["parts"]
    assert "7 bytes" in parts[2]["html"]
    assert shown(program, "odd/sound", values={"document": sent})[0] == 404
    for upload in ("../../..", "/etc/passwd", "", "0" * 16):
        assert shown(program, "sample/counter", values={"document": {"upload": upload}})[0] in {400, 404}
    assert ask(program, "/control/extensions/uploads/nothing/a.txt", "PUT", content=b"1")[0] == 404
    assert ask(program, "/control/extensions/uploads/sample/..%5ca", "PUT", content=b"1")[0] == 400
    for number in range(20):
        ask(program, f"/control/extensions/uploads/sample/{number}.txt", "PUT", content=b"x")
    assert len(list((program.data / "extension-uploads" / "sample").iterdir())) == 16
    assert shown(program, "sample/counter", values={"document": sent})[0] == 404


def test_routes_by_their_longest_beginning(program: RunningProgram) -> None:
    assert ask(program, "/ext/odd") == (200, "root ")
    assert ask(program, "/ext/odd/abc/d") == (200, "root abc/d")
    assert ask(program, "/ext/odd/a/c") == (200, "a c")
    assert ask(program, "/ext/odd/a/b/c/d?q=1&q=2") == (200, "ab c/d 2")
    assert ask(program, "/ext/nothing/a")[0] == 404


@pytest.mark.parametrize("path", ["moved", "none", "large"])
def test_answers_that_cannot_be_sent(program: RunningProgram, path: str) -> None:
    status, answer = ask(program, f"/ext/odd/{path}")
    assert (status, answer["error"]["code"]) == (500, "extension_failed")


def test_methods_and_bodies(program: RunningProgram) -> None:
    assert ask(program, "/ext/odd/said", "POST", content=b"12345") == (418, {"body": 5})
    deep = b"[" * 100
    assert ask(program, "/ext/odd/said", "POST", content=deep) == (418, {"body": 100})
    assert ask(program, "/ext/odd/said", "POST", content=deep, headers={"content-type": "application/json"})[0] == 400
    assert ask(program, "/ext/odd/said")[0] == 405
    assert ask(program, "/ext/odd/said", "POST", content=b"x" * (4 * 2**20 + 1))[0] == 413


def test_only_what_is_for_programs_is_open_to_them(program: RunningProgram) -> None:
    with program.client() as client:
        assert client.get("/ext/sample/count").status_code == 403
        assert client.post("/ext/sample/open", content=b"abc").text == "abc"
        assert client.get("/control/extensions").status_code == 401


def test_nothing_of_it_answers_once_it_is_off(program: RunningProgram) -> None:
    ask(program, "/control/extensions/sample/disable", "POST", json={})
    assert ask(program, "/ext/sample/count")[0] == 404
    assert shown(program, "sample/counter")[0] == 404
    assert not (program.data / "extension-uploads" / "sample").exists()
    views = ask(program, "/control/extensions/views")[1]
    assert "sample" not in str(views)
    ask(program, "/control/extensions/sample/enable", "POST", json={})
    assert ask(program, "/ext/sample/count")[0] == 200
