"""A conversion of a few rows, so that all kernels are compiled before memory is divided.

The first conversion after an installation compiles for some 10 seconds, see `kernel_processes`;
later ones load the result from disk.
"""

import contextlib
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
from ooc_train.conversion.text.table import empty_table, grown_table
from ooc_train.environment import n_processors
from ooc_train.file.filters import NONE
from ooc_train.file.output import OutputFile
from ooc_train.kernel_processes import Compiler
from ooc_train.kinds import KINDS
from ooc_train.progress import Silent
from ooc_train.tasks import Pool
from ooc_train.threads import ThreadPool

_WORDS = ("word", "other word", "Wört")  # three, of which the smallest dictionary lists two
_ROWS = {
    "text": "".join(f'"{i % 2}","{text} {text}"\n' for i in range(4) for text in _WORDS),
    "dense": "".join(f"{i % 2},{i}.5,1e-3\n" for i in range(8)),
    "sparse": "".join(f"{i % 2} 1:{i}.5 3:1e-3\n" for i in range(8)),
}
"""Some rows of each source."""
_BOTH_BYTES = 600_000_000
"""The memory from which on two processes may compile at once."""

Meanwhile = Callable[[str], contextlib.AbstractContextManager[None]]


def _nothing(kind: str) -> contextlib.AbstractContextManager[None]:  # noqa: ARG001 - a `Meanwhile`
    return contextlib.nullcontext()


meanwhile: Meanwhile = _nothing
"""What a command does on another processor while this one compiles, given the kind of features."""


def convert_few_rows(features: Features, temp_dir: Path, compiler: Compiler) -> None:
    """Learn from a few rows and convert them, even if the features are fitted.

    If anything is left to compile, ``compiler`` does, and `meanwhile` what a command says.
    """
    few = replace(
        features,
        parameters=features.parameters.for_few_rows(),
        rule=PlacementRule(validation_fraction=0.25, seed=0),
        fitted=None,
    )
    with contextlib.ExitStack() as stack:

        def begin() -> None:
            if compiler.budget_bytes >= _BOTH_BYTES and n_processors() > 1:
                stack.enter_context(meanwhile(few.kind))

        compiler.before_next = begin
        _convert(few, temp_dir)
        compiler.before_next = None


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
            resources = Resources(plan, Pool(pool, 1), Pool(pool, 1), temp_dir, folder, Silent())
            write_features(output, corpus, few, resources)
    if source == "text":
        grown_table(empty_table(0), 1)  # as tables of n-grams do, but for those of few rows
