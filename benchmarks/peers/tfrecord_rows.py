"""TFRecord through tf.data, as its performance guide has it.

Shards are interleaved, rows shuffled and batched, then batches parsed whole and in parallel, with
a prefetch.
"""

from collections.abc import Iterator
from pathlib import Path

from benchmarks.peers import reading, reporting
from benchmarks.peers.reading import Counts, Epoch, Reader

try:
    import h5py
    import tensorflow as tf
except ImportError as missing:
    reporting.not_installed(missing)

_SHARDS, _BUFFER_ROWS = 16, 10_000


def prepare(source: Path, target: Path) -> None:
    """Files of `tf.train.Example`s of the train rows, row by row in turn."""
    with h5py.File(source) as file:
        train = {name: array[:] for name, array in file["train"].items()}
        n_columns = len(file["vectorizer/term_hashes"])
    target.mkdir()
    (target / "n_columns").write_text(str(n_columns))
    indptr = train["indptr"].tolist()
    names = [str(target / f"rows-{shard:02}.tfrecord") for shard in range(_SHARDS)]
    writers = [tf.io.TFRecordWriter(name) for name in names]
    for row, label in enumerate(train["labels"].tolist()):
        span = slice(indptr[row], indptr[row + 1])
        feature = {
            "indices": _integers(train["indices"][span].tolist()),
            "values": tf.train.Feature(
                float_list=tf.train.FloatList(value=train["values"][span].tolist())
            ),
            "label": _integers([label]),
        }
        example = tf.train.Example(features=tf.train.Features(feature=feature))
        writers[row % _SHARDS].write(example.SerializeToString())
    for writer in writers:
        writer.close()


def _integers(values: list[int]) -> tf.train.Feature:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def open_rows(path: Path, variant: str, batch_size: int) -> Epoch:  # noqa: ARG001 - there is one
    """Sparse batches in a random order."""
    n_columns = int((path / "n_columns").read_text())
    features = {
        "row": tf.io.SparseFeature(
            index_key="indices",
            value_key="values",
            dtype=tf.float32,
            size=n_columns,
            already_sorted=True,
        ),
        "label": tf.io.FixedLenFeature([], tf.int64),
    }
    rows = (
        tf.data.Dataset.list_files(str(path / "*.tfrecord"), shuffle=True)
        .interleave(
            tf.data.TFRecordDataset, num_parallel_calls=tf.data.AUTOTUNE, deterministic=False
        )
        .shuffle(_BUFFER_ROWS)
        .batch(batch_size)
        .map(
            lambda batch: tf.io.parse_example(batch, features), num_parallel_calls=tf.data.AUTOTUNE
        )
        .prefetch(tf.data.AUTOTUNE)
    )

    def batches(_epoch: int) -> Iterator[Counts]:
        for batch in rows:
            yield batch["label"].shape[0], batch["row"].values.shape[0]

    return batches


def main() -> None:
    """Prepare or read the files of the command line."""
    reading.main(
        Reader(
            description=__doc__,
            packages=("tensorflow",),
            variants=("shuffled",),
            open_rows=open_rows,
            prepare=prepare,
        )
    )


if __name__ == "__main__":
    main()
