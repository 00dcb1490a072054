"""An injection, one fault in one command, and how a campaign chooses among many."""

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice, zip_longest

from benchmarks.faults.bench import Bench
from benchmarks.faults.cases import Case
from benchmarks.faults.outcomes import Outcome


@dataclass(frozen=True)
class Injection:
    """One fault in one command.

    The same name stands for the same fault each time.  ``run`` puts it in and judges; `None` if the
    command ended before the fault came.
    """

    name: str
    run: Callable[[Bench], Outcome | None]


def merged_if_slow(case: Case, groups: Iterable[Sequence[Injection]]) -> list[Sequence[Injection]]:
    """The groups of a case, or all as one if it loads TensorFlow: seconds for each injection."""
    found = list(groups)
    return [list(chain.from_iterable(found))] if case.loads_tensorflow else found


def drawn(groups: Iterable[Sequence[Injection]], n: int, seed: int) -> Iterator[Injection]:
    """At most ``n`` injections at random, of each group as many, as long as it has any."""
    draw = random.Random(seed)
    shuffled = [draw.sample(group, len(group)) for group in groups]
    in_turn = chain.from_iterable(zip_longest(*shuffled))
    return islice((injection for injection in in_turn if injection), n)
