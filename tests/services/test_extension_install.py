"""Installing, updating, rolling back and removing extensions, with real folders, repositories and a database."""

import shutil
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from modules.errors import BadRequest, Conflict, Forbidden, InstallError, NotFound, StorageError
from modules.services.extension_install import LIMITS
from modules.services.install_policy import InstallPolicy
from modules.settings import Settings
from modules.types.extension_installs import InstallSource
from tests.services.extension_worlds import Repository, World, files_of, world, write_folder, write_zip


def was_imported(place: World) -> bool:
    return any(path.name.endswith("-was-imported") for path in place.paths.data.rglob("*"))


def test_from_a_repository_to_an_extension_in_use(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "shout")
    commit = repository.commit({**files_of(), "docs/about.md": "About.", "__pycache__/main.pyc": "hidden"})
    with world(tmp_path) as place:
        plan = place.installer.plan(str(repository.folder))
        assert (plan.name, plan.exact, plan.source.kind, plan.manifest.author) == ("shout", commit, "git", "Ann")
        assert [file.path for file in plan.files] == ["docs/about.md", "extension.toml", "main.py"]
        assert plan.files[0].size_bytes == len("About.")
        # Nothing is there yet, and nothing was run.
        assert place.registry.all() == []
        assert place.done(place.installer.install(plan.id)).state == "done"
        found = place.registry.find("shout")
        assert (found.state, found.fault, found.is_bundled) == ("disabled", "", False)
        assert not was_imported(place)
        assert place.left() == [
            "extensions", "extensions/shout", "extensions/shout/docs", "extensions/shout/docs/about.md",
            "extensions/shout/extension.toml", "extensions/shout/main.py",
        ]  # fmt: skip
        record = place.installer.records()["shout"]
        assert (record.version, record.exact, record.files) == ("1.0", commit, plan.files)
        assert record.source == InstallSource("git", str(repository.folder))
        assert place.registry.enable("shout").state == "enabled"
        assert was_imported(place)


def test_a_plan_is_used_once(tmp_path: Path) -> None:
    source = write_folder(tmp_path / "source", files_of())
    with world(tmp_path) as place:
        plan = place.install(source)
        with pytest.raises(NotFound, match="used or too old"):
            place.installer.install(plan.id)


def test_what_was_not_shown_is_not_installed(tmp_path: Path) -> None:
    source = write_folder(tmp_path / "source", files_of())
    with world(tmp_path) as place:
        plan = place.installer.plan(str(source))
        # The source may change, for what was shown lies ready.
        write_folder(source, {"main.py": "raise SystemExit"})
        (staged,) = (place.own / ".staging").iterdir()
        (staged / "files" / "main.py").write_text("import os")
        job = place.done(place.installer.install(plan.id))
        assert (job.state, "not what was shown" in job.error) == ("failed", True)
        assert place.left() == ["extensions"]
        assert place.installer.records() == {}
        # An added file counts as well.
        plan = place.installer.plan(str(source))
        (staged,) = (place.own / ".staging").iterdir()
        (staged / "files" / "more.py").write_text("")
        assert place.done(place.installer.install(plan.id)).state == "failed"
        assert place.left() == ["extensions"]


