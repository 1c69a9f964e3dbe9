"""Streaming, first token, page, start-up, memory and cancel, each against its named reference in one run.

usage: python -m tests.benchmarks.serving [streams] [page] [start] [cancel]   (all by default; needs the starter model)
Runs are interleaved A B B A; the medians of the ratios are printed with their spread. Nothing else should compute meanwhile.
"""

import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from modules.library.starter import STARTER
from modules.paths import PROJECT
from tests.browser import Watched, chromium
from tests.conftest import link_or_copy
from tests.program import RunningProgram

ROUNDS = 24
TOKENS = 100
PAGE_ROUNDS = 6
PAGE_SECONDS = 4.0
STORY = "Tell me a long story about a dragon who learns to paint with the help of an old sailor and a copper lantern, number"


def stream(
    address: str, number: int, tokens: int = TOKENS, messages: list[dict[str, str]] | None = None
) -> tuple[float, float]:
    """(seconds to the first token, tokens a second after it) of one chat."""
    place = urllib.parse.urlsplit(address)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=120)
    body = {"model": "starter", "messages": messages or [{"role": "user", "content": f"{STORY} {number}."}]}
    body |= {"max_tokens": tokens, "stream": True, "ignore_eos": True, "temperature": 0.7, "seed": number}
    started = time.perf_counter()
    connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
    response = connection.getresponse()
    first = last = 0.0
    count = 0
    for line in response:
        if line.startswith(b"data: {") and b'"content": "' in line.replace(b'":"', b'": "'):
            last = time.perf_counter()
            first = first or last
            count += 1
    connection.close()
    # The role's chunk, which holds no text, may come first.
    return first - started, (count - 1) / (last - first)


def together(address: str, number: int) -> float:
    """Tokens a second of four chats at once, all counted until the last has ended."""
    threads = [threading.Thread(target=stream, args=(address, number * 10 + one, 100)) for one in range(4)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return 400 / (time.perf_counter() - started)


def compare(name: str, ours: Callable[[int], float], reference: Callable[[int], float], target: str) -> None:
    rows: list[tuple[float, float]] = []
    for number in range(ROUNDS):
        if number % 2:
            theirs = reference(number)
            rows.append((ours(number), theirs))
        else:
            rows.append((ours(number), reference(number)))
    show(name, rows, target)


def show(name: str, rows: list[tuple[float, float]], target: str) -> None:
    ratios = sorted(a / b for a, b in rows)
    print(
        f"{name}: {statistics.median(a for a, _ in rows):.1f} vs {statistics.median(b for _, b in rows):.1f}, "
        f"ratio {statistics.median(ratios):.3f} ({ratios[0]:.2f}..{ratios[-1]:.2f}), target {target}",
        flush=True,
    )


def folder_with_starter() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="parlor-bench-"))
    (folder / "models").mkdir()
    link_or_copy(PROJECT / "models" / STARTER.file_name, folder / "models" / STARTER.file_name)
    return folder


def bench_streams() -> None:
    gguf = PROJECT / "models" / STARTER.file_name
    command = [sys.executable, "-m", "tests.benchmarks.binding_server", str(gguf)]
    binding = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert binding.stdout is not None
    reference = binding.stdout.readline().strip()
    with RunningProgram(folder_with_starter(), "--no-ui", "--model", "starter", "--admin-key", "test-admin") as program:
        program.wait_until_loaded()
        for address in (program.url, reference):
            stream(address, 99, 20)
        compare("one stream, tok/s", lambda n: stream(program.url, n)[1], lambda n: stream(reference, n)[1], ">= 0.95")
        compare("four streams, tok/s", lambda n: together(program.url, n), lambda n: together(reference, n), ">= 0.95")
        # New words each time, so that neither has the prompt cached.
        pairs = [(stream(program.url, 1000 + n, 2)[0], stream(reference, 1000 + n, 2)[0]) for n in range(ROUNDS)]
        extra = sorted((ours - theirs) * 1000 for ours, theirs in pairs)
        print(
            f"extra time to first token: {statistics.median(extra):.1f} ms ({extra[0]:.0f}..{extra[-1]:.0f}), target <= 15"
        )
    binding.kill()


def bench_page() -> None:
    """The same model on the same conversation, by the page and by the API; without and with a browser that draws it."""
    with RunningProgram(folder_with_starter(), "--model", "starter", "--admin-key", "test-admin") as program:
        program.wait_until_loaded()
        long = {above: fill(program, above) for above in (10, 400)}
        for above, conversation in long.items():
            rows = [page_and_api(program, conversation, number) for number in range(PAGE_ROUNDS)]
            show(f"page without its browser, {above} messages above, tok/s", rows, ">= 0.9")
        with chromium() as browser:
            for above, conversation in long.items():
                window = Watched(browser, program.url)
                window.open(f"/?c={conversation}")
                window.page.locator("article").first.wait_for()
                rows = [page_and_api(program, conversation, number, window) for number in range(PAGE_ROUNDS)]
                show(f"page with Chromium, {above} messages above, tok/s", rows, ">= 0.8")
                window.close()


def fill(program: RunningProgram, messages: int) -> str:
    """A conversation of that many short messages, written by the program's own store."""
    code = f"""
from pathlib import Path
from modules.storage.conversations import ConversationStore
from modules.storage.database import Database
store = ConversationStore(Database.open(Path({str(program.data / "parlor.db")!r})))
conversation = store.create("Long")
parent = None
for number in range({messages // 2}):
    _, reply = store.append_turn(conversation.id, parent, "Number " + str(number) + "?", "", number)
    store.update_reply(reply.id, content="It is **" + str(number) + "**.", reasoning="", state="complete")
    parent = reply.id
print(conversation.id)
"""
    return subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True
    ).stdout.strip()


