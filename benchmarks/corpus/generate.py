"""Rows in blocks, in order, on several threads, streamed to CSV."""

import collections
import concurrent.futures
import contextlib
import math
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from benchmarks.corpus.language import LEAST_PURITY, MISLEADING_ROWS, ROW
from benchmarks.corpus.spelling import MAX_WORD_BYTES, spelling_table
from benchmarks.corpus.text import put_rows

BLOCK_ROWS = 2048
MIN_WORDS = 5
MAX_LENGTH_RATIO = 20  # the longest body, in mean bodies
LENGTH_SIGMA = 0.65  # standard deviation of the logarithm of the words in a body
MAX_TITLE_WORDS = 7
MAX_MEAN_WORDS = 10_000
MAX_CLASSES = 1000
ACCENTED_ROWS = 0.015


def _draw_rows(entropy: list[int], n_classes: int, mean_words: float) -> NDArray[Any]:
    """The figures that are drawn once a row, for one block: (BLOCK_ROWS,) ROW."""
    rng = np.random.default_rng(entropy)
    rows = np.empty(BLOCK_ROWS, ROW)
    rows["seed"] = rng.integers(2**64, size=BLOCK_ROWS, dtype=np.uint64)
    rows["label"] = rng.integers(n_classes, size=BLOCK_ROWS)
    other = rng.integers(n_classes, size=BLOCK_ROWS)
    misleading = rng.random(BLOCK_ROWS) < MISLEADING_ROWS
    rows["theme"] = np.where(misleading, other, rows["label"])
    rows["purity"] = rng.uniform(LEAST_PURITY, 1.0, BLOCK_ROWS)
    has_title = rng.random(BLOCK_ROWS) < 0.5
    rows["n_title"] = has_title * rng.integers(1, MAX_TITLE_WORDS + 1, size=BLOCK_ROWS)
    median = mean_words * math.exp(-(LENGTH_SIGMA**2) / 2)
    body = median * np.exp(LENGTH_SIGMA * rng.standard_normal(BLOCK_ROWS))
    rows["n_body"] = np.clip(np.rint(body), MIN_WORDS, mean_words * MAX_LENGTH_RATIO)
    rows["accented"] = rng.random(BLOCK_ROWS) < ACCENTED_ROWS
    return rows


@dataclass(frozen=True)
class Corpus:
    """A corpus without its number of rows: rows i of equal corpora are the same bytes."""

    seed: int = 0
    n_classes: int = 2
    mean_words: float = 75.0

    def __post_init__(self) -> None:
        if not 2 <= self.n_classes <= MAX_CLASSES:
            raise ValueError(
                f"the number of classes is {self.n_classes}, expected 2 to {MAX_CLASSES}"
            )
        if not MIN_WORDS <= self.mean_words <= MAX_MEAN_WORDS:
            raise ValueError(
                f"the mean words a row are {self.mean_words}, "
                f"expected {MIN_WORDS} to {MAX_MEAN_WORDS}"
            )
        if self.seed < 0:
            raise ValueError(f"the seed is {self.seed}, expected 0 or more")

    def blocks(self, n_rows: int, *, n_threads: int | None = None) -> Iterator[memoryview]:
        """Yield the first `n_rows` rows as lines of CSV, BLOCK_ROWS at a time, in order.

        Memory: a few blocks a thread, whatever the number of rows.
        """
        if n_rows < 0:
            raise ValueError(f"the number of rows is {n_rows}, expected 0 or more")
        if n_threads is None:
            n_threads = os.cpu_count() or 1
        if n_threads < 1:
            raise ValueError(f"the number of threads is {n_threads}, expected 1 or more")
        table = spelling_table()
        sizes = (min(BLOCK_ROWS, n_rows - start) for start in range(0, n_rows, BLOCK_ROWS))
        pending: collections.deque[concurrent.futures.Future[memoryview]] = collections.deque()
        with concurrent.futures.ThreadPoolExecutor(n_threads) as pool:
            for block, size in enumerate(sizes):
                pending.append(pool.submit(self._block, block, size, table))
                if len(pending) > n_threads + 1:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()

    def _block(self, block: int, n_rows: int, table: NDArray[np.uint8]) -> memoryview:
        rows = _draw_rows([self.seed, block], self.n_classes, self.mean_words)[:n_rows]
        n_words = int(rows["n_title"].sum() + rows["n_body"].sum())
        out = np.empty((n_words + n_rows) * MAX_WORD_BYTES, np.uint8)
        return out.data[: put_rows(rows, table, out)]


def write_corpus(
    path: str | os.PathLike[str],
    n_rows: int,
    *,
    seed: int = 0,
    n_classes: int = 2,
    mean_words: float = 75.0,
    n_threads: int | None = None,
) -> int:
    """Write `n_rows` rows to the file at `path`, "-" for standard output; return the bytes."""
    corpus = Corpus(seed, n_classes, mean_words)
    n_bytes = 0
    with _output(path) as file:
        for block in corpus.blocks(n_rows, n_threads=n_threads):
            n_bytes += file.write(block)
        file.flush()
    return n_bytes


@contextlib.contextmanager
def _output(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file that is complete or absent; standard output, a device or a pipe as it is."""
    target = Path(path)
    if str(path) == "-":
        yield sys.stdout.buffer
    elif target.exists() and not target.is_file():
        with target.open("wb") as file:
            yield file
    else:
        partial = target.with_name(f"{target.name}.partial")
        try:
            with partial.open("wb") as file:
                yield file
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
