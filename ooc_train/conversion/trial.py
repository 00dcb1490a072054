"""A conversion of a few rows, so that all kernels are compiled before memory is divided.

The first conversion after an installation compiles for some 10 seconds, in a process of its own:
compiling takes 120 MB, which would stay with this process.  Later ones load the result from disk.
"""

import contextlib
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ooc_train.conversion.pipeline import Features, write_features
from ooc_train.conversion.resources import MemoryPlan, Resources
from ooc_train.conversion.sources.corpus import Corpus
from ooc_train.conversion.sources.files.rejects import RejectFile
from ooc_train.conversion.sources.find import find_source
from ooc_train.conversion.sources.layout import LayoutOptions
from ooc_train.conversion.storage.job import JobFolder
from ooc_train.conversion.storage.placement import PlacementRule
from ooc_train.environment import n_processors
from ooc_train.errors import BudgetError
from ooc_train.file.filters import NONE
from ooc_train.file.output import OutputFile
from ooc_train.kernel_cache import MayCompile, NotCompiledError, compiling_if
from ooc_train.kinds import KINDS
from ooc_train.memory import measure, usable_bytes
from ooc_train.progress import Progress, Silent
from ooc_train.subprocesses import end_first, python_command
from ooc_train.threads import ThreadPool

_WORDS = ("word", "other word", "Wört")  # three, of which the smallest dictionary lists two
_ROWS = {
    "text": "".join(f'"{i % 2}","{text} {text}"\n' for i in range(4) for text in _WORDS),
    "dense": "".join(f"{i % 2},{i}.5,1e-3\n" for i in range(8)),
    "sparse": "".join(f"{i % 2} 1:{i}.5 3:1e-3\n" for i in range(8)),
}
"""Some rows of each source."""


Meanwhile = Callable[[str], contextlib.AbstractContextManager[None]]


def _nothing(kind: str) -> contextlib.AbstractContextManager[None]:  # noqa: ARG001 - a `Meanwhile`
    return contextlib.nullcontext()


meanwhile: Meanwhile = _nothing
"""What a command does on another processor while this one compiles, given the kind of features."""
_MEMORY_SHARE = 0.7
"""The share of the memory that is left up to which another kernel is compiled."""
_BOTH_BYTES = 600_000_000
"""The memory from which on two processes may compile at once."""
_MORE = 75
"""The exit status of a process that leaves kernels to compile to the next one."""


def convert_few_rows(
    features: Features, temp_dir: Path, budget_bytes: int, progress: Progress
) -> None:
    """Learn from a few rows and convert them, even if the features are fitted.

    Memory: ``budget_bytes``, other processes included, as far as that suffices for one kernel.
    """
    few = replace(
        features,
        parameters=features.parameters.for_few_rows(),
        rule=PlacementRule(validation_fraction=0.25, seed=0),
        fitted=None,
    )
    try:
        with compiling_if(lambda: False):
            _convert(few, temp_dir)
    except NotCompiledError:
        progress.message("compiling for this processor, once: some 10 seconds")
        with _alongside(few.kind, budget_bytes):
            _compile(few, temp_dir, budget_bytes)
        _convert(few, temp_dir)


def _convert(few: Features, temp_dir: Path) -> None:
    plan = MemoryPlan(
        n_workers=1,
        block_bytes=2**12,
        table_bytes=2**16,
        bucket_bytes=2**12,
        dictionary_bytes=300,  # of two words, so that it grows and then is full
    )
    source = KINDS[few.kind].source
    with JobFolder(temp_dir) as folder, ThreadPool(1) as pool:
        path = folder / "rows"
        path.write_text(_ROWS[source], "utf-8")
        found = find_source(path, LayoutOptions(), gives=source)
        corpus = Corpus({"train": [found]}, RejectFile(folder / "none", 0), plan.block_bytes)
        with OutputFile(folder / "rows.h5", compression=NONE) as output:
            resources = Resources(plan, pool, pool, temp_dir, folder, Silent())
            write_features(output, corpus, few, resources)


# ---- In other processes.


def _alongside(kind: str, budget_bytes: int) -> contextlib.AbstractContextManager[None]:
    """The work that a command does `meanwhile`, or none where memory or processors lack."""
    is_room = min(budget_bytes, usable_bytes()) >= _BOTH_BYTES and n_processors() > 1
    return meanwhile(kind) if is_room else contextlib.nullcontext()


def _compile(few: Features, temp_dir: Path, budget_bytes: int) -> None:
    """Compile in other processes, one after another if memory is short.

    If one fails, this process compiles what is left, and tells what is wrong.  Raises BudgetError
    if the system ends one for want of memory.
    """
    most = int(_MEMORY_SHARE * (min(budget_bytes, usable_bytes()) - (measure().anon_bytes or 0)))
    status, least = _MORE, 0
    while status == _MORE:
        least += 1  # more than by the process before, which may have been able to keep none
        with subprocess.Popen(
            python_command(__name__, []),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            end_first(process.pid)
            try:
                process.communicate(pickle.dumps((few, temp_dir, most, least)))
            except BaseException:
                process.kill()
                raise
        status = process.returncode
    if status == -signal.SIGKILL:
        raise BudgetError(
            "the memory that this process may use does not suffice for compiling; run the command "
            "once, on a small file, with a limit of 300 MB or more: what is compiled is kept"
        )


def main() -> int:
    """Compile for the features that standard input names; the exit status."""
    few, temp_dir, most, least = pickle.load(sys.stdin.buffer)
    try:
        with compiling_if(_within(most, least)):
            _convert(few, temp_dir)
    except NotCompiledError:
        return _MORE
    return 0


def _within(most: int, least: int) -> MayCompile:
    """Whether memory is left for another kernel; there always is for the first ``least``."""
    n_compiled = 0

    def may_compile() -> bool:
        nonlocal n_compiled
        n_compiled += 1
        return n_compiled <= least or (measure().anon_bytes or 0) < most

    return may_compile