def page_and_api(
    program: RunningProgram, conversation: str, number: int, window: Watched | None = None
) -> tuple[float, float]:
    """(tokens a second by the page, the same by the API for just that prompt and length), by the engine's own count."""
    page = PageClient(program)
    question = f"{STORY} {number}."
    if window is None:
        page.send(conversation, question)
    else:
        before = window.page.locator("article.assistant").count()
        window.send(question)
        window.page.wait_for_function(f"document.querySelectorAll('article.assistant').length > {before}")
        window.page.locator("article.last .tail:not(:empty)").wait_for(timeout=120_000)
        time.sleep(PAGE_SECONDS)
        window.page.keyboard.press("Escape")
        window.wait_for_reply()
    *above, reply = page.path(conversation)
    messages = [{"role": message["role"], "content": message["text"]} for message in above]
    api = stream(program.url, number, int(reply["stats"]["completion_tokens"]), messages)[1]
    return reply["stats"]["tokens_per_second"], api


class PageClient:
    """Does what the page's script does, without a browser."""

    def __init__(self, program: RunningProgram) -> None:
        self._client = program.client()
        config = self._client.get("/config").json()
        self._view = next(one for one in config["components"] if one["props"].get("elem_id") == "parlor-chat")

    def call(self, name: str, **values: Any) -> Any:
        body = {"session_hash": "bench", "component_id": self._view["id"], "fn_name": name, "data": values}
        return self._client.post("/gradio_api/component_server", json=body).json()

    def send(self, conversation: str, text: str) -> None:
        """Returns when the reply has ended, PAGE_SECONDS after its first words at the latest."""
        thread = self.call("chat_open", id=conversation, known=[])
        revision, known = thread["conversation"]["revision"], thread["path"]
        thread = self.call("chat_send", id=conversation, revision=revision, text=text, known=known, model=None)
        generation = thread["messages"][thread["path"][-1]]["generation_id"]
        stop = threading.Timer(PAGE_SECONDS, self.call, ("chat_stop",), {"generation_id": generation})
        with self._client.stream("GET", f"/ui/generations/{generation}/events") as response:
            for line in response.iter_lines():
                if '"delta"' in line and not stop.is_alive() and not stop.finished.is_set():
                    stop.start()
        stop.cancel()

    def path(self, conversation: str) -> list[dict[str, Any]]:
        thread = self.call("chat_open", id=conversation, known=[])
        missing = [one for one in thread["path"] if one not in thread["messages"]]
        for start in range(0, len(missing), 200):
            thread["messages"] |= self.call("chat_messages", ids=missing[start : start + 200])["messages"]
        return [thread["messages"][one] for one in thread["path"]]


def bench_start() -> None:
    rows: list[tuple[float, float, float, float]] = []
    for _ in range(5):
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, "-c", "import gradio"], check=True, env={**os.environ, "GRADIO_ANALYTICS_ENABLED": "False"}
        )
        importing = time.perf_counter() - started
        program = RunningProgram(folder_with_starter(), "--model", "starter", "--admin-key", "test-admin")
        program.wait_for_line("Parlor is starting")
        with program.client() as client:
            client.get("/health")
            client.get("/")
            painted = time.monotonic() - program.started
            program.wait_for_line("Parlor is ready")
            ready = time.monotonic() - program.started
            program.wait_until_loaded()
            time.sleep(3)
            memory = psutil.Process(program.process.pid).memory_info().rss / 2**20
        program.stop()
        rows.append((importing, painted, ready, memory))
    importing, painted, ready, memory = (statistics.median(column) for column in zip(*rows, strict=True))
    print(f"first paint and /health after {painted:.2f} s, target <= 1.2")
    print(
        f"page ready after {ready:.2f} s, import gradio {importing:.2f} s, beyond it {ready - importing:.2f} s, target <= 1"
    )
    print(f"RSS of the page's process, idle, model loaded: {memory:.0f} MiB, target <= 250")


def bench_cancel() -> None:
    """From the client's leaving to the free slot."""
    with RunningProgram(folder_with_starter(), "--no-ui", "--model", "starter", "--admin-key", "test-admin") as program:
        program.wait_until_loaded()
        words = " ".join(["dragon", "paint", "river", "stone", "cloud", "music", "garden", "letter"] * 350)
        for name, text, wait, target in (
            ("decoding", STORY, 0.6, "<= 0.3 s"),
            ("in prefill", words, 0.6, "<= 1 s"),
        ):
            times = sorted(leave(program, f"{number} {text}", wait) for number in range(30))
            print(
                f"cancel while {name}: median {times[15]:.2f} s, p95 {times[28]:.2f} s, target p95 {target}", flush=True
            )


def leave(program: RunningProgram, text: str, wait: float) -> float:
    body = {"model": "starter", "messages": [{"role": "user", "content": text}], "stream": True, "ignore_eos": True}
    connection = http.client.HTTPConnection("127.0.0.1", program.port)
    with program.control() as client:
        connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
        time.sleep(wait)
        assert client.get("/control/status").json()["engines"][0]["running"] == 1
        left = time.perf_counter()
        connection.close()
        while client.get("/control/status").json()["engines"][0]["running"]:
            time.sleep(0.005)
        return time.perf_counter() - left


if __name__ == "__main__":
    print("load", os.getloadavg(), "cores", os.cpu_count())
    chosen = sys.argv[1:] or ["streams", "page", "start", "cancel"]
    for bench in (bench_streams, bench_page, bench_start, bench_cancel):
        if bench.__name__.removeprefix("bench_") in chosen:
            bench()
