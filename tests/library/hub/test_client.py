"""The client against a hub on loopback: searching, a model's page, and every way in which a hub can fail."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modules.errors import BadRequest, HubAccessError, HubError, NotFound, ParlorError
from modules.library.hub.client import HubClient
from modules.library.hub.connection import HubConnection
from modules.paths import PROJECT
from modules.types.hub import HubChoice, HubEntry, HubFile, HubQuery
from tests.hub.scripted_hub import COMMIT, Scripted, ScriptedHub

TOKEN = "hf_canary0123456789"
SEARCH = "/api/models"
CONFIG = {
    "model_type": "llama",
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "hidden_size": 576,
    "max_position_embeddings": 8192,
}


@pytest.fixture
def hub() -> Iterator[ScriptedHub]:
    with ScriptedHub() as hub:
        yield hub


@pytest.fixture
def other() -> Iterator[ScriptedHub]:
    """Another origin: the same host, another port."""
    with ScriptedHub() as hub:
        yield hub


@pytest.fixture
def client(hub: ScriptedHub) -> HubClient:
    return HubClient(hub.endpoint, lambda: TOKEN)


def entry(**facts: Any) -> dict[str, Any]:
    return {"id": "user/model", **facts}


class TestSearching:
    def test_what_is_asked(self, hub: ScriptedHub, client: HubClient) -> None:
        hub.answers[SEARCH] = Scripted([])
        client.search(
            HubQuery("two words", "text-generation", "gguf", "apache-2.0", 500_000_000, 8_000_000_000, "recent")
        )
        asked = hub.asked[0].query
        assert asked["search"] == ["two words"]
        assert asked["pipeline_tag"] == ["text-generation"]
        assert asked["filter"] == ["gguf", "license:apache-2.0"]
        assert asked["num_parameters"] == ["min:500M,max:8B"]
        assert asked["sort"] == ["lastModified"]
        assert {"gguf", "safetensors", "gated", "tags"} <= set(asked["expand"])

    def test_what_is_empty_does_not_narrow(self, hub: ScriptedHub, client: HubClient) -> None:
        hub.answers[SEARCH] = Scripted([])
        client.search(HubQuery(sorting="trending"))
        assert set(hub.asked[0].query) == {"sort", "limit", "expand"}
        assert hub.asked[0].query["sort"] == ["trendingScore"]

    def test_nothing_is_told_but_who_asks(self, hub: ScriptedHub, client: HubClient) -> None:
        hub.answers[SEARCH] = Scripted([])
        client.search(HubQuery())
        assert hub.asked[0].headers["user-agent"] == "parlor"
        assert "cookie" not in hub.asked[0].headers

    def test_entries(self, hub: ScriptedHub, client: HubClient) -> None:
        hub.answers[SEARCH] = Scripted(
            [
                entry(
                    pipeline_tag="text-generation",
                    tags=["gguf", "license:mit", "en"],
                    gguf={"total": 135_000_000, "architecture": "llama", "context_length": 8192},
                    downloads=12,
                    likes=3,
                    lastModified="2026-01-02T03:04:05.000Z",
                    gated="auto",
                    private=True,
                ),
                entry(safetensors={"total": 7, "parameters": {"BF16": 7}}, gated="manual"),
                entry(),
            ]
        )
        first, second, third = client.search(HubQuery()).entries
        assert first == HubEntry(
            "user/model",
            task="text-generation",
            licence="mit",
            formats=("gguf",),
            parameters=135_000_000,
            downloads=12,
            likes=3,
            updated=1767323045.0,
            gate="automatic",
            private=True,
        )
        assert (second.formats, second.parameters, second.gate) == (("safetensors",), 7, "manual")
        assert third == HubEntry("user/model")

    def test_sizes_outside_the_range_are_left_out(self, hub: ScriptedHub, client: HubClient) -> None:
        """By a hub that passes over the filter; models whose size it does not say stay."""
        hub.answers[SEARCH] = Scripted(
            [
                {"id": f"user/m{total}", **({"safetensors": {"total": total}} if total else {})}
                for total in (0, 5, 10, 15)
            ]
        )
        found = client.search(HubQuery(least_parameters=6, most_parameters=12)).entries
        assert [one.repository for one in found] == ["user/m0", "user/m10"]

    def test_the_next_page(self, hub: ScriptedHub, client: HubClient) -> None:
        link = f'<{hub.endpoint}/api/models?limit=30&cursor=eyJ%3D>; rel="next"'
        hub.answers[SEARCH] = Scripted([entry()], headers={"Link": link})
        results = client.search(HubQuery())
        hub.answers[SEARCH] = Scripted([])
        assert client.search(HubQuery(cursor=results.next)).next == ""
        assert hub.asked[1].query == {"limit": ["30"], "cursor": ["eyJ="]}

    @pytest.mark.parametrize("link", ["<http://[x?a b>", "<>", "nothing", '<?>; rel="next"', '<http://[x]; rel="next"'])
    def test_links_that_are_none(self, hub: ScriptedHub, client: HubClient, link: str) -> None:
        hub.answers[SEARCH] = Scripted([], headers={"Link": link})
        assert client.search(HubQuery()).next == ""

    def test_a_link_to_elsewhere_is_asked_of_the_configured_hub(
        self, hub: ScriptedHub, other: ScriptedHub, client: HubClient
    ) -> None:
        hub.answers[SEARCH] = Scripted([], headers={"Link": f'<{other.endpoint}/api/models?cursor=x>; rel="next"'})
        client.search(HubQuery(cursor=client.search(HubQuery()).next))
        assert (len(hub.asked), other.asked) == (2, [])

    @pytest.mark.parametrize("cursor", ["a b", "x#y", "x\r\nHost: y", "é", "x" * 5000], ids=ascii)
    def test_a_made_up_cursor(self, hub: ScriptedHub, client: HubClient, cursor: str) -> None:
        with pytest.raises(BadRequest):
            client.search(HubQuery(cursor=cursor))
        assert hub.asked == []

    def test_a_cursor_cannot_name_another_address(self, hub: ScriptedHub, client: HubClient) -> None:
        hub.answers[SEARCH] = Scripted([])
        client.search(HubQuery(cursor="@evil.example/../x?y"))
        assert hub.asked[0].path == SEARCH


class TestAModelsPage:
    def test_gguf(self, hub: ScriptedHub, client: HubClient, starter_file: Path) -> None:
        header = starter_file.read_bytes()[: 4 * 1024 * 1024]
        files = {
            "README.md": b"---\nlicense: mit\n---\n\n# Title\n\n---\nText",
            "m-Q4_K_M.gguf": header,
            "m-Q8_0.gguf": header + b"0",
        }
        hub.repository("user/model", files, tags=["gguf", "license:mit"], gguf={"total": 134_515_008})
        model = client.model("user/model")
        assert (model.commit, model.has_access, model.entry.licence) == (COMMIT, True, "mit")
        assert model.card == "# Title\n\n---\nText"
        assert [choice.name for choice in model.choices] == ["Q4_K_M", "Q8_0"]
        shape = model.choices[1].shape
        assert (shape.layers, shape.kv_heads, shape.context_length) == (30, 3, 8192)
        assert shape.parameters == 134_515_008
        assert hub.count(".gguf") == 1, "one header is enough for all quantizations"
        client.model("user/model")
        assert hub.count(".gguf") == 1, "a commit's file does not change"

    def test_safetensors(self, hub: ScriptedHub, client: HubClient) -> None:
        files = {"config.json": json.dumps(CONFIG).encode(), "model.safetensors": b"x", "tokenizer.json": b"{}"}
        hub.repository("user/model", files, safetensors={"total": 1234}, cardData={"license": "mit"})
        model = client.model("user/model")
        (choice,) = model.choices
        assert (choice.name, choice.shape.layers, choice.shape.parameters) == ("safetensors", 30, 1234)
        assert (model.card, model.entry.licence) == ("", "mit")

    def test_what_no_header_says_the_hub_does(self, hub: ScriptedHub, client: HubClient) -> None:
        told = {"total": 10, "architecture": "llama", "context_length": 4096}
        hub.repository("user/model", {"m-Q8_0.gguf": b"no GGUF at all"}, gguf=told)
        shape = client.model("user/model").choices[0].shape
        assert (shape.architecture, shape.parameters, shape.context_length) == ("llama", 10, 4096)

    def test_two_models_in_one_repository(self, hub: ScriptedHub, client: HubClient, starter_file: Path) -> None:
        """Each has a header of its own; the hub's count is of one of them, nobody knows which."""
        header = starter_file.read_bytes()[: 1024 * 1024]
        hub.repository("user/model", {"a-Q8_0.gguf": header, "b-Q8_0.gguf": header}, gguf={"total": 10})
        assert [choice.shape.parameters for choice in client.model("user/model").choices] == [0, 0]
        assert hub.count(".gguf") == 2

    def test_gated_without_access(self, hub: ScriptedHub, client: HubClient) -> None:
        gate = Scripted({}, 403, {"X-Error-Code": "GatedRepo"})
        hub.repository("user/model", {"README.md": b"text", "m-Q8_0.gguf": b"x"}, gated="manual")
        hub.answers["/api/models/user/model/auth-check"] = gate
        for name in ("README.md", "m-Q8_0.gguf"):
            hub.answers[f"/user/model/resolve/{COMMIT}/{name}"] = gate
        model = client.model("user/model")
        assert (model.has_access, model.entry.gate, model.card) == (False, "manual", "")
        assert [choice.name for choice in model.choices] == ["Q8_0"]

    def test_gated_with_access(self, hub: ScriptedHub, client: HubClient) -> None:
        hub.repository("user/model", {"README.md": b"text"}, gated="auto")
        hub.answers["/api/models/user/model/auth-check"] = Scripted({})
        assert client.model("user/model").has_access
        del hub.answers["/api/models/user/model/auth-check"]
        assert client.model("user/model").has_access, "a mirror need not know the question"

    def test_a_licence_that_the_hub_calls_other(self, hub: ScriptedHub, client: HubClient) -> None:
        card = {"license": "other", "license_name": "own-terms"}
        hub.repository("user/model", {}, cardData=card, tags=["license:other"])
        assert client.model("user/model").entry.licence == "own-terms"

    def test_a_very_long_card_is_cut(self, hub: ScriptedHub, client: HubClient) -> None:
        hub.repository("user/model", {"README.md": b"x" * 3_000_000})
        assert len(client.model("user/model").card) == 1024 * 1024

    def test_files(self, hub: ScriptedHub, client: HubClient) -> None:
        large = {"sha256": "a" * 64, "size": 2**40, "pointerSize": 134}
        siblings = [{"rfilename": "a/b.gguf", "size": 134, "lfs": large}, {"rfilename": "c.json", "size": 5}]
        hub.repository("user/model", {}, siblings=siblings)
        assert client.files("user/model") == (
            COMMIT,
            (HubFile("a/b.gguf", 2**40, "a" * 64), HubFile("c.json", 5)),
        )

    def test_a_branch_with_a_slash(self, hub: ScriptedHub, client: HubClient) -> None:
        with pytest.raises(NotFound):
            client.files("user/model", "refs/pr/1")
        assert hub.asked[0].path == "/api/models/user/model/revision/refs%2Fpr%2F1"

    @pytest.mark.parametrize(
        "name",
        [
            "model",
            "a/b/c",
            "../x",
            "user/..",
            "user/a b",
            "user/",
            "/model",
            "user/é",
            "user/x?y",
            "user/x#",
            "x" * 300,
        ],
    )
    def test_no_repository(self, hub: ScriptedHub, client: HubClient, name: str) -> None:
        with pytest.raises(BadRequest) as caught:
            client.model(name)
        assert (caught.value.field, hub.asked) == ("repository", [])

    @pytest.mark.parametrize("revision", ["", "a\nb", "..", "a/../b", "x" * 300, "-x"])
    def test_no_revision(self, hub: ScriptedHub, client: HubClient, revision: str) -> None:
        with pytest.raises(BadRequest) as caught:
            client.model("user/model", revision)
        assert (caught.value.field, hub.asked) == ("revision", [])

    def test_an_adapter(self, hub: ScriptedHub, client: HubClient) -> None:
        hub.repository("user/model", {"adapter_config.json": b"{}", "adapter_model.safetensors": b"x"})
        assert [choice.name for choice in client.model("user/model").choices] == ["adapter"]


