"""A split's batches as other libraries take them: each adapter loads its library when called."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from ooc_train.dtypes import I64, AnyArray
from ooc_train.reading.adapters.forms import missing

if TYPE_CHECKING:
    import keras
    import scipy.sparse
    import tensorflow as tf

    from ooc_train.reading.adapters.torch_dataset import TorchDataset
    from ooc_train.reading.splits import Split


class Adapters:
    """The ways out of a `splits.Split`, for all of which the following holds.

    They give the batches of ``split.batches(batch_size, seed=seed)``: the same rows in the same
    order; without a seed, those of the file.  Labels are ``(n,) int64``.  What of rows is dense,
    is ``(n, n_columns) float32``, of sequences ``(n, max_length) int32``, padded on the left.
    Memory: one window of 32 MB, and the batches that the library fetches ahead.
    """

    @property
    def _split(self) -> "Split":
        return cast("Split", self)

    def to_numpy(
        self, batch_size: int, *, seed: int | None = 0, epoch: int = 0
    ) -> Iterator[tuple[AnyArray, I64]]:
        """One epoch in dense arrays, with their labels."""
        from ooc_train.reading.adapters import matrices  # noqa: PLC0415

        return matrices.dense_batches(self._split, batch_size, seed, epoch)

    def to_scipy(
        self, batch_size: int, *, seed: int | None = 0, epoch: int = 0
    ) -> Iterator[tuple["scipy.sparse.csr_matrix", I64]]:
        """One epoch of n-gram rows in CSR matrices: what scikit-learn's ``partial_fit`` takes.

        Raises OptionError for rows of another kind, or if SciPy is not installed.
        """
        from ooc_train.reading.adapters import matrices  # noqa: PLC0415

        return matrices.csr_batches(self._split, batch_size, seed, epoch)

    def to_tf_dataset(
        self, batch_size: int, *, seed: int | None = 0, form: str | None = None
    ) -> "tf.data.Dataset":
        """A ``tf.data.Dataset`` of features and labels, fetched ahead, for ``model.fit``.

        N-grams are ``tf.SparseTensor``, which ``Dense`` and ``Dropout`` take as they are, or with
        ``form="dense"`` matrices for layers that do not; sequences are padded, or with
        ``form="ragged"`` ``tf.RaggedTensor``.  Every iteration is another epoch, the first one
        epoch 0.

        Raises OptionError for a form that the rows do not have.
        """
        from ooc_train.reading.adapters import tf_dataset  # noqa: PLC0415

        return tf_dataset.tf_dataset(self._split, batch_size, seed, form)

    def to_keras(self, batch_size: int, *, seed: int | None = 0) -> "keras.utils.PyDataset":
        """A ``keras.utils.PyDataset`` of dense batches, for any backend of Keras.

        To be given to ``model.fit`` with ``shuffle=False``: the order is this package's, another
        one in each epoch.
        """
        from ooc_train.reading.adapters import keras_dataset  # noqa: PLC0415

        return keras_dataset.KerasDataset(self._split, batch_size, seed)

    def to_torch(
        self, batch_size: int, *, seed: int | None = 0, form: str = "dense"
    ) -> "TorchDataset":
        """A ``torch.utils.data.IterableDataset``, for ``DataLoader(dataset, batch_size=None)``.

        Features are dense tensors, or of n-grams with ``form="sparse"`` sparse CSR tensors.  See
        `torch_dataset.TorchDataset` for epochs and workers.

        Raises OptionError for a form that the rows do not have, or if PyTorch is not installed.
        """
        try:
            from ooc_train.reading.adapters import torch_dataset  # noqa: PLC0415
        except ImportError as error:
            raise missing("PyTorch", "torch") from error
        return torch_dataset.TorchDataset(self._split, batch_size, seed, form)
