"""What other libraries are given: the same rows in the same order, whichever the library."""

import itertools
import pickle
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from ooc_train.errors import OptionError
from ooc_train.reading.store import open as open_store
from tests.files import SequenceToy, Toy, write_dense, write_sequences, write_toy

N_ROWS, SIZE = 500, 32
KINDS = {
    "ngram": lambda path: write_toy(path, toy=Toy(n_classes=3), train=N_ROWS),
    "sequence": lambda path: write_sequences(path, toy=SequenceToy(n_classes=3), train=N_ROWS),
    "dense": lambda path: write_dense(path, train=N_ROWS),
}


@pytest.fixture(scope="module", params=KINDS)
def split(request, tmp_path_factory):
    path = KINDS[request.param](tmp_path_factory.mktemp(request.param) / "rows.h5")
    with open_store(path) as store:
        yield store["train"]


@pytest.fixture(autouse=True)
def small_windows(monkeypatch):
    """Windows of 128 rows, so that 500 rows have four."""
    monkeypatch.setattr("ooc_train.reading.batches.slice_rows_for", lambda row_bytes: 2)


def expected(split, *epochs, seed=0):
    """The batches of some epochs, as the reader gives them."""
    return [
        (rows.to_dense(), labels)
        for epoch in epochs
        for rows, labels in split.batches(SIZE, seed=seed, epoch=epoch)
    ]


def dense_array(features):
    """Any library's features as an array, sequences padded on the left."""
    import tensorflow as tf

    if isinstance(features, tf.RaggedTensor):
        return features.to_list()
    if isinstance(features, tf.SparseTensor):
        return tf.sparse.to_dense(features).numpy()
    if hasattr(features, "to_dense"):
        return features.to_dense().numpy()
    return features.toarray() if hasattr(features, "toarray") else np.asarray(features)


def assert_same(found, wanted):
    found = list(found)
    assert len(found) == len(wanted)
    for (features, labels), (wanted_features, wanted_labels) in zip(found, wanted, strict=True):
        dense = dense_array(features)
        assert (dense.dtype, dense.shape) == (wanted_features.dtype, wanted_features.shape)
        np.testing.assert_array_equal(dense, wanted_features)
        assert np.asarray(labels).dtype == np.int64
        np.testing.assert_array_equal(np.asarray(labels), wanted_labels)


@pytest.mark.parametrize("seed", [None, 3])
def test_numpy(split, seed):
    assert_same(split.to_numpy(SIZE, seed=seed, epoch=2), expected(split, 2, seed=seed))


def test_scipy(split):
    if split.layout != "sparse":
        with pytest.raises(OptionError, match=f"has {split.layout} rows, .* not as 'sparse'"):
            split.to_scipy(SIZE)
        return
    found = list(split.to_scipy(SIZE, epoch=1))
    assert_same(found, expected(split, 1))
    assert all(x.format == "csr" and x.has_canonical_format for x, _ in found)


def test_tf_dataset(split):
    dataset = split.to_tf_dataset(SIZE)
    assert int(dataset.cardinality()) == len(split.batches(SIZE))
    assert_same(dataset, expected(split, 0))
    assert_same(dataset, expected(split, 1))
    in_order = split.to_tf_dataset(SIZE, seed=None)
    assert_same(itertools.chain(in_order, in_order), expected(split, 0, 0, seed=None))


def test_element_specs(split):
    import tensorflow as tf

    specs = {
        "ngram": tf.SparseTensorSpec((None, 60), tf.float32),
        "sequence": tf.TensorSpec((None, 12), tf.int32),
        "dense": tf.TensorSpec((None, 7), tf.float32),
    }
    features, labels = split.to_tf_dataset(SIZE).element_spec
    assert features == specs[split.features]
    assert labels == tf.TensorSpec((None,), tf.int64)


def test_other_forms(split):
    if split.features == "sequence":
        ragged = split.to_tf_dataset(SIZE, form="ragged")
        found = [row for features, _ in ragged for row in dense_array(features)]
        padded = np.concatenate([features for features, _ in expected(split, 0)])
        assert found == [row[row > 0].tolist() for row in padded]
    else:
        assert_same(split.to_tf_dataset(SIZE, form="dense"), expected(split, 0))
        with pytest.raises(OptionError, match=r"rows\.h5: split 'train' has .*, not as 'ragged'"):
            split.to_tf_dataset(SIZE, form="ragged")


def test_keras(split):
    dataset = split.to_keras(SIZE)
    n = len(dataset)
    for epoch in range(2):
        assert_same((dataset[step] for step in range(n)), expected(split, epoch))
        dataset.on_epoch_end()
    assert_same(
        (dataset[step] for step in (5, 2, n - 1)), [expected(split, 2)[i] for i in (5, 2, -1)]
    )


def test_keras_with_several_workers(split):
    dataset = split.to_keras(SIZE)
    wanted = expected(split, 0)
    with ThreadPoolExecutor(4) as pool:
        assert_same(pool.map(dataset.__getitem__, range(len(dataset))), wanted)
    order = [3, 1, 0, 2, *range(4, len(dataset))]
    assert_same((dataset[step] for step in order), [wanted[step] for step in order])
    again = pickle.loads(pickle.dumps(dataset))
    assert_same([again[2]], [wanted[2]])


