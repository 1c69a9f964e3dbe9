"""The front guard as strangers meet it: through a real server, byte by byte."""

import base64
import json
import socket
import time
from collections.abc import Iterator

import pytest

from modules.front.access import AccessRules
from modules.front.sessions import Sessions
from tests.front.served import Served, serve

KEY = "k3y-of-the-api"
ADMIN = "k3y-of-the-admin"
ROUTES = ["/", "/v1/models", "/control/status", "/gradio_api/info", "/ui/generations/x/events", "/health"]


@pytest.fixture(scope="module")
def open_guard() -> Iterator[Served]:
    yield from serve(AccessRules(), configured=("parlor.lan",))


@pytest.fixture(scope="module")
def keyed() -> Iterator[Served]:
    yield from serve(AccessRules(api_key=KEY, admin_key=ADMIN))


@pytest.fixture(scope="module")
def passworded() -> Iterator[Served]:
    yield from serve(AccessRules(auth=("ann", "pass word"), admin_key=ADMIN))


GOOD_HOSTS = [
    "localhost",
    "LOCALHOST",
    "localhost:9",
    "127.0.0.1",
    "127.0.0.1:80",
    "[::1]",
    "[::1]:7860",
    "parlor.lan",
    "Parlor.LAN:1",
]
BAD_HOSTS = [
    "evil.example",
    "localhost.evil.example",
    "evil.example:7860",
    "localhost.",
    "127.0.0.2",
    "127.1",
    "2130706433",
    "0x7f000001",
    "[::2]",
    "::1",
    "0.0.0.0",
    "parlor.lan.evil.example",
    "xparlor.lan",
    "localhost:99999",
    "localhost:x",
    "localhost:",
    "localhost/",
    "localhost?x",
    "localhost#x",
    "user@localhost",
    "localhost@evil.example",
    "local host",
    "",
    "-",
    "[::1",
    "localhost,evil.example",
    "localhost\\evil",
    "%6cocalhost",
    "..",
]


@pytest.mark.parametrize("host", GOOD_HOSTS)
def test_our_names_are_answered(open_guard: Served, host: str) -> None:
    assert open_guard.ask(host=host)[0] == 200


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("host", BAD_HOSTS)
def test_other_names_are_not(open_guard: Served, keyed: Served, host: str, path: str) -> None:
    assert open_guard.ask(path=path, host=host)[0] in {400, 403}
    assert keyed.ask(path=path, host=host, authorization=f"Bearer {ADMIN}")[0] in {400, 403}


