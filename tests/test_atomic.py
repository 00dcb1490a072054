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
from ooc_train.atomic import publishing
from ooc_train.errors import OutputError
from ooc_train.json_text import as_json
from ooc_train.work_folder import WorkFolder

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


def test_json_keeps_a_name_that_is_no_utf8():
    name = os.fsdecode(b"\xff\n.csv")
    assert json.loads(as_json({"größe": name}).encode()) == {"größe": name}
    assert "größe" in as_json({"größe": name})