def test_update_and_back(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "shout")
    first = repository.commit({**files_of(), "old.txt": "old"})
    with world(tmp_path) as place:
        place.install(f"{repository.folder}#{first}")
        place.registry.enable("shout")
        (place.paths.extension_data / "shout").mkdir(parents=True)
        (place.paths.extension_data / "shout" / "kept.txt").write_text("kept")
        place.states.set_settings("shout", {"loud": True})
        (repository.folder / "old.txt").unlink()
        second = repository.commit(
            {**files_of(version="2.0", word="?", touches='network = ["example.com"]\nmodels = true'), "new.txt": "new"}
        )
        plan = place.installer.plan_update("shout")
        assert plan.exact == second
        assert plan.change is not None
        assert (plan.change.version, plan.change.exact, plan.change.is_empty) == ("1.0", first, False)
        assert (plan.change.added, plan.change.removed) == (("new.txt",), ("old.txt",))
        assert plan.change.changed == ("extension.toml", "main.py")
        assert plan.change.permissions == ("New hosts: example.com.", "It asks the model by itself now.")
        assert place.done(place.installer.install(plan.id)).state == "done"

        found = place.registry.find("shout")
        assert (found.state, found.manifest and found.manifest.version) == ("enabled", "2.0")
        assert place.installer.earlier()["shout"].version == "1.0"
        assert (place.own / ".previous" / "shout" / "old.txt").is_file()
        same = place.installer.plan_update("shout").change
        assert same is not None
        assert same.is_empty
        assert place.installer.rollback("shout").version == "1.0"
        found = place.registry.find("shout")
        assert (found.state, found.manifest and found.manifest.version) == ("enabled", "1.0")
        assert place.installer.records()["shout"].exact == first
        # And forward again.
        assert place.installer.rollback("shout").version == "2.0"
        assert place.states.settings("shout") == {"loud": True}
        assert (place.paths.extension_data / "shout" / "kept.txt").read_text() == "kept"


def test_what_is_updated_or_rolled_back_keeps_its_place_among_the_others(tmp_path: Path) -> None:
    source = write_folder(tmp_path / "source", files_of())
    with world(tmp_path) as place:
        place.install(source)
        place.install(write_folder(tmp_path / "other", files_of("whisper")))
        place.registry.enable("shout")
        place.registry.enable("whisper")
        write_folder(source, files_of(version="2.0"))
        assert place.done(place.installer.install(place.installer.plan_update("shout").id)).state == "done"
        assert place.registry.order == ("shout", "whisper")
        place.installer.rollback("shout")
        assert place.registry.order == ("shout", "whisper")
        place.installer.remove("shout")
        assert place.registry.order == ("whisper",)


def texts(folder: Path) -> dict[str, str]:
    return {name: (folder / name).read_text() for name in ("notes/new.json", "settings.json", "words.json", "help.md")}


def test_what_it_wrote_into_its_folder_stays(tmp_path: Path) -> None:
    shipped = {"settings.json": "{}", "words.json": "[]", "help.md": "one"}
    source = write_folder(tmp_path / "source", files_of() | shipped)
    with world(tmp_path) as place:
        place.install(source)
        own = place.paths.own_extensions / "shout"
        written = {"notes/new.json": "mine", "settings.json": "mine", "words.json": "mine", "left.py": "mine"}
        write_folder(own, written)
        write_folder(source, files_of(version="2.0") | {"settings.json": "{}", "words.json": "[1]", "help.md": "two"})
        assert place.done(place.installer.install(place.installer.plan_update("shout").id)).state == "done"
        assert texts(own) == {"notes/new.json": "mine", "settings.json": "mine", "words.json": "[1]", "help.md": "two"}
        assert not (own / "left.py").exists()
        place.installer.rollback("shout")
        assert texts(own) == {"notes/new.json": "mine", "settings.json": "mine", "words.json": "mine", "help.md": "one"}
        place.installer.remove("shout")
        assert place.left() == ["extensions"]


def test_an_update_that_cannot_be_enabled_says_so(tmp_path: Path) -> None:
    source = write_folder(tmp_path / "source", files_of())
    with world(tmp_path) as place:
        place.install(source)
        place.registry.enable("shout")
        write_folder(source, {**files_of(version="2.0"), "main.py": "import nowhere_at_all"})
        plan = place.installer.plan_update("shout")
        job = place.done(place.installer.install(plan.id))
        assert job.state == "failed"
        assert "shout 2.0 is installed, but it could not be enabled" in job.error
        assert "nowhere_at_all" in job.error
        assert place.installer.rollback("shout").version == "1.0"
        assert place.registry.enable("shout").state == "enabled"


