"""Files of rows of extreme sizes, converted and predicted where memory is short.

The command runs in a cgroup of 300 MB, in which the kernel kills what takes more; conversions have
``--memory 200MB``.  The same command without the cgroup, and with more memory, comes first: what it
makes has to be made in the cgroup, too, or be refused.  So kernels are compiled by then.
"""

import contextlib
import functools
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.faults.bench import Bench
from benchmarks.faults.cases import OUT, Case
from benchmarks.faults.extreme_inputs import EXTREMES, Extreme
from benchmarks.faults.folders import essence
from benchmarks.faults.injection import Injection
from benchmarks.faults.outcomes import RIGHT, Outcome, judge
from benchmarks.faults.rows import REJECTS, REPORT, lost
from benchmarks.measure import page_cache
from benchmarks.measure.cgroup import CapError, memory_cgroup

CAP_BYTES = 300 * 10**6
_BUDGET, _AMPLE = ("--memory", "200MB"), ("--memory", "4GB")
_LIMIT_SECONDS = 300.0


@functools.cache
def _missing() -> str | None:
    try:
        with memory_cgroup(CAP_BYTES):
            return None
    except CapError as error:
        return str(error)


def missing(_bench: Bench) -> str | None:
    """What this machine lacks for these faults."""
    return _missing()


def groups(_bench: Bench) -> Iterator[Sequence[Injection]]:
    """All injections, a group for each input."""
    for extreme in EXTREMES:
        yield [_injection(extreme, command) for command in commands(extreme)]


def commands(extreme: Extreme) -> list[str]:
    """The commands that read an input; runs of texts alone predict without TensorFlow."""
    return ["convert"] if extreme.read_as is None else ["convert", "predict"]


def _injection(extreme: Extreme, command: str) -> Injection:
    suffixes = "".join(Path(extreme.file).suffixes)
    name = f"{command} {suffixes.lstrip('.') or 'a path'}, {extreme.name}"

    def outcome(bench: Bench) -> Outcome:
        with _written(extreme, bench.places[OUT].with_name("extreme")) as path:
            case = _case(name, command, extreme, path)
            given = path if extreme.is_standard_input else None
            more = (_BUDGET, _AMPLE) if command == "convert" else ((), ())
            found = in_little_memory(bench, case, path, *more, given=given)
            if found.kind == RIGHT and command == "convert" and extreme.n_rows is not None:
                return lost(bench.places[OUT], extreme.n_rows) or found
            return found

    return Injection(name, outcome)


@contextlib.contextmanager
def _written(extreme: Extreme, folder: Path) -> Iterator[Path]:
    """The file, in a folder of its own during the block: it is too large to be compared."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        path = folder / extreme.file
        extreme.write(path)
        yield path
    finally:
        shutil.rmtree(folder)


def _case(name: str, command: str, extreme: Extreme, path: Path) -> Case:
    source = "-" if extreme.is_standard_input else str(path)
    if command == "predict":
        words = ["predict", "{in}/run", "-o", "{out}/p.csv", "--quiet", *(extreme.read_as or ())]
        if not extreme.is_standard_input:
            words += ["--input", source]
        return Case(name=name, words=tuple(words), outputs=("p.csv",))
    options = (option.replace("{folder}", str(path.parent)) for option in extreme.options)
    return Case(
        name=name,
        words=("convert", source, "-o", "{out}/o.h5", "--quiet", "--report", f"{{out}}/{REPORT}",
               *options),
        outputs=("o.h5", REJECTS, REPORT),
    )  # fmt: skip


def in_little_memory(
    bench: Bench,
    case: Case,
    path: Path,
    budget: Sequence[str] = (),
    ample: Sequence[str] = (),
    *,
    given: Path | None = None,
) -> Outcome:
    """The outcome of a case that reads ``path`` in a cgroup, with the words of its ``budget``.

    Without the cgroup it has the words ``ample``.  ``given`` is its standard input.
    """
    stdin = ["/bin/sh", "-c", 'exec "$@" <"$0"', str(given)] if given else []
    folder = bench.places[OUT]
    how: dict[str, Any] = {"fresh": True, "limit": _LIMIT_SECONDS}
    bench.empty()
    free = bench.run(case, *ample, prefix=stdin, **how)
    made = {name: essence(folder / name) for name in case.outputs if name in free.after[OUT]}
    expected = replace(case, outputs=tuple(made) or case.outputs)
    found = judge(replace(free, case=expected, complete=frozenset(made)))
    if not found.is_promised:
        return replace(found, words=f"with memory enough: {found.words}")
    bench.remove_outputs(case)
    if path.is_file():
        page_cache.drop(path)  # or the cgroup would not be charged for the pages
    with memory_cgroup(CAP_BYTES) as cap:
        seen = bench.run(expected, *budget, prefix=[*cap.prefix, *stdin], **how)
    complete = frozenset(name for name in made if essence(folder / name) == made[name])
    return judge(replace(seen, complete=complete))
