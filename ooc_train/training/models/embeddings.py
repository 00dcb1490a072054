r"""Pretrained word vectors from text files: the rows of the vocabulary, nothing else kept.

A line is a word and its numbers, separated by single spaces: the layout of GloVe.  That of
word2vec's text and of fastText's ``.vec`` has a line before, with the counts of words and of
numbers.  Files may be gzipped.  Words with spaces in them, of which GloVe 840B has some, are
what stands before the last numbers of a line.
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

from ooc_train.dtypes import F32
from ooc_train.errors import InputError
from ooc_train.progress import Progress, Silent

LONGEST_LINE_BYTES = 2**20
_BUFFER_BYTES = 2**20
_PROGRESS_LINES = 10_000
_SIZE = 0.05 / math.sqrt(3)
"""The root mean square of numbers within ±0.05, as Keras initialises embeddings."""
_NUMBER = re.compile(rb"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_OF_NUMBERS = b"0123456789.+-eE "
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class PretrainedEmbeddings:
    """Word vectors as the initial weights of an embedding, and how many are the file's."""

    matrix: F32
    """``(n_terms + 1, dimension) float32``: row ``j + 1`` is the vector of term ``j``."""
    n_found: int
    scale: float
    """What the file's numbers, their mean taken off, were multiplied by."""
    file: str

    @property
    def report(self) -> dict[str, Any]:
        """What the training's report says of them."""
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
    """The vectors of ``terms`` from the file at ``path``; of equal words the first counts.

    Their mean is taken off the vectors found, and then they are multiplied by one number, `scale`,
    which gives them the root mean square of the random values that an embedding begins with
    otherwise; all else, terms that the file lacks and row 0, of padding, is zeros, as in the guide.
    So a term without a vector is an average one.  As they are, GloVe's vectors have their mean in
    common, of nearly half their length, and are 25 times as large as random values: Adam moves
    every weight by about the learning rate, whatever its size, so that they would hardly be
    fine-tuned.  Reads the file once.  Memory: four times the result, and a megabyte.

    Raises InputError, with the line, for a line of another length than the others, and for a number
    that is none or not finite; and for a file with none of the terms, or the same numbers for all.
    Lines of other words are not parsed, which would take a hundred times as long: only characters
    that no number has are noticed there.
    """
    progress = progress or Silent()
    try:
        with path.open("rb") as start:
            opener: Any = gzip.open if start.read(2) == _GZIP else open
        with opener(path, "rb") as file:
            found = _Reader(path, terms, progress).read(file)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} cannot be read: {error}; check the file") from error
    if not found:
        raise InputError(f"{path} has none of the {len(terms):,} terms; is it of their language?")
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
    """Goes through the lines of one file: all are checked, those of the terms are parsed."""

    def __init__(self, path: Path, terms: Sequence[str], progress: Progress) -> None:
        self._path = path
        self._wanted = {term.encode(): j for j, term in enumerate(terms, start=1)}
        self._progress = progress

    def read(self, file: IO[bytes]) -> dict[int, F32]:
        """The vectors found, by the number of their term from 1."""
        found: dict[int, F32] = {}
        dimension = 0
        for number, line in self._lines(file):
            n_spaces = line.count(b" ")
            if not dimension:
                header = number == 1 and n_spaces == 1 and line.replace(b" ", b"").isdigit()
                dimension = int(line.split()[1]) if header else n_spaces
                if not dimension:
                    raise self._bad(number, "no numbers after a word")
                if header:
                    continue
            word = self._word(line, number, n_spaces, dimension)
            numbers = line[len(word) + 1 :]
            term = self._wanted.pop(word, None)
            if term is not None:
                found[term] = self._vector(numbers, number)
            elif numbers.translate(None, _OF_NUMBERS):
                self._vector(numbers, number)  # to say what is wrong
        return found

    def _lines(self, file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
        """The lines with their numbers from 1, without white space at their ends."""
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
            raise self._bad(number, f"{n_spaces} numbers, where the others have {dimension}")
        return word

    def _vector(self, numbers: bytes, number: int) -> F32:
        try:
            with np.errstate(over="ignore"):  # infinite then, and refused
                vector = np.array(numbers.split(b" "), np.float64).astype(np.float32)
        except ValueError as error:
            raise self._bad(number, f"what is no number ({error})") from None
        if not np.isfinite(vector).all():
            raise self._bad(number, "a number that is not finite")
        return vector

    def _bad(self, number: int, what: str) -> InputError:
        return InputError(
            f"{self._path}, line {number}: found {what}; give word vectors as text, in the layout "
            "of GloVe, word2vec or fastText"
        )
