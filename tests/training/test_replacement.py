"""A run that is replaced stays usable until the new one is complete, whenever that is killed."""

import contextlib
import errno
import itertools
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ooc_train.errors import FormatError, OutputError
from ooc_train.progress import Silent
from ooc_train.training.models.keras_form import read_layers
from ooc_train.training.run import replacement
from ooc_train.training.run.checkpoints import CheckpointFolder
from ooc_train.training.run.folder import open_run
from ooc_train.training.run.replacement import (
    check_replaceable,
    open_with,
    remove_replaced,
    take_place,
)
from ooc_train.training.train import train
from tests.files import Toy, write_toy

OLD = {"epochs": 1, "batch_size": 32, "checkpoint_every": 1, "units": 3}
NEW = {**OLD, "epochs": 2, "units": 5}


class Killed(BaseException):
    """What ends a process as far as this one can tell."""


class Killing(Silent):
    """Lets a training live for so many batches."""

    def __init__(self, n_batches):
        self.n_left = n_batches

    def advance(self, amount):
        self.n_left -= 1
        if self.n_left == 0:
            raise Killed


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Data, and two runs of it that differ in each file."""
    folder = tmp_path_factory.mktemp("made")
    data = write_toy(folder / "data.h5", toy=Toy(), train=200, validation=50)
    train(data, folder / "old", **OLD)
    train(data, folder / "new", **NEW)
    return folder


@pytest.fixture
def run(made, tmp_path):
    """A copy of the old run."""
    return shutil.copytree(made / "old", tmp_path / "run")


def units(run):
    with open_run(run) as opened:
        return opened.settings["units"]


def whole(path):
    """The units of a run that is whole: what its files say of it is the same."""
    opened, (layers, report) = open_with(
        path,
        lambda it: (read_layers(it.model_path), json.loads((path / "report.json").read_text())),
    )
    opened.close()
    n_units = opened.settings["units"]
    assert layers[0][1].size == n_units
    assert len(report["epochs"]) == opened.settings["epochs"]
    return n_units


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("n_batches", [1, 4, 9, 12])
def test_killed_while_it_trains(made, run, n_batches):
    """Before and after its first checkpoint, and in its second epoch."""
    with pytest.raises(Killed):
        train(made / "data.h5", run, force=True, progress=Killing(n_batches), **NEW)
    assert whole(run) == 3
    with pytest.raises(OutputError, match="run exists; use --force"):
        train(made / "data.h5", run, **NEW)
    has_checkpoint = bool(CheckpointFolder(run.with_name(".run.new") / "checkpoints").files())
    assert has_checkpoint == (n_batches > 1)
    report = train(made / "data.h5", run, resume=has_checkpoint, force=not has_checkpoint, **NEW)
    assert report["sessions"] == 1 + has_checkpoint
    assert weights(run) == weights(made / "new")
    assert names(run.parent) == ["run"]
    assert set(names(made / "old")) == set(names(run))


def weights(run):
    with open_run(run) as opened:
        return [array.tobytes() for array in opened.load_model().get_weights()]


STEPS = ["_exchange", "Path.rename 1", "Path.rename 2", "delete", "shutil.rmtree", "Path.rmdir"]


@pytest.mark.parametrize("exchanges", [True, False])
@pytest.mark.parametrize("step", STEPS)
def test_killed_while_it_takes_its_place(made, run, monkeypatch, step, exchanges):
    """At each step, before it is done; whoever comes next finds one whole run."""
    new = prepared(made, run)
    if not exchanges:
        monkeypatch.setattr(replacement, "_exchange", lambda *_: False)
    name, _, number = step.partition(" ")
    with monkeypatch.context() as patch, contextlib.suppress(Killed):
        strike(patch, name, int(number or 1))
        take_place(new, run)
    assert whole(run) in (3, 5)
    with pytest.raises(OutputError, match="exists; use --force"):
        train(made / "data.h5", run, **NEW)
    train(made / "data.h5", run, resume=True, **NEW)
    assert whole(run) == 5
    assert names(run.parent) == ["run"]


def strike(patch, name, number):
    """Let the ``number``-th call of a function end the process."""
    owner = replacement
    for part in name.split(".")[:-1]:
        owner = getattr(owner, part)
    name = name.rpartition(".")[2]
    original, left = getattr(owner, name), [number]

    def killing(*arguments, **options):
        left[0] -= 1
        if left[0] == 0:
            raise Killed
        return original(*arguments, **options)

    patch.setattr(owner, name, killing)


def prepared(made, run):
    """A complete new run beside ``run``."""
    new = shutil.copytree(made / "new", run.with_name(".run.new"))
    (new / "replacement").touch()
    return new


@pytest.mark.parametrize("exchanges", [True, False])
def test_readers_always_see_one_whole_run(made, run, monkeypatch, exchanges):
    if not exchanges:
        monkeypatch.setattr(replacement, "_exchange", lambda *_: False)
    seen, failed, ended = [], [], threading.Event()

    def read():
        while not (failed or ended.is_set()):
            try:
                seen.append(whole(run))
            except Exception as error:  # noqa: BLE001 - the thread would hide it
                failed.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for number in itertools.count():
        if number >= 20 and number % 2 == 0 and (len(set(seen)) == 2 or failed):
            break
        new = shutil.copytree(made / ("old" if number % 2 else "new"), run.with_name(".run.new"))
        (new / "replacement").touch()
        take_place(new, run)
    ended.set()
    reader.join()
    assert not failed
    assert set(seen) == {3, 5}
    assert whole(run) == 3


def test_names_are_exchanged_at_once_where_the_system_can(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in "ab":
        Path(name).mkdir()
        Path(name, name).touch()
    if not replacement._exchange(Path("a"), Path("b")):
        pytest.skip("this system cannot")
    assert (names(Path("a")), names(Path("b"))) == (["b"], ["a"])
    with pytest.raises(FileNotFoundError, match="'absent'"):
        replacement._exchange(Path("a"), Path("absent"))


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")
def test_what_is_opened_stays_open_and_nothing_else(run):
    before = names(Path("/proc/self/fd"))
    opened, _ = open_with(run, lambda opened: None)
    assert opened.vectorizer_file.is_open
    opened.close()
    assert names(Path("/proc/self/fd")) == before


def test_a_file_of_another_run_is_read_again(made, run):
    """The run is replaced between two files."""
    loads = []

    def load(opened):
        loads.append(opened.settings["units"])
        if len(loads) == 1:
            take_place(prepared(made, run), run)
        return read_layers(opened.model_path)[0][1].size

    opened, n_units = open_with(run, load)
    opened.close()
    assert (loads, n_units, opened.settings["units"]) == ([3, 5], 5, 5)
    (run / "model.keras").unlink()
    with pytest.raises(FormatError, match="is not a complete run"):
        open_with(run, load)


def test_the_folder_s_mode_and_a_link_to_it_stay(made, run, tmp_path):
    run.chmod(0o700)
    link = tmp_path / "link"
    link.symlink_to("run")
    (run / "notes").mkdir()
    train(made / "data.h5", link, force=True, **NEW)
    assert link.is_symlink()
    assert whole(run) == whole(link) == 5
    assert stat.S_IMODE(run.stat().st_mode) == 0o700
    assert names(tmp_path) == ["link", "run"]
    assert "notes" not in names(run)


def test_what_symbolic_links_lead_to_is_left_alone(made, run, tmp_path):
    for name in ("checkpoints", "tensorboard"):
        elsewhere = tmp_path / f"other {name}"
        elsewhere.mkdir()
        (elsewhere / "precious").touch()
        if (run / name).exists():
            shutil.rmtree(run / name)
        (run / name).symlink_to(elsewhere)
        with pytest.raises(OutputError, match=f"{name} is a symbolic link, and training would"):
            train(made / "data.h5", run, resume=True, **{**OLD, "epochs": 2})
        train(made / "data.h5", run, force=True, **OLD)
        assert names(elsewhere) == ["precious"]
        assert not (run / name).is_symlink()
    (run / "checkpoints" / "lock").unlink()
    (run / "checkpoints" / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputError, match="lock is a symbolic link"):
        train(made / "data.h5", run, force=True, **OLD)
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_of_the_user_s_in_the_way(made, run):
    run.with_name(".run.new").mkdir()
    (run.with_name(".run.new") / "precious").touch()
    with pytest.raises(OutputError, match=r"\.run\.new, where the new run would be written, is no"):
        train(made / "data.h5", run, force=True, **NEW)
    assert whole(run) == 3
    assert names(run.with_name(".run.new")) == ["precious"]


def test_an_old_run_that_was_not_deleted_is_in_nobody_s_way(made, run):
    """Nor is the mark that a killed training has left."""
    shutil.copytree(made / "old", run.with_name(".run.new"))
    (run / "replacement").touch()
    check_replaceable(run)
    remove_replaced(run)
    assert names(run.parent) == ["run"]
    assert not (run / "replacement").exists()


def test_a_mount_point(made, run, monkeypatch):
    monkeypatch.setattr(os.path, "ismount", lambda path: path == run)
    with pytest.raises(OutputError, match="is a mount point"):
        train(made / "data.h5", run, force=True, **NEW)
    assert whole(run) == 3
    assert names(run.parent) == ["run"]


@pytest.mark.parametrize(("place", "name"), [(".", "."), ("checkpoints", "..")])
def test_a_run_that_is_the_current_folder(made, run, monkeypatch, place, name):
    monkeypatch.chdir(run / place)
    opened, _ = open_with(name, lambda opened: opened.settings)
    opened.close()
    with pytest.raises(OutputError, match="run is the current folder, or has it, and would be del"):
        train(made / "data.h5", name, force=True, **NEW)
    assert whole(run) == 3
    assert names(run.parent) == ["run"]


def test_a_current_folder_that_was_deleted(run, tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    check_replaceable(run)


def test_an_old_run_that_cannot_be_deleted_is_left_for_the_next_training(made, run, monkeypatch):
    def failing(*_):
        raise OSError(errno.EACCES, "refused")

    with monkeypatch.context() as patch:
        patch.setattr(replacement, "delete", failing)
        take_place(prepared(made, run), run)
    assert whole(run) == 5
    assert names(run.parent) == [".run.new", "run"]


def test_without_an_exchange_the_old_run_comes_back_if_the_new_one_cannot_move(
    made, run, monkeypatch
):
    new, rename = prepared(made, run), Path.rename

    def renamed(path, target):
        if path == new:
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))
        return rename(path, target)

    monkeypatch.setattr(replacement, "_exchange", lambda *_: False)
    monkeypatch.setattr(Path, "rename", renamed)
    with pytest.raises(OutputError, match="cannot take the place of .*: Permission denied; rename"):
        take_place(new, run)
    assert (whole(run), whole(new)) == (3, 5)
    assert names(run.parent) == [".run.new", "run"]


def test_what_cannot_take_its_place_stays_and_says_so(made, run, monkeypatch):
    def busy(*_):
        raise OSError(16, "Device or resource busy")

    new = prepared(made, run)
    monkeypatch.setattr(replacement, "_exchange", busy)
    with pytest.raises(OutputError, match="complete in .*new, but cannot take the place of .*busy"):
        take_place(new, run)
    assert (whole(run), whole(new)) == (3, 5)


def test_an_interruption_after_the_exchange_undoes_nothing(made, run, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("ooc_train.training.train.draw_page", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(made / "data.h5", run, force=True, **NEW)
    assert whole(run) == NEW["units"]
    assert [path.name for path in run.parent.iterdir()] == ["run"]


def test_a_new_run_that_cannot_be_locked_leaves_nothing(made, run, monkeypatch):
    def locked(path, _run):
        if path.parents[1] != run:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return contextlib.nullcontext()

    monkeypatch.setattr("ooc_train.training.run.writer.locked", locked)
    with pytest.raises(OutputError, match="No space left"):
        train(made / "data.h5", run, force=True, **NEW)
    assert whole(run) == OLD["units"]
    assert [path.name for path in run.parent.iterdir()] == ["run"]


def test_a_complete_run_without_a_checkpoint_is_not_begun_anew(made, run):
    for path in CheckpointFolder(run / "checkpoints").files():
        path.unlink()
    with pytest.raises(FormatError, match="is complete, and has no whole checkpoint"):
        train(made / "data.h5", run, resume=True, **{**OLD, "epochs": 2})
    assert whole(run) == 3


COMMAND = "import sys; from ooc_train.cli.train import main; sys.exit(main(sys.argv[1:]))"


def test_killed_by_the_system(made, run):
    """What a dead process leaves is found, its lock is free."""
    arguments = [str(made / "data.h5"), "-o", str(run), "--force", "--epochs", "50"]
    more = ["--batch-size", "32", "--checkpoint-every", "1", "--units", "5", "--patience", "50"]
    checkpoints = CheckpointFolder(run.with_name(".run.new") / "checkpoints")
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, *arguments, *more],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=Path(__file__).parents[2],
    ) as process:
        while process.poll() is None and not checkpoints.files():
            time.sleep(0.002)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert whole(run) == 3
    train(made / "data.h5", run, force=True, **NEW)
    assert weights(run) == weights(made / "new")
    assert names(run.parent) == ["run"]