def test_nothing_stays_of_what_is_removed(tmp_path: Path) -> None:
    source = write_folder(tmp_path / "source", files_of())
    with world(tmp_path) as place:
        place.paths.own_extensions.mkdir()
        place.paths.extension_data.mkdir()
        before = place.left()
        place.install(source)
        place.registry.enable("shout")
        write_folder(source, files_of(version="2.0"))
        place.install(source)
        place.states.set_settings("shout", {"loud": True})
        write_folder(place.paths.extension_data / "shout", {"kept.txt": "kept"})
        (place.own / "shout-was-imported").unlink()
        place.installer.remove("shout", keep_data=True)
        assert place.left() == sorted([*before, "extension-data/shout", "extension-data/shout/kept.txt"])
        assert (place.registry.all(), place.installer.records(), place.installer.earlier()) == ([], {}, {})
        assert place.states.settings("shout") == {}
        place.install(source)
        place.installer.remove("shout")
        assert place.left() == before
        with pytest.raises(NotFound):
            place.installer.remove("shout")


def test_what_somebody_deleted_by_hand_can_be_removed(tmp_path: Path) -> None:
    source = write_folder(tmp_path / "source", files_of())
    with world(tmp_path) as place:
        place.install(source)
        shutil.rmtree(place.own / "shout")
        place.installer.remove("shout")
        assert place.installer.records() == {}
        # So can what somebody put there under a name of its own.
        write_folder(place.own / "Loud_Words", {"script.py": ""})
        place.installer.remove("loud-words")
        assert place.left() == ["extensions"]


def test_names_that_are_taken(tmp_path: Path) -> None:
    source = write_folder(tmp_path / "source", files_of())
    with world(tmp_path) as place:
        write_folder(place.own / "shout", files_of())
        with pytest.raises(Conflict, match="by hand"):
            place.installer.plan(str(source))
        place.installer.remove("shout")
        write_folder(place.paths.extensions / "shout", files_of())
        with pytest.raises(Conflict, match="ships with"):
            place.installer.plan(str(source))
        with pytest.raises(BadRequest, match="ships with"):
            place.installer.remove("shout")
        assert (place.paths.extensions / "shout" / "main.py").is_file()
        with pytest.raises(NotFound, match="installed from anywhere"):
            place.installer.plan_update("shout")
        with pytest.raises(NotFound, match="no earlier version"):
            place.installer.rollback("shout")
        assert place.left() == ["extensions"]


def test_two_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, other = write_folder(tmp_path / "a", files_of()), write_folder(tmp_path / "b", files_of(version="2.0"))
    begun, go_on = Event(), Event()

    def waits(*_: object) -> None:
        begun.set()
        assert go_on.wait(20)

    monkeypatch.setattr("modules.services.extension_install.install_packages", waits)
    with world(tmp_path) as place:
        first, second = place.installer.plan(str(source)), place.installer.plan(str(other))
        job = place.installer.install(first.id)
        assert begun.wait(20)
        for act in (
            lambda: place.installer.install(second.id),
            lambda: place.installer.remove("shout"),
            lambda: place.installer.rollback("shout"),
        ):
            with pytest.raises(Conflict, match="is being changed"):
                act()
        go_on.set()
        assert place.done(job).state == "done"
        # The other plan was made before there was one; it is not an update that anybody has seen.
        with pytest.raises(NotFound, match="used or too old"):
            place.installer.install(second.id)
        assert not (place.own / ".staging").exists()
        assert place.installer.records()["shout"].version == "1.0"


def test_cancelled_and_refused_plans_leave_nothing(tmp_path: Path) -> None:
    source = write_folder(tmp_path / "source", files_of())
    with world(tmp_path) as place:
        place.installer.forget(place.installer.plan(str(source)).id)
        assert place.left() == ["extensions"]
        plan = place.installer.plan(str(source))
        assert place.installer.plan(str(source)) == plan
        assert len(list((place.own / ".staging").iterdir())) == 1
    with world(tmp_path, recover=False) as place:
        assert place.left() == ["extensions"]


def test_only_a_few_plans_wait(tmp_path: Path) -> None:
    with world(tmp_path, replace(LIMITS, plans=2)) as place:
        plans = [
            place.installer.plan(str(write_folder(tmp_path / name, files_of(name)))) for name in ("one", "two", "three")
        ]
        assert len(list((place.own / ".staging").iterdir())) == 2
        with pytest.raises(NotFound):
            place.installer.install(plans[0].id)
        assert place.done(place.installer.install(plans[2].id)).state == "done"