INFO = "/api/models/user/model/revision/main"


class TestFaults:
    @pytest.mark.parametrize(
        ("answer", "kind", "words"),
        [
            (Scripted({}, 404, {"X-Error-Code": "RepoNotFound"}), NotFound, "private"),
            (Scripted({}, 401, {"X-Error-Code": "RepoNotFound"}), NotFound, "private"),
            (Scripted({}, 404, {"X-Error-Code": "RevisionNotFound"}), NotFound, "branch"),
            (Scripted({}, 403, {"X-Error-Code": "GatedRepo"}), HubAccessError, "gated"),
            (Scripted({}, 401), HubAccessError, "token"),
            (Scripted({}, 403), HubAccessError, "allow"),
            (Scripted({}, 404), NotFound, "nothing"),
            (Scripted({}, 429), HubError, "wait"),
            (Scripted({}, 400), HubError, "400"),
            (Scripted({}, 500), HubError, "500"),
            (Scripted({}, 503), HubError, "503"),
            (Scripted([], 500), HubError, "500"),
            (Scripted(b"[" * 100_000, 403), HubAccessError, "allow"),
            (Scripted({}, 304), HubError, "304"),
            (Scripted({}, 302), HubError, "302"),
            (Scripted(b"<html>"), HubError, "JSON"),
            (Scripted(b"[" * 100_000), HubError, "JSON"),
            (Scripted([]), HubError, "understood"),
            (Scripted({"id": "user/model", "sha": "short"}), HubError, "sha"),
            (Scripted({"id": "user/model", "sha": "../" * 13 + "x"}), HubError, "sha"),
            (Scripted({"id": "../../x", "sha": COMMIT}), HubError, "id"),
            (Scripted({"sha": COMMIT, "id": "u/m", "siblings": [{"rfilename": "a"}]}), HubError, "size"),
            (Scripted({"sha": COMMIT, "id": "u/m", "siblings": [{"rfilename": "a", "size": -1}]}), HubError, "size"),
            (
                Scripted(
                    {
                        "sha": COMMIT,
                        "id": "u/m",
                        "siblings": [{"rfilename": "a", "size": 1, "lfs": {"sha256": "../..", "size": 1}}],
                    }
                ),
                HubError,
                "sha256",
            ),
            (Scripted(b"{}", headers={"Content-Length": "50"}), HubError, "cannot be reached"),
        ],
        ids=lambda value: value.__name__ if isinstance(value, type) else None,
    )
    def test_answers_that_are_none(
        self, hub: ScriptedHub, client: HubClient, answer: Scripted, kind: type[ParlorError], words: str
    ) -> None:
        hub.answers[INFO] = answer
        with pytest.raises(kind) as caught:
            client.model("user/model")
        assert words in str(caught.value)
        assert TOKEN not in str(caught.value)
        assert "http" not in str(caught.value)

    def test_a_hub_that_is_not_there(self) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            client = HubClient(f"http://127.0.0.1:{unused.getsockname()[1]}", lambda: TOKEN)
            start = time.monotonic()
            with pytest.raises(HubError, match="cannot be reached"):
                client.search(HubQuery())
            assert time.monotonic() - start < 5

    def test_a_name_that_nobody_knows(self) -> None:
        start = time.monotonic()
        with pytest.raises(HubError, match="cannot be reached"):
            HubClient("https://hub.invalid", lambda: None).search(HubQuery())
        assert time.monotonic() - start < 5

    def test_a_name_that_nobody_answers_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where questions for addresses are dropped, the system waits much longer than a person does."""
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.delenv(name, raising=False)
            monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.setattr("modules.library.hub.connection.CONNECT_SECONDS", 0.2)
        monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: time.sleep(2))
        start = time.monotonic()
        with pytest.raises(HubError, match="cannot be reached"):
            HubClient("https://hub.example", lambda: None).search(HubQuery())
        assert time.monotonic() - start < 1

    def test_a_session_that_another_thread_closed(self, hub: ScriptedHub, client: HubClient) -> None:
        from huggingface_hub.utils import close_session

        hub.answers[SEARCH] = Scripted([])
        client.search(HubQuery())
        close_session()
        assert client.search(HubQuery()).entries == ()

    def test_a_slow_hub(self, hub: ScriptedHub, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("modules.library.hub.connection.ANSWER_SECONDS", 0.2)
        hub.answers[SEARCH] = Scripted([], seconds=0.6)
        with pytest.raises(HubError, match="in time"):
            HubClient(hub.endpoint, lambda: None).search(HubQuery())

    def test_an_answer_without_an_end(self, hub: ScriptedHub) -> None:
        hub.answers["/long"] = Scripted(b" " * 3_000_000)
        with pytest.raises(HubError, match="2 MiB"):
            HubConnection(hub.endpoint, lambda: None).get("/long", limit_bytes=2 * 1024 * 1024)

    def test_offline(self, hub: ScriptedHub) -> None:
        """The library reads its switch when it is imported, so a process of its own is asked."""
        code = f"""
