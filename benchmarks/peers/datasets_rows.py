"""Hugging Face datasets: ragged rows in Arrow files, shuffled in the three ways of its pages.

`map`: `Dataset.shuffle`, the NumPy format, `iter` by batches.  `iterable`: what its page on the
differences between the two kinds of data set advises for speed, an `IterableDataset` of 64 shards
with a shuffle buffer.  `tf`: `to_tf_dataset(shuffle=True)` with a collating function that pads, as
its page on TensorFlow has it for ragged rows.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.peers import reading, reporting
from benchmarks.peers.reading import Counts, Epoch, Reader

try:
    import datasets
    import h5py
    import numpy as np
    import pyarrow as pa
except ImportError as missing:
    reporting.not_installed(missing)

_SHARDS, _BUFFER_ROWS = 64, 10_000


def prepare(source: Path, target: Path) -> None:
    """An Arrow file of the train rows."""
    with h5py.File(source) as file:
        train = {name: array[:] for name, array in file["train"].items()}
    columns = {
        name: pa.LargeListArray.from_arrays(train["indptr"], train[name])
        for name in ("indices", "values")
    }
    datasets.Dataset(pa.table({**columns, "label": train["labels"]})).save_to_disk(str(target))


def open_rows(path: Path, variant: str, batch_size: int) -> Epoch:
    """Batches in a random order of each epoch."""
    rows = datasets.load_from_disk(str(path))
    if variant == "tf":
        return _tf(rows, batch_size)
    if variant == "iterable":
        return _iterable(rows, batch_size)
    return lambda epoch: _counted(
        rows.shuffle(seed=epoch).with_format("numpy").iter(batch_size=batch_size)
    )


def _iterable(rows: Any, batch_size: int) -> Epoch:
    streamed = rows.to_iterable_dataset(num_shards=_SHARDS)
    shuffled = streamed.shuffle(seed=0, buffer_size=_BUFFER_ROWS).with_format("numpy")

    def batches(epoch: int) -> Iterator[Counts]:
        shuffled.set_epoch(epoch)
        return _counted(shuffled.iter(batch_size=batch_size))

    return batches


def _counted(batches: Any) -> Iterator[Counts]:
    for batch in batches:
        yield len(batch["label"]), sum(map(len, batch["values"]))


def _tf(rows: Any, batch_size: int) -> Epoch:
    def collate(examples: list[dict[str, Any]]) -> dict[str, Any]:
        longest = max(len(example["values"]) for example in examples)
        indices = np.zeros((len(examples), longest), np.int64)
        values = np.zeros((len(examples), longest), np.float32)
        for row, example in enumerate(examples):
            n_entries = len(example["values"])
            indices[row, :n_entries] = example["indices"]
            values[row, :n_entries] = example["values"]
        lengths = np.array([len(example["values"]) for example in examples])
        labels = np.array([example["label"] for example in examples])
        return {"indices": indices, "values": values, "lengths": lengths, "label": labels}

    made = rows.with_format("numpy").to_tf_dataset(
        batch_size=batch_size, shuffle=True, collate_fn=collate
    )

    def batches(_epoch: int) -> Iterator[Counts]:
        for batch in made:
            yield batch["label"].shape[0], int(batch["lengths"].numpy().sum())

    return batches


def main() -> None:
    """Prepare or read the files of the command line."""
    reading.main(
        Reader(
            description=__doc__,
            packages=("datasets", "pyarrow", "numpy"),
            variants=("map", "iterable", "tf"),
            open_rows=open_rows,
            prepare=prepare,
        )
    )


if __name__ == "__main__":
    main()
