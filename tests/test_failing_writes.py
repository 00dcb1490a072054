"""A write that fails is an error, always: each write, sync and rename of each kind of output."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.faults import injector
from tests.full_disk import needs_hdf5_that_survives

ROOT = Path(__file__).parents[1]


@needs_hdf5_that_survives
@pytest.mark.skipif(
    not (sys.platform == "linux" and injector.compiler()), reason="needs Linux and a C compiler"
)
def test_every_failure_is_told_and_leaves_nothing(tmp_path):
    """Neither success nor a crash, nor a file that is not whole."""
    library, state = injector.build(tmp_path), tmp_path / "state"
    injector.State.make(state)
    variables = {injector.VARIABLE: str(state), "LD_PRELOAD": str(library)}
    done = subprocess.run(
        [sys.executable, "-m", "tests.failing_writes", str(tmp_path)],
        env=os.environ | variables, cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert {name: each["wrong"] for name, each in found.items() if each["wrong"]} == {}
    assert all(each["seen"] for each in found.values())
