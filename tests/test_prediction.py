"""Prediction on new text: the same features and probabilities as for converted rows."""

import csv
import gzip
import io
import json
import subprocess
import sys

import numpy as np
import pytest

import ooc_train
from ooc_train.cli import predict as command
from ooc_train.conversion.layout import LayoutOptions
from ooc_train.conversion.sources import find_source
from ooc_train.errors import InputError
from ooc_train.prediction import _file_texts
from tests.corpora import assert_same, random_rows, read_split, write_rows

TEST_ROWS = random_rows(120, seed=1)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run whose data file is gone, and the evaluation that was made before."""
    folder = tmp_path_factory.mktemp("trained")
    train = write_rows(folder / "train.csv", random_rows(500))
    test = write_rows(folder / "test.csv", TEST_ROWS)
    ooc_train.convert(train, folder / "data.h5", test=[test])
    ooc_train.train(folder / "data.h5", folder / "run", epochs=3)
    report = ooc_train.evaluate(folder / "run", folder / "data.h5")
    matrix = read_split(folder / "data.h5", "test")[0]
    (folder / "data.h5").unlink()
    return folder, report, matrix


def predicted(run, source, **options):
    output = io.StringIO()
    report = ooc_train.predict(run, source, output, **options)
    return list(csv.DictReader(io.StringIO(output.getvalue()))), report


def test_the_raw_test_file_gives_the_accuracy_of_its_converted_rows(trained):
    folder, evaluation, _ = trained
    rows, report = predicted(folder / "run", folder / "test.csv")
    assert report["rows"] == len(rows) == len(TEST_ROWS)
    correct = [row["label"] == truth[0] for row, truth in zip(rows, TEST_ROWS, strict=True)]
    assert np.mean(correct) == evaluation["accuracy"]
    truth = [row[f"p_{label}"] for row, (label, _, _) in zip(rows, TEST_ROWS, strict=True)]
    assert -np.log(np.float64(truth)).mean() == pytest.approx(evaluation["loss"], abs=1e-4)


def test_frozen_features_equal_the_converted_ones_to_the_bit(trained):
    folder, _, matrix = trained
    predictor = ooc_train.load(folder / "run")
    source = find_source(folder / "test.csv", LayoutOptions(("2", "3")), needs_label=False)
    ((text, offsets),) = _file_texts(source.path, LayoutOptions(("2", "3")))
    indptr, columns, values, *_ = predictor._vectorizer.transform(text, offsets)
    assert np.array_equal(indptr, matrix.indptr)
    assert np.array_equal(columns, matrix.indices)
    assert np.array_equal(values, matrix.data.astype(np.float32))
    assert_same(matrix, matrix, 0)


def test_lines_of_text_in_their_order(trained):
    folder, _, _ = trained
    texts = [f"{title}, {body}" for _, title, body in TEST_ROWS] + ["", "unseen words only"]
    rows, _ = predicted(folder / "run", io.BufferedReader(io.BytesIO("\n".join(texts).encode())))
    assert len(rows) == len(texts)
    from_file, _ = predicted(folder / "run", folder / "test.csv")
    assert rows[: len(from_file)] == from_file
    assert rows[-1] == rows[-2]  # no known word: both are the zero row


def test_load_predicts_texts(trained):
    folder, _, _ = trained
    predictor = ooc_train.load(folder / "run")
    texts = [f"{title}, {body}" for _, title, body in TEST_ROWS]
    probabilities = predictor.predict_proba(texts)
    assert probabilities.shape == (len(texts), 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    best = [predictor.class_labels[i] for i in probabilities.argmax(axis=1)]
    assert predictor.predict(texts) == best
    assert predictor.predict_proba([]).shape == (0, 3)


def test_files_without_the_class_and_with_other_columns(trained, tmp_path):
    folder, _, _ = trained
    expected, _ = predicted(folder / "run", folder / "test.csv")
    bare = write_rows(tmp_path / "bare.csv", [row[1:] for row in TEST_ROWS])
    assert predicted(folder / "run", bare)[0] == expected
    wide = write_rows(tmp_path / "wide.csv", [("id", b, "", t) for _, t, b in TEST_ROWS])
    assert predicted(folder / "run", wide, text=["4", "2"])[0] == expected
    named = write_rows(tmp_path / "named.csv", [("x", "t", "b"), *TEST_ROWS])
    assert predicted(folder / "run", named, text=["t", "b"])[0] == expected
    with pytest.raises(InputError, match="found 4 columns, where the training data had 3; name"):
        predicted(folder / "run", wide)


def test_a_bad_row_is_an_error_with_its_line_and_no_output(trained, tmp_path, capsys):
    folder, _, _ = trained
    bad = tmp_path / "bad.csv"
    bad.write_text('"1","a","b"\n"1","only two"\n')
    status = command.main([str(folder / "run"), "--input", str(bad), "-o", str(tmp_path / "p.csv")])
    assert status == 1
    assert "bad.csv, line 2: found 2 columns, expected 3; mend the row" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["bad.csv"]


def test_damaged_gzip_is_the_inputs_fault(trained, tmp_path, capsys):
    folder, _, _ = trained
    source = tmp_path / "test.csv.gz"
    rows = b"".join(b'"1","%d","%d"\n' % (i * i, i**3) for i in range(50_000))
    whole = gzip.compress(rows)
    source.write_bytes(whole[: len(whole) // 2])
    arguments = [str(folder / "run"), "--input", str(source), "-o", str(tmp_path / "p.csv")]
    assert command.main(arguments) == 1
    assert "test.csv.gz cannot be read to its end" in capsys.readouterr().err
    assert not (tmp_path / "p.csv").exists()


def test_an_output_that_exists_is_kept_without_force(trained, tmp_path, capsys):
    folder, _, _ = trained
    (tmp_path / "p.csv").write_text("precious")
    arguments = [str(folder / "run"), "--input", str(folder / "test.csv"), "-o"]
    assert command.main([*arguments, str(tmp_path / "p.csv")]) == 1
    assert "exists; give --force" in capsys.readouterr().err
    assert (tmp_path / "p.csv").read_text() == "precious"


def test_the_command_reads_standard_input(trained, tmp_path):
    folder, _, _ = trained
    done = subprocess.run(
        [sys.executable, "-m", "ooc_train.cli.predict", str(folder / "run"),
         "--report", str(tmp_path / "r.json")],
        input="alpha beta\ngamma delta\n", capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert lines[0] == "label,name,p_1,p_2,p_3"
    assert len(lines) == 3
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["rows"] == 2
    assert not done.stderr
