"""Predictions on new text: converted with the run's own vectorizer, then given to its model.

There is one way from text to features, `ooc_train.conversion`, so what a model sees here is bit for
bit what it was trained and evaluated on.
"""

import csv
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TextIO

import h5py
import numpy as np
import numpy.typing as npt

from ooc_train.conversion.dense import DenseVectorizer
from ooc_train.conversion.input_file import InputFile
from ooc_train.conversion.kinds import TEXT_KINDS
from ooc_train.conversion.layout import LayoutOptions
from ooc_train.conversion.sequence_vectorizer import SequenceVectorizer
from ooc_train.conversion.source_rows import Reject
from ooc_train.conversion.sources import find_source, format_of
from ooc_train.conversion.sparse import SparseVectorizer
from ooc_train.conversion.vectorizer import Vectorizer
from ooc_train.errors import InputError, OptionError
from ooc_train.format import index_dtype
from ooc_train.memory import MemoryMonitor
from ooc_train.numeric_prediction import dense_rows, file_rows, of_csr, of_matrix, sparse_rows
from ooc_train.progress import Progress, Silent
from ooc_train.rows import SequenceRows, SparseRows
from ooc_train.training.run_folder import open_run

BLOCK_BYTES = 2**20
MODEL_ROWS = 1024
NAMED_FORMATS = {"jsonl", "parquet"}
"""Those whose columns always have names."""

Bytes = npt.NDArray[np.uint8]
Offsets = npt.NDArray[np.int64]
Texts = tuple[Bytes, Offsets]


class Predictor:
    """A run's vectorizer and model.

    Memory: TensorFlow, the model, and the selected terms' hashes.
    """

    def __init__(self, run: str | Path) -> None:
        opened = open_run(run)
        self.class_labels = opened.class_labels
        self.class_names = opened.class_names
        with h5py.File(opened.vectorizer_path, "r") as file:
            self._kind = _KINDS[file.attrs["features"]]
            self._vectorizer = self._kind.vectorizer(file["vectorizer"])
        self._model = opened.load_model()
        self._pads_as_needed = opened.pads_as_needed

    def predict_proba(self, rows: Any) -> npt.NDArray[np.float32]:
        """Probabilities of the classes: ``(n_rows, n_classes) float32``, in their order.

        ``rows`` are texts; for a model of dense features an array ``(n_rows, n_columns)``, and for
        one of sparse features a matrix of SciPy in CSR format, with the training data's columns.
        """
        return self._predict(self._kind.given(rows))

    def predict(self, rows: Any) -> list[str]:
        """The label of the most probable class of each row, see `predict_proba`."""
        best = self.predict_proba(rows).argmax(axis=1)
        return [self.class_labels[i] for i in best.tolist()]

    def write_csv(self, blocks: Iterator[Any], output: TextIO, progress: Progress) -> int:
        """Write a line of CSV for each text, in order, a header first; how many texts."""
        writer = csv.writer(output, lineterminator="\n")
        writer.writerow(["label", "name", *(f"p_{label}" for label in self.class_labels)])
        n_rows = 0
        for block in blocks:
            probabilities = self._predict(block)
            best = probabilities.argmax(axis=1).tolist()
            for i, row in zip(best, probabilities.tolist(), strict=True):
                shares = [f"{share:.6g}" for share in row]
                writer.writerow([self.class_labels[i], self.class_names[i], *shares])
            output.flush()
            n_rows += len(best)
            progress.advance(len(best))
        return n_rows

    def _predict(self, block: Any) -> npt.NDArray[np.float32]:
        from ooc_train.training.feeding import predict_rows  # noqa: PLC0415 - TensorFlow

        rows = self._kind.rows(self._vectorizer, block)
        parts = [
            predict_rows(
                self._model,
                rows[start : start + MODEL_ROWS],
                pads_as_needed=self._pads_as_needed,
            )
            for start in range(0, len(rows), MODEL_ROWS)
        ]
        return np.concatenate([np.empty((0, len(self.class_labels)), np.float32), *parts])


def _of_texts(texts: Sequence[str]) -> Texts:
    return _as_arrays([text.encode("utf-8", "replace") for text in texts])


def _ngram_rows(vectorizer: Vectorizer, texts: Texts) -> Any:
    found = vectorizer.transform(*texts)
    return SparseRows(found.indptr, found.columns, found.values, vectorizer.n_columns)


def _sequence_rows(vectorizer: SequenceVectorizer, texts: Texts) -> Any:
    found = vectorizer.transform(*texts)
    tokens = found.tokens.astype(index_dtype(vectorizer.n_terms + 1))
    return SequenceRows(found.indptr, tokens, vectorizer.n_terms + 1, vectorizer.max_length)


