"""A campaign: many injections, as many at a time as there are cores, and their tally."""

import contextlib
import queue
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from benchmarks.faults.bench import Bench, Ground
from benchmarks.faults.families.table import Module
from benchmarks.faults.injection import Injection, drawn
from benchmarks.faults.outcomes import Outcome
from benchmarks.measure import machine
from benchmarks.measure.harness import say

_SAY_SECONDS = 20.0
_VARYING = re.compile(r"[0-9a-f]{8,}|\d[\d.,]*|/\S+|\.ooc-job-\w+")


@dataclass
class Tally:
    """What became of a family's injections; ``missing`` says why there were none."""

    missing: str | None = None
    counts: Counter[str] = field(default_factory=Counter)
    n_void: int = 0
    """Injections that came too late, or changed nothing; they count nowhere else."""
    failures: list[tuple[str, Outcome]] = field(default_factory=list)
    """The names of injections that broke a promise, and how."""
    seconds: float = 0.0

    @property
    def n_injections(self) -> int:
        """The injections that were put in."""
        return self.counts.total()

    def add(self, name: str, outcome: Outcome | None) -> None:
        """Count an outcome."""
        if outcome is None:
            self.n_void += 1
            return
        self.counts[outcome.kind] += 1
        if not outcome.is_promised:
            self.failures.append((name, outcome))

    def kinds_of_failures(self) -> list[tuple[int, str, Outcome]]:
        """Failures that differ only in numbers and names: how many, and the first of them."""
        groups: dict[str, list[tuple[str, Outcome]]] = {}
        for name, outcome in sorted(self.failures, key=lambda each: each[0]):
            like = _VARYING.sub("*", f"{name.partition(',')[0]} {outcome.kind} {outcome.words}")
            groups.setdefault(like, []).append((name, outcome))
        ordered = sorted(groups.values(), key=len, reverse=True)
        return [(len(group), *group[0]) for group in ordered]


@contextlib.contextmanager
def benches(ground: Ground) -> Iterator[list[Bench]]:
    """Benches on one ground, as many as there are cores."""
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(Bench(ground, ground.folder / f"bench-{number}"))
            for number in range(machine.n_cores())
        ]


def run(
    family: Module,
    workers: Sequence[Bench],
    *,
    n: int,
    seed: int,
    only: str | None = None,
) -> Tally:
    """Put in ``n`` of a family's injections, of those whose names have ``only`` in them."""
    began, tally = time.perf_counter(), Tally(missing=family.missing(workers[0]))
    if tally.missing:
        return tally
    groups = family.groups(workers[0])
    if only:
        groups = ([each for each in group if only in each.name] for group in groups)
    for name, outcome in _outcomes([*drawn(groups, n, seed)], workers):
        tally.add(name, outcome)
        if outcome and not outcome.is_promised:
            say(f"{name}: {outcome.kind}: {outcome.words}")
    tally.seconds = time.perf_counter() - began
    return tally


def _outcomes(
    injections: Sequence[Injection], workers: Sequence[Bench]
) -> Iterator[tuple[str, Outcome | None]]:
    """Put injections in, each on a bench that is free; their names and outcomes."""
    free: queue.SimpleQueue[Bench] = queue.SimpleQueue()
    for bench in workers:
        free.put(bench)

    def one(injection: Injection) -> Outcome | None:
        bench = free.get()
        try:
            return injection.run(bench)
        finally:
            free.put(bench)

    said = time.monotonic()
    with ThreadPoolExecutor(len(workers)) as pool:
        try:
            for number, (injection, outcome) in enumerate(
                zip(injections, pool.map(one, injections), strict=True), start=1
            ):
                yield injection.name, outcome
                if time.monotonic() - said > _SAY_SECONDS:
                    said = time.monotonic()
                    say(f"{number:,} of {len(injections):,} injections")
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