@pytest.mark.parametrize("how", ["to_numpy", "to_tf_dataset", "to_keras", "to_torch"])
def test_validation_rows_keep_their_order(tmp_path, how):
    if how == "to_torch":
        pytest.importorskip("torch")
    write_toy(tmp_path / "rows.h5", train=1, validation=100)
    with open_store(tmp_path / "rows.h5") as store:
        split = store["validation"]
        found = getattr(split, how)(SIZE)
        batches = [found[i] for i in range(len(found))] if how == "to_keras" else found
        assert_same(batches, expected(split, 0, seed=None))
        assert_same(split.to_numpy(SIZE, seed=0), expected(split, 0))


@pytest.mark.parametrize("how", ["to_tf_dataset", "to_keras"])
@pytest.mark.slow
def test_a_model_of_plain_keras_is_fitted(split, how):
    import keras

    layers = keras.layers
    begin = {"sequence": [layers.Embedding(61, 8), layers.GlobalAveragePooling1D()]}
    model = keras.Sequential(
        [
            keras.Input((split.width,)),
            *begin.get(split.features, [layers.Dropout(0.2), layers.Dense(8, activation="relu")]),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    adapt = getattr(split, how)
    history = model.fit(
        adapt(SIZE), validation_data=adapt(SIZE, seed=None), epochs=2, shuffle=False, verbose=0
    )
    assert len(history.history["val_loss"]) == 2
    assert model.optimizer.iterations.numpy() == 2 * len(split.batches(SIZE))


def test_scikit_learn_learns_from_it(split):
    from sklearn.linear_model import SGDClassifier

    if split.features == "sequence":
        return  # whose ids are no quantities
    adapt = split.to_scipy if split.features == "ngram" else split.to_numpy
    classifier = SGDClassifier(random_state=0)
    for epoch in range(3):
        for features, labels in adapt(SIZE, epoch=epoch):
            classifier.partial_fit(features, labels, classes=range(split.n_classes))
    whole = split.read(0, N_ROWS).to_dense()
    assert classifier.score(whole, split.read_labels(0, N_ROWS)) > 1 / 3


class TestTorch:
    """With workers too; without, it is the same as all others."""

    @pytest.fixture(autouse=True)
    def torch(self):
        return pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch")

    def test_every_iteration_is_an_epoch(self, split):
        dataset = split.to_torch(SIZE)
        assert len(dataset) == len(split.batches(SIZE))
        assert_same(dataset, expected(split, 0))
        assert_same(dataset, expected(split, 1))
        dataset.set_epoch(5)
        assert_same(dataset, expected(split, 5))

    def test_sparse_tensors(self, split, torch):
        if split.features == "ngram":
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Sparse CSR tensor support", UserWarning)
                found = list(split.to_torch(SIZE, form="sparse"))
            assert all(features.layout == torch.sparse_csr for features, _ in found)
            assert_same(found, expected(split, 0))
        else:
            with pytest.raises(OptionError, match="which are given as dense, not as 'sparse'"):
                split.to_torch(SIZE, form="sparse")

    @pytest.mark.parametrize("n_workers", [1, 2])
    def test_workers_share_the_rows_and_keep_the_order(self, split, torch, n_workers):
        dataset = split.to_torch(SIZE)
        loader = torch.utils.data.DataLoader(
            dataset, batch_size=None, num_workers=n_workers, multiprocessing_context="fork"
        )
        for epoch in (4, 0):
            dataset.set_epoch(epoch)
            assert_same(loader, expected(split, epoch))

    @pytest.mark.parametrize("persistent", [False, True])
    def test_workers_left_alone_take_another_order_each_time(self, split, torch, persistent):
        loader = torch.utils.data.DataLoader(
            split.to_torch(SIZE), batch_size=None, num_workers=2,
            multiprocessing_context="fork", persistent_workers=persistent,
        )  # fmt: skip
        epochs = []
        for _ in range(2):
            batches = list(loader)
            rows = np.concatenate([dense_array(features) for features, _ in batches])
            labels = np.concatenate([labels for _, labels in batches])
            epochs.append(np.column_stack([rows, labels]))
        everything = split.read(0, N_ROWS).to_dense()
        everything = np.column_stack([everything, split.read_labels(0, N_ROWS)])
        wanted = sorted(everything.tolist())
        assert [sorted(epoch.tolist()) for epoch in epochs] == [wanted, wanted]
        assert epochs[0].tolist() != epochs[1].tolist()


@pytest.mark.parametrize(
    ("module", "how", "message"),
    [
        ("torch", "to_torch", "PyTorch is not installed; install it: pip install torch"),
        ("scipy.sparse", "to_scipy", "SciPy is not installed; install it: pip install scipy"),
    ],
)
def test_a_library_that_is_not_installed(tmp_path, monkeypatch, module, how, message):
    for adapter in ("torch_dataset", "scipy_matrices"):
        name = f"ooc_train.reading.adapters.{adapter}"
        monkeypatch.delitem(sys.modules, name, raising=False)
        monkeypatch.delattr(name, raising=False)
    monkeypatch.setitem(sys.modules, module, None)
    with (
        open_store(write_toy(tmp_path / "toy.h5", train=5)) as store,
        pytest.raises(OptionError, match=message),
    ):
        getattr(store["train"], how)(2)


def test_no_library_is_loaded_before_it_is_asked_for(tmp_path):
    code = """
import sys, ooc_train
split = ooc_train.open(sys.argv[1])["train"]
next(split.to_numpy(2)), next(split.stream(2))
assert not {"tensorflow", "keras", "torch", "scipy", "numba"} & set(sys.modules)
split.to_scipy(2)
assert "scipy" in sys.modules
"""
    path = write_toy(tmp_path / "toy.h5", train=5)
    subprocess.run([sys.executable, "-c", code, path], check=True)
