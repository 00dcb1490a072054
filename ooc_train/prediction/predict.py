"""`predict`: the predictions of a run for all rows of a file or a stream, to a file or a stream."""

import functools
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from ooc_train.conversion.sources.rows import SourceRows
from ooc_train.memory import MemoryMonitor
from ooc_train.outputs import check_outputs
from ooc_train.prediction.inputs import Trained, files_read, find_inputs, opened, room_for
from ooc_train.prediction.options import MOST_USUAL_CLASSES, PredictOptions
from ooc_train.prediction.outputs import Writer, format_for, open_writer
from ooc_train.prediction.predictor import Predicted, Predictor
from ooc_train.progress import Progress, Silent
from ooc_train.training.run.folder import files_of
from ooc_train.training.run.replacement import open_with

UNKNOWN = "unknown_words"


@dataclass(frozen=True)
class Wanted:
    """The columns that are written beside the label and the name of the most probable class.

    ``top`` is how many of the most probable labels are written with their probabilities.  With
    ``proba`` the probability of every class is written.
    """

    top: int = 0
    proba: bool = True

    def names(self, predictor: Predictor) -> list[str]:
        """The names of all predicted columns."""
        probabilities = np.empty((0, len(predictor.class_labels)), np.float32)
        shares = np.empty(0, np.float32) if predictor.knows_words else None
        return list(self.columns(predictor, Predicted(probabilities, shares)))

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
            columns |= {f"p_{label}": probabilities[:, i] for i, label in enumerate(labels)}
        if unknown_shares is not None:
            columns[UNKNOWN] = unknown_shares
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
    top: int = PredictOptions.top,
    proba: bool | None = PredictOptions.proba,
    output_format: str | None = PredictOptions.output_format,
    force: bool = PredictOptions.force,
    trust_code: bool = PredictOptions.trust_code,
    progress: Progress | None = None,
    more_outputs: Mapping[str, Path | None] | None = PredictOptions.more_outputs,
) -> dict[str, Any]:
    """Write the predictions for all rows of a file, or all lines of a binary stream.

    Or for those of a table, dicts or pairs, as ``convert`` takes them.  ``text`` names the columns
    to read, by name or number from 1.  Without it, the columns of the training data are read.
    ``format``, ``encoding``, ``header``, ``delimiter``, ``quoting``, ``escape`` and
    ``max_row_bytes`` say how files are read, as in `convert`; where they are not given, what was
    given for the training data holds.  ``output`` is a path or a text stream.  It has one row for
    each row of the input, in the same order.  The columns are:

    - those of the input that are not read; if one has a name of those below, ``input_`` precedes it
    - ``label`` and ``name`` of the most probable class
    - ``top_1``, ``top_1_probability`` and so on: the ``top`` most probable labels
    - ``p_`` with its label: the probability of each class, with ``proba``; by default if there are
      at most 100 classes and no ``top``
    - ``unknown_words``: the share of the row's words that the vectorizer does not know, if the
      features are made of words

    ``output_format`` is ``"csv"``, ``"tsv"``, ``"jsonl"`` or ``"parquet"``.  By default the suffix
    of the output decides, and CSV is written where it says nothing.  A file appears under its name
    when it is complete.  An existing file is replaced with ``force`` only.  ``more_outputs`` are
    files that the caller will write, by what they are: they, too, may be no inputs.  With
    ``trust_code`` a run is used whose model is a function of its author's, see `open_run`.

    Returns a report: ``rows``, as many as predictions, ``files`` with them as `convert` has it,
    ``replaced_rows`` with invalid text, ``notes`` about the file, ``seconds``,
    ``rows_per_second``, ``unknown_words`` (the mean of the shares) and peak memory in bytes.
    Memory: that of `Predictor`, and a megabyte of text at a time, or the longest row.

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
        top=top,
        proba=proba,
        output_format=output_format,
        force=force,
        trust_code=trust_code,
    )
    began = time.perf_counter()
    progress = progress or Silent()
    target = Path(output) if isinstance(output, str | os.PathLike) else output
    path = target if isinstance(target, Path) else None
    outputs = {"the output": path, **(more_outputs or {})}
    check_outputs(outputs, [*files_of(run), *files_read(source)], force=force)
    kind = format_for(path, output_format)
    with MemoryMonitor() as memory:
        # A pipe is opened once, also where the run is replaced meanwhile and opened again.
        rows = opened(source)
        find = functools.partial(find_inputs, source=rows, options=options)
        complete, (inputs, predictor) = open_with(
            run, lambda it: (find(Trained.of(it)), Predictor(it)), trust_code=trust_code
        )
        complete.close()
        usual = not top and len(predictor.class_labels) <= MOST_USUAL_CLASSES
        wanted = Wanted(top, usual if proba is None else proba)
        predicting = time.perf_counter()
        progress.start("predicting", None, "row")
        names = wanted.names(predictor)
        with open_writer(target, kind, inputs.carried, names, force=force) as writer:
            blocks = inputs.blocks(room_for(predictor.row_multiple))
            n_rows, n_replaced, unknown_sum = _write(blocks, predictor, wanted, writer, progress)
        progress.finish()
        now = time.perf_counter()
        return {
            "rows": n_rows,
            "files": [{"name": inputs.name, "rows": n_rows, "kept": n_rows, "rejected": 0}],
            "replaced_rows": n_replaced,
            "notes": inputs.notes,
            "seconds": now - began,
            "rows_per_second": n_rows / (now - predicting),
            "unknown_words": unknown_sum / n_rows if predictor.knows_words and n_rows else None,
            "peak_rss_bytes": memory.peak_rss_bytes,
            "peak_anon_bytes": memory.peak_anon_bytes,
        }


def _write(
    blocks: Iterable[SourceRows],
    predictor: Predictor,
    wanted: Wanted,
    writer: Writer,
    progress: Progress,
) -> tuple[int, int, float]:
    """Predict and write all rows.

    Returns their number, that of rows with invalid text, and the sum of the shares of unknown
    words.
    """
    n_rows, n_replaced, unknown_sum = 0, 0, 0.0
    for block in blocks:
        predicted = predictor.of_block(block)
        writer.write(block.carried, wanted.columns(predictor, predicted))
        if predicted.unknown_shares is not None:
            unknown_sum += float(predicted.unknown_shares.sum())
        n_rows += len(block)
        n_replaced += predicted.n_replaced
        progress.advance(len(block))
    return n_rows, n_replaced, unknown_sum
