"""Batches as a ``keras.utils.PyDataset``."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import keras

from ooc_train.dtypes import I64, AnyArray
from ooc_train.reading.rows import Batch

if TYPE_CHECKING:
    from ooc_train.reading.splits import Split


class KerasDataset(keras.utils.PyDataset):  # type: ignore[misc]
    """Batch ``i`` of the epoch is ``dataset[i]``, dense; an epoch's end begins another order.

    Batches are asked for one after another; each that is not costs a window's reading.
    """

    def __init__(self, split: "Split", batch_size: int, seed: int | None) -> None:
        super().__init__()
        self._batches = split.batches(batch_size, seed=seed)
        self._restart(0)

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, step: int) -> tuple[AnyArray, I64]:
        if step != self._next_step:
            self._restart(step)
        rows, labels = next(self._rest)
        self._next_step += 1
        return rows.to_dense(), labels

    def on_epoch_end(self) -> None:
        """Go on with the next epoch."""
        self._batches = self._batches.at_epoch(self._batches.epoch + 1)
        self._restart(0)

    def _restart(self, step: int) -> None:
        self._next_step = step
        self._rest: Iterator[Batch] = self._batches.from_step(step)
