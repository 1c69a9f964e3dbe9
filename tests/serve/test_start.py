"""Starting and ending the program: what it says, when it refuses, what it leaves behind."""

import json
import os
import platform
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from modules.paths import PROJECT
from modules.storage.database import Database
from modules.storage.linked_models import LinkedModels
from tests.conftest import link_or_copy
from tests.program import RunningProgram, run_to_end

HELLO = {"messages": [{"role": "user", "content": "hello"}]}


@pytest.mark.alone
def test_help_is_instant() -> None:
    best = 9.0
    for _ in range(6):
        started = time.monotonic()
        done = subprocess.run(
            [sys.executable, "webui.py", "--help"], cwd=PROJECT, capture_output=True, text=True, check=True
        )
        best = min(best, time.monotonic() - started)
    assert "--api-key" in done.stdout
    assert best < 0.5


def test_lines_health_and_order(tmp_path: Path) -> None:
    with RunningProgram(tmp_path, "--no-ui", "--model", "echo") as program:
        assert [line.split(":")[0] for line in program.lines] == ["Parlor is starting", "Parlor is ready"]
        assert program.url == f"http://127.0.0.1:{program.port}"
        with program.client() as client:
            assert client.get("/health").json() == {"status": "ok", "ui": "ready"}
            assert client.get("/").status_code == 404
        assert program.stop() == 0


@pytest.mark.alone
def test_health_answers_while_the_page_is_built(tmp_path: Path) -> None:
    program = RunningProgram(tmp_path, "--model", "echo")
    try:
        gaps: list[float] = []
        with program.client() as client:
            assert client.get("/health").json()["ui"] == "starting"
            assert b"Starting" in client.get("/").content
            reply = client.post(
                "/v1/chat/completions", json={"model": "echo", "messages": [{"role": "user", "content": "early"}]}
            )
            assert reply.json()["choices"][0]["message"]["content"] == "early"
            while True:
                asked = time.monotonic()
                state = client.get("/health").json()["ui"]
                gaps.append(time.monotonic() - asked)
                if state == "ready":
                    break
                time.sleep(0.02)
        assert max(gaps) < 1.0
    finally:
        program.stop()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--port", "99999"), "--port"),
        (("--nonsense",), "--nonsense"),
        (("--mod", "echo"), "--mod"),
        (("--host", "0.0.0.0"), "--auth"),
        (("--host", "::"), "--api-key"),
        (("--host", "192.0.2.7"), "--auth"),
        (("--api-key", ""), "--api-key"),
        (("--api-key", "  "), "--api-key"),
        (("--admin-key", "a\nb"), "--admin-key"),
        (("--auth", "nopassword"), "--auth"),
        (("--auth", "a:"), "--auth"),
        (("--auth", ":b"), "--auth"),
        (("--model", "nothing"), "There are: echo"),
        (("--model", "../x"), "There are: echo"),
        (("--model", "echo", "--chat-template", "nothing"), "There are: alpaca"),
        (("--model", "echo", "--engine", "x"), "--engine"),
    ],
)
def test_refusals(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    status, output, errors = run_to_end(tmp_path, *arguments)
    assert status == 2
    assert words in errors
    assert "Traceback" not in errors
    assert "Parlor is starting" not in output


def test_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        status, _, errors = run_to_end(tmp_path, "--port", port)
    assert status == 2
    assert port in errors
    assert "--port 0" in errors


def test_two_on_one_data_folder(tmp_path: Path) -> None:
    with RunningProgram(tmp_path, "--no-ui") as first:
        status, _, errors = run_to_end(tmp_path, "--no-ui")
        assert status == 2
        assert f"process {first.process.pid}" in errors
        assert first.url in errors
        first.kill()
    with RunningProgram(tmp_path, "--no-ui"):
        pass


def test_broken_model_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "broken.gguf").write_bytes(b"not a model")
    status, _, errors = run_to_end(tmp_path, "--model", "broken")
    assert status == 2
    assert "not a GGUF" in errors
    with RunningProgram(tmp_path, "--no-ui", "--model", "echo", "--admin-key", "test-admin") as program:
        program.wait_until_loaded()
        with program.control() as client:
            answer = client.post("/control/models/load", json={"model": "broken"})
            assert answer.status_code == 503
            assert "not a GGUF" in answer.json()["error"]["message"]
        assert program.status()["id"] == "echo"
        assert program.status()["state"] == "ready"