from modules.library.hub.client import HubClient
from modules.types.hub import HubQuery
try:
    HubClient({hub.endpoint!r}, lambda: None).search(HubQuery())
except Exception as error:
    print(type(error).__name__, error)
"""
        environment = {"HF_HUB_OFFLINE": "1", "PATH": ""}
        command = [sys.executable, "-c", code]
        said = subprocess.run(command, capture_output=True, text=True, check=True, cwd=PROJECT, env=environment).stdout
        assert said.startswith("HubError HF_HUB_OFFLINE is set")
        assert hub.asked == []


class TestTheToken:
    def test_it_is_sent_to_the_hub(self, hub: ScriptedHub, client: HubClient) -> None:
        hub.answers["/api/whoami-v2"] = Scripted({"name": "someone"})
        assert client.account() == "someone"
        assert hub.asked[0].headers["authorization"] == f"Bearer {TOKEN}"

    def test_without_one_nobody_is_asked(self, hub: ScriptedHub) -> None:
        assert HubClient(hub.endpoint, lambda: None).account() is None
        assert hub.asked == []

    def test_a_token_of_another_program_is_not_used(self, hub: ScriptedHub, monkeypatch: pytest.MonkeyPatch) -> None:
        """huggingface_hub would send what it finds in the environment."""
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        hub.answers[SEARCH] = Scripted([])
        HubClient(hub.endpoint, lambda: None).search(HubQuery())
        assert "authorization" not in hub.asked[0].headers

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_redirects_to_another_origin(
        self, hub: ScriptedHub, other: ScriptedHub, client: HubClient, status: int
    ) -> None:
        hub.answers[SEARCH] = Scripted(b"", status, {"Location": f"{other.endpoint}/elsewhere"})
        other.answers["/elsewhere"] = Scripted([entry()])
        assert len(client.search(HubQuery()).entries) == 1
        assert hub.asked[0].headers["authorization"] == f"Bearer {TOKEN}"
        assert "authorization" not in other.asked[0].headers

    def test_a_redirect_on_the_hub_keeps_it(self, hub: ScriptedHub, client: HubClient) -> None:
        hub.answers[SEARCH] = Scripted(b"", 307, {"Location": "/renamed"})
        hub.answers["/renamed"] = Scripted([])
        client.search(HubQuery())
        assert hub.asked[1].headers["authorization"] == f"Bearer {TOKEN}"

    @pytest.mark.parametrize(
        "location",
        ["file:///etc/passwd", "ftp://x/y", "//a b/", "http://a\\\\@b/", "http://user:secret@127.0.0.1/", "http://[x"],
    )
    def test_redirects_that_are_not_followed(self, hub: ScriptedHub, client: HubClient, location: str) -> None:
        hub.answers[SEARCH] = Scripted(b"", 302, {"Location": location})
        with pytest.raises(HubError, match="not safe"):
            client.search(HubQuery())

    def test_a_downgrade_is_not_followed(self) -> None:
        with pytest.raises(HubError, match="not safe"):
            HubConnection("https://hub.example", lambda: TOKEN).redirected(
                "https://hub.example/x", "http://hub.example/x"
            )

    def test_redirects_without_an_end(self, hub: ScriptedHub, client: HubClient) -> None:
        hub.answers[SEARCH] = Scripted(b"", 302, {"Location": SEARCH})
        with pytest.raises(HubError, match="without an end"):
            client.search(HubQuery())
        assert len(hub.asked) < 10

    @pytest.mark.parametrize(
        "address",
        [
            "http://hub.example",
            "https://hub.example:8443",
            "https://hub.example.evil",
            "https://evil/hub.example",
            "https://hub.example@evil/",
            "https://sub.hub.example",
        ],
    )
    def test_the_origin_is_exact(self, address: str) -> None:
        connection = HubConnection("https://hub.example", lambda: TOKEN)
        assert "authorization" not in connection.headers_for(f"{address}/path")
        assert "authorization" in connection.headers_for("https://HUB.example:443/path")

    def test_it_is_in_no_representation(self, client: HubClient) -> None:
        assert TOKEN not in repr(client) + repr(vars(client)) + str(client)

    @pytest.mark.parametrize(
        "endpoint", ["", "hub.example", "ftp://hub", "https://", "https://me:secret@hub", "http://[x"]
    )
    def test_endpoints_that_are_none(self, endpoint: str) -> None:
        with pytest.raises(BadRequest) as caught:
            HubClient(endpoint, lambda: None)
        assert "secret" not in str(caught.value)


def test_sizes_add_up() -> None:
    assert HubChoice("x", "gguf", (HubFile("a", 1), HubFile("b", 2))).size_bytes == 3
