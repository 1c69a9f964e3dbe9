"""What a person may write for a model on the hub, and what is refused with a sentence that says so."""

import pytest

from modules.errors import BadRequest
from modules.library.hub.sources import Source, parse_source

PUBLIC = "https://huggingface.co"
MIRROR = "http://localhost:8080/mirror"


@pytest.mark.parametrize(
    ("text", "endpoint", "expected"),
    [
        ("user/model", PUBLIC, Source("user/model")),
        ("  user/model\n", PUBLIC, Source("user/model")),
        ("user/model:dev", PUBLIC, Source("user/model", "dev")),
        ("user/model:refs/pr/3", PUBLIC, Source("user/model", "refs/pr/3")),
        (f"{PUBLIC}/user/model", PUBLIC, Source("user/model")),
        (f"{PUBLIC}/user/model/?download=true#files", PUBLIC, Source("user/model")),
        ("https://HuggingFace.co:443/user/model", PUBLIC, Source("user/model")),
        ("https://hf.co/user/model", PUBLIC, Source("user/model")),
        (f"{PUBLIC}/user/model/tree/main", PUBLIC, Source("user/model")),
        (f"{PUBLIC}/user/model/tree/refs%2Fpr%2F3", PUBLIC, Source("user/model", "refs/pr/3")),
        (f"{PUBLIC}/user/model/blob/main/a.gguf", PUBLIC, Source("user/model", "main", "a.gguf")),
        (f"{PUBLIC}/u/m/resolve/dev/Q4/a%20b.GGUF?download=true", PUBLIC, Source("u/m", "dev", "Q4/a b.GGUF")),
        (f"{MIRROR}/user/model/tree/v2", MIRROR, Source("user/model", "v2")),
    ],
)
def test_supported(text: str, endpoint: str, expected: Source) -> None:
    assert parse_source(text, endpoint) == expected


@pytest.mark.parametrize(
    ("text", "endpoint", "said"),
    [
        ("", PUBLIC, "1 to"),
        ("x" * 3000, PUBLIC, "1 to"),
        ("model", PUBLIC, "names no model"),
        ("datasets/user/model", PUBLIC, "names no model"),
        ("../model", PUBLIC, "user/model"),
        ("user/..", PUBLIC, "user/model"),
        ("user/model:", PUBLIC, "revision"),
        ("user/model:-x", PUBLIC, "revision"),
        ("user/model:a/../../b", PUBLIC, "revision"),
        ("C:/models/a.gguf", PUBLIC, ""),
        ("/etc/passwd", PUBLIC, ""),
        ("file:///etc/passwd", PUBLIC, "another host"),
        ("https://example.com/user/model", PUBLIC, "another host"),
        ("https://huggingface.co.example.com/user/model", PUBLIC, "another host"),
        ("https://huggingface.co@example.com/user/model", PUBLIC, "another host"),
        ("http://huggingface.co/user/model", PUBLIC, "another host"),
        ("https://huggingface.co:8443/user/model", PUBLIC, "another host"),
        ("https://hf.co/user/model", MIRROR, "another host"),
        ("http://localhost:8080/elsewhere/user/model", MIRROR, "another host"),
        ("http://localhost:8080/mirrored/user/model", MIRROR, "another host"),
        ("https://[bad/user/model", PUBLIC, "another host"),
        (f"{PUBLIC}/datasets/user/model", PUBLIC, "datasets"),
        (f"{PUBLIC}/spaces/user/model", PUBLIC, "spaces"),
        (f"{PUBLIC}/user", PUBLIC, "not a model"),
        (f"{PUBLIC}/user/model/discussions/3", PUBLIC, "not a model"),
        (f"{PUBLIC}/user/model/blob/main/config.json", PUBLIC, ".gguf"),
        (f"{PUBLIC}/user/model/resolve/main/pytorch_model.bin", PUBLIC, ".gguf"),
    ],
)
def test_refused(text: str, endpoint: str, said: str) -> None:
    with pytest.raises(BadRequest) as caught:
        parse_source(text, endpoint)
    assert said in str(caught.value)
    assert caught.value.field in {"source", "repository", "revision"}
