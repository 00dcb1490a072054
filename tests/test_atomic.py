"""Files that appear whole or not at all, and nothing that they destroy."""

import errno
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ooc_train import atomic
from ooc_train.atomic import as_json, check_outputs, publishing
from ooc_train.errors import OutputError
from ooc_train.locks import lock
from ooc_train.work_folder import WorkFolder, _delete_own, _made

KILLED = """
import os, signal, sys
from pathlib import Path
from ooc_train.atomic import publishing
with publishing(Path(sys.argv[1]), force=False) as part:
    part.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def publish(path: Path, text: str, *, force: bool = False) -> None:
    with publishing(path, force=force) as part:
        part.write_text(text)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_when_it_is_complete(tmp_path):
    path = tmp_path / "o"
    with publishing(path, force=False) as part:
        part.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert names(tmp_path) == ["o"]


def test_a_failure_leaves_what_was_there(tmp_path):
    path = tmp_path / "o"
    publish(path, "old")
    with pytest.raises(TypeError):
        publish(path, None, force=True)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["o"]


@pytest.mark.parametrize("has_links", [True, False])
def test_what_appears_meanwhile_is_not_replaced(tmp_path, monkeypatch, has_links):
    if not has_links:
        monkeypatch.setattr(os, "link", _no_links)
    path = tmp_path / "o"
    flush = atomic.flush

    def meanwhile(part: Path) -> None:
        flush(part)
        path.write_text("theirs")

    monkeypatch.setattr(atomic, "flush", meanwhile)
    with pytest.raises(OutputError, match="by another program"):
        publish(path, "ours")
    assert path.read_text() == "theirs"
    assert names(tmp_path) == ["o"]


def test_a_file_system_without_links(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", _no_links)
    publish(tmp_path / "o", "new")
    assert (tmp_path / "o").read_text() == "new"


def _no_links(*_: object) -> None:
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))


def test_the_mode_and_the_link_of_a_replaced_file_stay(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    target.chmod(0o600)
    link.symlink_to("target")
    publish(link, "new", force=True)
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o444, 0o000])
def test_a_file_that_may_not_be_written_to_is_replaced(tmp_path, monkeypatch, mode):
    opened = os.open

    def checked(path: Path, flags: int, *arguments: int) -> int:  # root may do everything
        if path.is_file() and not path.stat().st_mode & stat.S_IWUSR:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return opened(path, flags, *arguments)

    publish(tmp_path / "o", "old")
    (tmp_path / "o").chmod(mode)
    monkeypatch.setattr(os, "open", checked)
    with WorkFolder(tmp_path) as folder:
        (folder / "o").write_text("new")
        atomic.publish(folder / "o", tmp_path / "o", force=True)
    assert stat.S_IMODE((tmp_path / "o").stat().st_mode) == mode
    (tmp_path / "o").chmod(0o600)
    assert (tmp_path / "o").read_text() == "new"


def test_a_new_file_has_the_usual_mode(tmp_path):
    publish(tmp_path / "o", "new")
    (tmp_path / "usual").touch()
    assert (tmp_path / "o").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_the_next_one_removes_what_a_killed_one_left_and_nothing_of_the_living(tmp_path):
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "o")], check=False)
    assert len(names(tmp_path)) == 1
    with WorkFolder(tmp_path) as living:
        publish(tmp_path / "o", "new")
        assert names(tmp_path) == [living.name, "o"]
    assert names(tmp_path) == ["o"]


def test_nothing_is_made_behind_a_symbolic_link_in_a_shared_folder(tmp_path):
    trap = tmp_path / ".ooc-job-trap"
    trap.mkdir()
    (trap / "lock").symlink_to(tmp_path / "elsewhere")
    publish(tmp_path / "o", "new")
    assert names(tmp_path) == [trap.name, "o"]


def test_a_folder_that_is_taken_for_abandoned_before_it_is_locked_is_made_again(
    tmp_path, monkeypatch
):
    mkdir = Path.mkdir
    lost: list[Path] = []

    def deleted_once(path: Path, *arguments: int) -> None:
        if lost:
            mkdir(path, *arguments)
        lost.append(path)  # the first as if it had been made and deleted

    monkeypatch.setattr(Path, "mkdir", deleted_once)
    with WorkFolder(tmp_path) as folder:
        assert [folder] == lost[1:]


def test_a_work_folder_is_its_owner_s_and_unknown_to_the_user(tmp_path):
    with WorkFolder(tmp_path) as folder:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    with pytest.raises(FileNotFoundError) as raised, WorkFolder(tmp_path) as folder:
        (folder / "absent").read_bytes()
    assert raised.value.filename == str(tmp_path)


def test_a_work_folder_that_cannot_be_made(tmp_path, monkeypatch):
    def refused(*_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "mkdir", refused)
    with pytest.raises(PermissionError):
        WorkFolder(tmp_path)


def test_a_file_system_without_locks(tmp_path, monkeypatch):
    """There a folder can be made, and none is taken for abandoned."""

    def none(_: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("ooc_train.locks._lock", none)
    with pytest.raises(OSError, match="No locks available"):
        lock(0)
    with WorkFolder(tmp_path) as living, WorkFolder(tmp_path):
        assert living.is_dir()


def test_a_folder_whose_lock_another_process_holds_is_not_used(tmp_path, monkeypatch):
    answers = [False, True]
    monkeypatch.setattr("ooc_train.work_folder.lock", lambda _: answers.pop(0))
    before = set(_made)
    with WorkFolder(tmp_path) as folder:
        (other,) = set(_made) - before - {folder}
        assert folder.is_dir()
        assert folder != other
    del _made[other]


@pytest.mark.parametrize("is_own", [True, False])
def test_at_its_end_a_process_deletes_its_own_folders(tmp_path, is_own):
    folder = WorkFolder(tmp_path).path
    _made[folder] = os.getpid() if is_own else os.getppid()
    _delete_own()
    assert folder.exists() != is_own
    del _made[folder]


def test_a_parent_that_does_not_exist(tmp_path):
    with pytest.raises(FileNotFoundError):
        WorkFolder(tmp_path / "none")


@pytest.mark.parametrize("step", ["mkdir", "open"])
def test_a_signal_while_a_folder_is_made_leaves_nothing(tmp_path, monkeypatch, step):
    where = Path if step == "mkdir" else os
    done = getattr(where, step)

    def interrupted(*arguments: object) -> None:
        monkeypatch.undo()
        done(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(where, step, interrupted)
    with pytest.raises(KeyboardInterrupt):
        WorkFolder(tmp_path)
    assert names(tmp_path) == []


def test_a_folder_that_cannot_be_locked_is_not_left(tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("ooc_train.work_folder.os.open", full)
    with pytest.raises(OSError, match="No space"):
        WorkFolder(tmp_path)
    assert names(tmp_path) == []


@pytest.mark.parametrize("force", [True, False])
def test_the_error_of_the_folder_is_raised(tmp_path, monkeypatch, force):
    flush = atomic.flush

    def failing(path: Path) -> None:
        if path == tmp_path:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        flush(path)

    monkeypatch.setattr(atomic, "flush", failing)
    with pytest.raises(OSError, match="Input/output"):
        publish(tmp_path / "o", "new", force=force)
    assert names(tmp_path) == (["o"] if force else [])


def test_the_names_of_new_folders_are_flushed(tmp_path, monkeypatch):
    flushed = []
    monkeypatch.setattr(atomic, "flush", flushed.append)
    (tmp_path / "a").mkdir()
    atomic.make_folder(tmp_path / "a" / "b" / "c")
    assert (tmp_path / "a" / "b" / "c").is_dir()
    assert flushed == [tmp_path / "a" / "b", tmp_path / "a"]


class TestCheckOutputs:
    def refused(self, match: str, outputs: dict[str, Path], *inputs: Path, force: bool = True):
        with pytest.raises(OutputError, match=match):
            check_outputs(outputs, inputs, force=force)

    def test_new_files_pass(self, tmp_path):
        check_outputs({"one": tmp_path / "a", "two": tmp_path / "b", "three": None}, force=False)

    def test_an_existing_file_needs_force(self, tmp_path):
        (tmp_path / "a").touch()
        self.refused("exists; give --force", {"one": tmp_path / "a"}, force=False)
        check_outputs({"one": tmp_path / "a"}, force=True)

    @pytest.mark.parametrize("spelled", ["a", "./a", "link", "hard", "sub/../a"])
    def test_no_output_is_an_input(self, tmp_path, monkeypatch, spelled):
        monkeypatch.chdir(tmp_path)
        Path("a").touch()
        Path("sub").mkdir()
        Path("link").symlink_to("a")
        os.link("a", "hard")
        self.refused("also the input", {"the report": Path(spelled)}, tmp_path / "a")

    def test_no_output_is_another_output(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        Path("link").symlink_to(tmp_path)
        Path("dangling").symlink_to("a")
        for name in ("a", "link/a", "dangling"):
            self.refused(
                "the page, is also the report",
                {"the report": Path(name), "the page": tmp_path / "a"},
            )

    def test_devices_and_pipes_are_never_replaced(self, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        for path in (tmp_path / "pipe", Path("/dev/null"), Path("/dev/stdout"), Path("/dev/fd/1")):
            self.refused("device or a pipe", {"one": path})

    def test_folders(self, tmp_path):
        self.refused("one, is a folder; name the file", {"one": tmp_path})
        self.refused("does not exist", {"one": tmp_path / "none" / "a"})

    def test_names_that_no_file_can_have(self, tmp_path):
        (tmp_path / "loop").symlink_to("loop")
        (tmp_path / "file").touch()
        self.refused("one, cannot be written: Too many levels", {"one": tmp_path / "loop"})
        self.refused("one, cannot be written: File name too long", {"one": tmp_path / ("a" * 256)})
        self.refused("one, cannot be written: Not a directory", {"one": tmp_path / "file" / "a"})

    @pytest.mark.parametrize("spelled", ["run/a", "run", "elsewhere", "run/link"])
    def test_nothing_lies_in_a_folder_that_is_written_as_a_whole(
        self, tmp_path, monkeypatch, spelled
    ):
        monkeypatch.chdir(tmp_path)
        Path("run").mkdir()
        Path("run/link").symlink_to("../target")
        Path("elsewhere").symlink_to("run/target")
        path = Path(spelled)
        if spelled != "run":
            with pytest.raises(OutputError, match="the report, lies in"):
                check_outputs({"the report": path}, folders=[tmp_path / "run"], force=True)
        with pytest.raises(OutputError, match="the input, lies in"):
            check_outputs({}, [path], folders=[tmp_path / "run"], force=True)


def test_json_keeps_a_name_that_is_no_utf8():
    name = os.fsdecode(b"\xff\n.csv")
    assert json.loads(as_json({"größe": name}).encode()) == {"größe": name}
    assert "größe" in as_json({"größe": name})
