"""The conversion as one call: sources in, one complete HDF5 file and a report out."""

import errno
import json
import math
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from ooc_train.conversion.auto import Figures, measure_rows
from ooc_train.conversion.frozen import write_frozen
from ooc_train.conversion.inputs import find_inputs
from ooc_train.conversion.kinds.table import KINDS, TEXT_KINDS, Kind
from ooc_train.conversion.options import AUTO, ConvertOptions, Paths
from ooc_train.conversion.report import ConversionReport
from ooc_train.conversion.resources import (
    MemoryPlan,
    Resources,
    check_disk,
    check_temp_dir,
    default_budget,
)
from ooc_train.conversion.sources.corpus import Corpus
from ooc_train.conversion.sources.files.paths import InputPaths
from ooc_train.conversion.sources.files.rejects import RejectFile
from ooc_train.conversion.sources.find import find_source
from ooc_train.conversion.sources.layout import LayoutOptions
from ooc_train.conversion.storage.placement import PlacementRule
from ooc_train.errors import OocTrainError, OptionError, OutputError
from ooc_train.file import schema
from ooc_train.memory import MemoryMonitor, measure
from ooc_train.options import made
from ooc_train.progress import Progress, Silent, Stopwatch
from ooc_train.reading.store import open as open_store
from ooc_train.version import __version__


