"""The addresses that the start names: for this machine, and for others."""

from pathlib import Path

import httpx
import pytest

from modules.serve.addresses import outside_url, own_url
from tests.program import RunningProgram


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:7860"),
        ("192.168.1.20", "http://192.168.1.20:7860"),
        ("::1", "http://[::1]:7860"),
        ("0.0.0.0", "http://127.0.0.1:7860"),
        ("::", "http://[::1]:7860"),
    ],
)
def test_for_this_machine(host: str, url: str) -> None:
    assert own_url(host, 7860) == url


def test_for_other_machines_only_where_it_listens_for_them() -> None:
    assert outside_url("127.0.0.1", 7860) is None
    assert outside_url("192.168.1.20", 7860) is None


def test_what_the_start_names_can_be_opened(tmp_path: Path) -> None:
    with RunningProgram(tmp_path, "--no-ui", "--host", "0.0.0.0", "--api-key", "key") as program:
        assert program.url == f"http://127.0.0.1:{program.port}"
        urls = [program.url]
        # A machine without a network has no such address.
        if outside_url("0.0.0.0", program.port) is not None:
            urls.append(program.wait_for_line("For other machines: "))
            assert "0.0.0.0" not in urls[-1]
        for url in urls:
            assert httpx.get(f"{url}/health").status_code == 200
