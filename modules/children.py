"""Child processes that speak lines of JSON over their standard streams and die with this one: both ends."""

import ctypes
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, BinaryIO

from modules.paths import PROJECT

SECRET_VARIABLES = ("PARLOR_API_KEY", "PARLOR_ADMIN_KEY", "PARLOR_AUTH", "HF_TOKEN")
LAST_WORDS_LINES = 200
PR_SET_PDEATHSIG = 1
START_SECONDS = 10.0
ENDED = "ended"


class Launcher:
    """Starts children from one long-lived thread.

    Linux sends the parent-death signal when the *thread* that forked ends, so no other thread may fork them.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="launcher")

    def start(self, module: str) -> subprocess.Popen[bytes]:
        """Run `python -m module` with pipes on all three streams and without this program's secrets."""
        environment = {name: value for name, value in os.environ.items() if name not in SECRET_VARIABLES}
        environment["PYTHONPATH"] = str(PROJECT)

        def spawn() -> subprocess.Popen[bytes]:
            return subprocess.Popen(
                [sys.executable, "-m", module, str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
                start_new_session=True,
            )

        started: Future[subprocess.Popen[bytes]] = self._thread.submit(spawn)
        return started.result()

    def close(self) -> None:
        self._thread.shutdown(wait=False)


class Child:
    """The parent's end of one child.

    `on_line` gets every JSON object the child writes, `on_end` its exit status once it is gone; both are called
    on the child's own reader thread. `send` may be called from any thread and raises BrokenPipeError when the
    child has gone.
    """

    def __init__(
        self,
        launcher: Launcher,
        module: str,
        on_line: Callable[[bytes], None],
        on_end: Callable[[int], None],
    ) -> None:
        self._process = launcher.start(module)
        self._last_words: deque[str] = deque(maxlen=LAST_WORDS_LINES)
        self._write_lock = threading.Lock()
        self._listener = threading.Thread(target=self._drain_errors, name=f"{module} stderr", daemon=True)
        self._listener.start()
        threading.Thread(target=self._read, args=(on_line, on_end), name=f"{module} reader", daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def last_words(self) -> str:
        """The newest lines the child wrote to its standard error."""
        return "\n".join(self._last_words)

    def send(self, message: bytes) -> None:
        stream = self._process.stdin
        if stream is None or stream.closed:
            raise BrokenPipeError
        with self._write_lock:
            stream.write(message + b"\n")
            stream.flush()

    def end(self, patience_seconds: float = 5.0) -> None:
        """Close the child's input, which asks it to leave; kill it when it does not in time."""
        try:
            if self._process.stdin is not None:
                self._process.stdin.close()
        except OSError:
            pass
        try:
            self._process.wait(patience_seconds)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def _read(self, on_line: Callable[[bytes], None], on_end: Callable[[int], None]) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            # A child that is killed as it writes leaves half a line.
            if line.endswith(b"\n"):
                on_line(line)
        status = self._process.wait()
        self._listener.join(1.0)
        on_end(status)

    def _drain_errors(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._last_words.append(line.decode("utf-8", "replace").rstrip()[:2000])


class TimedChild:
    """A child that answers one question at a time, and is killed when it takes too long; started when first asked.

    Any thread may call.
    """

    def __init__(self, launcher: Launcher, module: str, seconds: float) -> None:
        self._launcher = launcher
        self._module = module
        self._seconds = seconds
        self._lock = threading.Lock()
        self._child: Child | None = None
        self._answers: queue.Queue[dict[str, Any]] = queue.Queue()

    def ask(self, question: str) -> dict[str, Any]:
        """Raises TimeoutError when the child was killed, BrokenPipeError when it ended by itself."""
        with self._lock:
            patience = self._seconds
            if self._child is None:
                self._child = self._start()
                patience += START_SECONDS
            try:
                self._child.send(question.encode())
                answer = self._answers.get(timeout=patience)
            except queue.Empty:
                self._child.kill()
                self._child = None
                raise TimeoutError from None
            except BrokenPipeError:
                self._child = None
                raise
            if ENDED in answer:
                self._child = None
                raise BrokenPipeError
            return answer

    def close(self) -> None:
        with self._lock:
            if self._child is not None:
                self._child.end()
                self._child = None

    def _start(self) -> Child:
        answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self._answers = answers
        return Child(
            self._launcher,
            self._module,
            on_line=lambda line: answers.put(json.loads(line)),
            on_end=lambda _status: answers.put({ENDED: True}),
        )


class ParentPipe:
    """The child's end: the parent's lines and a thread-safe `send`.

    Standard output is moved away first, so that a library that prints cannot break the protocol.
    """

    def __init__(self) -> None:
        die_with_parent(int(sys.argv[1]))
        self._input: BinaryIO = sys.stdin.buffer
        self._output = os.fdopen(os.dup(1), "wb", buffering=0)
        os.dup2(2, 1)
        self._lock = threading.Lock()

    def lines(self) -> Iterator[bytes]:
        """Until the parent closes the pipe or dies."""
        yield from self._input

    def send(self, message: bytes) -> None:
        with self._lock:
            self._output.write(message + b"\n")


def limit_memory(limit_bytes: int, *, count_files: bool = True) -> None:
    """Of a child that reads hostile text: it must end itself, not the machine. Where the system knows no such limit,
    time does. `count_files`: whether files that are mapped into memory count, too."""
    if sys.platform != "win32":
        import resource

        kind = resource.RLIMIT_AS if count_files else resource.RLIMIT_DATA
        resource.setrlimit(kind, (limit_bytes, limit_bytes))


def die_with_parent(parent_pid: int) -> None:
    """Ask the kernel for SIGKILL when the parent dies (Linux); elsewhere the end of the pipe must do."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        os._exit(1)
    # A terminal's Ctrl+C reaches the whole group; only the parent decides when a child leaves.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
