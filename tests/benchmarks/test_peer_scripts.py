"""The other systems' scripts do the work that they are measured at."""

import importlib
import json
import subprocess
import sys
import types

import h5py
import numpy as np
import pytest
import scipy.sparse

import ooc_train
from benchmarks.data.made_files import write_dense_file
from benchmarks.peers import guide_in_memory, in_memory, keras_fit
from tests.benchmarks.runs import ROOT
from tests.corpora import random_rows, write_rows
from tests.files import write_toy
from tests.sequence_oracle import read_sequences


def test_fasttext_gets_lines_as_its_own_script_writes_them(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fasttext", types.ModuleType("fasttext"))
    from benchmarks.peers import fasttext_supervised

    text = """A "good" film;it's
 <br />Well, (very) GOOD."""
    write_rows(tmp_path / "rows.csv", [["1", text], ["2", "Bad!"]])
    assert fasttext_supervised.write_lines(tmp_path / "rows.csv", tmp_path / "lines") == 2
    assert sorted((tmp_path / "lines").read_text().splitlines()) == [
        "__label__1 a good film it ' s well , ( very ) good .",
        "__label__2 bad !",
    ]


def test_vowpal_wabbit_gets_numbered_classes_and_words(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "vowpalwabbit", types.ModuleType("vowpalwabbit"))
    from benchmarks.peers import vowpal_wabbit

    path, lines = tmp_path / "rows.csv", tmp_path / "lines"
    write_rows(path, [["b", "It's 3:1 | GOOD"], ["a", "bad"]])
    numbers = vowpal_wabbit.class_numbers(path)
    assert numbers == {"a": -1, "b": 1}
    assert vowpal_wabbit.write_lines(path, lines, numbers) == 2
    assert lines.read_text().splitlines() == ["1 | it s 3 1 good", "-1 | bad"]
    (tmp_path / "predictions").write_text("1\n1\n")
    assert vowpal_wabbit.accuracy(tmp_path / "predictions", lines) == 0.5
    write_rows(path, [[label, "text"] for label in "cab"])
    assert vowpal_wabbit.class_numbers(path) == {"a": 1, "b": 2, "c": 3}


def test_hashing_learns_what_can_be_learned(tmp_path):
    rows = [[str(k % 3), f"{['red', 'green', 'blue'][k % 3]} word{k % 7}"] for k in range(120)]
    write_rows(tmp_path / "train.csv", rows)
    write_rows(tmp_path / "test.csv", rows[:30])
    files = [tmp_path / "train.csv", "--test", tmp_path / "test.csv"]
    report = run_peer(tmp_path, *files, module="sklearn_partial_fit")
    assert (report["rows"], report["test_rows"], report["accuracy"]) == (120, 30, 1.0)
    assert 0 < report["seconds_to_model"] < report["seconds"]


def test_the_guides_network_takes_dense_and_sparse_batches(monkeypatch):
    monkeypatch.setattr(guide_in_memory, "LEARNING_RATE", 0.02)  # for fewer epochs
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=300)
    features = scipy.sparse.csr_matrix(
        np.eye(4)[2 * labels + rng.integers(2, size=300)], dtype=np.float32
    )
    for sparse in (False, True):
        model = guide_in_memory.build(4, 2)
        guide_in_memory.fit(model, features, labels, 10, sparse=sparse)
        assert guide_in_memory.evaluate(model, features, labels) > 0.9


@pytest.mark.parametrize("form", ["matrix", "generator", "sparse"])
def test_keras_fits_rows_in_every_form(form, tmp_path):
    report = keras_fit.fit(write_toy(tmp_path / "toy.h5", train=300), 8, form)
    assert report["rows"] == 300
    assert report["epochs"][0]["loss"] > report["epochs"][-1]["loss"] > 0


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_the_way_in_memory_holds_all_rows(kind, tmp_path):
    path = tmp_path / "rows.h5"
    if kind == "dense":
        write_dense_file(path, 300, 4)
    else:
        write_toy(path, train=300)
    features, labels, n_classes = in_memory.load(path)
    with ooc_train.open(path) as data:
        rows = data["train"].read(0, 300).to_dense()
    batches = list(in_memory.batches(features, labels))
    assert [len(of_batch) for _, of_batch in batches] == [128, 128, 44]
    stacked = np.concatenate([part if kind == "dense" else part.toarray() for part, _ in batches])
    np.testing.assert_array_equal(np.sort(stacked, axis=0), np.sort(rows, axis=0))
    in_memory.fit(features, labels, n_classes, 1)


