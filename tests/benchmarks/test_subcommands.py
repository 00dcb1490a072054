"""What holds for every subcommand of the benchmark suite."""

import importlib
import subprocess
import sys

import pytest

from benchmarks import __main__
from tests.benchmarks.runs import ROOT

# `publish` has no results of its own.
MEASURING = sorted({*__main__.COMMANDS} - {"publish"})


def test_help_lists_the_subcommands(capsys):
    with pytest.raises(SystemExit):
        __main__.main(["--help"])
    shown = capsys.readouterr().out
    assert all(name in shown for name in __main__.COMMANDS)


@pytest.mark.parametrize("name", MEASURING)
def test_subcommands_have_a_file_with_their_tiny_run(name):
    module = importlib.import_module(f"tests.benchmarks.test_{name.replace('-', '_')}")
    assert module.TINY[0] == name
    assert callable(module.test_it_prints_what_it_writes)


@pytest.mark.parametrize("name", MEASURING)
def test_subcommands_have_help(name, capsys):
    with pytest.raises(SystemExit) as exit_:
        __main__.main([name, "--help"])
    assert exit_.value.code == 0
    assert "--runs N" in capsys.readouterr().out


def test_the_suite_itself_loads_nothing_heavy():
    heavy = {"tensorflow", "keras", "numba", "pandas", "sklearn"}
    code = f"import sys, benchmarks.__main__; print({heavy!r} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    assert found.stdout == b"set()\n"
