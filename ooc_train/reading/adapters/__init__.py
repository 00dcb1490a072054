"""A split's batches as other libraries take them: each adapter loads its library when called.

All adapters give the batches of ``split.batches(batch_size, seed=seed)``: the same rows in the same
order.  Unless a seed is given, train rows are shuffled with seed 0 and others come in the file's
order; with ``None`` all rows do.  Labels are ``(n,) int64``.  Dense features are
``(n, n_columns) float32``, or for sequences ``(n, max_length) int32``, padded on the left.

Memory: one window as that of `splits.Split.batches`, and the batches that the library prefetches.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ooc_train.dtypes import I64, AnyArray
from ooc_train.errors import OptionError
from ooc_train.extras import pip_install
from ooc_train.kinds import FORMS
from ooc_train.reading.batches import EpochBatches, Seed, Splitlike, seed_for

if TYPE_CHECKING:
    import keras
    import scipy.sparse
    import tensorflow as tf

    from ooc_train.reading.adapters.torch_dataset import TorchDataset


def to_numpy(
    split: Splitlike, batch_size: int, *, seed: Seed = "auto", epoch: int = 0
) -> Iterator[tuple[AnyArray, I64]]:
    """One epoch of dense features and labels."""
    batches = _batches(split, batch_size, seed, epoch)
    return ((rows.to_dense(), labels) for rows, labels in batches)


def to_scipy(
    split: Splitlike, batch_size: int, *, seed: Seed = "auto", epoch: int = 0
) -> Iterator[tuple["scipy.sparse.csr_matrix", I64]]:
    """One epoch of sparse rows in CSR matrices, and labels, for scikit-learn's ``partial_fit``.

    Raises OptionError for rows of another layout, or if SciPy is not installed.
    """
    _checked_form(split, "sparse", ("sparse",))
    try:
        from ooc_train.reading.adapters.scipy_matrices import csr_batches  # noqa: PLC0415
    except ImportError as error:
        raise _missing("SciPy", "scipy") from error
    return csr_batches(_batches(split, batch_size, seed, epoch))


def to_tf_dataset(
    split: Splitlike, batch_size: int, *, seed: Seed = "auto", form: str | None = None
) -> "tf.data.Dataset":
    """A ``tf.data.Dataset`` of features and labels, prefetched, for ``model.fit``.

    Sparse rows are ``tf.SparseTensor``, which ``Dense`` and ``Dropout`` take as they are, or with
    ``form="dense"`` matrices for other layers; sequences are padded, or with ``form="ragged"``
    ``tf.RaggedTensor``.  Every iteration is another epoch, the first one epoch 0.

    Raises OptionError for a form that the rows' layout does not have.
    """
    form = _checked_form(split, form, ("sparse", "dense", "ragged"))
    from ooc_train.reading.adapters.tf_dataset import tf_dataset  # noqa: PLC0415

    return tf_dataset(_batches(split, batch_size, seed), form)


def to_keras(split: Splitlike, batch_size: int, *, seed: Seed = "auto") -> "keras.utils.PyDataset":
    """A ``keras.utils.PyDataset`` of dense batches, for any backend of Keras.

    Give it to ``model.fit`` with ``shuffle=False``: the order is this package's, another one in
    each epoch.
    """
    from ooc_train.reading.adapters.keras_dataset import KerasDataset  # noqa: PLC0415

    return KerasDataset(_batches(split, batch_size, seed))


def to_torch(
    split: Splitlike, batch_size: int, *, seed: Seed = "auto", form: str = "dense"
) -> "TorchDataset":
    """A ``torch.utils.data.IterableDataset``, for ``DataLoader(dataset, batch_size=None)``.

    Features are dense tensors, or for sparse rows with ``form="sparse"`` sparse CSR tensors.  See
    `torch_dataset.TorchDataset` for epochs and workers.

    Raises OptionError for a form that the rows' layout does not have, or if PyTorch is not
    installed.
    """
    form = _checked_form(split, form, ("dense", "sparse"))
    try:
        from ooc_train.reading.adapters.torch_dataset import TorchDataset  # noqa: PLC0415
    except ImportError as error:
        raise _missing("PyTorch", "torch") from error
    return TorchDataset(_batches(split, batch_size, seed), form)


def _batches(split: Splitlike, batch_size: int, seed: Seed, epoch: int = 0) -> EpochBatches:
    return split.batches(batch_size, seed=seed_for(split, seed), epoch=epoch)


def _checked_form(split: Splitlike, form: str | None, offered: Sequence[str]) -> str:
    """``form``, or where it is ``None`` the usual one of the rows' layout.

    Raises OptionError unless the layout has it and the adapter has ``offered`` it.
    """
    forms = [known for known in FORMS[split.layout] if known in offered]
    if form not in (None, *forms):
        raise OptionError(
            f"{split.where} has {split.layout} rows, which are given as {' or '.join(forms)}, "
            f"not as {form!r}"
        )
    return form or forms[0]


def _missing(library: str, package: str) -> OptionError:
    """The error that a library is not installed."""
    return OptionError(f"{library} is not installed; install it: {pip_install(package)}")