def test_host_must_be_there_once(open_guard: Served) -> None:
    assert open_guard.raw(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")[0] == 400
    assert (
        open_guard.raw(b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\nConnection: close\r\n\r\n")[0] == 400
    )


ORIGINS = {
    "foreign": ("http://evil.example", 403),
    "null": ("null", 403),
    "look-alike": ("http://localhost.evil.example:{port}", 403),
    "prefix": ("http://localhost:{port}.evil.example", 403),
    "other local port": ("http://localhost:1", 403),
    "other local name": ("http://127.0.0.1:{port}", 403),
    "no scheme": ("localhost:{port}", 403),
    "file": ("file://", 403),
    "same": ("http://localhost:{port}", 200),
    "same, upper": ("HTTP://LOCALHOST:{port}", 200),
    "none": ("", 200),
}


@pytest.mark.parametrize("name", ORIGINS)
@pytest.mark.parametrize("has_session", [False, True])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/chat/completions"),
        ("POST", "/control/models/load"),
        ("POST", "/gradio_api/component_server"),
        ("POST", "/gradio_api/upload"),
        ("GET", "/ui/generations/x/events"),
        ("GET", "/v1/models"),
        ("OPTIONS", "/v1/chat/completions"),
        ("DELETE", "/anything"),
    ],
)
def test_foreign_pages_reach_nothing(open_guard: Served, name: str, has_session: bool, method: str, path: str) -> None:
    origin, expected = ORIGINS[name]
    headers = {"content_type": "application/json"} if method == "POST" else {}
    if origin:
        headers["origin"] = origin.format(port=open_guard.port)
    if has_session or path.startswith("/control"):
        headers["cookie"] = f"parlor_session_7860={open_guard.sessions.begin()}"
    status, answer, _ = open_guard.ask(method, path, b"{}" if method == "POST" else b"", **headers)
    assert status == expected
    assert not any(header.startswith("access-control") for header in answer)


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_fetch_metadata(open_guard: Served, site: str) -> None:
    visit = {"sec_fetch_site": site, "sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}
    assert open_guard.ask(path="/", **visit)[0] == 200
    assert open_guard.ask(path="/v1/models", **visit)[0] == 403
    assert open_guard.ask("POST", "/", b"{}", content_type="application/json", **visit)[0] == 403
    assert open_guard.ask(path="/", sec_fetch_site=site, sec_fetch_mode="no-cors", sec_fetch_dest="image")[0] == 403
    assert open_guard.ask(path="/", sec_fetch_site="same-origin")[0] == 200


BAD_KEYS = ["", " ", "wrong", KEY.upper(), KEY + " x", KEY[:-1], "Bearer", "\u00e9", "null"]


@pytest.mark.parametrize("key", BAD_KEYS)
@pytest.mark.parametrize("path", [route for route in ROUTES if route != "/health"])
def test_wrong_keys_open_nothing(keyed: Served, key: str, path: str) -> None:
    for headers in ({"authorization": f"Bearer {key}"}, {"x_api_key": key}, {"authorization": key}, {}):
        status, _, body = keyed.ask(path=f"{path}?api_key={KEY}&key={KEY}", **headers)
        assert status == 401
        assert json.loads(body)["error"]["message"]


def test_right_keys_open_what_is_theirs(keyed: Served) -> None:
    assert keyed.ask(path="/health")[0] == 200
    for key in (KEY, ADMIN):
        assert keyed.ask(path="/v1/models", authorization=f"Bearer {key}")[0] == 200
        assert keyed.ask(path="/v1/models", x_api_key=key)[0] == 200
    assert keyed.ask(path="/control/status", authorization=f"Bearer {ADMIN}")[0] == 200
    assert keyed.ask(path="/control/status", authorization=f"Bearer {KEY}")[0] == 401
    assert keyed.ask(path="/", authorization=f"Bearer {KEY}")[0] == 401


@pytest.mark.parametrize(
    "path",
    ["/health/../v1/models", "/login/../v1/models", "/health%2f..%2fv1/models", "//v1/models", "/./v1/models", "/v1/../health",
     "/health\\..\\v1", "/%2e%2e/v1/models", "/login%00", "/v1//models", "/health/%2e%2e/control/status"],
)  # fmt: skip
def test_no_spelling_of_a_path_skips_the_key(keyed: Served, path: str) -> None:
    status, _, body = keyed.ask(path=path)
    assert status in {400, 401}
    assert b'"path"' not in body


def test_sign_in_and_out(passworded: Served) -> None:
    status, headers, _ = passworded.ask(accept="text/html")
    assert (status, headers["location"]) == (303, "/login")
    status, headers, body = passworded.ask(path="/login")
    assert status == 200
    assert b"Password" in body
    assert b"http" not in body.replace(b"http-equiv", b"")
    form = {"content_type": "application/x-www-form-urlencoded"}
    assert passworded.ask("POST", "/login", b"user=ann&secret=wrong", **form)[0] == 401
    status, headers, _ = passworded.ask("POST", "/login", b"user=ann&secret=pass+word", **form)
    assert (status, headers["location"]) == (303, "/")
    cookie = headers["set-cookie"]
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
    session = {"cookie": cookie.split(";")[0]}
    for path in ("/", "/v1/models", "/control/status"):
        assert passworded.ask(path=path, **session)[0] == 200
    basic = base64.b64encode(b"ann:pass word").decode()
    assert passworded.ask(path="/v1/models", authorization=f"Basic {basic}")[0] == 200
    assert passworded.ask(path="/v1/models", authorization="Basic !!!")[0] == 401
    assert "Max-Age=0" in passworded.ask(path="/logout", **session)[1]["set-cookie"]


def test_a_key_signs_in_to_the_page(keyed: Served) -> None:
    form = {"content_type": "application/x-www-form-urlencoded"}
    assert b"API key" in keyed.ask(path="/login")[2]
    assert keyed.ask("POST", "/login", f"secret={KEY}".encode(), **form)[0] == 303


def test_guessing_is_slowed_down() -> None:
    for served in serve(AccessRules(auth=("ann", "right"))):
        form = {"content_type": "application/x-www-form-urlencoded"}
        answers = [served.ask("POST", "/login", b"user=ann&secret=no", **form)[0] for _ in range(7)]
        assert answers[:5] == [401] * 5
        assert answers[5:] == [429] * 2
        assert served.ask("POST", "/login", b"user=ann&secret=right", **form)[0] == 429


@pytest.mark.parametrize("value", ["", "x", "a.1.b", "a.b.c", "..", "é.1.x", "a" * 5000])
def test_forged_sessions(keyed: Served, value: str) -> None:
    assert keyed.ask(cookie=f"parlor_session_7860={value}".encode().decode("latin-1"))[0] == 401


def test_sessions_end_with_their_password_and_their_time() -> None:
    old = Sessions(b"s" * 32, "one", 7860)
    assert old.session_id(old.begin())
    assert Sessions(b"s" * 32, "two", 7860).session_id(old.begin()) is None
    assert Sessions(b"t" * 32, "one", 7860).session_id(old.begin()) is None
    value = old.begin()
    assert old.session_id(value[:-1] + ("A" if value[-1] != "A" else "B")) is None


def test_an_open_page_gives_its_visitor_a_session(open_guard: Served) -> None:
    assert open_guard.ask(path="/control/status")[0] == 401
    cookie = open_guard.ask(path="/")[1]["set-cookie"].split(";")[0]
    assert open_guard.ask(path="/control/status", cookie=cookie)[0] == 200
    assert "set-cookie" not in open_guard.ask(path="/", cookie=cookie)[1]


def test_sharing_closes_everything() -> None:
    rules = AccessRules(auth=("parlor", "made"), api_key=KEY, sharing=True)
    for served in serve(rules):
        served.guard.allow_share("abc.share.example")
        assert served.ask(path="/v1/models", host="abc.share.example")[0] == 401
        assert served.ask(path="/v1/models")[0] == 401
        assert served.ask(path="/v1/models", host="abc.share.example", authorization=f"Bearer {KEY}")[0] == 200
        assert served.ask(path="/", host="other.share.example")[0] == 403
        origin = {"origin": "https://abc.share.example", "content_type": "application/x-www-form-urlencoded"}
        status, headers, _ = served.ask(
            "POST", "/login", b"user=parlor&secret=made", host="abc.share.example", **origin
        )
        assert status == 303
        assert "Secure" in headers["set-cookie"]


def test_every_answer_is_safe(open_guard: Served) -> None:
    for path in [*ROUTES, "/login"]:
        _, headers, _ = open_guard.ask(path=path)
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "default-src 'self'" in headers["content-security-policy"]
        assert headers["x-frame-options"] == "DENY"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "access-control-allow-origin" not in headers


def test_answers_of_extensions_are_no_pages_of_ours(open_guard: Served) -> None:
    _, headers, _ = open_guard.ask(path="/ext/sample/page")
    policy = headers["content-security-policy"]
    assert policy.startswith("sandbox; default-src 'none';")
    assert "script-src" not in policy
    assert "allow-" not in policy
    assert headers["cache-control"] == "no-store"
    assert headers["x-frame-options"] == "DENY"


def test_who_asks_an_extension(open_guard: Served, keyed: Served) -> None:
    """Those whom /v1 lets in; the answer behind tells the owner from others."""

    def kind(served: Served, **headers: str) -> str:
        status, _, body = served.ask(path="/ext/sample/x", **headers)
        return json.loads(body)["kind"] if status == 200 else str(status)

    assert kind(open_guard) == "open"
    assert kind(keyed) == "401"
    assert kind(keyed, authorization=f"Bearer {KEY}") == "api"
    assert kind(keyed, authorization=f"Bearer {ADMIN}") == "admin"
    assert kind(open_guard, sec_fetch_site="cross-site", sec_fetch_mode="navigate", sec_fetch_dest="document") == "403"


JSON = {"content_type": "application/json"}


def test_bodies_are_bounded(open_guard: Served) -> None:
    path = "/v1/chat/completions"
    limit = 4 * 2**20
    assert open_guard.ask("POST", path, b'"' + b"x" * (limit - 2) + b'"', **JSON)[0] == 200
    assert open_guard.ask("POST", path, b"", content_length=str(limit + 1), **JSON)[0] == 413
    assert open_guard.ask("POST", path, b"", content_length="9" * 30, **JSON)[0] in {400, 413}
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    try:
        status = open_guard.raw(head.encode() + chunk * 65 + b"0\r\n\r\n")[0]
    except (ConnectionError, IndexError):
        status = 413  # closed on us while we were still sending
    assert status == 413


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"[" * 32 + b"]" * 32, 200),
        (b"[" * 33 + b"]" * 33, 400),
        (b'{"a":' * 40 + b"1" + b"}" * 40, 400),
        (b'{"a":"' + b"[" * 500 + b'"}', 200),
        (b'{"a":"\\"' + b"[" * 500 + b'"}', 200),
        (b'{"a":"\\\\"' + b"[" * 500 + b"}", 400),
        (b"[]" * 5000, 200),
        (b"[" * 2_000_000, 400),
        (b'"' + b"\\" * 2_000_000, 200),
    ],
)
def test_json_depth(open_guard: Served, body: bytes, status: int) -> None:
    started = time.monotonic()
    assert open_guard.ask("POST", "/v1/completions", body, **JSON)[0] == status
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_only_json_goes_to_programs(open_guard: Served, kind: str) -> None:
    headers = {"content_type": kind} if kind else {}
    assert open_guard.ask("POST", "/v1/completions", b"{}", **headers)[0] == 415
    assert open_guard.ask("POST", "/v1/completions", b"{}", content_type="application/json; charset=utf-8")[0] == 200


def test_headers_are_bounded(open_guard: Served) -> None:
    assert open_guard.ask(x_long="y" * 40_000)[0] == 431
    assert open_guard.ask(x_long="y" * 10_000)[0] == 200


@pytest.mark.alone
def test_slow_and_idle_senders_hurt_nobody(open_guard: Served) -> None:
    idle = [socket.create_connection(("127.0.0.1", open_guard.port)) for _ in range(200)]
    for connection in idle:
        connection.sendall(
            b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{"
        )
    started = time.monotonic()
    assert open_guard.ask(path="/health")[0] == 200
    assert time.monotonic() - started < 0.5
    for connection in idle:
        connection.close()
