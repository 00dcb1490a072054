"""Dense and sparse files from conversion to prediction, beside the model called as it is."""

import csv
import io
import json

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.datasets import dump_svmlight_file

import ooc_train
from ooc_train.cli import evaluate as evaluate_command
from ooc_train.cli import inspect as inspect_command
from ooc_train.cli import predict as predict_command
from ooc_train.cli import train as train_command
from ooc_train.errors import InputError, OptionError

N, COLUMNS = 600, 12
CENTERS = np.random.default_rng(7).normal(size=(3, COLUMNS))


def rows(n, seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(3, size=n)
    return (CENTERS[labels] + rng.normal(size=(n, COLUMNS))).astype(np.float32), labels


def sparse_rows(n, seed):
    values, labels = rows(n, seed)
    return np.where(np.abs(values) > 0.7, values, 0), labels


@pytest.fixture(scope="module")
def dense(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dense")
    np.savez(folder / "train.npz", x=rows(N, 0)[0], y=rows(N, 0)[1])
    np.savez(folder / "test.npz", x=rows(200, 1)[0], y=rows(200, 1)[1])
    ooc_train.convert(
        folder / "train.npz", folder / "data.h5", test=[folder / "test.npz"], dtype="int8"
    )
    arguments = [str(folder / "data.h5"), "-o", str(folder / "run"), "--epochs", "8"]
    assert train_command.main([*arguments, "--batch-size", "16", "--quiet"]) == 0
    return folder


@pytest.fixture(scope="module")
def sparse(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sparse")
    for name, n, seed in (("train", N, 0), ("test", 200, 1)):
        values, labels = sparse_rows(n, seed)
        dump_svmlight_file(values, labels, str(folder / f"{name}.svm"), zero_based=False)
    ooc_train.convert(folder / "train.svm", folder / "data.h5", test=[folder / "test.svm"])
    arguments = [str(folder / "data.h5"), "-o", str(folder / "run"), "--epochs", "8"]
    assert train_command.main([*arguments, "--batch-size", "16", "--quiet"]) == 0
    return folder


@pytest.mark.parametrize("kind", ["dense", "sparse"])
@pytest.mark.slow
def test_evaluated_as_the_model_itself_does(request, kind, capsys):
    import keras

    folder = request.getfixturevalue(kind)
    arguments = [str(folder / "run"), str(folder / "data.h5"), "--report", str(folder / "e.json")]
    assert evaluate_command.main(arguments) == 0
    model = keras.models.load_model(folder / "run" / "model.keras")
    with ooc_train.open(folder / "data.h5") as store:
        batch = store["test"].read_slices([(0, 200)])
    expected = model.predict(batch.rows.to_dense(), verbose=0)
    accuracy = (expected.argmax(axis=1) == batch.labels).mean()
    assert json.loads((folder / "e.json").read_text())["accuracy"] == pytest.approx(accuracy)
    assert accuracy > 0.8
    assert inspect_command.main([str(folder / "data.h5")]) == 0
    assert f"features: {kind}, {COLUMNS} columns (" in capsys.readouterr().out
    predictor = ooc_train.load(folder / "run")
    values = rows(200, 1)[0]
    given = values if kind == "dense" else scipy.sparse.csr_matrix(sparse_rows(200, 1)[0])
    if kind == "sparse":
        given.indices += 1  # as the file numbers them
    assert np.allclose(predictor.predict_proba(given), expected, atol=1e-5)


def write(folder, kind):
    values, labels = rows(50, 3)
    path = folder / f"new.{kind}"
    names = [f"f{i}" for i in range(COLUMNS)]
    match kind:
        case "npy":
            np.save(path, values)
        case "npz":
            np.savez(path, x=values)
        case "parquet":
            pd.DataFrame(values, columns=names).assign(label=labels).to_parquet(path)
        case "csv":
            pd.DataFrame(values, columns=names).to_csv(path, index=False)
        case "svmlight":
            dump_svmlight_file(sparse_rows(50, 3)[0], labels, str(path), zero_based=False)
    return path


def predicted(path, output):
    assert predict_command.main([*map(str, path), "-o", str(output), "--force", "--quiet"]) == 0
    with output.open(newline="", encoding="utf-8") as file:
        return [[float(row[f"p_{k}"]) for k in range(3)] for row in csv.DictReader(file)]


@pytest.mark.parametrize("kind", ["npy", "npz", "parquet", "csv"])
def test_dense_rows_of_all_formats_are_predicted(dense, tmp_path, kind):
    path = write(tmp_path, kind)
    arguments = [dense / "run", "--input", path, *(["--header"] if kind == "csv" else [])]
    found = predicted(arguments, tmp_path / "o.csv")
    expected = ooc_train.load(dense / "run").predict_proba(rows(50, 3)[0])
    assert np.allclose(found, expected, atol=1e-5)


def test_svmlight_rows_are_predicted(sparse, tmp_path):
    path = write(tmp_path, "svmlight")
    found = predicted([sparse / "run", "--input", path], tmp_path / "o.csv")
    matrix = scipy.sparse.csr_matrix(sparse_rows(50, 3)[0])
    matrix.indices += 1
    assert np.allclose(found, ooc_train.load(sparse / "run").predict_proba(matrix), atol=1e-5)


def test_what_cannot_be_predicted(dense, tmp_path):
    values = rows(5, 3)[0]
    np.save(tmp_path / "few.npy", values[:, 1:])
    values[3, 2] = np.nan
    np.save(tmp_path / "nan.npy", values)
    output = io.StringIO()
    with pytest.raises(InputError, match="nan.npy, row 4: column 3 is nan, .*; mend the row or"):
        ooc_train.predict(dense / "run", tmp_path / "nan.npy", output)
    with pytest.raises(InputError, match="the rows have 11 columns, and the model takes 12; name"):
        ooc_train.predict(dense / "run", tmp_path / "few.npy", output)
    with (tmp_path / "wide.npy").open("wb") as file:  # of which no row is read
        header = {"descr": "<f4", "fortran_order": False, "shape": (2, 10**10)}
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + 8 * 10**10)
    with pytest.raises(InputError, match="the rows have 10,000,000,000 columns, and the model ta"):
        ooc_train.predict(dense / "run", tmp_path / "wide.npy", output)
    with pytest.raises(OptionError, match="the model takes dense features; give a file, or the"):
        ooc_train.predict(dense / "run", io.BytesIO(b"text"), output)
    with pytest.raises(OptionError, match="takes dense features, whose rows have no text; leave"):
        ooc_train.predict(dense / "run", tmp_path / "few.npy", output, keep_text=True)
    with pytest.raises(OptionError, match="npy is read in any order, and standard input once; gi"):
        ooc_train.predict(dense / "run", io.BytesIO(b"text"), output, format="npy")
    with pytest.raises(InputError, match="give an array of finite numbers, .n_rows, n_columns"):
        ooc_train.load(dense / "run").predict(values)
