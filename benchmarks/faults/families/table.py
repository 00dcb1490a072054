"""The families of faults, by name."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from benchmarks.faults.bench import Bench
from benchmarks.faults.families import (
    crafted,
    determinism,
    dirty_rows,
    environments,
    extremes,
    full_disks,
    fuzz,
    kills,
    mutations,
    power_cuts,
    run_folders,
    writes,
)
from benchmarks.faults.injection import Injection


class Module(Protocol):
    """The module of a family; its docstring says what it does."""

    __doc__: str | None

    def missing(self, bench: Bench, /) -> str | None:
        """What this machine lacks for the family, in words; `None` if nothing."""

    def groups(self, bench: Bench, /) -> Iterable[Sequence[Injection]]:
        """Its injections, in groups; a campaign takes as many of each."""


@dataclass(frozen=True)
class Family:
    """A family, the injections of a campaign and of a quick one, and the disks that it is for."""

    module: Module
    n_default: int
    n_quick: int
    disks: Sequence[str] = ()


FAMILIES = {
    "writes": Family(writes, 1500, 16),
    "kills": Family(kills, 400, 12),
    "full_disks": Family(full_disks, 150, 4, disks=full_disks.DISKS),
    "power_cuts": Family(power_cuts, 40, 2, disks=power_cuts.DISKS),
    "mutations": Family(mutations, 2000, 16),
    "crafted": Family(crafted, 500, 16),
    "run_folders": Family(run_folders, 200, 12),
    "dirty_rows": Family(dirty_rows, 1000, 16),
    "fuzz": Family(fuzz, 20, 1),
    "environments": Family(environments, 100, 3),
    "extremes": Family(extremes, 100, 3),
    "determinism": Family(determinism, 40, 3),
}
