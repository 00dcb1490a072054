"""Classes as they are in practice: very many, very rare, and one of two a hundred times rarer."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

import ooc_train
from ooc_train.cli import evaluate as command
from ooc_train.training.run.folder import open_run
from ooc_train.training.steps.choice import classifier_for
from tests.corpora import write_rows


def rows_of(sizes, seed=0, own=3):
    """Rows of classes with so many rows each; two of three words are the class's own."""
    rng = np.random.default_rng(seed)
    rows = [
        (
            f"topic-{number}",
            " ".join(f"w{number}x{rng.integers(own)}" for _ in range(4)),
            " ".join(f"common{rng.integers(30)}" for _ in range(4)),
        )
        for number, size in enumerate(sizes)
        for _ in range(size)
    ]
    return [rows[i] for i in rng.permutation(len(rows))]


def run_of(folder, sizes, test_sizes, *, epochs=3, **options):
    train = write_rows(folder / "train.csv", rows_of(sizes))
    test = write_rows(folder / "test.csv", rows_of(test_sizes, seed=1))
    ooc_train.convert(train, folder / "data.h5", test=[test], **options)
    report = ooc_train.train(folder / "data.h5", folder / "run", epochs=epochs)
    return report, ooc_train.evaluate(folder / "run", folder / "data.h5")


def labels_and_probabilities(folder, split="test"):
    with ooc_train.open(folder / "data.h5") as store:
        n_rows = len(store[split])
        labels = store[split].read_labels(0, n_rows)
        rows = store[split].read(0, n_rows)
    return labels, classifier_for(open_run(folder / "run"))(rows)


@pytest.fixture(scope="module")
def many_sizes(tmp_path_factory):
    """52 classes of 2,840 rows to 1, as in the R52 cut of Reuters-21578."""
    folder = tmp_path_factory.mktemp("52")
    sizes = np.maximum(2840 / np.arange(1, 53) ** 2, 1).astype(int)
    train = write_rows(folder / "train.csv", rows_of(sizes))
    n_kept = ooc_train.convert(train, folder / "train.h5")["kept_rows"]
    return folder, sizes, n_kept, *run_of(folder, sizes, -(-sizes // 20))


@pytest.mark.slow
def test_classes_of_one_to_thousands_of_rows(many_sizes):
    folder, sizes, n_kept, report, scores = many_sizes
    labels, probabilities = labels_and_probabilities(folder)
    predicted = probabilities.argmax(axis=1)
    assert scores["macro_f1"] == pytest.approx(f1_score(labels, predicted, average="macro"))
    assert scores["accuracy"] > scores["baseline_accuracy"] + 0.1
    assert scores["accuracy"] > scores["macro_f1"]  # the rare ones are hardly learnt
    assert scores["baseline_accuracy"] == np.bincount(labels).max() / len(labels)
    assert scores["top_k_accuracy"]["accuracy"] >= scores["accuracy"]
    assert [score["support"] for score in scores["classes"]] == np.bincount(labels).tolist()
    assert report["validation_rows"] == round(0.1 * sizes.sum()) - n_kept
    assert n_kept > 0  # of classes that would have no train row


def test_the_validation_split_lacks_rare_classes_and_training_does_not_mind(many_sizes):
    folder, *_ = many_sizes
    validation = ooc_train.evaluate(folder / "run", folder / "data.h5", split="validation")
    labels, probabilities = labels_and_probabilities(folder, "validation")
    assert len(np.unique(labels)) < 52
    predicted = probabilities.argmax(axis=1)
    assert validation["macro_f1"] == pytest.approx(f1_score(labels, predicted, average="macro"))


@pytest.mark.slow
def test_a_thousand_classes(tmp_path, capsys):
    report, scores = run_of(tmp_path, [12] * 1000, [1] * 1000, seed=1)
    assert report["n_classes"] == len(scores["classes"]) == 1000
    assert np.shape(scores["confusion"]) == (1000, 1000)
    labels, probabilities = labels_and_probabilities(tmp_path)
    predicted = probabilities.argmax(axis=1)
    assert scores["macro_f1"] == pytest.approx(f1_score(labels, predicted, average="macro"))
    assert scores["top_k_accuracy"]["accuracy"] > 5 * scores["baseline_accuracy"]
    capsys.readouterr()
    assert command.main([str(tmp_path / "run"), str(tmp_path / "data.h5")]) == 0
    text = capsys.readouterr().out
    assert "have their class among the 5 most probable" in text
    assert "those with the lowest F1 of 1,000 classes; --report writes all of them" in text
    assert "most confused:" in text
    assert len(text.splitlines()) < 90


@pytest.mark.slow
def test_one_row_in_a_hundred(tmp_path, capsys):
    rows = rows_of([9900, 100])
    rng = np.random.default_rng(2)
    noisy = [
        (label, title if rng.random() < 0.7 else "w0x0 w1x0", body) for label, title, body in rows
    ]
    train = write_rows(tmp_path / "train.csv", noisy[:7000])
    test = write_rows(tmp_path / "test.csv", noisy[7000:])
    ooc_train.convert(train, tmp_path / "data.h5", test=[test])
    ooc_train.train(tmp_path / "data.h5", tmp_path / "run", epochs=3)
    scores = ooc_train.evaluate(tmp_path / "run", tmp_path / "data.h5")
    labels, probabilities = labels_and_probabilities(tmp_path)
    exact = probabilities.astype(np.float64)
    assert scores["roc_auc"] == pytest.approx(roc_auc_score(labels, exact[:, 1]), abs=1e-6)
    for k, score in enumerate(scores["classes"]):
        expected = average_precision_score(labels == k, exact[:, k])
        assert score["average_precision"] == pytest.approx(expected, abs=1e-6)
        assert score["average_precision_error"] == 0
    rare = scores["classes"][1]
    best = rare["best_threshold"]
    assert best["f1"] >= rare["f1"]
    found = f1_score(labels, exact[:, 1] >= best["probability"])
    assert found == pytest.approx(best["f1"], abs=1e-3)
    assert command.main([str(tmp_path / "run"), str(tmp_path / "data.h5")]) == 0
    text = capsys.readouterr().out
    assert "by naming the most frequent class" in text
    assert f"area under the ROC curve {scores['roc_auc']:.4f}" in text
    assert f"topic-1: average precision {rare['average_precision']:.4f}; highest F1" in text
