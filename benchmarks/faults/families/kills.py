"""Signals at any moment: SIGKILL, SIGTERM, SIGINT and SIGHUP.

Moments are those of calls of the system, and others at random; some come while the interpreter
still starts.  After SIGKILL the next command in the same folder has to remove what is left, and to
make what it always makes; a training is resumed.  All other signals have to leave nothing.
"""

import random
import signal
from collections.abc import Iterator, Sequence

from benchmarks.faults.bench import Bench
from benchmarks.faults.cases import OUT, TEMP, Case
from benchmarks.faults.families.following import with_next_command
from benchmarks.faults.injection import Injection, merged_if_slow
from benchmarks.faults.injector import SIGNAL, Fault
from benchmarks.faults.outcomes import (
    Outcome,
    Seen,
    judge,
    judge_killed,
)

_SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_N_MOMENTS = 200
_START_SECONDS = 0.5
_PLACES = (OUT, TEMP)


def missing(_bench: Bench) -> str | None:
    """What this machine lacks for these faults: nothing; without a compiler moments are random."""
    return None


def groups(bench: Bench) -> Iterator[Sequence[Injection]]:
    """All injections, a group for each case, signal and way to choose the moment."""
    for case in bench.ground.cases:
        bench.learn(case)
        yield from merged_if_slow(case, _of_case(bench, case))


def _of_case(bench: Bench, case: Case) -> Iterator[Sequence[Injection]]:
    draw = random.Random(case.name)
    bench.reset(case)
    n_calls = bench.run(case, where=_PLACES).ended.reply.counts["any"]
    longest = bench.ground.seconds[case.name]
    for number in _SIGNALS:
        calls = draw.sample(range(1, n_calls + 1), min(_N_MOMENTS, n_calls))
        yield [_at_call(case, number, first) for first in sorted(calls)]
        yield [_at_time(case, number, draw.uniform(0, longest)) for _ in range(_N_MOMENTS)]
    yield [
        _at_time(case, number, draw.uniform(0, _START_SECONDS), fresh=True)
        for number in _SIGNALS
        for _ in range(_N_MOMENTS // 10)
    ]


def _at_call(case: Case, number: signal.Signals, first: int) -> Injection:
    fault = Fault(call="any", first=first, effect=SIGNAL, number=number)

    def outcome(bench: Bench) -> Outcome | None:
        bench.reset(case)
        seen = bench.run(case, where=_PLACES, fault=fault, signal=number)
        return _judged(bench, seen, number) if seen.ended.reply.n_done else None

    return Injection(f"{case}, {number.name} at call {first}", outcome)


def _at_time(case: Case, number: signal.Signals, after: float, *, fresh: bool = False) -> Injection:
    def outcome(bench: Bench) -> Outcome:
        bench.reset(case)
        return _judged(bench, bench.run(case, signal=number, after=after, fresh=fresh), number)

    start = " of its start" if fresh else ""
    return Injection(f"{case}, {number.name} after {after:.3f} s{start}", outcome)


def _judged(bench: Bench, seen: Seen, number: signal.Signals) -> Outcome:
    """The outcome of what was killed and, if that is as promised, of the next command."""
    outcome = judge_killed(seen) if number == signal.SIGKILL else judge(seen)
    return with_next_command(bench, seen, outcome)