@pytest.mark.parametrize("moved", [0, 1, 2, 3])
def test_killed_between_any_two_moves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moved: int) -> None:
    """The power fails after so many renames of the third version's installation; the next start is whole."""
    source = write_folder(tmp_path / "source", files_of())
    with world(tmp_path) as place:
        place.install(source)
        write_folder(source, files_of(version="2.0"))
        place.install(source)
        write_folder(source, files_of(version="3.0"))
        plan = place.installer.plan(str(source))
        rename, count = Path.rename, 0

        def dies(path: Path, target: Path) -> Path:
            nonlocal count
            if count == moved:
                raise KeyboardInterrupt
            count += 1
            return rename(path, target)

        def dies_before_it_is_confirmed(_name: str) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(Path, "rename", dies)
        monkeypatch.setattr(place.installs, "confirm", dies_before_it_is_confirmed)
        with pytest.raises(KeyboardInterrupt):
            place.installer._carry_out(place.installer._staged[plan.id], lambda _fraction, _note: None, lambda: False)
        monkeypatch.undo()
        # What was staged is found by the next start as it was left.
        place.installer._staged.clear()
    with world(tmp_path) as place:
        found = place.registry.find("shout")
        version = "3.0" if moved == 3 else "2.0"
        assert (found.fault, found.manifest and found.manifest.version) == ("", version)
        assert place.installer.records()["shout"].version == version
        assert [path for path in place.left() if ".staging" in path] == []
        earlier = place.installer.earlier()
        assert (place.own / ".previous" / "shout").is_dir() == ("shout" in earlier)
        if earlier:
            assert place.installer.rollback("shout") == earlier["shout"]


def test_a_full_disk_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_folder(tmp_path / "source", files_of())
    with world(tmp_path, replace(LIMITS, size_bytes=100)) as place:
        with pytest.raises(BadRequest, match="can take 100 at most"):
            place.installer.plan(str(source))
        assert place.left() == ["extensions"]

    def is_full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with world(tmp_path) as place:
        place.install(source)
        place.registry.enable("shout")
        write_folder(source, files_of(version="2.0"))
        monkeypatch.setattr("modules.services.extension_files.shutil.copyfile", is_full)
        with pytest.raises(StorageError, match="No space left"):
            place.installer.plan(str(source))
        monkeypatch.undo()
        plan = place.installer.plan(str(source))
        monkeypatch.setattr("modules.storage.extension_versions.sync_folder", is_full)
        job = place.done(place.installer.install(plan.id))
        monkeypatch.undo()
        assert (job.state, "No space left" in job.error) == ("failed", True)
        found = place.registry.find("shout")
        assert (found.state, found.manifest and found.manifest.version) == ("enabled", "1.0")
        assert place.installer.earlier() == {}


def test_nobody_installs_while_others_can_reach_it(tmp_path: Path) -> None:
    source = write_folder(tmp_path / "source", files_of())
    for policy, words in (
        (InstallPolicy.of(Settings.model_validate({"share": True})), "shared"),
        (InstallPolicy.of(Settings.model_validate({"host": "0.0.0.0"})), "other machines"),
    ):
        with world(tmp_path, policy=policy) as place:
            for act in (
                lambda: place.installer.plan(str(source)),
                lambda: place.installer.plan_update("shout"),
                lambda: place.installer.install("0" * 64),
                lambda: place.installer.rollback("shout"),
                lambda: place.installer.remove("shout"),
            ):
                with pytest.raises(Forbidden, match=words):
                    act()
            assert place.left() == []
    InstallPolicy.of(Settings.model_validate({"host": "0.0.0.0", "auth": "ann:secret"})).check()
    InstallPolicy.of(Settings.model_validate({})).check()


