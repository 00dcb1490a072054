"""Batches as a ``keras.utils.PyDataset``."""

from collections.abc import Iterator

import keras

from ooc_train.dtypes import I64, AnyArray
from ooc_train.reading.batches import Batches
from ooc_train.reading.rows import Batch


class KerasDataset(keras.utils.PyDataset):  # type: ignore[misc]
    """Batch ``i`` of the epoch, dense, is ``dataset[i]``; the end of an epoch begins the next.

    Asking for batches in their order is fast; any other batch costs the reading of a window.
    """

    def __init__(self, batches: Batches) -> None:
        super().__init__()
        self._batches = batches
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
