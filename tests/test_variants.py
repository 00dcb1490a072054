"""A variant is one file and one entry: a toy format, kind and model go through all commands."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

import ooc_train

VARIANTS = Path(__file__).parent / "variants"
ROOT = VARIANTS.parent.parent


def run(*commands):
    """Run commands in a process in which the toys are in the tables."""
    lines = "".join(json.dumps([str(word) for word in words]) + "\n" for words in commands)
    return subprocess.run(
        [sys.executable, "-m", "tests.variants.commands"],
        input=lines,
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


def rows(n_rows, seed):
    """Lines of the toy format; a word tells the class."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(2, size=n_rows)
    words = rng.integers(50, size=(n_rows, 3))
    return "".join(
        f"{('ham', 'spam')[label]}:{('Hello', 'Buy')[label]} {' '.join(f'word{w}' for w in some)}\n"
        for label, some in zip(labels, words.tolist(), strict=True)
    )


def table(path):
    """The rows of a CSV file with a header."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder in which all commands have been run on the toys."""
    folder = tmp_path_factory.mktemp("variants")
    (folder / "train.pairs").write_text(rows(300, 0) + "a line without one\n")
    (folder / "test.pairs").write_text(rows(60, 1))
    data, again, run_folder = folder / "toy.h5", folder / "again.h5", folder / "run"
    train, test = folder / "train.pairs", folder / "test.pairs"
    done = run(
        ("convert", train, "--test", test, "-o", data, "--features", "hashed"),
        ("convert", train, "--test", test, "-o", again, "--vectorizer", data, "--quiet"),
        ("inspect", data, "--report", folder / "inspect.json"),
        ("inspect", data, "--verify"),
        ("train", data, "-o", run_folder, "--epochs", "3", "--batch-size", "8"),
        ("evaluate", run_folder, data, "--report", folder / "evaluate.json"),
        ("predict", run_folder, "--input", test, "-o", folder / "predictions.csv"),
    )
    assert done.returncode == 0, done.stderr
    (folder / "output").write_text(done.stdout)
    return folder


@pytest.mark.parametrize("toy", ["pairs", "hashed", "linear"])
def test_a_variant_takes_some_forty_lines(toy):
    lines = (VARIANTS / f"{toy}.py").read_text().splitlines()
    assert len([line for line in lines if line.strip()]) <= 40


def test_a_format_of_sources_rejects_and_converts(folder):
    (reject,) = table(folder / "toy.h5.rejected.csv")
    assert (reject["line"], reject["reason"]) == ("301", "the line has no colon")
    assert (
        "270 train, 30 validation and 60 test rows of 2 classes" in (folder / "output").read_text()
    )


def test_a_kind_of_features_is_stored_verified_and_converted_again(folder):
    report = json.loads((folder / "inspect.json").read_text())
    assert (report["features"], report["n_features"]) == ("hashed", 512)
    with h5py.File(folder / "toy.h5") as first, h5py.File(folder / "again.h5") as second:
        for name in ("labels", "indptr", "indices", "values"):
            np.testing.assert_array_equal(first["train"][name][...], second["train"][name][...])


def test_a_model_is_trained_by_default_and_evaluated(folder):
    settings = json.loads((folder / "run" / "settings.json").read_text())
    assert (settings["features"], settings["model"]) == ("hashed", "linear")
    assert json.loads((folder / "evaluate.json").read_text())["accuracy"] > 0.9


def test_new_rows_are_predicted_from_the_toy_format(folder):
    found = table(folder / "predictions.csv")
    truth = [line.split(":")[0] for line in (folder / "test.pairs").read_text().splitlines()]
    assert len(found) == len(truth)
    assert np.mean([row["name"] == label for row, label in zip(found, truth, strict=True)]) > 0.9


def test_a_kind_that_is_not_in_the_table_is_refused_by_name(tmp_path, folder):
    """Without its entry nothing reads the file: the table is what makes the difference."""
    with pytest.raises(ooc_train.errors.FormatError, match="'hashed' features"):
        ooc_train.open(folder / "toy.h5")