@pytest.mark.parametrize("module", ["h5py_rows", "tfrecord_rows"])
def test_peers_read_all_rows_once(module, tmp_path):
    peer = importlib.import_module(f"benchmarks.peers.{module}")
    source = write_toy(tmp_path / "toy.h5", train=300)
    with h5py.File(source) as file:
        n_entries = len(file["train/values"])
    if module == "tfrecord_rows":
        peer.prepare(source, tmp_path / "made")
        source = tmp_path / "made"
    batches = list(peer.open_rows(source, "shuffled", 128)(0))
    assert [n_rows for n_rows, _ in batches] == [128, 128, 44]
    assert sum(n for _, n in batches) == n_entries


def test_pytorch_trains_on_mapped_rows(tmp_path):
    pytest.importorskip("torch")
    write_dense_file(tmp_path / "made.h5", 300, 5)
    places = [tmp_path / "made.h5", "--report", tmp_path / "report.json"]
    command = [sys.executable, "-m", "benchmarks.peers.torch_memmap", *places, "--epochs", "2"]
    subprocess.run(command, cwd=ROOT, check=True)
    report = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert report["rows"] == 300
    assert len(report["epochs"]) == 2
    assert report["epochs"][1]["loss"] < report["epochs"][0]["loss"] < 1


def run_peer(folder, *arguments, module="sklearn_ngram"):
    command = [sys.executable, "-m", f"benchmarks.peers.{module}", *arguments]
    places = ["--output", folder / "result", "--report", folder / "report.json"]
    subprocess.run([*command, *places], cwd=ROOT, check=True)
    return json.loads((folder / "report.json").read_text("utf-8"))


def test_the_guides_tokenizer_gives_the_sequences_of_ooc_convert(tmp_path):
    for name, rows in (("train", random_rows(60)), ("test", random_rows(20, seed=1, n_words=30))):
        write_rows(tmp_path / f"{name}.csv", rows)
    files = [tmp_path / "train.csv", "--test", tmp_path / "test.csv"]
    report = run_peer(tmp_path, *files, module="guide_tokenizer")
    ours = ooc_train.convert(
        files[0], tmp_path / "o.h5", test=[files[2]], features="sequence", validation_fraction=0
    )
    for key in ("rows", "test_rows", "n_features", "distinct_terms", "max_length"):
        assert report[key] == ours[key]
    with h5py.File(tmp_path / "result") as file:
        padded, labels = file["test/tokens"][:], file["test/labels"][:]
    assert padded.dtype == np.int32
    assert padded.shape == (20, ours["max_length"])
    rows, names = read_sequences(tmp_path / "o.h5", "test")
    assert [[i for i in row if i] for row in padded.tolist()] == rows
    assert [["1", "2", "3"][i] for i in labels] == names
    assert all(row[0] == 0 for row in padded[(padded == 0).any(axis=1)])  # padded on the left


def test_the_peer_joins_columns_and_writes_both_splits(tmp_path):
    (tmp_path / "train.csv").write_text(
        '"1","NA","good film, café"\n"2","","bad film"\n"1","NA","good cafe"\n"2","bad","film"\n'
    )
    (tmp_path / "test.csv").write_text('"1","","good film"\n')
    report = run_peer(tmp_path, tmp_path / "train.csv", "--test", tmp_path / "test.csv")
    with np.load(tmp_path / "result.npz") as found:
        arrays = dict(found)
    assert (report["rows"], report["test_rows"], report["n_features"]) == (4, 1, 7)
    terms = ["bad", "bad film", "cafe", "film", "good", "na", "na good"]
    assert list(arrays["terms"]) == terms
    assert arrays["train_data"].dtype == arrays["test_data"].dtype == np.float32
    assert list(arrays["train_labels"]) == ["1", "2", "1", "2"]
    assert list(arrays["test_indptr"]) == [0, 2]
    assert sum(report["phase_seconds"].values()) == pytest.approx(report["seconds"])
