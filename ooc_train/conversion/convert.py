"""The conversion as one call: sources in, one complete HDF5 file and a report out."""

import functools
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

from ooc_train.atomic import publishing, target_of
from ooc_train.bars import usual_progress
from ooc_train.conversion.auto import MeasuredCorpus
from ooc_train.conversion.disk import disk_errors
from ooc_train.conversion.options import ConvertOptions
from ooc_train.conversion.pipeline import SplitWriters, write_features
from ooc_train.conversion.plan import ConversionPlan, plan_conversion
from ooc_train.conversion.report import ConversionReport
from ooc_train.conversion.resources import Largest, MemoryPlan, Resources
from ooc_train.conversion.sharding import (
    HeldSplit,
    HeldSplits,
    ShardTask,
    number_of_shards,
    publish_shards,
    write_shards,
)
from ooc_train.conversion.sources.class_column import class_notes
from ooc_train.conversion.sources.corpus import Corpus
from ooc_train.conversion.sources.files.rejects import RejectFile
from ooc_train.conversion.sources.in_hand import inputs_of
from ooc_train.conversion.storage.job import forget_all
from ooc_train.conversion.storage.record import Job
from ooc_train.conversion.storage.writing import SplitWriter
from ooc_train.conversion.trial import convert_few_rows
from ooc_train.counts import counted
from ooc_train.errors import BudgetError, OptionError
from ooc_train.file.index import Shard
from ooc_train.file.output import OutputFile
from ooc_train.file.schema import check_classes
from ooc_train.kernel_processes import compiling_elsewhere
from ooc_train.memory import MemoryMonitor, default_budget, measure, return_freed_memory
from ooc_train.options import made
from ooc_train.progress import PhasedProgress, Progress, Stopwatch
from ooc_train.remote.url import located
from ooc_train.schedulers import check_scheduler, workers_of
from ooc_train.signatures import takes
from ooc_train.tasks import Pool, SharedFolder, Workers
from ooc_train.threads import ThreadPool
from ooc_train.together import Together
from ooc_train.version import __version__
from ooc_train.work_folder import WorkFolder


class Output(NamedTuple):
    """The output: the bytes that compression saves in it, and the shards if there are any."""

    saved_bytes: int
    shards: Sequence[Shard] = ()


_SHOWN_LABELS = 10
_MOST_FED = 4  # processes of this machine that read no sooner by themselves, which takes longer