def convert(
    train: Paths | str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    progress: Progress | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Convert labelled text to one HDF5 file of features, in bounded memory.

    ``train`` is the path or paths of the training rows: CSV, TSV, JSON Lines or Parquet files,
    plain or compressed, patterns of their names, ``-`` for standard input, or folders of text files
    by class; ``output`` the file to write, which appears when it is complete; ``options`` are the
    fields of ``ConvertOptions``, such as ``test=["test.csv"]``.

    Returns a report: ``rows``, ``validation_rows``, ``test_rows``, ``rejected_rows``,
    ``replaced_rows``, ``classes``, ``features``, ``n_features``, ``seconds``, ``phase_seconds``,
    peak memory in bytes, and more.

    Raises ``InputError`` for data that cannot be used, naming file and line; ``OutputError`` if the
    output exists or cannot be written; ``BudgetError`` for too small a memory budget; and
    ``OptionError`` for an option out of range.

    Memory: ``memory_bytes`` for the whole process, by default a quarter of what it may use.
    """
    chosen = made(ConvertOptions, options, call="convert")
    train = [train] if isinstance(train, str | os.PathLike) else train
    with ExitStack() as stack:
        paths = [Path(path) for path in train]
        return _Conversion(paths, Path(output), chosen, progress, stack).run()


class _Conversion:
    """One conversion: its files, checked before the work begins.

    What standard input gave is kept in a temporary folder of ``stack``.
    """

    def __init__(
        self,
        train: list[Path],
        output: Path,
        options: ConvertOptions,
        progress: Progress | None,
        stack: ExitStack,
    ) -> None:
        self._options = options
        self._output = output
        self._saved_bytes = 0
        self._progress = Stopwatch(progress or Silent())
        _check_output(output, options.force)
        self._temp_dir = Path(options.temp_dir) if options.temp_dir else output.parent
        check_temp_dir(self._temp_dir)
        self._fitted = _open_fitted(options.vectorizer)
        options = options.settled_by(train[0])
        self._options = _as_fitted(options, self._fitted) if self._fitted else options
        with _disk_errors(output, self._temp_dir):
            paths = InputPaths(self._temp_dir, self._progress, stack)
            self._inputs = find_inputs(train, self._options, paths, limit=self._limit)

    @property
    def _parameters(self) -> Any:
        """How rows become features; of numbers, as those of the fitted file did."""
        kind = self._options.features
        if self._fitted and kind not in TEXT_KINDS:
            return KINDS[kind].parameters(**self._fitted.parameters)
        return self._options.parameters

    @property
    def _limit(self) -> float:
        """What numbers must be smaller than in size."""
        return self._parameters.limit if self._options.features == "dense" else math.inf

    def run(self) -> dict[str, Any]:
        with MemoryMonitor() as memory:
            with _disk_errors(self._output, self._temp_dir):
                figures = self._choose_features()
                self._check_disk()
                self._progress.start("compiling", None, "")
                _compile_kernels(self._temp_dir, KINDS[self._options.features], self._parameters)
            self._progress.start("preparing", None, "")
            budget = self._options.memory_bytes or default_budget()
            plan = MemoryPlan.divide(
                budget,
                measure().anon_bytes or 0,
                density=self._parameters.density,
                workers=self._options.workers,
            )
            rejects = RejectFile(self._rejects_path(), self._options.max_rejects)
            labels = self._fitted.class_labels if self._fitted else None
            corpus = Corpus(
                self._inputs.sources,
                rejects,
                plan.block_bytes,
                classes=labels,
                check_labels=self._class_names,
            )
            with _disk_errors(self._output, self._temp_dir), rejects:
                found = self._write(corpus, plan)
            return {
                "output": str(self._output),
                "rows": found.split_rows["train"],
                "validation_rows": found.split_rows.get("validation", 0),
                "test_rows": found.split_rows.get("test", 0),
                "rejected_rows": rejects.count,
                "rejects": str(rejects.path) if rejects.count else None,
                "features": self._options.features,
                **({"auto": asdict(figures)} if figures else {}),
                **{k: v for k, v in asdict(found).items() if k != "split_rows"},
                "output_bytes": self._output.stat().st_size,
                "compression": self._options.compression,
                "saved_bytes": self._saved_bytes,
                "seconds": self._progress.seconds(),
                "phase_seconds": self._progress.phases,
                "memory_budget_bytes": budget,
                "workers": plan.n_workers,
                "peak_rss_bytes": memory.peak_rss_bytes,
                "peak_anon_bytes": memory.peak_anon_bytes,
            }

    def _choose_features(self) -> Figures | None:
        """Settle ``--features auto``, and say by what."""
        if self._options.features != AUTO:
            return None
        with RejectFile(self._rejects_path(), self._options.max_rejects) as rejects:
            figures = measure_rows(self._inputs.sources["train"], rejects, self._progress)
        self._options = self._options.settled(figures.features)
        return figures

    def _check_disk(self) -> None:
        text_bytes = sum(s.text_bytes for files in self._inputs.sources.values() for s in files)
        density = self._parameters.density
        check_disk(self._temp_dir, density.foreseen_disk_bytes(text_bytes))

    def _write(self, corpus: Corpus, plan: MemoryPlan) -> ConversionReport:
        """Write the file under a temporary name and give it its own when it is complete."""
        unfinished = self._output.with_name(f".{self._output.name}.{os.getpid()}.part")
        try:
            with ThreadPoolExecutor(plan.n_workers, "convert") as pool:
                resources = Resources(plan, pool, self._temp_dir, self._progress)
                with schema.create_file(
                    str(unfinished), compression=self._options.compression
                ) as file:
                    found = self._write_features(file, corpus, resources)
                    self._write_classes(file, found.classes)
                    schema.write_header(
                        file,
                        features=self._options.features,
                        producer=f"ooc-train {__version__}",
                        provenance=self._provenance(found),
                        shuffled=self._options.shuffle,
                    )
                    self._saved_bytes = schema.saved_bytes(file)
                    schema.mark_complete(file)
            self._progress.finish()
            unfinished.replace(self._output)
        finally:
            unfinished.unlink(missing_ok=True)
        return found

    def _write_features(self, file: Any, corpus: Corpus, resources: Resources) -> ConversionReport:
        options = self._options
        rule = PlacementRule(options.drawn_fraction, options.seed, options.shuffle)
        fitted = self._fitted.path if self._fitted else None
        if options.features not in TEXT_KINDS:
            write = KINDS[options.features].write
            return write(file, corpus, self._parameters, resources, rule, fitted)
        if fitted:
            return write_frozen(file, corpus, fitted, resources, rule)
        return KINDS[options.features].write(file, corpus, self._parameters, resources, rule)

    def _write_classes(self, file: Any, labels: list[str]) -> None:
        group = file.create_group("classes")
        schema.write_strings(group, "labels", labels)
        schema.write_strings(group, "names", self._class_names(labels))

    def _class_names(self, labels: list[str]) -> list[str]:
        if self._fitted:
            return self._fitted.class_names
        return self._inputs.class_names.of(labels) if self._inputs.class_names else labels

    def _provenance(self, found: ConversionReport) -> dict[str, Any]:
        """Where the rows come from, without a path or a time of this machine."""
        first = self._inputs.sources["train"][0]
        options = self._options
        said = {
            "text": list(options.text),
            "columns": list(options.columns),
            "label": options.label,
        }
        return {
            "sources": {
                split: [{"name": s.path.absolute().name, "bytes": s.n_bytes} for s in files]
                for split, files in self._inputs.sources.items()
            },
            "layout": first.layout | {name: value for name, value in said.items() if value},
            "seed": options.seed,
            "validation_fraction": options.drawn_fraction,
            "replaced_rows": found.replaced_rows,
            "empty_rows": found.empty_rows,
        }

    def _rejects_path(self) -> Path:
        if self._options.rejects:
            return Path(self._options.rejects)
        return self._output.with_name(self._output.name + ".rejected.csv")


class _Fitted(NamedTuple):
    """The file that a vectorizer is taken from."""

    path: Path
    features: str
    class_labels: list[str]
    class_names: list[str]
    parameters: dict[str, Any]


def _open_fitted(path: str | os.PathLike[str] | None) -> _Fitted | None:
    if path is None:
        return None
    with open_store(Path(path)) as store:
        parameters = json.loads(store.file["vectorizer"].attrs["parameters"])
        labels, names = store.class_labels, store.class_names
        return _Fitted(store.path, store.features, labels, names, parameters)


def _as_fitted(options: ConvertOptions, fitted: _Fitted) -> ConvertOptions:
    """The options with the fitted file's kind of features."""
    if options.features not in (AUTO, fitted.features):
        raise OptionError(
            f"--vectorizer {fitted.path} makes {fitted.features} features, not {options.features}; "
            f"leave out --features"
        )
    return options.settled(fitted.features)


def _compile_kernels(temp_dir: Path, kind: Kind, parameters: Any) -> None:
    """Convert a few rows, so that what compiling takes is known before memory is divided.

    The first conversion after an installation compiles for some 10 seconds; later ones load the
    result from Numba's cache.
    """
    plan = MemoryPlan(
        n_workers=1,
        block_bytes=2**12,
        table_bytes=2**16,
        bucket_bytes=2**12,
        dictionary_bytes=300,  # of two words, so that it grows and then is full
    )
    with (
        tempfile.TemporaryDirectory(prefix=".ooc-", dir=temp_dir) as name,
        ThreadPoolExecutor(1) as pool,
    ):
        folder = Path(name)
        sample, rows = kind.sample
        (folder / sample).write_text(rows, "utf-8")
        source = find_source(folder / sample, LayoutOptions(), gives=kind.gives)
        corpus = Corpus({"train": [source]}, RejectFile(folder / "none", 0), plan.block_bytes)
        with schema.create_file(str(folder / "rows.h5")) as file:
            kind.write(
                file,
                corpus,
                parameters.for_few_rows(),
                Resources(plan, pool, folder, Silent()),
                PlacementRule(validation_fraction=0.25, seed=0),
            )


def _check_output(output: Path, force: bool) -> None:
    if output.is_dir():
        raise OutputError(f"{output} is a folder; name the file to write")
    if output.exists() and not force:
        raise OutputError(f"{output} exists; give --force to overwrite it, or another name")
    if not output.parent.is_dir():
        raise OutputError(f"{output.parent}, the output's folder, does not exist; make it first")
    if not os.access(output.parent, os.W_OK):
        raise OutputError(f"{output.parent}, the output's folder, cannot be written to")


@contextmanager
def _disk_errors(output: Path, temp_dir: Path) -> Iterator[None]:
    """Errors of the disk as an ``OutputError``."""
    try:
        yield
    except OocTrainError:
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise OutputError(
                f"the disk is full: {output} was not written; free some space, or put temporary "
                f"files, now in {temp_dir}, on another disk with --temp-dir"
            ) from error
        raise OutputError(f"{output} could not be written: {error}") from error
