"""An endless stream of batches, epoch after epoch, that can be resumed at any position."""

from collections.abc import Iterator, Mapping
from typing import Any

from ooc_train.counts import counted
from ooc_train.errors import OptionError
from ooc_train.reading.batches import Batches, Seed, seed_for
from ooc_train.reading.rows import Batch, Readable


class Stream(Iterator[Batch]):
    """The batches of all epochs, one after another, each epoch in an order of its own.

    ``epoch`` and ``step``, both from 0, belong to the next batch.  Only the stream of a split
    without rows ends.  Memory: as `splits.Split.batches`.
    """

    def __init__(
        self,
        split: Readable,
        batch_size: int,
        *,
        seed: Seed = "auto",
        by_length: bool = False,
        epoch: int = 0,
        step: int = 0,
    ) -> None:
        self._batches = Batches(split, batch_size, seed_for(split, seed), epoch, by_length)
        self.step = step
        self._rest = self._batches.from_step(step)

    def __repr__(self) -> str:
        batches = self._batches
        return (
            f"<stream of batches of {counted(batches.batch_size, 'row')} of "
            f"{batches.split.where}: next is "
            f"step {self.step:,} of {len(batches):,}, of epoch {self.epoch}>"
        )

    @property
    def epoch(self) -> int:
        """The epoch of the next batch."""
        return self._batches.epoch

    def __next__(self) -> Batch:
        batch = next(self._rest)
        self.step += 1
        if self.step == len(self._batches):
            self._batches, self.step = self._batches.at_epoch(self.epoch + 1), 0
            self._rest = iter(self._batches)
        return batch

    def state(self) -> dict[str, Any]:
        """The position, fit for JSON, from which `from_state` resumes.

        It names the file by its content, so that the file may move.
        """
        batches = self._batches
        return {
            "fingerprint": batches.split.fingerprint,
            "split": batches.split.name,
            "batch_size": batches.batch_size,
            "seed": batches.seed,
            "by_length": batches.by_length,
            "epoch": self.epoch,
            "step": self.step,
        }

    @classmethod
    def from_state(cls, split: Readable, state: Mapping[str, Any]) -> "Stream":
        """The stream that resumes at ``state``, without reading earlier windows.

        Raises OptionError if ``state`` belongs to no stream, or to another split or file.
        """
        given = dict(state)
        try:
            rows = given.pop("fingerprint"), given.pop("split")
            if rows == (split.fingerprint, split.name):
                return cls(split, given.pop("batch_size"), **given)
        except (KeyError, TypeError) as error:
            raise OptionError(f"this is not the state of a stream: {dict(state)}") from error
        raise OptionError(
            f"the state of split {rows[1]!r} belongs to another file or split than {split.where}; "
            "resume with the file that it was taken from"
        )
