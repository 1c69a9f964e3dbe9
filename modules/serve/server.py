"""The running program: one port, answering from the first moment while the rest is being built."""

import asyncio
import contextlib
import os
import signal
import sys
import threading
import webbrowser
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

import uvicorn

from modules.app import App, build_app
from modules.errors import ParlorError
from modules.extensions.dev_reload import Reloader
from modules.front.access import AccessRules
from modules.front.guard import Guard
from modules.front.hosts import HostRules
from modules.front.sessions import Sessions, load_secret
from modules.serve.addresses import BACKLOG, listen, outside_url, own_url
from modules.serve.dispatcher import Dispatcher
from modules.serve.protocol import PatientProtocol
from modules.serve.share import ShareLink
from modules.settings import Settings

SHUTDOWN_SECONDS = 2


class QuietServer(uvicorn.Server):
    """uvicorn without its own signal handling, which would end the process before our own clean-up."""

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield


class Program:
    """Listens at once, then builds the App, the API and the page on a thread, and switches them in."""

    def __init__(self, settings: Settings, rules: AccessRules, notices: tuple[str, ...]) -> None:
        self._settings = settings
        self._rules = rules
        self._notices = notices
        self._socket = listen(settings.host, settings.port)
        self.port: int = self._socket.getsockname()[1]
        self.url = own_url(settings.host, self.port)
        self._app: App | None = None
        self._share: ShareLink | None = None
        self._reloader: Reloader | None = None
        self._exit_status = 0
        self._ending = False
        self._page_lifespan = AsyncExitStack()

    def run(self) -> int:
        """Serve until a signal; returns the exit status."""
        try:
            run_loop(self._serve())
        finally:
            if self._share is not None:
                self._share.close()
            if self._reloader is not None:
                self._reloader.close()
            if self._app is not None:
                self._app.close()
        return self._exit_status

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._dispatcher = Dispatcher()
        hosts = HostRules(self._settings.host, configured_hosts(self._settings))
        sessions = Sessions(load_secret(self._settings.paths.session_secret), self._rules.credentials, self.port)
        self._guard = Guard(self._dispatcher, self._rules, hosts, sessions)
        config = uvicorn.Config(
            self._guard,
            http=PatientProtocol,
            ws="none",
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=BACKLOG,
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
            h11_max_incomplete_event_size=64 * 1024,
        )
        self._server = QuietServer(config)
        self._install_signals()
        serving = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        while not self._server.started and not serving.done():
            await asyncio.sleep(0.005)
        say(f"Parlor is starting: {self.url}")
        threading.Thread(target=self._build, name="build", daemon=True).start()
        await serving
        await self._page_lifespan.aclose()

    def _build(self) -> None:
        """On a thread of its own: imports take seconds, and the loop answers meanwhile."""
        try:
            self._app = build_app(self._settings, self._notices)
            for notice in self._app.notices:
                say(f"Notice: {notice}", sys.stderr)
            self._start_download(self._app)
            from modules.serve.web import build_api, build_page_app

            api = build_api(self._app)
            self._in_loop(lambda: self._dispatcher.serve_api(api))
            if self._settings.open and self._settings.ui and has_display():
                webbrowser.open(self.url)
            if self._settings.ui:
                page, lifespan = build_page_app(self._app)
                asyncio.run_coroutine_threadsafe(self._page_lifespan.enter_async_context(lifespan), self._loop).result()
                self._in_loop(lambda: self._dispatcher.serve_page(page))
            self._in_loop(self._dispatcher.declare_ready)
            say(f"Parlor is ready: {self.url}")
            if outside := outside_url(self._settings.host, self.port):
                say(f"For other machines: {outside}")
            self._start_model(self._app)
            if self._settings.dev:
                self._reloader = Reloader(self._app.extensions, say)
                self._reloader.start()
            if self._settings.share:
                self._open_share()
        except ParlorError as error:
            say(f"Parlor cannot start: {error}", sys.stderr)
            self._stop(2)
        except Exception:
            self._stop(1)
            raise

    def _start_download(self, app: App) -> None:
        """The network's work can go on while the page is being built."""
        if self._settings.model == "starter" and not app.models.starter().present:
            job = app.models.fetch_starter()
            threading.Thread(target=follow_download, args=(app, job.id), name="first download", daemon=True).start()

    def _start_model(self, app: App) -> None:
        """Only now: loading takes every core, and the page is wanted first. A request loads the model anyway."""
        name = self._settings.model
        if name is not None and app.models.starter().job is None:
            threading.Thread(target=load_first, args=(app, name), name="first load", daemon=True).start()

    def _open_share(self) -> None:
        assert self._app is not None
        self._share = ShareLink(self.port, self._app.paths.data / "relay-certificate.pem")
        link = self._share.open()
        self._guard.allow_share(link.split("://", 1)[1].rstrip("/"))
        say(f"Share link: {link}")
        # Secrets made for this link are shown once; those the person set are theirs to know.
        if self._settings.auth is None and self._rules.auth is not None:
            say(f"User: {self._rules.auth[0]}")
            say(f"Password: {self._rules.auth[1]}")
        if self._settings.api_key is None:
            say(f"API key: {self._rules.api_key}")

    def _install_signals(self) -> None:
        def on_signal(*_: object) -> None:
            if self._ending:
                os._exit(1)
            self._stop(self._exit_status)

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, on_signal)

    def _stop(self, status: int) -> None:
        """Any thread. Replies end first, so that nobody who reads one is cut off."""
        self._exit_status = status
        self._ending = True
        threading.Thread(target=self._end, name="end", daemon=True).start()

    def _end(self) -> None:
        if self._app is not None:
            self._app.stop_replies()
        self._server.should_exit = True

    def _in_loop(self, action: Callable[[], None]) -> None:
        self._loop.call_soon_threadsafe(action)


def run_loop(program: Coroutine[Any, Any, None]) -> None:
    """On uvloop where it exists: handing a token from an engine's thread to its reader costs half as much there."""
    if sys.platform == "win32":
        asyncio.run(program)
    else:
        import uvloop

        uvloop.run(program)


def follow_download(app: App, job_id: str) -> None:
    """Show the first download in the terminal, then load the model."""
    shown = -1
    while (job := app.jobs.get(job_id)).state == "running":
        percent = int((job.progress or 0) * 100)
        if percent >= shown + 5:
            shown = percent
            say(f"Fetching the starter model: {percent} %", sys.stderr)
        threading.Event().wait(0.2)
    if job.state == "done":
        load_first(app, "starter")
    else:
        say(f"The starter model was not fetched: {job.error}", sys.stderr)


def load_first(app: App, name: str) -> None:
    try:
        app.models.load(name).result.result()
    except ParlorError as error:
        say(f"{name} was not loaded: {error}", sys.stderr)
    else:
        say(f"{name} is loaded.", sys.stderr)


def configured_hosts(settings: Settings) -> tuple[str, ...]:
    return tuple(name.strip() for name in settings.allowed_hosts.split(",") if name.strip())


def has_display() -> bool:
    """Without one, opening a browser would start one inside the terminal."""
    return sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def say(line: str, stream: Any = None) -> None:
    print(line, file=stream or sys.stdout, flush=True)
