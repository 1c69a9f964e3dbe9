"""The program as a test sees it: a real process on a free port, with folders of its own."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Self

import httpx

from modules.paths import PROJECT

START_SECONDS = 60.0


def clean_environment() -> dict[str, str]:
    """This process's, without what was set for Parlor or for the model hub; engines that ran here set some, too."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PARLOR_", "HF_"))}


class RunningProgram:
    """`python webui.py ...` until the end of the `with` block; `lines` is its standard output so far."""

    def __init__(self, folder: Path, *arguments: str, environment: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.models = folder / "models"
        command = [sys.executable, str(PROJECT / "webui.py"), "--port", "0", "--no-open"]
        if "--data" not in arguments:
            command += ["--data", str(self.data)]
        if "--models" not in arguments:
            command += ["--models", str(self.models)]
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [*command, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**clean_environment(), **(environment or {})},
            cwd=folder,
        )
        self.lines: list[str] = []
        self.errors: list[str] = []
        self._readers = [
            threading.Thread(target=self._collect, args=(stream, lines), daemon=True)
            for stream, lines in ((self.process.stdout, self.lines), (self.process.stderr, self.errors))
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Self:
        self.wait_for_line("Parlor is ready: ")
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return self.wait_for_line("Parlor is starting: ")

    @property
    def port(self) -> int:
        match = re.search(r":(\d+)$", self.url)
        assert match is not None
        return int(match.group(1))

    def wait_for_line(self, beginning: str, seconds: float = START_SECONDS) -> str:
        """The rest of the first line of standard output that begins so."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for line in list(self.lines):
                if line.startswith(beginning):
                    return line.removeprefix(beginning).strip()
            if self.process.poll() is not None:
                break
            time.sleep(0.01)
        raise AssertionError(f"no line {beginning!r}; it said {self.lines} and {self.errors}")

    def client(self, **headers: str) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=60, headers=headers)

    def control(self) -> httpx.Client:
        """With the admin key the fixtures set."""
        return self.client(authorization="Bearer test-admin")

    def status(self) -> dict[str, Any]:
        """Of the model used last, as /control/status has it; empty when there is none."""
        with self.control() as client:
            engines = client.get("/control/status").json()["engines"]
        return engines[0] if engines else {}

    def wait_until_loaded(self, seconds: float = START_SECONDS) -> dict[str, Any]:
        return self.wait_for_status(lambda status: status.get("state") == "ready", seconds)

    def wait_for_status(self, accept: Any, seconds: float = 10.0) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        status: dict[str, Any] = {}
        while time.monotonic() < deadline:
            status = self.status()
            if accept(status):
                return status
            time.sleep(0.02)
        raise AssertionError(f"the status stayed {json.dumps(status)}; stderr: {self.errors}")

    def stop(self) -> int:
        """Ask it to end as a person does; returns the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def _collect(self, stream: Any, lines: list[str]) -> None:
        for line in stream:
            lines.append(line.rstrip("\n"))  # noqa: PERF401 - each line must be seen as it comes


def run_to_end(folder: Path, *arguments: str, environment: dict[str, str] | None = None) -> tuple[int, str, str]:
    """(exit status, standard output, standard error) of a start that is expected to refuse."""
    program = RunningProgram(folder, *arguments, environment=environment)
    try:
        status = program.process.wait(START_SECONDS)
    finally:
        if program.process.poll() is None:
            program.kill()
    for reader in program._readers:
        reader.join(2)
    return status, "\n".join(program.lines), "\n".join(program.errors)
