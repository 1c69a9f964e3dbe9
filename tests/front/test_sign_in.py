"""Signing in: the form in a real browser, its limits, and who the guard says is asking."""

import asyncio
import base64
import json
import stat
import sys
import urllib.parse
from pathlib import Path
from threading import Event

import pytest
from playwright.sync_api import expect

from modules.errors import StartError
from modules.front.access import AccessRules, check_exposure, check_secret, parse_auth
from modules.front.asgi import Refused
from modules.front.hosts import HostRules
from modules.front.screens import SPLASH
from modules.front.sessions import LIFETIME_SECONDS, Sessions, load_secret
from tests.browser import chromium
from tests.front.served import build_guard, call, serve

AUTH = ("ann", "pass [word] é")
FORM = {"content_type": "application/x-www-form-urlencoded"}
ADMIN = "k3y-of-the-admin"
KEY = "k3y-of-the-api"


@pytest.mark.browser
def test_a_person_signs_in() -> None:
    with chromium() as browser:
        for served in serve(AccessRules(auth=AUTH)):
            page = browser.new_context(viewport={"width": 360, "height": 640}).new_page()
            page.goto(f"http://localhost:{served.port}/")
            expect(page).to_have_url(f"http://localhost:{served.port}/login")
            page.get_by_label("User").fill(AUTH[0])
            page.get_by_label("Password").fill("wrong")
            page.get_by_role("button", name="Sign in").click()
            expect(page.get_by_role("alert")).to_have_text("That is not right.")
            assert page.evaluate("document.documentElement.scrollWidth") <= 360
            page.get_by_label("User").fill(AUTH[0])
            page.get_by_label("Password").fill(AUTH[1])
            page.get_by_role("button", name="Sign in").click()
            expect(page).to_have_url(f"http://localhost:{served.port}/")
            expect(page.locator("body")).to_contain_text('"kind": "page"')


@pytest.mark.browser
def test_the_waiting_screen_becomes_the_page() -> None:
    is_ready = Event()

    async def starting(scope: object, _receive: object, send: object) -> None:
        path = scope["path"]  # type: ignore[index]
        content, kind = (b"the page" if is_ready.is_set() else SPLASH), b"text/html"
        if path == "/health":
            state = b"ready" if is_ready.is_set() else b"starting"
            content, kind = b'{"ui": "' + state + b'"}', b"application/json"
        start = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]}
        await send(start)  # type: ignore[operator]
        await send({"type": "http.response.body", "body": content})  # type: ignore[operator]

    with chromium() as browser:
        for served in serve(AccessRules(), inner=starting):
            page = browser.new_context().new_page()
            complaints: list[str] = []
            page.on("console", lambda line, complaints=complaints: complaints.append(line.text))
            with page.expect_response("**/health"):
                page.goto(f"http://localhost:{served.port}/")
            expect(page.get_by_role("status")).to_contain_text("Starting")
            is_ready.set()
            expect(page.locator("body")).to_have_text("the page")
            assert complaints == []


def test_the_form_has_limits_of_its_own() -> None:
    for served in serve(AccessRules(auth=AUTH)):
        secret = urllib.parse.quote(AUTH[1])
        assert served.ask("POST", "/login", f"user=ann&secret={secret}".encode(), **FORM)[0] == 303
        status, _, body = served.ask("POST", "/login", b"user=" + b"a" * 9000, **FORM)
        assert status == 413
        assert "8 KiB" in json.loads(body)["error"]["message"]
        assert served.ask("POST", "/login", b"&".join([b"a=1"] * 20), **FORM)[0] == 400
        assert served.ask("POST", "/login", b"user=ann&secret=" + b"[" * 100, **FORM)[0] == 401
        assert served.ask("POST", "/login", b"\xff%ff&secret", **FORM)[0] == 401
        assert served.ask("DELETE", "/login")[0] == 405


@pytest.mark.parametrize("query", ["?next=//evil.example", "?next=http://evil.example", "?_target=//evil.example"])
def test_no_redirect_leads_elsewhere(query: str) -> None:
    for served in serve(AccessRules(auth=AUTH)):
        assert served.ask(path=f"/{query}", accept="text/html")[1]["location"] == "/login"
        body = f"user=ann&secret={urllib.parse.quote(AUTH[1])}".encode()
        assert served.ask("POST", f"/login{query}", body, **FORM)[1]["location"] == "/"
    for served in serve(AccessRules()):
        for path in ("/gradio_api/proxy=http:/evil.example", "/proxy=x", "/gradio_api/file=http://evil.example/"):
            status, headers, _ = served.ask(path=path)
            assert 400 <= status < 500
            assert "location" not in headers


def test_nothing_typed_comes_back_unescaped() -> None:
    for served in serve(AccessRules(auth=AUTH)):
        for path in ("/login?<script>alert(1)</script>", "/login", "/%3Cscript%3E"):
            for method in ("GET", "POST"):
                assert b"<script" not in served.ask(method, path, b"user=%3Cscript%3E", **FORM)[2]


