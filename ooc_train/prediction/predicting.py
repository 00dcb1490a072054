"""`predict`: every row of a file or a stream through a run, to a file or a stream."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import numpy as np

from ooc_train.dtypes import F32
from ooc_train.errors import OutputError
from ooc_train.memory import MemoryMonitor
from ooc_train.prediction.inputs import find_inputs
from ooc_train.prediction.options import MOST_USUAL_CLASSES, PredictOptions
from ooc_train.prediction.outputs import Writer, format_for, open_writer
from ooc_train.prediction.predictor import Predictor
from ooc_train.progress import Progress, Silent
from ooc_train.training.run.folder import open_run

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
        """The names of all columns that are predicted."""
        none = np.empty((0, len(predictor.class_labels)), np.float32)
        return [*self.columns(predictor, none), *([UNKNOWN] if predictor.knows_words else [])]

    def columns(self, predictor: Predictor, probabilities: F32) -> dict[str, Any]:
        """The columns that are predicted, but for the share of unknown words."""
        labels, names = predictor.class_labels, predictor.class_names
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
        return columns


def predict(  # noqa: PLR0913 - the one place where all options meet
    run: str | Path,
    source: str | Path | BinaryIO,
    output: str | Path | TextIO,
    *,
    text: Sequence[str] = PredictOptions.text,
    header: bool = PredictOptions.header,
    top: int = PredictOptions.top,
    proba: bool | None = PredictOptions.proba,
    output_format: str | None = PredictOptions.output_format,
    force: bool = PredictOptions.force,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Predict every row of a file, or every line of a binary stream, to a file or a text stream.

    Of a file laid out as the training data was, the same columns are read; ``text`` names others,
    by name or number from 1.  A file's other columns are written again, and after them ``label``
    and ``name`` of the most probable class; the labels of the ``top`` most probable ones, as
    ``top_1``, ``top_1_probability`` and so on; with ``proba`` the probability of every class, as
    ``p_`` and its label (if not said, where there are at most 100 classes and no ``top``); and for
    features of words ``unknown_words``, the share of the row's words that the vectorizer does not
    know.  An input's column of one of these names becomes ``input_`` and its name.  Rows come out
    in the order of the input, whatever their number.

    ``output_format`` is ``"csv"``, ``"tsv"``, ``"jsonl"`` or ``"parquet"``; if it is not given, the
    output's name decides, and otherwise it is CSV.  A file appears when it is complete; one that
    exists is only replaced with ``force``.

    Returns a report: ``rows``, ``seconds``, ``rows_per_second``, ``unknown_words`` (the mean of
    their shares) and peak memory in bytes.  Memory: that of `Predictor`, and a megabyte of text at
    a time.

    Raises InputError for a row that cannot be read, with its line: none is passed over.
    """
    PredictOptions(  # which checks them
        text=text,
        header=header,
        top=top,
        proba=proba,
        output_format=output_format,
        force=force,
    )
    began = time.perf_counter()
    progress = progress or Silent()
    target = Path(output) if isinstance(output, str | Path) else output
    if isinstance(target, Path):
        _check_free(target, force)
    kind = format_for(target if isinstance(target, Path) else None, output_format)
    with MemoryMonitor() as memory:
        opened = open_run(run)
        inputs = find_inputs(opened, source, text, header)
        predictor = Predictor(opened)
        usual = not top and len(predictor.class_labels) <= MOST_USUAL_CLASSES
        wanted = Wanted(top, usual if proba is None else proba)
        predicting = time.perf_counter()
        progress.start("predicting", None, "row")
        with open_writer(target, kind, inputs.carried, wanted.names(predictor)) as writer:
            n_rows, unknown_sum = _write(inputs.blocks, predictor, wanted, writer, progress)
        progress.finish()
        now = time.perf_counter()
        return {
            "rows": n_rows,
            "seconds": now - began,
            "rows_per_second": n_rows / (now - predicting),
            "unknown_words": unknown_sum / n_rows if predictor.knows_words and n_rows else None,
            "peak_rss_bytes": memory.peak_rss_bytes,
            "peak_anon_bytes": memory.peak_anon_bytes,
        }


def _write(
    blocks: Iterator[tuple[Any, Sequence[dict[str, Any]] | None]],
    predictor: Predictor,
    wanted: Wanted,
    writer: Writer,
    progress: Progress,
) -> tuple[int, float]:
    """Predict and write all rows; how many, and the sum of their shares of unknown words."""
    n_rows, unknown_sum = 0, 0.0
    for rows, carried in blocks:
        probabilities = predictor.of_block(rows)
        columns = wanted.columns(predictor, probabilities)
        if predictor.knows_words:
            columns[UNKNOWN] = predictor.unknown_shares(rows)
            unknown_sum += float(columns[UNKNOWN].sum())
        writer.write(carried, columns)
        n_rows += len(probabilities)
        progress.advance(len(probabilities))
    return n_rows, unknown_sum


def _check_free(path: Path, force: bool) -> None:
    if path.is_dir():
        raise OutputError(f"{path} is a folder; name the file to write")
    if path.exists() and not force:
        raise OutputError(f"{path} exists; give --force to overwrite it, or another name")