@takes(ConvertOptions)
def convert(
    train: Any,
    output: str | os.PathLike[str],
    *,
    progress: Progress | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Convert labelled text to one HDF5 file of features, in bounded memory.

    ``train`` is the path or paths of the training rows: CSV, TSV, JSON Lines or Parquet files,
    plain or compressed, patterns of their names, folders of them, ``-`` for standard input, or
    folders of texts by class.  Or it is what a program has: a table of pandas, Polars, pyarrow,
    DuckDB or Hugging Face, a cursor of ADBC, or whatever else is a stream of Arrow; an iterable of
    such tables, of dicts, or of pairs of a text and its label; or an array ``(n_rows, n_columns)``
    of numbers, with ``labels=``.  A stream is copied to a file in ``temp_dir`` only if it has to be
    read twice.

    ``output`` is the file to write, which appears when it is complete; ``options`` are the
    fields of ``ConvertOptions``, such as ``test=["test.csv"]``; ``test`` and ``validation`` are
    whatever ``train`` may be.

    With ``shards``, a number or a size such as ``"2GB"``, ``output`` is an index, a JSON file, of
    files beside it, which have the rows in the same order: wherever a file is read, the index may
    be given, with the same results.  With ``append`` the rows are added to the index ``output``, as
    a further shard, with its vectorizer: train rows behind its train rows, those of other splits
    behind theirs, and of the train rows the share for validation that the index has.  Labels that
    are none of its classes are an error.

    Returns a report: ``rows``, ``validation_rows``, ``test_rows``, ``rejected_rows``,
    ``replaced_rows``, ``missing_rows``, ``files`` (of each its ``name``, ``split`` and ``rows``,
    which are ``kept`` or ``rejected``), ``notes`` about the files, ``classes``, ``features``,
    ``n_features``, ``seconds``, ``phase_seconds``, peak memory in bytes,
    and more.

    Raises ``InputError`` for data that cannot be used, naming file and line; ``OutputError`` if the
    output exists or cannot be written; ``BudgetError`` for too small a memory budget; and
    ``OptionError`` for an option out of range.

    With ``resume`` it goes on where the same conversion, of the same files, was interrupted, to the
    same bytes; and leaves its temporary files where it is interrupted itself.

    Memory: ``memory_bytes`` for the whole process, by default a quarter of what it may use, at
    least 128 MB.
    """
    chosen = made(ConvertOptions, options, call="convert")
    if check_scheduler(chosen.scheduler) and chosen.workers is not None:
        raise OptionError(
            f"--scheduler {chosen.scheduler} says how many there are; leave out --workers"
        )
    inputs, stopwatch = inputs_of(train), Stopwatch(progress or usual_progress())
    if not inputs:
        raise OptionError("there are no training rows; give at least one file of them")
    compiling = compiling_elsewhere(chosen.memory_bytes or default_budget(), stopwatch)
    with ExitStack() as stack, MemoryMonitor() as memory, compiling as compiler:
        plan = plan_conversion(inputs, located(output), chosen, stopwatch, stack)
        with disk_errors(plan.output, plan.temp_dir):
            job = Job(plan.temp_dir, plan.record, stopwatch, resume=chosen.resume)
            with job, RejectFile(plan.rejects, plan.max_rejects, force=plan.force) as rejects:
                stopwatch.start("compiling", None, "")
                convert_few_rows(plan.features, job.path, compiler)
                compiler.end()
                stopwatch.start("preparing", None, "")
                with _resources(plan, chosen, job, stopwatch) as resources:
                    corpus, found, written = _write(plan, resources, rejects)
                rejects.publish()
        figures = corpus.figures if isinstance(corpus, MeasuredCorpus) else None
        return {
            **_rows(plan, found, rejects),
            **({"auto": asdict(figures)} if figures else {}),
            "files": [file.report for file in corpus.files],
            "missing_rows": corpus.missing_rows,
            "output_bytes": plan.output.stat().st_size + sum(it.bytes for it in written.shards),
            "shards": [asdict(shard) for shard in written.shards],
            "compression": plan.compression,
            "saved_bytes": written.saved_bytes,
            "seconds": stopwatch.seconds(),
            "phase_seconds": stopwatch.phases,
            "memory_budget_bytes": plan.budget_bytes,
            "workers": resources.workers.n_workers,
            "resumed": job.is_resumed,
            "peak_rss_bytes": memory.peak_rss_bytes,
            "peak_anon_bytes": memory.peak_anon_bytes,
        }


def _rows(plan: ConversionPlan, found: ConversionReport, rejects: RejectFile) -> dict[str, Any]:
    """The part of the report about rows and features."""
    figures = asdict(found)
    split_rows = figures.pop("split_rows")
    return {
        "output": str(plan.output),
        "rows": split_rows["train"],
        "validation_rows": split_rows.get("validation", 0),
        "test_rows": split_rows.get("test", 0),
        "rejected_rows": rejects.count,
        "rejects": str(rejects.path) if rejects.count else None,
        "notes": _notes(plan, found),
        "features": plan.features.kind,
        **figures,
    }


def _notes(plan: ConversionPlan, found: ConversionReport) -> list[str]:
    """Notes on the files, and on what was decided, where one may expect otherwise."""
    notes = list(plan.notes)
    if found.kept_rows:
        n_rows = found.split_rows.get("validation", 0)
        notes.append(
            f"drawn for validation, but kept in training, where their classes have no other row: "
            f"{counted(found.kept_rows, 'row')}; for validation there remain {n_rows:,}"
        )
    if plan.fitted is None:
        n_rows = sum(found.split_rows.get(split, 0) for split in ("train", "validation"))
        notes += class_notes(found.classes, n_rows)
    elif len(found.classes) > len(plan.fitted.class_labels):
        new = found.classes[len(plan.fitted.class_labels) :]
        notes.append(f"{counted(len(new), 'new class')}: {_shown(new)}")
    return notes


def _shown(labels: Sequence[str]) -> str:
    """Some labels, the first of them if there are many."""
    more = ", ..." if len(labels) > _SHOWN_LABELS else ""
    return ", ".join(map(repr, labels[:_SHOWN_LABELS])) + more


@contextmanager
def _resources(
    plan: ConversionPlan, options: ConvertOptions, job: Job, progress: PhasedProgress
) -> Iterator[Resources]:
    """The memory and the workers of a conversion; one that is resumed has the tasks of before."""
    shared = SharedFolder(
        job.path,
        "the conversion's temporary files",
        "give a folder that they do with --temp-dir",
        forget_all,
    )
    with workers_of(options.scheduler, options.workers, shared) as workers:
        own = _divided(plan, workers)
        divided = _for_workers(own, workers) if workers else own
        memory = divided.renumbered(job.numbers(divided.numbers))
        with ThreadPool(own.n_workers, "convert") as pool:
            threads = Pool(pool, own.n_workers)
            yield Resources(
                memory,
                Pool(workers.pool, workers.n) if workers else threads,
                threads,
                plan.temp_dir,
                job.path,
                progress,
                is_resumable=job.record is not None,
            )


def _for_workers(own: MemoryPlan, workers: Workers) -> MemoryPlan:
    """The plan of one process, for all workers.

    They read texts themselves where this process could not read them fast enough for all, or would
    send them to other machines.
    """
    is_fed = workers.n_sharing > 1 and workers.n <= _MOST_FED
    return replace(own, n_workers=workers.n, texts_in_parts=not is_fed)


def _divided(plan: ConversionPlan, workers: Workers | None) -> MemoryPlan:
    """The plan for the memory that a process itself, with all kernels loaded, leaves."""
    return_freed_memory()  # of the samples of long rows
    budget_bytes, n_sharing = plan.budget_bytes, 1
    if workers:
        budget_bytes = min(budget_bytes, workers.memory_bytes or budget_bytes)
        n_sharing = workers.n_sharing
    divided = MemoryPlan.divide(
        budget_bytes,
        measure().anon_bytes or 0,
        needs=plan.features.parameters.needs,
        workers=workers.n_a_process if workers else plan.workers,
        largest=Largest.of(source for files in plan.sources.values() for source in files),
        max_row_bytes=plan.max_row_bytes,
        n_sharing=n_sharing,
    )
    if workers and divided.n_workers < workers.n_a_process:
        raise BudgetError(
            f"a memory budget of {budget_bytes / 1e6:.0f} MB is too small for workers of "
            f"{workers.n_a_process} threads; give more with --memory, or start them with fewer"
        )
    return divided


def _write(
    plan: ConversionPlan, resources: Resources, rejects: RejectFile
) -> tuple[Corpus, ConversionReport, Output]:
    """Write the output under a temporary name, and give it its own when it is complete.

    Returns the rows that were read, the report, and what was written.
    """
    corpus = (MeasuredCorpus if plan.is_chosen else Corpus)(
        plan.sources,
        rejects,
        resources.plan.block_bytes,
        classes=plan.class_labels,
        check_labels=plan.class_names,
        room=resources.plan.room,
        class_order=plan.class_order,
        only_of=str(plan.output) if plan.appended else None,
        learns_classes=plan.learns_classes,
    )
    with _unfinished(plan) as unfinished:
        if isinstance(unfinished, Path):
            found, saved = _write_file(unfinished, plan, corpus, resources, SplitWriter)
            written = Output(saved)
        else:
            found, written = _write_shards(unfinished, plan, corpus, resources)
        rejects.close()
        resources.progress.finish()
    return corpus, found, written


@contextmanager
def _unfinished(plan: ConversionPlan) -> Iterator[Path | Together]:
    """Where the output is written before it has its name: a file, or the folder of shards."""
    if plan.shards is None:
        with publishing(plan.output, force=plan.force) as unfinished:
            yield unfinished
    else:
        with WorkFolder(target_of(plan.output).parent) as folder:
            yield Together(folder, plan.output)


def _write_shards(
    together: Together, plan: ConversionPlan, corpus: Corpus, resources: Resources
) -> tuple[ConversionReport, Output]:
    """Write and publish shards and their index."""
    held: list[HeldSplit] = []
    writer = functools.partial(HeldSplits, held, resources.folder)
    shared = resources.folder / "shared.h5"
    found, _ = _write_file(shared, plan, corpus, resources, writer)
    task = ShardTask(
        held,
        shared,
        _header(plan, found),
        plan.compression,
        together.members,
        number_of_shards(plan.shards or 1, held),
    )
    written = write_shards(task, resources)
    shards = publish_shards(
        [path for path, _ in written], together, plan.output, before=plan.appended, force=plan.force
    )
    return found, Output(sum(saved for _, saved in written), shards)


def _write_file(
    path: Path, plan: ConversionPlan, corpus: Corpus, resources: Resources, writer: SplitWriters
) -> tuple[ConversionReport, int]:
    """Write a file, but for rows that a ``writer`` puts elsewhere.

    Returns the report, and how many bytes compression saves.
    """
    with OutputFile(path, compression=plan.compression) as output:
        found = write_features(output, corpus, plan.features, resources, writer)
        names = plan.class_names(found.classes)
        check_classes(found.classes, names)
        classes = output.group("classes")
        classes.strings("labels", found.classes)
        classes.strings("names", names)
        return found, output.finish(_header(plan, found))


def _header(plan: ConversionPlan, found: ConversionReport) -> dict[str, Any]:
    counts = {"replaced_rows": found.replaced_rows, "empty_rows": found.empty_rows}
    return {
        "features": plan.features.kind,
        "producer": f"ooc-train {__version__}",
        "provenance": {"sources": plan.source_files, **plan.provenance, **counts},
        "shuffled": plan.features.rule.is_shuffled,
    }
