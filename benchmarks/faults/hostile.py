"""Commands that are given what someone hostile has made, and what may become of them."""

import sys
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from benchmarks.faults.bench import Bench
from benchmarks.faults.cases import OUT, Case
from benchmarks.faults.folders import contents, essence
from benchmarks.faults.outcomes import RIGHT, WRONG, Outcome, judge
from benchmarks.faults.outside import Watch
from ooc_train.cli.command import EXIT_FAILED, EXIT_USAGE

MEMORY = 2 * 10**9
"""Bytes that a command may allocate, the stacks of its threads and TensorFlow's arenas included."""
_LIMIT_SECONDS = 300.0
"""Trainings of many seconds on a busy machine are no hangs."""
_NOISES = (0x55, 0xAA)
_SECRET = b"secret " * 1000

Make = Callable[[Mapping[str, Path], Path], bool]
"""Makes the hostile thing in a command's places, given a folder too that the command may not reach;
whether it has made any."""
Check = Callable[[Mapping[str, Path]], str | None]
"""What is wrong with the outputs of a command, in words, by its places."""


def missing() -> str | None:
    """What this machine lacks for these faults."""
    return None if sys.platform == "linux" else "only Linux tells which files are opened"


def outcome(
    bench: Bench, case: Case, make: Make, check: Check | None, *, may_open: bool = False
) -> Outcome | None:
    """The outcome of a command; if it completes, of the same one once more with other memory.

    Without a ``check``, its outputs have to be those that it makes without any fault.  If it
    ``may_open`` files elsewhere, such as those that links lead to, it may still change none.
    """
    made: list[list[str | None]] = []
    for noise in _NOISES:
        bench.reset(case)
        outside = _outside(bench)
        if not make(bench.places, outside):
            return None
        found = _one(bench, case, outside, noise, is_exact=check is None, may_open=may_open)
        if found.kind != RIGHT or check is None:
            return found
        if problem := _problem(check, bench.places):
            return Outcome(WRONG, f"status 0; {problem}")
        made.append([essence(bench.places[OUT] / name) for name in case.outputs])
    if made[0] != made[1]:
        return Outcome(WRONG, "status 0; other outputs each time")
    return Outcome(RIGHT)


def _problem(check: Check, places: Mapping[str, Path]) -> str | None:
    try:
        return check(places)
    except (OSError, KeyError, ValueError, TypeError, IndexError, zipfile.BadZipFile) as error:
        return f"what it has made cannot be read: {error}"


def _outside(bench: Bench) -> Path:
    """The folder that a command may not reach, with files in it."""
    folder = bench.places[OUT].with_name("outside")
    if not folder.exists():
        folder.mkdir()
        (folder / "secret").write_bytes(_SECRET)
    return folder


def _one(
    bench: Bench, case: Case, outside: Path, noise: int, *, is_exact: bool, may_open: bool
) -> Outcome:
    before = contents(outside)
    with Watch(outside) as watch:
        seen = bench.run(case, memory=MEMORY, noise=noise, limit=_LIMIT_SECONDS)
        is_opened = watch.has_seen_any() and not may_open
    reply = seen.ended.reply
    if is_opened or contents(outside) != before:
        return Outcome(WRONG, f"status {reply.status}; a file outside was opened or changed")
    if seen.ended.status == EXIT_USAGE:  # what a run or a file says does not fit the options
        seen = replace(seen, ended=replace(seen.ended, reply=replace(reply, status=EXIT_FAILED)))
    if is_exact:
        return judge(seen)
    made = [name for name in case.outputs if name in seen.after[OUT]]
    expected = replace(case, outputs=tuple(made) or case.outputs)
    return judge(replace(seen, case=expected, complete=frozenset(made)))