def test_guesses_in_parallel_get_no_more_tries() -> None:
    guard = build_guard(AccessRules(auth=AUTH))

    async def guess_many() -> list[int]:
        body = b"user=ann&secret=no"

        async def guess() -> int:
            headers = {**FORM, "content_length": str(len(body))}
            return (await call(guard, [body], method="POST", path="/login", **headers))[0]

        return await asyncio.gather(*[asyncio.wait_for(guess(), 5) for _ in range(50)])

    statuses = asyncio.run(guess_many())
    assert statuses.count(401) == 5
    assert statuses.count(429) == 45


def test_guessing_by_basic_authorization_is_slowed_down_too() -> None:
    for served in serve(AccessRules(auth=AUTH)):
        right, wrong = (base64.b64encode(f"ann:{word}".encode()).decode() for word in (AUTH[1], "no"))
        assert served.ask(path="/v1/models", authorization=f"Basic {right}")[0] == 200
        statuses = [served.ask(path="/v1/models", authorization=f"Basic {wrong}")[0] for _ in range(6)]
        assert statuses == [401] * 5 + [429]
        status, headers, _ = served.ask(path="/v1/models", authorization=f"Basic {right}")
        assert status == 429
        assert 0 < int(headers["retry-after"]) <= 60


def test_where_there_is_a_key_the_password_is_no_second_door() -> None:
    for served in serve(AccessRules(auth=AUTH, api_key=KEY)):
        basic = base64.b64encode(":".join(AUTH).encode()).decode()
        assert served.ask(path="/v1/models", authorization=f"Basic {basic}")[0] == 401
        assert served.ask(path="/v1/models", authorization=f"Bearer {KEY}")[0] == 200


def test_the_application_is_told_who_asks() -> None:
    for served in serve(AccessRules(api_key=KEY, admin_key=ADMIN)):
        cookie = served.sessions.begin()

        for key, kind in ((KEY, "api"), (ADMIN, "admin")):
            facts = json.loads(served.ask(path="/v1/models", x_api_key=key)[2])
            assert (facts["kind"], facts["session"]) == (kind, None)
        facts = json.loads(served.ask(path="/", cookie=f"a=b; parlor_session_7860={cookie}; c=d")[2])
        assert (facts["kind"], facts["session"]) == ("page", served.sessions.session_id(cookie))
    for served in serve(AccessRules()):
        assert json.loads(served.ask(path="/v1/models")[2])["kind"] == "open"
        first = json.loads(served.ask(path="/")[2])
        assert first["kind"] == "page"
        assert first["session"] != json.loads(served.ask(path="/")[2])["session"]


def test_signing_out_takes_more_than_a_link_on_another_page() -> None:
    visit = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}
    for served in serve(AccessRules(auth=AUTH)):
        assert served.ask(path="/logout", **visit)[0] == 403
        assert served.ask(path="/login", **visit)[0] == 200
        assert "Max-Age=0" in served.ask(path="/logout", sec_fetch_site="same-origin")[1]["set-cookie"]


def test_an_open_page_has_no_form() -> None:
    for served in serve(AccessRules()):
        assert served.ask(path="/login")[1]["location"] == "/"


def test_the_page_is_not_kept_by_the_browser() -> None:
    for served in serve(AccessRules()):
        assert served.ask(path="/")[1]["cache-control"] == "no-store"


def test_sessions_last_a_month(monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = Sessions(b"s" * 32, "one", 7860)
    cookie = sessions.begin()
    monkeypatch.setattr("modules.front.sessions.time.time", lambda: int(cookie.split(".")[1]) + LIFETIME_SECONDS - 2)
    assert sessions.session_id(cookie)
    monkeypatch.setattr("modules.front.sessions.time.time", lambda: int(cookie.split(".")[1]) + LIFETIME_SECONDS + 2)
    assert sessions.session_id(cookie) is None


def test_the_secret_survives_a_restart_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "session-secret"
    secret = load_secret(path)
    assert len(secret) == 32
    assert load_secret(path) == secret
    if sys.platform != "win32":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_bytes(b"short")
    assert load_secret(path) not in {secret, b"short"}


def test_without_a_folder_the_secret_lives_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "session-secret"
    assert load_secret(path) != load_secret(path)
    assert not path.exists()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "parlor.lan", "0", "::ffff:8.8.8.8", ""])
def test_listening_to_others_needs_a_secret(host: str) -> None:
    with pytest.raises(StartError, match=r"--auth.*--api-key"):
        check_exposure(host, AccessRules(admin_key=ADMIN))
    check_exposure(host, AccessRules(api_key=KEY))
    check_exposure(host, AccessRules(auth=AUTH))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "::1", "localhost"])
def test_listening_to_oneself_needs_none(host: str) -> None:
    check_exposure(host, AccessRules())


