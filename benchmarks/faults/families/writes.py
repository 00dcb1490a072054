"""Calls of the system that fail: each write, fsync, rename, new file or folder, truncation, close.

The n-th call of a class fails once, or from then on, with each error that it can have; writes also
write half of what they should, or are interrupted by a signal.
"""

import errno
from collections.abc import Iterator, Sequence

from benchmarks.faults.bench import Bench
from benchmarks.faults.cases import OUT, TEMP, Case
from benchmarks.faults.families.following import with_next_command
from benchmarks.faults.injection import Injection, merged_if_slow
from benchmarks.faults.injector import SHORT, Fault
from benchmarks.faults.outcomes import Outcome, judge

_FULL = (errno.ENOSPC, errno.EIO, errno.EDQUOT)
_ERRORS = {
    "write": _FULL,
    "sync": (errno.EIO, errno.ENOSPC),
    "name": (errno.EIO, errno.ENOSPC, errno.EACCES),
    "create": (*_FULL, errno.EMFILE),
    "folder": _FULL,
    "resize": _FULL,
    "close": (errno.EIO,),
}
"""The errors of each class of calls."""


def missing(bench: Bench) -> str | None:
    """What this machine lacks for these faults."""
    return None if bench.ground.library else "there is no C compiler"


def groups(bench: Bench) -> Iterator[Sequence[Injection]]:
    """All injections, a group for each case, place and class of calls."""
    for case in bench.ground.cases:
        bench.learn(case)
        yield from merged_if_slow(case, _of_case(bench, case))


def _of_case(bench: Bench, case: Case) -> Iterator[Sequence[Injection]]:
    for place in (OUT, TEMP):
        bench.reset(case)
        counts = bench.run(case, where=[place]).ended.reply.counts
        for call, n_calls in counts.items():
            if n_calls and call in _ERRORS:
                yield [_injection(case, place, fault) for fault in _faults(call, n_calls)]


def _faults(call: str, n_calls: int) -> Iterator[Fault]:
    for first in range(1, n_calls + 1):
        for number in _ERRORS[call]:
            yield Fault(call=call, first=first, number=number)
            yield Fault(call=call, first=first, number=number, onward=True)
        if call == "write":
            yield Fault(call=call, first=first, effect=SHORT)
            yield Fault(call=call, first=first, number=errno.EINTR)
    if call == "write":
        yield Fault(call=call, first=1, effect=SHORT, onward=True)


def _injection(case: Case, place: str, fault: Fault) -> Injection:
    return Injection(f"{case}, {place}, {fault}", lambda bench: outcome(bench, case, place, fault))


def outcome(bench: Bench, case: Case, place: str, fault: Fault) -> Outcome | None:
    """What becomes of a case with a fault in a place; `None` if the fault does not come."""
    bench.reset(case)
    seen = bench.run(case, where=[place], fault=fault)
    if not seen.ended.reply.n_done:
        return None
    found = judge(seen)
    return with_next_command(bench, seen, found) if case.is_training else found
