"""The person's token: kept for one hub, shown to no other, and what the environment says first."""

import json
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from modules.errors import BadRequest, Conflict, HubAccessError, HubError, StartError
from modules.services.hub import HubAccount, HubService, as_local_model
from modules.types.hub import HubQuery
from tests.hub.scripted_hub import Scripted, ScriptedHub

TOKEN, OTHER = "hf_canary0123456789", "hf_another"
WHOAMI = "/api/whoami-v2"


@pytest.fixture
def hub() -> Iterator[ScriptedHub]:
    with ScriptedHub() as hub:
        hub.answers[WHOAMI] = Scripted({"name": "someone"})
        yield hub


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data" / "hub-token"


@pytest.fixture
def service(hub: ScriptedHub, file: Path) -> HubService:
    return HubService(hub.endpoint, file, {})


def test_which_hub_it_is(file: Path) -> None:
    assert HubService("", file, {}).endpoint == "https://huggingface.co"
    assert HubService("", file, {"HF_ENDPOINT": "https://mirror.example/"}).endpoint == "https://mirror.example"
    assert HubService("http://own:8000", file, {"HF_ENDPOINT": "https://mirror.example"}).endpoint == "http://own:8000"
    with pytest.raises(StartError, match="HF_ENDPOINT"):
        HubService("", file, {"HF_ENDPOINT": "mirror"})


def test_nobody_is_asked_unasked(hub: ScriptedHub, service: HubService) -> None:
    assert service.account() == HubAccount(None, has_token=False, from_environment=False)
    assert not service.has_token
    assert hub.asked == []


def test_a_token_is_kept(hub: ScriptedHub, service: HubService, file: Path) -> None:
    assert service.set_token(f" {TOKEN}\n") == HubAccount("someone", has_token=True, from_environment=False)
    again = HubService(hub.endpoint, file, {})
    assert again.token() == TOKEN
    if sys.platform != "win32":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    again.forget_token()
    assert (service.token(), file.exists()) == (None, False)
    again.forget_token()


def test_another_hub_never_sees_it(hub: ScriptedHub, service: HubService, file: Path) -> None:
    service.set_token(TOKEN)
    with ScriptedHub() as other:
        other.answers["/api/models"] = Scripted([])
        elsewhere = HubService(other.endpoint, file, {})
        elsewhere.search(HubQuery())
        assert not elsewhere.has_token
        assert "authorization" not in other.asked[0].headers
    assert HubService(hub.endpoint.replace("http:", "https:"), file, {}).token() is None


def test_the_environment_comes_first(hub: ScriptedHub, service: HubService, file: Path) -> None:
    service.set_token(TOKEN)
    set_outside = HubService(hub.endpoint, file, {"HF_TOKEN": OTHER})
    assert (set_outside.token(), set_outside.from_environment) == (OTHER, True)
    assert set_outside.account() == HubAccount("someone", has_token=True, from_environment=True)
    with pytest.raises(Conflict, match="HF_TOKEN"):
        set_outside.set_token("hf_third")


def test_a_token_that_the_hub_refuses_is_not_kept(hub: ScriptedHub, service: HubService) -> None:
    service.set_token(TOKEN)
    hub.answers[WHOAMI] = Scripted({}, 401)
    with pytest.raises(HubAccessError):
        service.set_token(OTHER)
    assert service.token() == TOKEN
    assert service.account() == HubAccount(None, has_token=True, from_environment=False)
    hub.answers[WHOAMI] = Scripted({}, 500)
    with pytest.raises(HubError):
        service.account()


def test_a_mirror_that_knows_no_accounts(hub: ScriptedHub, service: HubService) -> None:
    hub.answers[WHOAMI] = Scripted({}, 404)
    assert service.set_token(TOKEN) == HubAccount(None, has_token=True, from_environment=False)
    assert service.account() == HubAccount(None, has_token=True, from_environment=False)


@pytest.mark.parametrize("token", ["", "  ", "a b", "a\nb", "é", "a\0b", "x" * 501], ids=ascii)
def test_what_is_no_token(hub: ScriptedHub, service: HubService, token: str) -> None:
    with pytest.raises(BadRequest) as caught:
        service.set_token(token)
    assert (caught.value.field, hub.asked) == ("token", [])


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"token": 1}', b"\xff", b"null"])
def test_a_damaged_file_is_no_token(service: HubService, file: Path, content: bytes) -> None:
    file.parent.mkdir()
    file.write_bytes(content)
    assert service.token() is None


def test_it_is_in_no_representation(service: HubService) -> None:
    service.set_token(TOKEN)
    assert TOKEN not in repr(service) + repr(vars(service))
    outside = HubService(service.endpoint, Path("nowhere"), {"HF_TOKEN": TOKEN})
    assert TOKEN not in repr(outside)


def test_a_choice_as_a_model(hub: ScriptedHub, service: HubService) -> None:
    config = {"model_type": "llama", "num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 8}
    files = {"config.json": json.dumps(config).encode(), "model.safetensors": b"12345", "m-Q8_0.gguf": b"x"}
    hub.repository("user/model", files, tags=["license:mit"])
    page = service.model("user/model")
    quantized, whole = (as_local_model(page, choice) for choice in page.choices)
    assert (quantized.format, quantized.quantization, quantized.path, quantized.size_bytes) == ("gguf", "Q8_0", None, 1)
    assert (whole.format, whole.shape.layers, whole.licence) == ("safetensors", 2, "mit")
