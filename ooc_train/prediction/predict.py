"""`predict`: the predictions of a run for all rows of a file or a stream, to a file or a stream."""

import functools
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from ooc_train.bars import usual_progress
from ooc_train.conversion.sources.corpus import FileRows
from ooc_train.conversion.sources.files.rejects import Blank
from ooc_train.conversion.sources.rows import SourceRows
from ooc_train.conversion.sources.source import remarks_of
from ooc_train.conversion.vectorizer import Encoded
from ooc_train.environment import n_processors
from ooc_train.kernel_processes import compiling_elsewhere
from ooc_train.memory import MemoryMonitor
from ooc_train.outputs import check_outputs
from ooc_train.prediction.explanation import Explanations
from ooc_train.prediction.inputs import (
    BLOCK_BYTES,
    NewRows,
    Trained,
    files_read,
    find_inputs,
    list_inputs,
    opened,
    room_for,
)
from ooc_train.prediction.options import MOST_USUAL_CLASSES, PredictOptions
from ooc_train.prediction.outputs import Writer, format_for, open_writer
from ooc_train.prediction.predictor import Predicted, Predictor
from ooc_train.progress import Progress
from ooc_train.remote.url import located
from ooc_train.tasks import results_in_order
from ooc_train.threads import ThreadPool
from ooc_train.training.run.folder import check_order, files_of
from ooc_train.training.run.replacement import open_with

UNKNOWN, EXPLAIN = "unknown_words", "explain"
_ROOM_PARTS = 4
"""The blocks under way may take a quarter of the memory that is left."""


@dataclass(frozen=True)
class Wanted:
    """The columns that are written beside the label and the name of the most probable class.

    ``top`` is how many of the most probable labels are written with their probabilities.  With
    ``proba`` the probability of every class is written, with ``explain`` the terms that decided.
    """

    top: int = 0
    proba: bool = True
    explain: bool = False

    def of_no_row(self, predictor: Predictor) -> dict[str, Any]:
        """The predicted columns of no row, which tell their names and types."""
        probabilities = np.empty((0, len(predictor.class_labels)), np.float32)
        shares = np.empty(0, np.float32) if predictor.knows_words else None
        explanations = Explanations() if self.explain else None
        return self.columns(predictor, Predicted(probabilities, shares, 0, explanations))

    def columns(self, predictor: Predictor, predicted: Predicted) -> dict[str, Any]:
        """The predicted columns by their names."""
        labels, names = predictor.class_labels, predictor.class_names
        probabilities, unknown_shares = predicted.probabilities, predicted.unknown_shares
        best = probabilities.argmax(axis=1).tolist()
        columns: dict[str, Any] = {
            "label": [labels[i] for i in best],
            "name": [names[i] for i in best],
        }
        if self.top:
            order = np.argsort(-probabilities, axis=1, kind="stable")[:, : self.top]
            shares = np.take_along_axis(probabilities, order, axis=1)
            for place in range(order.shape[1]):
                columns[f"top_{place + 1}"] = [labels[i] for i in order[:, place].tolist()]
                columns[f"top_{place + 1}_probability"] = shares[:, place]
        if self.proba:
            classes = names if len(set(names)) == len(names) else labels
            columns |= {f"p_{name}": probabilities[:, i] for i, name in enumerate(classes)}
        if unknown_shares is not None:
            columns[UNKNOWN] = unknown_shares
        if predicted.explanations is not None:
            columns[EXPLAIN] = predicted.explanations
        return columns


