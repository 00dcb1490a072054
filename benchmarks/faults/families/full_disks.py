"""Small real disks with little free space: for outputs, temporary files and runs.

The file systems are ext4 and XFS, on images, and one in memory.  The free space goes from nothing
to more than enough.
"""

from collections.abc import Iterator, Sequence

from benchmarks.faults import disks
from benchmarks.faults.bench import Bench
from benchmarks.faults.cases import OUT, TEMP, Case
from benchmarks.faults.families.following import with_next_command
from benchmarks.faults.injection import Injection
from benchmarks.faults.outcomes import Outcome, judge

_FREE_KB = (0, 4, 8, 16, 32, 48, 64, 80, 100, 130, 160, 200, 260, 320, 400, 520, 640, 800, 1200)
DISKS = (disks.EXT4, disks.XFS, disks.MEMORY)


def missing(_bench: Bench) -> str | None:
    """What this machine lacks for these faults."""
    reasons = [disks.missing(kind) for kind in DISKS]
    return None if None in reasons else reasons[0]


def groups(bench: Bench) -> Iterator[Sequence[Injection]]:
    """All injections, a group for each case, place and kind of file system."""
    kinds = [kind for kind in DISKS if not disks.missing(kind)]
    on_disks = [kind for kind in kinds if kind != disks.MEMORY]
    for case in bench.ground.cases:
        for place in (OUT, TEMP):
            if any(f"{{{place}}}" in word for word in case.words):
                for kind in on_disks if _has_temporary_files(case, place) else kinds:
                    yield [_injection(case, place, kind, free_kb) for free_kb in _FREE_KB]


def _has_temporary_files(case: Case, place: str) -> bool:
    """Whether a conversion has its temporary files in a place: it refuses memory for these."""
    temporary = TEMP if f"{{{TEMP}}}" in case.words else OUT
    return case.command == "convert" and place == temporary


def _injection(case: Case, place: str, kind: str, free_kb: int) -> Injection:
    def outcome(bench: Bench) -> Outcome:
        folder = bench.places[place]
        bench.learn(case)
        bench.empty()
        with disks.new(kind, folder.with_name("image"), folder):
            bench.reset(case)
            disks.fill(folder, free_kb * 1000)
            seen = bench.run(case)
            (folder / "filler").unlink()
            return with_next_command(bench, seen, judge(seen))

    return Injection(f"{case}, {place} on {kind} with {free_kb} KB free", outcome)
