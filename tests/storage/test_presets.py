"""Presets on disk: shipped ones and one's own, what is changed, deleted, damaged."""

from pathlib import Path

import pytest

from modules.errors import BadRequest, Conflict, NotFound
from modules.limits import LIMITS
from modules.storage.presets import PresetStore
from modules.types.presets import Preset


@pytest.fixture
def store(tmp_path: Path) -> PresetStore:
    shipped = tmp_path / "shipped"
    shipped.mkdir()
    (shipped / "Calm.yaml").write_text("parlor: 1\ndescription: quiet\ntemperature: 0.2\n")
    (shipped / "Wild.yaml").write_text("parlor: 1\ntemperature: 1.5\n")
    return PresetStore(shipped, tmp_path / "own")


def own_file(tmp_path: Path, name: str, text: str) -> Path:
    (tmp_path / "own").mkdir(exist_ok=True)
    path = tmp_path / "own" / f"{name}.yaml"
    path.write_text(text)
    return path


def test_own_ones_stand_beside_shipped_ones(store: PresetStore) -> None:
    store.save(Preset("Mine", {"top_k": 7}, "my own"))
    assert store.presets() == [
        Preset("Calm", {"temperature": 0.2}, "quiet", is_shipped=True),
        Preset("Mine", {"top_k": 7}, "my own"),
        Preset("Wild", {"temperature": 1.5}, is_shipped=True),
    ]


def test_a_changed_one_is_restored_as_it_shipped(store: PresetStore, tmp_path: Path) -> None:
    changed = store.save(Preset("Calm", {"temperature": 0.4}))
    assert changed == store.get("Calm") == Preset("Calm", {"temperature": 0.4}, is_shipped=True, is_changed=True)
    assert "0.2" in (tmp_path / "shipped" / "Calm.yaml").read_text()
    for _ in range(2):
        assert store.restore("Calm") == Preset("Calm", {"temperature": 0.2}, "quiet", is_shipped=True)


def test_a_deleted_one_comes_back_whole(store: PresetStore) -> None:
    saved = store.save(Preset("Mine", {"top_k": 7}, "my own", {"penalty_alpha": 0.6}))
    store.delete("Mine")
    assert (store.names(), store.deleted()) == (["Calm", "Wild"], ["Mine"])
    assert store.restore("Mine") == saved == store.get("Mine")
    assert store.deleted() == []
    with pytest.raises(NotFound):
        store.restore("Mine")
    with pytest.raises(BadRequest, match="comes with Parlor"):
        store.delete("Calm")


def test_unknown_keys_are_kept_and_named(store: PresetStore, tmp_path: Path) -> None:
    path = own_file(tmp_path, "Mine", "parlor: 1\ntop_k: 3\nfuture: {a: [1, 2]}\n")
    preset = store.get("Mine")
    assert preset.unknown == {"future": {"a": [1, 2]}}
    store.save(Preset("Mine", {"top_k": 4}, unknown=preset.unknown))
    assert store.get("Mine").unknown == {"future": {"a": [1, 2]}}
    assert path.read_text().startswith("parlor: 1\n")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"parlor: 1\ntemperature: [", "line 2"),
        (b"parlor: 2\n", "parlor: 2"),
        (b"parlor: 1\ntemperature: 9\n", "Temperature can be 5 at most, and it was 9"),
        (b"parlor: 1\ndescription: [1]\n", "description"),
        (b"parlor: 1\n" + b"#" * 300_000, "larger"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"", "name: value"),
    ],
)
def test_a_damaged_file_is_listed_and_never_lost(
    store: PresetStore, tmp_path: Path, content: bytes, problem: str
) -> None:
    path = own_file(tmp_path, "Bad", "")
    path.write_bytes(content)
    preset = store.get("Bad")
    assert "Bad" in preset.problem
    assert problem in preset.problem
    assert preset.values == {}
    assert [one.name for one in store.presets() if not one.problem] == ["Calm", "Wild"]
    store.save(Preset("Bad", {"top_k": 1}))
    assert store.get("Bad").problem == ""
    (kept,) = (tmp_path / "own" / ".deleted").glob("Bad.damaged-*")
    assert kept.read_bytes() == content


@pytest.mark.parametrize("name", ["", ".", "../x", "a/b", "a\0", "nul", "x" * 200, ".deleted", "/etc/x", "C:\\x"])
def test_names_are_names(store: PresetStore, tmp_path: Path, name: str) -> None:
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(BadRequest):
        store.save(Preset(name))
    with pytest.raises(NotFound, match="There are: Calm, Wild"):
        store.get(name)
    with pytest.raises((BadRequest, NotFound)):
        store.restore(name)
    assert sorted(tmp_path.rglob("*")) == before


def test_names_that_differ_in_case_only_are_refused(store: PresetStore) -> None:
    with pytest.raises(Conflict, match="Calm"):
        store.save(Preset("calm"))
    with pytest.raises(Conflict):
        store.check_free("WILD")
    with pytest.raises(Conflict):
        store.check_free("Wild")


def test_links_are_not_followed(store: PresetStore, tmp_path: Path) -> None:
    secret = tmp_path / "secret.yaml"
    secret.write_text("parlor: 1\ntop_k: 99\n")
    own_file(tmp_path, "x", "parlor: 1\n").unlink()
    (tmp_path / "own" / "x.yaml").symlink_to(secret)
    assert store.get("x").values == {}
    assert store.get("x").problem
    with pytest.raises(BadRequest):
        store.save(Preset("x", {"top_k": 1}))
    assert "99" in secret.read_text()


def test_there_are_not_endlessly_many(store: PresetStore, tmp_path: Path) -> None:
    for number in range(LIMITS.presets):
        own_file(tmp_path, f"n{number}", "parlor: 1\n")
    with pytest.raises(BadRequest, match=str(LIMITS.presets)):
        store.save(Preset("one more"))
    store.save(Preset("n0", {"top_k": 1}))


def test_a_preset_too_large_for_a_file_is_refused(store: PresetStore) -> None:
    with pytest.raises(BadRequest, match="256 KiB"):
        store.save(Preset("big", {"negative_prompt": "\x07" * 100_000}, "", {"x": "\x07" * 100_000}))
    assert "big" not in store.names()