def test_a_file_that_only_the_engine_can_find_wrong(tmp_path: Path, starter_file: Path) -> None:
    """The header is sound, so the worker meets the damage: a clear error, then the next load works."""
    (tmp_path / "models").mkdir()
    content = starter_file.read_bytes()
    name = b"blk.0.attn_q.weight"
    place = content.index(name)
    (tmp_path / "models" / "odd.gguf").write_bytes(
        content[:place] + b"blk.0.attn_X.weight" + content[place + len(name) :]
    )
    (tmp_path / "models" / starter_file.name).hardlink_to(starter_file)
    with RunningProgram(tmp_path, "--no-ui", "--admin-key", "test-admin") as program, program.control() as client:
        answer = client.post("/control/models/load", json={"model": "odd"})
        assert answer.status_code == 503
        assert "lacks the tensor blk.0.attn_q.weight" in answer.json()["error"]["message"]
        status = program.status()
        assert (status["state"], status["cause"]) == ("failed", "damaged_file")
        assert "attn_q" in status["details"]
        assert client.post("/control/models/load", json={"model": "starter"}).status_code == 200


def test_data_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("in the way")
    with RunningProgram(tmp_path, "--no-ui", "--model", "echo") as program:
        assert any("not saved" in line for line in program.errors)
        with program.client() as client:
            reply = client.post(
                "/v1/chat/completions", json={"model": "echo", "messages": [{"role": "user", "content": "still"}]}
            )
            assert reply.json()["choices"][0]["message"]["content"] == "still"


def test_damaged_database_and_settings(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "parlor.db").write_bytes(b"garbage")
    (tmp_path / "data" / "settings.yaml").write_text("port: [")
    with RunningProgram(tmp_path, "--no-ui") as program:
        text = "\n".join(program.errors)
    assert "kept as parlor.damaged-" in text
    assert "settings.yaml is damaged" in text
    assert [path.read_bytes() for path in (tmp_path / "data").glob("parlor.damaged-*.db")] == [b"garbage"]


@pytest.mark.parametrize("moment", ["idle", "streaming"])
def test_sigterm_ends_cleanly(tmp_path: Path, moment: str) -> None:
    script = tmp_path / "script.json"
    script.write_text(json.dumps([{"text": "x ", "delay_ms": 50}] * 400))
    arguments = ("--no-ui", "--model", "echo", "--echo-script", str(script), "--admin-key", "test-admin")
    with RunningProgram(tmp_path, *arguments) as program:
        worker = program.wait_until_loaded()["worker_pid"]
        with program.client() as client:
            if moment == "streaming":
                request = client.build_request(
                    "POST",
                    "/v1/chat/completions",
                    json={"messages": [{"role": "user", "content": "x"}], "stream": True},
                )
                stream = client.send(request, stream=True)
                next(stream.iter_bytes())
            started = time.monotonic()
            assert program.stop() == 0
        assert time.monotonic() - started < 10
        assert not psutil.pid_exists(worker)
        assert not any("Traceback" in line for line in program.errors)


@pytest.mark.parametrize("pause", [0.0, 0.1, 0.2])
def test_killed_parent_leaves_no_worker(tmp_path: Path, pause: float) -> None:
    with RunningProgram(tmp_path, "--no-ui", "--model", "echo", "--admin-key", "test-admin") as program:
        program.wait_until_loaded()
        with program.client() as client:  # the template's child too
            client.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": "x"}]})
        children = psutil.Process(program.process.pid).children(recursive=True)
        assert len(children) == 2
        time.sleep(pause)
        program.kill()
        _, alive = psutil.wait_procs(children, timeout=5)
        assert [child for child in alive if child.status() != psutil.STATUS_ZOMBIE] == []


def test_every_listener_is_ours_and_local(starter_program: RunningProgram) -> None:
    family = [psutil.Process(starter_program.process.pid)]
    family += family[0].children(recursive=True)
    listening = {
        one.laddr for process in family for one in process.net_connections("inet") if one.status == psutil.CONN_LISTEN
    }
    assert listening == {("127.0.0.1", starter_program.port)}
    environment = {name: value for child in family[1:] for name, value in child.environ().items()}
    assert not any("test-admin" in value for value in environment.values())


def test_secrets_leak_nowhere(tmp_path: Path) -> None:
    canary = "canary-8f3a"
    environment = {
        "PARLOR_API_KEY": f"{canary}-api",
        "PARLOR_ADMIN_KEY": f"{canary}-admin",
        "PARLOR_AUTH": f"ann:{canary}-password",
    }
    with RunningProgram(tmp_path, "--no-ui", "--model", "echo", environment=environment) as program:
        seen = ""
        with program.client(authorization=f"Bearer {canary}-admin") as client:
            for method, path in [
                ("GET", "/v1/models"),
                ("GET", "/control/status"),
                ("GET", "/v1/openapi.json"),
                ("GET", "/login"),
                ("GET", "/nothing"),
            ]:
                answer = client.request(method, path)
                seen += answer.text + str(answer.headers)
            seen += client.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": "x"}]}).text
            seen += client.post("/v1/chat/completions", json={"messages": 1}).text
        for child in psutil.Process(program.process.pid).children(recursive=True):
            seen += str(child.environ()) + str(child.cmdline())
    seen += "\n".join(program.lines + program.errors)
    for path in (tmp_path / "data").rglob("*"):
        seen += path.read_bytes().decode("latin-1")
        assert (
            path.is_dir() or path.name.endswith(("-shm", "-wal")) or stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
        ), path
    assert canary not in seen