def predict(  # noqa: PLR0913 - the one place where all options meet
    run: str | os.PathLike[str],
    source: Any,
    output: str | os.PathLike[str] | TextIO,
    *,
    text: Sequence[str] = PredictOptions.text,
    format: str | None = PredictOptions.format,  # noqa: A002 - as the option is called
    encoding: str | None = PredictOptions.encoding,
    header: bool = PredictOptions.header,
    delimiter: str | None = PredictOptions.delimiter,
    quoting: str | None = PredictOptions.quoting,
    escape: str | None = PredictOptions.escape,
    max_row_bytes: int = PredictOptions.max_row_bytes,
    keep_text: bool = PredictOptions.keep_text,
    top: int = PredictOptions.top,
    proba: bool | None = PredictOptions.proba,
    explain: bool = PredictOptions.explain,
    output_format: str | None = PredictOptions.output_format,
    workers: int | None = PredictOptions.workers,
    force: bool = PredictOptions.force,
    trust_code: bool = PredictOptions.trust_code,
    progress: Progress | None = None,
    more_outputs: Mapping[str, Path | None] | None = PredictOptions.more_outputs,
) -> dict[str, Any]:
    """Write the predictions for all rows of files, or of a table, dicts or pairs.

    ``source`` is what ``convert`` takes: a path, several, which are read one after another, or what
    a program has.  It may also be a binary stream, as ``-`` is standard input: a text a line,
    unless ``format``, ``text``, ``header`` or an option of CSV says that it is a file of rows.

    ``text`` names the columns to read, by name or number from 1.  Without it, the columns of the
    training data are read.  ``format``, ``encoding``, ``header``, ``delimiter``, ``quoting``,
    ``escape`` and ``max_row_bytes`` say how files are read, as in `convert`; where they are not
    given, what was given for the training data holds.  ``output`` is a path or a text stream.  It
    has one row for each row of the input, in the same order.  The columns are:

    - those of the input that are not read, and with ``keep_text`` those of the text, too, which is
      called ``text`` where it is no column; if one has a name of those below, ``input_`` precedes
      it
    - ``label`` and ``name`` of the most probable class
    - ``top_1``, ``top_1_probability`` and so on: the ``top`` most probable labels
    - ``p_`` with its name, or with its label where names are not distinct: the probability of each
      class, with ``proba``; by default if there are at most 100 classes and no ``top``
    - ``unknown_words``: the share of the row's words that the vectorizer does not know, if the
      features are made of words
    - ``explain``, with ``explain``: the 10 terms that decided most with their shares, see
      `Explanations`; in CSV and JSON Lines as a JSON object, in Parquet as a map

    ``output_format`` is ``"csv"``, ``"tsv"``, ``"jsonl"`` or ``"parquet"``.  By default the suffix
    of the output decides, and CSV is written where it says nothing.  A file appears under its name
    when it is complete.  An existing file is replaced with ``force`` only.  ``more_outputs`` are
    files that the caller will write, by what they are: they, too, may be no inputs.  With
    ``trust_code`` a run is used whose model is a function of its author's, see `open_run`.

    Returns a report: ``rows``, as many as predictions, ``files`` with those of each as `convert`
    has it, ``replaced_rows`` with invalid text, ``missing_rows`` without a text, which are
    predicted like empty ones, ``notes`` about the files, ``seconds``, ``rows_per_second``,
    ``unknown_words`` (the mean of the shares) and peak memory in bytes.
    Memory: that of `Predictor`, and half a megabyte of text for each worker, or the longest row.

    Raises InputError for a row that cannot be read, with its line: no row is skipped.  Raises
    InputError or FormatError if the run cannot be used, OptionError for options that are out of
    range or do not fit the file, BudgetError for a row that there is not enough memory for, and
    OutputError if the output cannot be written.
    """
    options = PredictOptions(  # which checks them
        text=text,
        format=format,
        encoding=encoding,
        header=header,
        delimiter=delimiter,
        quoting=quoting,
        escape=escape,
        max_row_bytes=max_row_bytes,
        keep_text=keep_text,
        top=top,
        proba=proba,
        explain=explain,
        output_format=output_format,
        workers=workers,
        force=force,
        trust_code=trust_code,
    )
    for one in source if isinstance(source, list | tuple) else [source]:
        check_order(run, one)
    began = time.perf_counter()
    progress = progress or usual_progress()
    target = located(output) if isinstance(output, str | os.PathLike) else output
    path = target if isinstance(target, Path) else None
    outputs = {"the output": path, **(more_outputs or {})}
    given, notes = list_inputs(source, format)
    read = [file for one in given for file in files_read(one)]
    check_outputs(outputs, [*files_of(run), *read], force=force)
    kind = format_for(path, output_format)
    with MemoryMonitor() as memory, compiling_elsewhere(None, progress):
        # A pipe is opened once, also where the run is replaced meanwhile and opened again.
        rows = [opened(one, options) for one in given]
        predictor_of = functools.partial(Predictor, explain=explain)
        complete, (inputs, predictor) = open_with(
            run,
            lambda it: (
                [find_inputs(Trained.of(it), one, options) for one in rows],
                predictor_of(it),
            ),
            trust_code=trust_code,
        )
        complete.close()
        usual = not top and len(predictor.class_labels) <= MOST_USUAL_CLASSES
        wanted = Wanted(top, usual if proba is None else proba, explain)
        predicting = time.perf_counter()
        progress.start("predicting", None, "row")
        of_no_row = wanted.of_no_row(predictor)
        carried = dict.fromkeys(name for one in inputs for name in one.carried)
        with open_writer(target, kind, list(carried), list(of_no_row), force=force) as writer:
            found = _write(inputs, predictor, wanted, writer, progress, workers)
            if not found.n_rows:
                writer.write(None, of_no_row)
        progress.finish()
        now = time.perf_counter()
        known = predictor.knows_words and found.n_rows
        return {
            "rows": found.n_rows,
            "files": [file.report for file in found.files],
            "replaced_rows": found.n_replaced,
            "missing_rows": found.n_missing,
            "notes": [*notes, *remarks_of(one.source for one in inputs if one.source)],
            "seconds": now - began,
            "rows_per_second": found.n_rows / (now - predicting),
            "unknown_words": found.unknown_sum / found.n_rows if known else None,
            "peak_rss_bytes": memory.peak_rss_bytes,
            "peak_anon_bytes": memory.peak_anon_bytes,
        }


