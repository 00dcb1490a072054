"""Bytes for the parsers of rows that a fuzzer makes, guided by the branches that they have taken.

Each injection is 1,000 inputs of a few rows, in a process of its own, which begins with rows of
`dirty_rows`.  Rows have to be the same however they are cut into blocks, and those that Python's
own modules read; see `parsing`.
"""

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence

from benchmarks.faults.bench import Bench
from benchmarks.faults.cases import TEMP
from benchmarks.faults.injection import Injection
from benchmarks.faults.outcomes import CRASH, HANG, LOST_ROWS, RIGHT, Outcome
from benchmarks.faults.parsing import PARSERS
from benchmarks.measure import machine

_N_EACH = 25
_N_INPUTS = 1000
_LIMIT_SECONDS = 600.0
_MESSAGE_CHARACTERS = 500


def missing(_bench: Bench) -> str | None:
    """What this machine lacks for these faults."""
    if importlib.util.find_spec("atheris"):
        return None
    return "the fuzzer is not installed (extra fuzz)"


def groups(_bench: Bench) -> Iterator[Sequence[Injection]]:
    """All injections, a group for each format."""
    for name in PARSERS:
        yield [_injection(name, number) for number in range(_N_EACH)]


def _injection(name: str, number: int) -> Injection:
    def outcome(bench: Bench) -> Outcome:
        bench.empty()
        folder = bench.places[TEMP] / "fuzz"
        folder.mkdir()
        words = ("-m", "benchmarks.faults.fuzzer", name, str(number), str(_N_INPUTS), str(folder))
        try:
            ended = subprocess.run(
                [sys.executable, *words],
                env=machine.command_environment({"NUMBA_DISABLE_JIT": "1"}),
                cwd=machine.ROOT,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                timeout=_LIMIT_SECONDS,
            )
        except subprocess.TimeoutExpired:
            return Outcome(HANG, f"no end within {_LIMIT_SECONDS:.0f} s")
        found, done = folder / "found", folder / "done"
        if found.exists():
            return Outcome(LOST_ROWS, found.read_text("utf-8", "replace").splitlines()[0])
        if ended.returncode or not done.exists() or int(done.read_text()) < _N_INPUTS:
            return Outcome(CRASH, f"{ended.returncode}; {ended.stderr[-_MESSAGE_CHARACTERS:]}")
        shutil.rmtree(folder)
        return Outcome(RIGHT)

    return Injection(f"fuzz {name}, {number}", outcome)
