"""Kernels compiled in other processes, before memory is divided."""

import sys

import pytest

from ooc_train.conversion import trial
from ooc_train.errors import BudgetError

LAST = """
import pickle, sys, pathlib
count = pathlib.Path(sys.argv[1])
_, _, most, least = pickle.load(sys.stdin.buffer)
count.write_text(f"{count.read_text()}{least} ")
"""


@pytest.fixture
def ending(tmp_path, monkeypatch):
    """Gives a function that lets the other processes end in turn as some lines of Python say."""
    count = tmp_path / "count"
    count.write_text("")

    def ending(*ends):
        code = iter([LAST + end for end in ends])
        monkeypatch.setattr(
            trial, "python_command", lambda *_: [sys.executable, "-c", next(code), str(count)]
        )
        return count

    return ending


def test_one_process_after_another_compiles_while_kernels_are_left(ending, tmp_path):
    count = ending("sys.exit(75)", "sys.exit(75)", "sys.exit(0)")
    trial._compile(None, tmp_path, 2**28)
    assert count.read_text() == "1 2 3 "  # each may compile more than the one before


def test_a_process_that_fails_leaves_the_error_to_this_one(ending, tmp_path):
    count = ending("raise ValueError")
    trial._compile(None, tmp_path, 2**28)
    assert count.read_text() == "1 "


def test_a_process_that_the_system_ends_is_an_error(ending, tmp_path):
    ending("import os; os.kill(os.getpid(), 9)")
    with pytest.raises(BudgetError, match="does not suffice for compiling; run the command once"):
        trial._compile(None, tmp_path, 2**28)


def test_memory_bounds_what_a_process_compiles():
    assert [trial._within(2**60, 1)() for _ in range(3)] == [True] * 3
    may_compile = trial._within(0, 2)
    assert [may_compile() for _ in range(3)] == [True, True, False]