class _Kind(NamedTuple):
    """The vectorizer of a kind of features, and how a model takes its rows.

    ``given`` is what `Predictor.predict` takes as ``rows`` takes it.
    """

    vectorizer: Callable[[h5py.Group], Any]
    rows: Callable[[Any, Any], Any]
    given: Callable[[Any], Any]


_KINDS = {
    "ngram": _Kind(Vectorizer, _ngram_rows, _of_texts),
    "sequence": _Kind(SequenceVectorizer, _sequence_rows, _of_texts),
    "dense": _Kind(DenseVectorizer, dense_rows, of_matrix),
    "sparse": _Kind(SparseVectorizer, sparse_rows, of_csr),
}
"""By kind of features."""


def load(run: str | Path) -> Predictor:
    """The predictor of a run folder.

    Raises InputError if there is no such folder, FormatError if it is not a complete run.
    """
    return Predictor(run)


def predict(
    run: str | Path,
    source: str | Path | BinaryIO,
    output: TextIO,
    *,
    text: Sequence[str] = (),
    header: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Predict every row of a CSV file, or every line of a binary stream, into a CSV.

    Of a file laid out as the training data was, the same columns are read; ``text`` names others,
    by name or number from 1.  Rows come out in the order of the input, whatever their number.

    Returns a report: ``rows``, ``seconds``, ``rows_per_second`` and peak memory in bytes.  Memory:
    TensorFlow, the model, and a megabyte of text at a time.

    Raises InputError for a row that cannot be read, with its line: none is passed over.
    """
    began = time.perf_counter()
    progress = progress or Silent()
    with MemoryMonitor() as memory:
        blocks = _blocks(run, source, text, header)
        predictor = Predictor(run)
        predicting = time.perf_counter()
        progress.start("predicting", None, "row")
        n_rows = predictor.write_csv(blocks, output, progress)
        progress.finish()
        now = time.perf_counter()
        return {
            "rows": n_rows,
            "seconds": now - began,
            "rows_per_second": n_rows / (now - predicting),
            "peak_rss_bytes": memory.peak_rss_bytes,
            "peak_anon_bytes": memory.peak_anon_bytes,
        }


def _blocks(
    run: str | Path, source: str | Path | BinaryIO, columns: Sequence[str], header: bool
) -> Iterator[Any]:
    """The rows of a file or a stream, as the run's kind of features has them."""
    with h5py.File(open_run(run).vectorizer_path, "r") as file:
        features = str(file.attrs["features"])
        trained = json.loads(file.attrs["provenance"])["layout"]
    if not isinstance(source, str | Path):
        if features not in TEXT_KINDS:
            raise OptionError(f"the model takes {features} features; give a file with --input")
        return _line_texts(source)
    if features not in TEXT_KINDS:
        return file_rows(features, Path(source), trained, columns, header, BLOCK_BYTES)
    return _file_texts(Path(source), _layout(trained, Path(source), columns, header))


def _layout(
    trained: dict[str, Any], path: Path, text: Sequence[str], header: bool
) -> LayoutOptions:
    """Which columns to read: those said, those of the training data, or all there are."""
    if text:
        return LayoutOptions(tuple(text), None, header)
    if path.is_dir():
        return LayoutOptions()
    columns = tuple(str(column) for column in trained["text"])
    if format_of(InputFile(path)) in NAMED_FORMATS:
        return LayoutOptions(columns)
    if header or trained.get("format") in NAMED_FORMATS or trained["header"]:
        return LayoutOptions(columns, None, header=True)
    found = find_source(path, LayoutOptions(), needs_label=False).layout["columns"]
    if found == trained["columns"]:
        return LayoutOptions(columns, cleaning=trained.get("cleaning"))
    if found == len(columns):  # the texts alone, without the class
        return LayoutOptions()
    raise InputError(
        f"{path}, line 1: found {found} columns, where the training data had {trained['columns']}; "
        f"name the columns of the text with --text"
    )


def _file_texts(path: Path, layout: LayoutOptions) -> Iterator[Texts]:
    source = find_source(path, layout, needs_label=False)
    for piece, _ in source.read(BLOCK_BYTES):
        if isinstance(piece, Reject):
            place = source.place(piece.line)
            raise InputError(f"{place}: {piece.reason}; mend the row or take it out")
        yield piece.text, piece.text_offsets


def _line_texts(stream: BinaryIO) -> Iterator[Texts]:
    """One text a line, as soon as lines are there."""
    rest = b""
    while piece := stream.read1(BLOCK_BYTES):  # type: ignore[attr-defined]
        *lines, rest = (rest + piece).split(b"\n")
        if lines:
            yield _as_arrays(lines)
    if rest:
        yield _as_arrays([rest])


def _as_arrays(texts: Sequence[bytes]) -> Texts:
    offsets = np.zeros(len(texts) + 1, np.int64)
    np.cumsum([len(text) for text in texts], out=offsets[1:])
    return np.frombuffer(bytearray(b"".join(texts)), np.uint8), offsets
