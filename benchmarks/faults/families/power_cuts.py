"""The power is cut: what a disk has received at a moment is all that there is.

The output lies on an image of a disk, of which a copy is made when the command has ended, or 7
seconds later, or when it was killed at a call of the system.  On the copy, mounted, an output has
to be complete if the command had said so, or else complete, absent or as it was.
"""

import random
import signal
import time
from collections.abc import Iterator, Sequence

from benchmarks.faults import disks
from benchmarks.faults.bench import Bench
from benchmarks.faults.cases import OUT, Case
from benchmarks.faults.families.following import with_next_command
from benchmarks.faults.injection import Injection
from benchmarks.faults.injector import COUNT, SIGNAL, Fault
from benchmarks.faults.outcomes import Outcome, judge_killed

DISKS = (disks.EXT4, disks.XFS)
_LATER_SECONDS = 7.0  # ext4 writes what it has every 5 seconds
_N_MOMENTS = 20


def missing(_bench: Bench) -> str | None:
    """What this machine lacks for these faults."""
    reasons = [disks.missing(kind) for kind in DISKS]
    return None if None in reasons else reasons[0]


def groups(bench: Bench) -> Iterator[Sequence[Injection]]:
    """All injections, groups for each case and kind of file system."""
    draw = random.Random(0)
    for case in bench.ground.cases:
        bench.learn(case)
        bench.reset(case)
        n_calls = bench.run(case, where=[OUT]).ended.reply.counts["any"]
        for kind in DISKS:
            if not disks.missing(kind):
                yield [_at_end(case, kind, 0.0)]
                calls = draw.sample(range(1, n_calls + 1), min(_N_MOMENTS, n_calls))
                yield [_at_call(case, kind, first) for first in sorted(calls)]
                yield [_at_end(case, kind, _LATER_SECONDS)]


def _at_end(case: Case, kind: str, later: float) -> Injection:
    return Injection(
        f"{case}, power cut on {kind} {later:g} s after its end",
        lambda bench: _outcome(bench, case, kind, COUNT, later),
    )


def _at_call(case: Case, kind: str, first: int) -> Injection:
    fault = Fault(call="any", first=first, effect=SIGNAL, number=signal.SIGKILL)
    return Injection(
        f"{case}, power cut on {kind} at call {first}",
        lambda bench: _outcome(bench, case, kind, fault, 0.0),
    )


def _outcome(bench: Bench, case: Case, kind: str, fault: Fault, later: float) -> Outcome | None:
    folder = bench.places[OUT]
    image, copy = folder.with_name("image"), folder.with_name("copy")
    bench.empty()
    with disks.new(kind, image, folder):
        bench.reset(case)
        disks.flush(folder)
        how = {} if fault is COUNT else {"signal": signal.SIGKILL}
        seen = bench.run(case, where=[OUT], fault=fault, **how)
        time.sleep(later)
        disks.copy(image, copy)
    if fault is not COUNT and not seen.ended.reply.n_done:
        return None
    with disks.mounted(kind, copy, folder):
        seen = bench.seen_again(seen)
        return with_next_command(bench, seen, judge_killed(seen))
