"""Processes that the package starts run its own code, not what lies in the current folder."""

import subprocess
import sys
from pathlib import Path

import pytest

from ooc_train.subprocesses import python_command
from ooc_train.training import grid
from ooc_train.version import __version__

TRAPS = ("json", "matplotlib", "numpy", "ooc_train", "random", "types")
PACKAGE_FOLDER = str(Path(__file__).parents[1])


@pytest.fixture
def trapped(tmp_path, monkeypatch):
    """A current folder with modules that must not be run; what they would leave."""
    for name in TRAPS:
        (tmp_path / f"{name}.py").write_text(f"open('ran-{name}', 'w')\nraise RuntimeError\n")
    monkeypatch.chdir(tmp_path)
    return lambda: sorted(path.name for path in tmp_path.glob("ran-*"))


def test_a_command_runs_the_package_of_this_process(trapped, monkeypatch):
    monkeypatch.delenv("PYTHONPATH", raising=False)
    done = subprocess.run(
        python_command("ooc_train.cli.train", ["--version"]),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"ooc-train {__version__}\n"
    assert trapped() == []


def test_a_trial_runs_no_module_of_the_current_folder(trapped):
    assert grid._run(["--version"]) == 0
    assert trapped() == []


def test_without_the_command_the_traps_are_run(trapped):
    """So the tests above can fail."""
    subprocess.run(
        [sys.executable, "-m", "ooc_train.cli.train", "--version"], capture_output=True, check=False
    )
    assert trapped()


def test_the_exit_status_is_that_of_main():
    command = python_command("ooc_train.cli.train", ["--no-such-option"])
    assert subprocess.run(command, capture_output=True, check=False).returncode == 2
    assert PACKAGE_FOLDER in command
