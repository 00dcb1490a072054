"""Pretrained word vectors from text files: those of the vocabulary are kept, no others.

A line is a word and its numbers, separated by single spaces: the format of GloVe.  The text formats
of word2vec and fastText (``.vec``) begin with a line of two counts, of words and of numbers.  Files
may be gzipped.  A word may contain spaces, as some of GloVe 840B do: it is everything before the
last numbers of its line.
"""

import gzip
import math
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from ooc_train.bars import usual_progress
from ooc_train.counts import counted
from ooc_train.dtypes import F32
from ooc_train.errors import BudgetError, InputError
from ooc_train.memory import usable_bytes
from ooc_train.progress import Progress

LONGEST_LINE_BYTES = 2**20
_BUFFER_BYTES = 2**20
_PROGRESS_LINES = 10_000
_SIZE = 0.05 / math.sqrt(3)
"""The root mean square of uniform numbers within ±0.05, Keras's initial embeddings."""
_NUMBER = re.compile(rb"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_OF_NUMBERS = b"0123456789.+-eE "
_GZIP = b"\x1f\x8b"
_COUNTS = re.compile(rb"\d{1,18} \d{1,9}")
_RESULT_MULTIPLE = 4  # of the result's size, in memory


@dataclass(frozen=True)
class PretrainedEmbeddings:
    """Word vectors as the initial weights of an embedding, and how many come from the file."""

    matrix: F32
    """``(n_terms + 1, dimension) float32``: row ``j + 1`` is the vector of term ``j``."""
    n_found: int
    scale: float
    """The factor of the file's numbers, after their mean was subtracted."""
    file: str

    @property
    def report(self) -> dict[str, Any]:
        """The training report's entry."""
        n_terms = len(self.matrix) - 1
        return {
            "file": self.file,
            "dimension": self.matrix.shape[1],
            "terms": n_terms,
            "found": self.n_found,
            "coverage": self.n_found / n_terms,
            "scale": self.scale,
        }


def read_embeddings(
    path: Path, terms: Sequence[str], *, progress: Progress | None = None
) -> PretrainedEmbeddings:
    """The vectors of ``terms`` from the file at ``path``; the first counts if a word is repeated.

    The mean of the vectors found is subtracted from them; then they are multiplied by one number,
    `scale`, so that they have the root mean square of an embedding's random initial values.  Terms
    that the file lacks, and row 0, padding, are zeros, as in the guide: so a term without a vector
    is an average one.  Without this, GloVe's vectors share a mean of nearly half their length and
    are 25 times as large as random values: Adam moves every weight by about the learning rate,
    whatever its size, so they would hardly be fine-tuned.  Reads the file once.  Memory: four times
    the result, and a megabyte.

    Raises InputError, with the line, for a line with more or fewer numbers than the others, and for
    text that is not a finite number; also for a file with none of the terms, or with the same
    numbers for all; and BudgetError for vectors that would take more than half of the memory that
    the process may use.  Lines of other words are not parsed, which would take a hundred times as
    long: there only characters that no number has are detected.
    """
    progress = progress or usual_progress()
    try:
        with path.open("rb") as start:
            opener: Any = gzip.open if start.read(2) == _GZIP else open
        with opener(path, "rb") as file:
            found = _Reader(path, terms, progress).read(file)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} cannot be read: {error}; check the file") from error
    if not found:
        raise InputError(
            f"{path} has none of the {counted(len(terms), 'term')}; is it of their language?"
        )
    vectors = np.array([*found.values()], np.float64)
    vectors -= vectors.mean(axis=0)
    size = float(np.sqrt(np.mean(np.square(vectors))))
    if not size:
        raise InputError(f"{path} has the same numbers for all of the terms; give word vectors")
    scale = _SIZE / size
    matrix = np.zeros((len(terms) + 1, vectors.shape[1]), np.float32)
    matrix[[*found]] = vectors * scale
    return PretrainedEmbeddings(matrix, len(found), scale, path.name)


class _Reader:
    """Reads the lines of one file: it checks all, and parses those of the terms."""

    def __init__(self, path: Path, terms: Sequence[str], progress: Progress) -> None:
        self._path = path
        self._wanted = {term.encode(): j for j, term in enumerate(terms, start=1)}
        self._progress = progress

    def read(self, file: IO[bytes]) -> dict[int, F32]:
        """The vectors found, by the number of their term, counted from 1."""
        found: dict[int, F32] = {}
        dimension = 0
        for number, line in self._lines(file):
            n_spaces = line.count(b" ")
            if not dimension:
                header = number == 1 and _COUNTS.fullmatch(line)
                dimension = int(line.split()[1]) if header else n_spaces
                if not dimension:
                    raise self._bad(number, "no numbers after a word")
                self._check_size(dimension)
                if header:
                    continue
            word = self._word(line, number, n_spaces, dimension)
            numbers = line[len(word) + 1 :]
            term = self._wanted.pop(word, None)
            if term is not None:
                found[term] = self._vector(numbers, number)
            elif numbers.translate(None, _OF_NUMBERS):
                self._vector(numbers, number)  # raises the error that says what is wrong
        return found

    def _check_size(self, dimension: int) -> None:
        needed = _RESULT_MULTIPLE * 4 * dimension * (len(self._wanted) + 1)
        if needed > usable_bytes() // 2:
            raise BudgetError(
                f"{self._path} has vectors of {counted(dimension, 'number')}; those of "
                f"{counted(len(self._wanted), 'term')} may take {needed / 1e6:,.0f} MB of memory, "
                f"more than "
                f"a half of what there is; give shorter vectors, or convert with a smaller --top-k"
            )

    def _lines(self, file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
        """The lines without white space at their ends, and their numbers, counted from 1."""
        number = 0
        while line := file.readline(LONGEST_LINE_BYTES):
            number += 1
            if len(line) == LONGEST_LINE_BYTES:
                raise self._bad(number, "more than a megabyte")
            if number % _PROGRESS_LINES == 0:
                self._progress.advance(_PROGRESS_LINES)
            yield number, line.rstrip(b" \r\n")

    def _word(self, line: bytes, number: int, n_spaces: int, dimension: int) -> bytes:
        if n_spaces == dimension:
            return line[: line.index(b" ")]
        word = line.rsplit(b" ", dimension)[0]
        if n_spaces < dimension or _NUMBER.fullmatch(word.rpartition(b" ")[2]):
            raise self._bad(
                number, f"{counted(n_spaces, 'number')}, where the others have {dimension}"
            )
        return word

    def _vector(self, numbers: bytes, number: int) -> F32:
        try:
            with np.errstate(over="ignore"):  # becomes infinite, which is refused below
                vector = np.array(numbers.split(b" "), np.float64).astype(np.float32)
        except ValueError as error:
            raise self._bad(number, f"what is no number ({error})") from None
        if not np.isfinite(vector).all():
            raise self._bad(number, "a number that is not finite")
        return vector

    def _bad(self, number: int, what: str) -> InputError:
        return InputError(
            f"{self._path}, line {number}: found {what}; give word vectors as text, in the format "
            "of GloVe, word2vec or fastText"
        )
