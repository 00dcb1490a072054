"""Run folders that are damaged, or made up: refused, or used without any harm.

After damage, what a command makes of a run has to be what it was, or is refused.  Someone hostile
seals a run again; see `run_crafts`.  Then it has to be consistent in itself, and the same once
more.  No code that a run names is run, and nothing elsewhere is changed.
"""

import contextlib
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.faults import hostile
from benchmarks.faults.bench import Bench
from benchmarks.faults.cases import OUT, TEMP
from benchmarks.faults.injection import Injection
from benchmarks.faults.outcomes import Outcome
from benchmarks.faults.run_crafts import CRAFTS, DAMAGES, LINK, RunCraft
from benchmarks.faults.runs import Kind, Use, seal_run


def missing(_bench: Bench) -> str | None:
    """What this machine lacks for these faults."""
    return hostile.missing()


def groups(_bench: Bench) -> Iterator[Sequence[Injection]]:
    """All injections, a group for each edit."""
    for edit in (*DAMAGES, *CRAFTS):
        yield [
            _injection(target, edit, number)
            for target in _TARGETS
            for number in range(target.n_each)
            if edit != "checkpoint" or target.place == OUT
        ]


@dataclass(frozen=True)
class _Target:
    """A use of an edited run, which is in ``place``; ``other`` kinds of runs give files for it."""

    use: Use
    other: Kind
    n_each: int
    place: str = TEMP


_NGRAM, _INT8, _SPARSE = map(Kind, ("ngram", "int8", "sparse"))
_TARGETS = (
    _Target(_NGRAM.prediction, _SPARSE, 8),
    _Target(_SPARSE.prediction, _NGRAM, 4),
    _Target(_INT8.prediction, _SPARSE, 2),
    _Target(_NGRAM.evaluation, _INT8, 2),
    _Target(_NGRAM.resuming, _SPARSE, 4, OUT),
    _Target(_SPARSE.resuming, _NGRAM, 2, OUT),
)


def _injection(target: _Target, edit: str, number: int) -> Injection:
    use = target.use
    name = f"{use.case} of a run, {edit} {number}"

    def outcome(bench: Bench) -> Outcome | None:
        cases = [*target.other.prediction.made_by, *use.made_by]
        for case in [*cases, use.case] if edit in DAMAGES else cases:
            bench.learn(case)

        def make(places: Mapping[str, Path], outside: Path) -> bool:
            run, other = places[target.place] / "run", bench.ground.folder / target.other.run
            {**DAMAGES, **CRAFTS}[edit](RunCraft(run, other, random.Random(name), outside))
            if edit in CRAFTS:
                with contextlib.suppress(OSError, ValueError):
                    seal_run(run)
            return True

        check = None if edit in DAMAGES else use.check
        return hostile.outcome(bench, use.case, make, check, may_open=edit == LINK)

    return Injection(name, outcome)
