"""Tests in several processes: who measures is alone, and the others are not kept from each other."""

import sys
from pathlib import Path

import pytest

from tests.processes import folder_of_run, held

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the tests run in one process there")


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw0")
    return tmp_path / "lock"


def is_free(lock: Path, *, shared: bool) -> bool:
    import fcntl

    with lock.open("a") as file:
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def test_others_run_beside_each_other(lock: Path) -> None:
    with held(lock, shared=True):
        assert is_free(lock, shared=True)
        assert not is_free(lock, shared=False)
    assert is_free(lock, shared=False)


def test_one_that_is_alone_waits_and_is_waited_for(lock: Path) -> None:
    with held(lock):
        assert not is_free(lock, shared=True)
        assert not is_free(lock, shared=False)
    assert is_free(lock, shared=True)


def test_one_process_waits_for_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    with held(tmp_path / "lock"):
        assert not (tmp_path / "lock").exists()
    assert folder_of_run(tmp_path) == tmp_path
