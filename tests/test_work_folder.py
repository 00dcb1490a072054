"""Folders of temporary files, of which nothing is left."""

import errno
import os
import stat
from pathlib import Path

import pytest

from ooc_train.locks import lock
from ooc_train.work_folder import WorkFolder, _delete_own, _made


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_nothing_is_made_behind_a_symbolic_link_in_a_shared_folder(tmp_path):
    trap = tmp_path / ".ooc-job-trap"
    trap.mkdir()
    (trap / "lock").symlink_to(tmp_path / "elsewhere")
    with WorkFolder(tmp_path) as folder:
        assert names(tmp_path) == sorted([trap.name, folder.name])
    assert names(tmp_path) == [trap.name]


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