@pytest.mark.parametrize(
    ("files", "part"),
    [
        ({"main.py": ""}, "There is no extension.toml"),
        ({"extension.toml": "name = ", "main.py": ""}, "cannot be read"),
        (files_of(name="Shout"), "name"),
        ({**files_of(), "extension.toml": files_of(entry='"start"')["extension.toml"]}, "the module start"),
        (files_of(api="99"), "needs version 99"),
        # Perhaps it is one that only such a version knows.
        (files_of(api="99", dreams="true"), "needs version 99"),
        (files_of("parlor"), "Parlor uses that word itself"),
        (files_of(licence='"MIT\\u202E"'), "licence is wrong: .* holds characters that cannot be seen"),
        (files_of(description='"One\\u0000"'), "description is wrong: .* holds characters that cannot be seen"),
        (files_of(touches='network = ["a\\u0008.example"]'), "touches.network.0 is wrong"),
        (files_of(requirements='["--index-url http://evil"]'), "not a package's name"),
        (files_of(requirements='["nice @ https://example.com/nice.whl"]'), "not a package's name"),
        (files_of(requirements='["../nice.whl"]'), "not a package's name"),
        (files_of(requirements='["nice.zip"]'), "not a package's name"),
    ],
)
def test_wrong_extensions(tmp_path: Path, files: dict[str, str], part: str) -> None:
    source = write_folder(tmp_path / "source", files)
    with world(tmp_path) as place:
        with pytest.raises(BadRequest, match=part):
            place.installer.plan(str(source))
        assert place.left() == ["extensions"]


def test_scripts_of_text_generation_webui(tmp_path: Path) -> None:
    """They have no manifest; one is made of where they come from."""
    script = "def output_modifier(string, state):\n    return string + '!'\n"
    repository = Repository(tmp_path / "Loud_Words.git")
    repository.commit({"script.py": script})
    with world(tmp_path) as place:
        plan = place.installer.plan(str(repository.folder))
        assert (plan.name, plan.manifest.entry, plan.manifest.touches.network) == ("loud-words", "script", ["*"])
        assert place.done(place.installer.install(plan.id)).state == "done"
        assert place.registry.enable("loud-words").state == "enabled"
        repository.commit({"script.py": script, "more.py": ""})
        change = place.installer.plan_update("loud-words").change
        assert change is not None
        assert (change.added, change.permissions) == (("more.py",), ())


@pytest.mark.parametrize("archive", ["Loud_Words-main.zip", "loud-words-master.zip", "loud-words.zip"])
def test_scripts_are_called_as_their_archive_without_its_branch(archive: str, tmp_path: Path) -> None:
    script = "def output_modifier(string, state):\n    return string + '!'\n"
    source = write_zip(tmp_path / archive, {"Loud_Words-main/script.py": script})
    with world(tmp_path) as place:
        assert place.installer.plan(str(source)).name == "loud-words"


def test_warnings(tmp_path: Path) -> None:
    files = files_of(touches='network = ["*"]', licence='""')
    more = {"fast.so": "x", "page.py": "def custom_js():\n    return ''", "odd.py": "def (custom_js"}
    with world(tmp_path) as place:
        plan = place.installer.plan(str(write_folder(tmp_path / "source", {**files, **more})))
        told = " ".join(plan.warnings)
        for part in ("inside Parlor", "any host", "native code, which nobody can read: fast.so", "no licence"):
            assert part in told
        assert "custom_js in odd.py, page.py" in told
        quiet = write_folder(tmp_path / "quiet", files_of("quiet", isolated="true"))
        assert place.installer.plan(str(quiet)).warnings == ()


def test_the_source_that_became_something_else(tmp_path: Path) -> None:
    source = write_folder(tmp_path / "source", files_of())
    with world(tmp_path) as place:
        place.install(source)
        write_folder(source, files_of("other"))
        with pytest.raises(BadRequest, match="another extension, other"):
            place.installer.plan_update("shout")
        elsewhere = write_folder(tmp_path / "elsewhere", files_of(version="3.0"))
        assert "came from somewhere else" in " ".join(place.installer.plan(str(elsewhere)).warnings)


def test_install_errors_are_sentences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with world(tmp_path) as place:
        with pytest.raises(InstallError, match="does not answer as a git repository"):
            place.installer.plan(f"file://{tmp_path}/nowhere")
        assert place.left() == ["extensions"]
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(InstallError, match="git is not installed"):
            place.installer.plan("https://example.com/shout.git")
