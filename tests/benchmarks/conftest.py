"""The tiny run of a subcommand, which all tests of its file look at."""

import contextlib
import io
import sys

import pytest

from benchmarks import __main__
from benchmarks.measure import peer_environments
from benchmarks.studies import all as all_study
from benchmarks.studies import convert
from benchmarks.studies import memory as memory_study
from tests.benchmarks.in_process import run_in_process
from tests.benchmarks.runs import Tiny, already_compiled, write_toys
from tests.files import write_sequences

# Whose subject is what only a process of its own shows, or that start processes themselves.
IN_PROCESSES = ("convert", "end-to-end", "resume", "schedulers", "selftest")


def peers_with_h5py(folder):
    """A folder of environments in which only that of h5py is there: this interpreter's."""
    python = folder / "h5py/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    return folder


def pytest_collection_modifyitems(items):
    """Tests of what a tiny run gave are as slow as that run; `order` only shuffles integers."""
    for item in items:
        if "tiny" in item.fixturenames and item.module.TINY[0] != "order":
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="module")
def tiny(request, tmp_path_factory):
    """The subcommand of the module's `TINY`, run once in this process: status, output, folder."""
    name, *words = request.module.TINY
    out = tmp_path_factory.mktemp(name)
    places = {
        "TOY.h5": write_sequences(tmp_path_factory.mktemp("toy") / "TOY.h5", train=300),
        "TOYS": write_toys(tmp_path_factory.mktemp("toys") / "TOYS", 90),
        "PEERS": peers_with_h5py(tmp_path_factory.mktemp("peers")),
    }
    arguments = [str(places.get(word, word)) for word in words]
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(io.StringIO()) as output,
    ):
        patch.setitem(peer_environments.GROUPS, "h5py", ("pip",))  # there already
        patch.setattr(all_study, "RUNS", (("order", "orders", ("--rows", "9999")),))
        patch.setattr(memory_study, "TIMES_CAP", dict.fromkeys(memory_study.TIMES_CAP, 0.001))
        patch.setattr(convert, "own_system", already_compiled(convert.own_system))
        if name not in IN_PROCESSES:
            run_in_process(patch)
        status = __main__.main([name, "--out", str(out), *arguments])
    return Tiny(status, output.getvalue(), out)
