"""Facts about each row, in files: its class, its place, its fingerprints."""

from pathlib import Path
from typing import Any

import numpy as np

from ooc_train.conversion.storage.job import Column, DiskArray
from ooc_train.dtypes import I32, I64, U16, U64
from ooc_train.inspection.raw.fingerprints import N_NUMBERS

_LINE_BITS = 40


class RowColumns:
    """The rows of all splits, in their order, in files of a folder: 84 bytes for each row.

    Rows without a signature take 20.
    """

    def __init__(self, folder: Path, *, are_signed: bool) -> None:
        self._hashes = Column(folder / "hashes", np.uint64)
        self._places = Column(folder / "places", np.int64)
        self._labels = Column(folder / "labels", np.int32)
        self._signatures = Column(folder / "signatures", np.uint16) if are_signed else None
        self.n_rows = 0

    def append(
        self, source: int, lines: I64, labels: I32, hashes: U64, signatures: U16 | None
    ) -> None:
        """Add rows of the source of that number: one item of each array for each row."""
        self._places.append((source << _LINE_BITS) + lines)
        self._labels.append(labels)
        self._hashes.append(hashes)
        if self._signatures and signatures is not None:
            self._signatures.append(signatures.reshape(-1))
        self.n_rows += len(lines)

    @property
    def hashes(self) -> DiskArray:
        """The hash of each row."""
        return self._hashes.array()

    @property
    def labels(self) -> DiskArray:
        """The class of each row, by its number in the order in which classes were met."""
        return self._labels.array()

    @property
    def signatures(self) -> U16 | None:
        """The signature of each row, mapped: ``(n_rows, 32) uint16``."""
        if not self._signatures or not self.n_rows:
            return None
        found: Any = self._signatures.array().mapped
        return found.reshape(-1, N_NUMBERS)

    def place(self, row: int) -> tuple[int, int]:
        """The number of a row's source, and that of its line."""
        return divmod(int(self._places.array().mapped[row]), 1 << _LINE_BITS)
