"""The package as Python shows it: names, signatures, errors, and what things say they are."""

import functools
import inspect
import os
import pydoc
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import ooc_train
from ooc_train import errors
from ooc_train.cli import stub
from ooc_train.errors import OptionError
from ooc_train.options import declarations
from ooc_train.reading.rows import DenseRows
from tests.files import SequenceToy, Toy, write_dense, write_sequences, write_toy
from tests.test_options import CALLS

DENSE = functools.partial(write_dense, n_classes=2)
KINDS = {"sparse": write_toy, "ragged": write_sequences, "dense": DENSE}


@pytest.fixture(params=KINDS)
def data(request, tmp_path):
    path = KINDS[request.param](tmp_path / "reviews.h5", train=90, validation=40)
    with ooc_train.open(path) as store:
        yield store


# Names


def test_all_public_names_are_found():
    shown = [name for name in dir(ooc_train) if not name.startswith("__")]
    assert shown == sorted(ooc_train.__all__)
    for name in shown:
        assert getattr(ooc_train, name).__doc__
    code = "import sys, ooc_train; dir(ooc_train); print('train' in dir(ooc_train), 'numpy' in "
    code += "sys.modules, 'typing' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[:2] == ["True", "False"]


def test_all_errors_are_at_the_top():
    tree = [each for each in vars(errors).values() if inspect.isclass(each)]
    assert {each.__name__ for each in tree} <= {*ooc_train.__all__}
    assert ooc_train.InputError is errors.InputError
    with pytest.raises(AttributeError, match="no attribute 'convrt'"):
        ooc_train.convrt  # noqa: B018


def test_help_shows_the_calls_with_their_options():
    text = pydoc.plain(pydoc.render_doc(ooc_train))
    assert "train(path: str" in text
    text = pydoc.plain(pydoc.render_doc(ooc_train.train))
    for name in ("epochs: int | None = None", "learning_rate: float = 0.001", "memory: int"):
        assert name in text


# Signatures


@pytest.mark.parametrize("call", ["convert", "train"])
def test_a_signature_has_all_options(call):
    parameters = inspect.signature(getattr(ooc_train, call)).parameters
    for declared in CALLS[call]:
        for option in declarations(declared):
            found = parameters[option.name]
            assert found.kind is inspect.Parameter.KEYWORD_ONLY
            assert found.default == option.default
    assert not [p for p in parameters.values() if p.kind is inspect.Parameter.VAR_KEYWORD]


def test_type_checkers_are_told_the_same():
    assert stub.STUB.read_text() == stub.stub(), "run python -m ooc_train.cli.reference"


@pytest.mark.slow
def test_type_checkers_find_wrong_keywords(tmp_path):
    pytest.importorskip("mypy")
    (tmp_path / "user.py").write_text(
        "import ooc_train\n"
        'ooc_train.convert("a.csv", "a.h5", feature="x")\n'
        'ooc_train.train("a.h5", "run", epochs="3")\n'
        'ooc_train.train("a.h5", "run", epochs=3, memory="64MB", mix={"old.h5": 0.3})\n'
        'reveal_type(ooc_train.open("a.h5")["train"][:5])\n'
        "ooc_train.InputError\n"
    )
    command = [sys.executable, "-m", "mypy", "--cache-dir", str(tmp_path), "user.py"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(Path(ooc_train.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [
        line for line in done.stdout.splitlines() if "user.py" in line and "defined in" not in line
    ]
    assert [line.split(":")[1] for line in lines] == ["2", "3", "5"], done.stdout
    assert 'Unexpected keyword argument "feature"' in lines[0]
    assert "Batch" in lines[2]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ooc_train.train("a.h5", "r", epochs="3"), "--epochs must be a whole number"),
        (lambda: ooc_train.train("a.h5", "r", callbacks=3), "callbacks must be a list, not 3"),
        (lambda: ooc_train.train("a.h5", "r", model=3), "--model must be text or a function"),
        (lambda: ooc_train.train("a.h5", "r", model=lambda: 0), "cannot be called with one argu"),
        (lambda: ooc_train.train_grid("a", "b", {}, model=len), "function cannot be passed to the"),
        (lambda: ooc_train.convert("a.csv", "a.h5", features=1), "--features must be text"),
    ],
)
def test_wrong_types_are_said(call, message):
    with pytest.raises(OptionError, match=message):
        call()


def test_wrong_types_of_batches_are_said(data):
    train = data["train"]
    for arguments, message in (
        ({"batch_size": "32"}, "the batch size must be a whole number, not '32'"),
        ({"batch_size": 2.5}, "the batch size must be a whole number, not 2.5"),
        ({"batch_size": 8, "seed": "x"}, "the seed must be a whole number or None, not 'x'"),
        ({"batch_size": 8, "epoch": None}, "the epoch must be a whole number, not None"),
    ):
        with pytest.raises(OptionError, match=message):
            train.batches(**arguments)
    assert len(train.batches(np.int64(32), seed=np.int32(1))) == 3


# What things are