@dataclass
class _Written:
    """The rows that were predicted.

    ``n_replaced`` had invalid text, and ``n_missing`` none.  ``unknown_sum`` is the sum of their
    shares of unknown words.
    """

    files: list[FileRows] = field(default_factory=list)
    n_replaced: int = 0
    n_missing: int = 0
    unknown_sum: float = 0.0

    def add(self, file: FileRows, block: SourceRows, predicted: Predicted) -> None:
        """Count the rows of a block of ``file``."""
        file.kept += len(block)
        self.n_replaced += predicted.n_replaced
        if predicted.unknown_shares is not None:
            self.unknown_sum += float(predicted.unknown_shares.sum())
        if block.missing is not None:
            self.n_missing += int(block.missing.sum())

    @property
    def n_rows(self) -> int:
        """The number of rows of all files."""
        return sum(file.kept for file in self.files)


def _write(
    inputs: Iterable[NewRows],
    predictor: Predictor,
    wanted: Wanted,
    writer: Writer,
    progress: Progress,
    n_workers: int | None,
) -> _Written:
    """Predict and write all rows of all inputs."""
    found = _Written()
    room = room_for(predictor.row_multiple)
    affordable = room.n_bytes // (_ROOM_PARTS * BLOCK_BYTES * room.multiple)
    n_workers = max(1, min(n_workers or n_processors(), affordable))
    with ThreadPool(n_workers, "predict") as pool:
        for one in inputs:
            file = FileRows(one.name)
            found.files.append(file)
            for piece, features in _encoded(one, predictor, pool, n_workers):
                if features is None:
                    file.blank_lines += piece.n_lines
                    continue
                predicted = predictor.of_encoded(features)
                writer.write(piece.carried, wanted.columns(predictor, predicted))
                found.add(file, piece, predicted)
                progress.advance(len(piece))
    return found


def _encoded(
    rows: NewRows, predictor: Predictor, pool: Executor, n_workers: int
) -> Iterator[tuple[Any, Encoded | None]]:
    """Each block with its features, and each `Blank` with ``None``.

    The workers encode ahead of the block that is written, but lines of a stream as they arrive.
    """

    def encode(piece: SourceRows | Blank) -> Encoded | None:
        return None if isinstance(piece, Blank) else predictor.encode(piece)

    pieces = rows.blocks(room_for(predictor.row_multiple))
    if rows.source is None:
        return ((piece, encode(piece)) for piece in pieces)
    most = (n_workers + 1) * BLOCK_BYTES * 9 // 8  # a block ends with a row that begins in it
    return results_in_order(pool, encode, pieces, n_workers, _size, most)


def _size(piece: SourceRows | Blank) -> int:
    return 0 if isinstance(piece, Blank) else piece.size
