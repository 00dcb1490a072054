"""Scores from probabilities in batches: scikit-learn's, and the pairs that are confused."""

import json

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, f1_score, log_loss, top_k_accuracy_score

from ooc_train.training.scores.tally import Scoring


def random_rows(n_rows, n_classes, seed=0):
    """Labels of classes that get ever rarer, and probabilities that tell something of them."""
    rng = np.random.default_rng(seed)
    labels = (n_classes * rng.random(n_rows) ** 3).astype(np.int64)
    odds = rng.normal(size=(n_rows, n_classes))
    odds[np.arange(n_rows), labels] += 2
    shares = np.exp(odds)
    return labels, (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)


def score(labels, probabilities, batch=50):
    scoring = Scoring(probabilities.shape[1])
    for start in range(0, len(labels), batch):
        rows = np.arange(start, min(start + batch, len(labels)))
        exact = np.maximum(probabilities[rows, labels[rows]].astype(np.float64), 1e-7)
        scoring.add(rows, labels[rows], probabilities[rows], float(-np.log(exact).mean()))
    return scoring.result()


@pytest.mark.parametrize("n_classes", [2, 3, 20, 60])
def test_scores_equal_those_of_scikit_learn(n_classes):
    labels, probabilities = random_rows(777, n_classes)
    predicted = probabilities.argmax(axis=1)
    result = score(labels, probabilities)
    assert result["accuracy"] == pytest.approx((labels == predicted).mean())
    assert result["baseline_accuracy"] == pytest.approx(np.bincount(labels).max() / len(labels))
    assert result["loss"] == pytest.approx(
        log_loss(labels, probabilities, labels=range(n_classes)), abs=1e-5
    )
    assert result["macro_f1"] == pytest.approx(f1_score(labels, predicted, average="macro"))
    expected = confusion_matrix(labels, predicted, labels=range(n_classes))
    assert result["confusion"] == expected.tolist()
    assert ("top_k_accuracy" in result) == (n_classes >= 20)
    if n_classes >= 20:
        expected = top_k_accuracy_score(labels, probabilities, k=5, labels=range(n_classes))
        assert result["top_k_accuracy"] == {"k": 5, "accuracy": pytest.approx(expected)}
    json.dumps(result, allow_nan=False)


def test_macro_f1_leaves_out_classes_that_did_not_occur():
    labels, probabilities = np.array([0, 1, 1]), np.float32(np.eye(4)[[0, 2, 1]])
    result = score(labels, probabilities)
    predicted = probabilities.argmax(axis=1)
    assert result["macro_f1"] == pytest.approx(f1_score(labels, predicted, average="macro"))
    assert result["classes"][3] == {"precision": 0, "recall": 0, "f1": 0, "support": 0}


def test_equal_probabilities_do_not_make_every_class_one_of_the_best():
    result = score(np.array([3, 19]), np.full((2, 20), 1 / 20, np.float32))
    assert result["top_k_accuracy"]["accuracy"] == 0.5


def test_most_confused_pairs_with_rows_of_high_probability():
    labels, probabilities = random_rows(900, 6)
    predicted = probabilities.argmax(axis=1)
    pairs = score(labels, probabilities)["confused_pairs"]
    counts = confusion_matrix(labels, predicted) * (1 - np.eye(6, dtype=int))
    assert [pair["rows"] for pair in pairs] == np.sort(counts.ravel())[::-1][:20].tolist()
    for pair in pairs:
        of_pair = (labels == pair["class"]) & (predicted == pair["predicted"])
        assert of_pair.sum() == pair["rows"]
        assert len(pair["examples"]) == min(3, pair["rows"]) or pair["rows"] < 12
        for example in pair["examples"]:
            assert of_pair[example["row"]]
            assert example["probability"] == probabilities[example["row"]].max()
        # The best of all is there, and the others are the best of those with other numbers mod 3.
        highest = probabilities[of_pair].max()
        assert pair["examples"][0]["probability"] == highest


def test_without_errors_there_are_no_pairs():
    assert score(np.array([0, 1]), np.float32([[0.9, 0.1], [0, 1]]))["confused_pairs"] == []


def test_of_very_many_classes_pairs_are_not_counted():
    labels, probabilities = random_rows(50, 1025)
    result = score(labels, probabilities)
    assert (result["confusion"], result["confused_pairs"]) == (None, None)
    predicted = probabilities.argmax(axis=1)
    assert result["macro_f1"] == pytest.approx(f1_score(labels, predicted, average="macro"))