@pytest.mark.parametrize("value", ["", " ", "\t", "a\nb", "a\0b", " key", "key ", "schlüssel", "\x7f"])
def test_what_cannot_be_a_key(value: str) -> None:
    with pytest.raises(StartError, match="--api-key"):
        check_secret("--api-key", value)
    with pytest.raises(StartError, match="--api-key"):
        AccessRules(api_key=value)
    with pytest.raises(StartError, match="--admin-key"):
        AccessRules(admin_key=value)
    assert check_secret("--api-key", KEY) == KEY


@pytest.mark.parametrize("value", ["", "ann", "ann:", ":word", " : ", "ann:a\nb", "ann:\udcff"])
def test_what_cannot_be_a_user_and_password(value: str) -> None:
    with pytest.raises(StartError, match="--auth"):
        parse_auth(value)
    assert parse_auth("ann:pass:word") == ("ann", "pass:word")


@pytest.mark.parametrize("name", ["*", "*.lan", "http://parlor.lan", "parlor.lan:80", "parlor.lan.", "a b", "", "a/b"])
def test_what_cannot_be_a_host_name(name: str) -> None:
    with pytest.raises(StartError, match="--allowed-hosts"):
        HostRules("127.0.0.1", (name,))
    HostRules("127.0.0.1", ("parlor.lan", "192.168.1.5", "fd00::1"))


@pytest.mark.parametrize(
    ("bind", "server", "host", "allowed"),
    [
        ("0.0.0.0", "192.168.1.5", "192.168.1.5:7860", True),
        ("0.0.0.0", "192.168.1.5", "192.168.1.6", False),
        ("0.0.0.0", "192.168.1.5", "mine.example", False),
        ("0.0.0.0", "192.168.1.5", "parlor.lan", True),
        ("::", "fd00::1", "[fd00::1]:7860", True),
        ("::", "fd00::1", "[fd00::2]", False),
        ("::", "::ffff:192.168.1.5", "192.168.1.5", True),
        ("192.168.1.5", "192.168.1.5", "192.168.1.5", True),
        ("127.0.0.1", "192.168.1.5", "192.168.1.5", False),
        ("fd00::1", "fd00::1", "[fd00::1]", True),
    ],
)
def test_addresses_of_a_machine_that_listens_to_others(bind: str, server: str, host: str, allowed: bool) -> None:
    scope = {"type": "http", "headers": [(b"host", host.encode())], "server": (server, 7860)}
    rules = HostRules(bind, ("parlor.lan",))
    if allowed:
        rules.check_host(scope)
    else:
        with pytest.raises(Refused, match="--allowed-hosts"):
            rules.check_host(scope)


@pytest.mark.parametrize(
    "headers", [{"host": "evil.example"}, {"host": "localhost", "origin": "http://evil.example"}, {}]
)
def test_websockets_obey_the_same_rules(headers: dict[str, str]) -> None:
    reached: list[str] = []

    async def inner(scope: object, _receive: object, _send: object) -> None:
        reached.append(scope["type"])  # type: ignore[index]

    async def connect(lines: dict[str, str]) -> list[object]:
        sent: list[object] = []

        async def receive() -> dict[str, str]:
            return {"type": "websocket.connect"}

        async def send(message: object) -> None:
            sent.append(message)

        pairs = [(name.encode(), value.encode()) for name, value in lines.items()]
        await guard({"type": "websocket", "path": "/", "raw_path": b"/", "headers": pairs}, receive, send)
        return sent

    guard = build_guard(AccessRules(), inner)
    assert asyncio.run(connect(headers)) == [{"type": "websocket.close", "code": 1008}]
    assert reached == []
    assert asyncio.run(connect({"host": "localhost", "origin": "http://localhost"})) == []
    assert reached == ["websocket"]


def test_one_lands_where_one_wanted_to_go() -> None:
    for served in serve(AccessRules(auth=AUTH)):
        wanted = served.ask(path="/?c=abc123", accept="text/html")[1]["location"]
        assert wanted == "/login?c=abc123"
        form = served.ask(path=wanted)[2].decode()
        assert '<input type="hidden" name="c" value="abc123">' in form
        right = f"user={AUTH[0]}&secret={AUTH[1]}&c=".encode()
        for given, place in (
            ("abc123", "/?c=abc123"),
            ("//evil.example", "/"),
            ("", "/"),
            ("a%0d%0aSet-Cookie:x", "/"),
        ):
            answer = served.ask(
                "POST", "/login", right + given.encode(), content_type="application/x-www-form-urlencoded"
            )
            assert (answer[0], answer[1]["location"]) == (303, place)


def test_a_wrong_password_keeps_the_name() -> None:
    for served in serve(AccessRules(auth=AUTH)):
        body = b"user=%22%3E%3Cscript%3E&secret=wrong&c=abc"
        status, _, form = served.ask("POST", "/login", body, content_type="application/x-www-form-urlencoded")
        assert status == 401
        assert b'value="&quot;&gt;&lt;script&gt;"' in form
        assert b'name="c" value="abc"' in form