def relay_stub(home: Path) -> None:
    """A program in the place of the tunnel's, speaking the one line Gradio waits for."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    path = home / "gradio" / "frpc" / f"frpc_{platform.system().lower()}_{machine.lower()}_v0.3"
    path.parent.mkdir(parents=True)
    path.write_text(
        f'#!{sys.executable}\nimport os, sys, time\nopen({str(home / "seen")!r}, "w").write(str(os.getpid()) + " " + " ".join(sys.argv[1:]))\nprint("start proxy success: https://abc123.share.example", flush=True)\ntime.sleep(600)\n'
    )
    path.chmod(0o755)


def test_share(tmp_path: Path) -> None:
    """Against a stand-in for the tunnel: never open, and closed at the end."""
    home = tmp_path / "home"
    relay_stub(home)
    environment = {"HF_HOME": str(home), "GRADIO_SHARE_SERVER_ADDRESS": "127.0.0.1:9"}
    with RunningProgram(tmp_path, "--share", "--model", "echo", environment=environment) as program:
        assert program.wait_for_line("Share link: ") == "https://abc123.share.example"
        password = program.wait_for_line("Password: ")
        key = program.wait_for_line("API key: ")
        tunnel = int((home / "seen").read_text().split()[0])
        assert f"-l {program.port}" in (home / "seen").read_text()
        body = {"messages": [{"role": "user", "content": "hi"}]}
        with program.client(host="abc123.share.example") as client:
            assert client.post("/v1/chat/completions", json=body).status_code == 401
            assert client.get("/", headers={"accept": "text/html"}).status_code == 303
            assert (
                client.post("/v1/chat/completions", json=body, headers={"authorization": f"Bearer {key}"}).status_code
                == 200
            )
            origin = {"origin": "https://abc123.share.example"}
            answer = client.post("/login", data={"user": "parlor", "secret": password}, headers=origin)
            assert answer.status_code == 303
            cookie = {"cookie": answer.headers["set-cookie"].split(";")[0]}
            assert "gradio" in client.get("/", headers=cookie).text
        with program.client() as client:
            assert client.post("/v1/chat/completions", json=body).status_code == 401
        assert "\n".join(program.lines).count(password) == 1
        assert program.stop() == 0
    deadline = time.monotonic() + 5
    while psutil.pid_exists(tunnel) and psutil.Process(tunnel).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_share_that_cannot_be_opened(tmp_path: Path) -> None:
    home = tmp_path / "home"
    relay_stub(home)
    binary = next((home / "gradio" / "frpc").iterdir())
    binary.write_text(f"#!{sys.executable}\nprint('login to server failed: no', flush=True)\n")
    environment = {"HF_HOME": str(home), "GRADIO_SHARE_SERVER_ADDRESS": "127.0.0.1:9"}
    status, _, errors = run_to_end(tmp_path, "--share", environment=environment)
    assert status == 2
    assert "share link could not be opened" in errors


def test_interrupt_signal(tmp_path: Path) -> None:
    with RunningProgram(tmp_path, "--no-ui") as program:
        os.kill(program.process.pid, signal.SIGINT)
        assert program.process.wait(10) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_end_in_mid_answer_is_quick_and_quiet(tmp_path: Path, number: int) -> None:
    """The reader sees how its answer ends, and nothing that looks like a fault is printed."""
    script = tmp_path / "script.json"
    script.write_text(json.dumps([{"text": "x ", "delay_ms": 50}] * 400))
    with (
        RunningProgram(tmp_path, "--no-ui", "--model", "echo", "--echo-script", str(script)) as program,
        program.client() as client,
        client.stream("POST", "/v1/chat/completions", json={**HELLO, "stream": True}) as answer,
    ):
        lines = answer.iter_lines()
        assert any('"x "' in line for line in lines)
        started = time.monotonic()
        program.process.send_signal(number)
        assert any("[DONE]" in line for line in lines)
        assert program.process.wait(10) == 0
        assert time.monotonic() - started < 5
    assert program.errors == ["echo is loaded."]


def test_a_model_of_another_folder_or_a_link(tmp_path: Path, starter_file: Path) -> None:
    """Known before the program is up: a name that is mistyped is refused at once, these are not."""
    (tmp_path / "more").mkdir()
    link_or_copy(starter_file, tmp_path / "more" / "theirs.gguf")
    database = Database.open(tmp_path / "data" / "parlor.db")
    LinkedModels(database).add("linked", tmp_path / "more" / "theirs.gguf")
    database.close()
    for name, folders in (("theirs", str(tmp_path / "more")), ("linked", "")):
        arguments = ("--no-ui", "--admin-key", "test-admin", "--model", name, "--model-folders", folders)
        with RunningProgram(tmp_path, *arguments) as program:
            program.wait_until_loaded()
    status, _, errors = run_to_end(tmp_path, "--model", "theirs")
    assert (status, "linked" in errors) == (2, True)
