"""The same input under other circumstances: the same bytes, each time.

The circumstances are all combinations of workers, memory budgets, folders for temporary files,
seeds of Python's hashes, locales, time zones and processors that may be used.
"""

import itertools
import shutil
from collections.abc import Iterator, Sequence

from benchmarks.faults.bench import Bench
from benchmarks.faults.cases import Case
from benchmarks.faults.injection import Injection, merged_if_slow
from benchmarks.faults.outcomes import Outcome, judge

_HASH_SEEDS, _LOCALES, _ZONES = (
    ("0", "1", "random"),
    ("C", "C.UTF-8", "tr_TR.UTF-8"),
    ("UTC", "EST"),
)
_PROCESSORS = ("all", "0")
_CONVERSION = (
    ("", "--workers 1", "--workers 2", "--workers 5"),
    ("", "--memory 150MB", "--memory 1GB"),
    ("", "--temp-dir {temp}"),
)
"""Options of a conversion, in their alternatives."""
_OPTIONS = {"convert": _CONVERSION, "train": (("", "--memory 300MB"),)}


def missing(_bench: Bench) -> str | None:
    """What this machine lacks for these faults: nothing."""
    return None


def groups(bench: Bench) -> Iterator[Sequence[Injection]]:
    """All injections, a group for each case."""
    processors = _PROCESSORS if shutil.which("taskset") else _PROCESSORS[:1]
    for case in bench.ground.cases:
        options = itertools.product(*_OPTIONS.get(case.command, ()))
        settings = itertools.product(_HASH_SEEDS, _LOCALES, _ZONES, processors)
        injections = [_injection(case, *each) for each in itertools.product(options, settings)]
        yield from merged_if_slow(case, [injections])


def _injection(case: Case, options: Sequence[str], setting: Sequence[str]) -> Injection:
    words = " ".join(option for option in options if option)
    hash_seed, locale, zone, processors = setting
    variables = {"PYTHONHASHSEED": hash_seed, "LC_ALL": locale, "TZ": zone}
    prefix = [] if processors == "all" else ["taskset", "-c", processors]

    def outcome(bench: Bench) -> Outcome:
        bench.learn(case)
        bench.reset(case)
        return judge(
            bench.run(case, *words.split(), variables=variables, prefix=prefix, fresh=True)
        )

    return Injection(f"{case}, {' '.join([words, *setting]).strip()}", outcome)