def test_things_say_what_they_are(data):
    train, line = data["train"], repr(data)
    assert "reviews.h5: " in line
    assert f"{data.features} features, {data.n_columns} columns, 2 classes (1, 2); " in line
    assert line.endswith("90 train and 40 validation rows>")
    nouns = {"sparse": "sparse rows", "ragged": "sequences", "dense": "dense rows"}
    assert f"reviews.h5: 90 {nouns[data.layout]} of" in repr(train)
    assert repr(train).startswith("<split 'train' of ")
    assert "2 classes, 0.0 MB>" in repr(train)
    assert repr(train[:5]).startswith(f"<batch of 5 {nouns[data.layout]} of")
    assert repr(train[3].rows).startswith(f"<1 {nouns[data.layout][:-1]} of")
    batches = train.batches(32, seed=7, epoch=2)
    assert repr(batches).startswith("<3 batches of 32 rows of ")
    assert repr(batches).endswith("split 'train': epoch 2, shuffled with seed=7>")
    assert "in the order of the file" in repr(train.batches(32))
    stream = train.stream(32)
    next(stream)
    assert repr(stream).endswith("split 'train': next is step 1 of 3, of epoch 0>")
    table = data._repr_html_()
    assert "<td>validation</td><td>40</td>" in table
    data.close()
    assert repr(data).endswith(", closed>")
    assert "90 " in repr(train)


def test_a_page_of_a_notebook_has_no_code_of_a_file(tmp_path):
    path = write_toy(tmp_path / "<script>.h5", train=9)
    with ooc_train.open(path) as data:
        assert "<script>" not in data._repr_html_()


def test_a_predictor_says_what_it_is(tmp_path):
    vectors = np.random.default_rng(0).random((60, 4), np.float32)
    ooc_train.convert(vectors, tmp_path / "d.h5", labels=[*"abc"] * 20)
    ooc_train.train(tmp_path / "d.h5", tmp_path / "run", epochs=1)
    line = repr(ooc_train.load(tmp_path / "run"))
    assert line.startswith("<predictor of ")
    assert "run: mlp of dense features, 3 classes (a, b, c), a model of 0.0 MB>" in line


def test_classes_terms_and_labels(data):
    assert data.classes == ["1", "2"]
    known = {"sparse": Toy().n_columns, "ragged": SequenceToy().n_terms, "dense": 0}
    assert len(data.terms) == known[data.layout]
    train = data["train"]
    np.testing.assert_array_equal(train.labels, train.read_labels(0, 90))


# Rows by their numbers


def dense(rows):
    return rows.values if isinstance(rows, DenseRows) else rows.to_dense()


@pytest.mark.parametrize(
    "key",
    [
        0, 89, -1, -90, np.int64(5),
        slice(5), slice(None), slice(-3, None), slice(10, 50, 7), slice(None, None, -1),
        slice(200, 300), slice(5, 2),
        [], [3], [5, 2, 5, -1], np.array([7, 8, 9]), np.arange(90)[::-1], range(4, 12, 3),
        np.arange(90) % 7 == 0, [False] * 90,
    ],
    ids=str,
)  # fmt: skip
def test_rows_are_chosen_as_those_of_an_array(data, key):
    train = data["train"]
    everything, labels = dense(train.read(0, 90)), train.labels
    numbers = np.arange(90)
    wanted = np.atleast_1d(
        numbers[key] if isinstance(key, slice) or len(np.atleast_1d(key)) else []
    )
    wanted = wanted.astype(int)
    batch = train[key]
    np.testing.assert_array_equal(dense(batch.rows), everything[wanted])
    np.testing.assert_array_equal(batch.labels, labels[wanted])


@pytest.mark.parametrize(
    ("key", "error", "message"),
    [
        (90, IndexError, "has 90 rows, from 0, and no row 90"),
        (-91, IndexError, "no row -91"),
        ([0, 90], IndexError, "no row 90"),
        ([True, False], IndexError, "has 90 rows, and not 2, as True and False"),
        ("train", TypeError, "rows are chosen by a number, a slice, or an array"),
        (1.5, TypeError, "rows are chosen by"),
        ([[1, 2]], TypeError, "rows are chosen by"),
        (True, TypeError, "rows are chosen by"),
        (None, TypeError, "rows are chosen by"),
        ((1, "a"), TypeError, "rows are chosen by"),
    ],
)
def test_what_chooses_no_rows(data, key, error, message):
    with pytest.raises(error, match=message):
        data["train"][key]


def test_a_split_is_read_in_batches(data):
    with pytest.raises(TypeError, match="is read in batches: for rows, labels in"):
        list(data["train"])


def test_few_rows_are_read_for_a_few(tmp_path, monkeypatch):
    path = write_dense(tmp_path / "d.h5", train=900)
    with ooc_train.open(path) as data:
        train, asked = data["train"], []
        read = train.read_slices
        monkeypatch.setattr(
            train, "read_slices", lambda slices: asked.append(slices) or read(slices)
        )
        train[[800, 5, 6, 801, 5]]
        assert asked == [[(5, 7), (800, 802)]]
