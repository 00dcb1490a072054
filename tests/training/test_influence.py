"""The influence of columns: against changes of single values, one by one, in float64."""

import numpy as np
import pytest
from scipy.special import logsumexp

from ooc_train.reading.rows import SparseRows
from ooc_train.training.models.network import Network
from ooc_train.training.steps import influence
from ooc_train.training.steps.influence import effects_in, log_odds, strongest_columns

SHAPES = [(30, 1), (30, 5), (30, 8, 1), (30, 8, 6, 3)]


def network(sizes, seed=0):
    rng = np.random.default_rng(seed)
    found = Network(sizes)
    found.set_weights([rng.normal(size=w.shape).astype(np.float32) for w in found.get_weights()])
    return found


def oracle(model, row, number):
    """The log-odds of a class for one dense row: plain float64."""
    *hidden, last = [
        (layer.kernel.astype(float), layer.bias.astype(float)) for layer in model.layers
    ]
    for kernel, bias in hidden:
        row = np.maximum(row @ kernel + bias, 0)
    logits = row @ last[0] + last[1]
    if len(logits) == 1:
        logits = np.array([0, logits[0]])
    return logits[number] - logsumexp(np.delete(logits, number))


def sparse(dense):
    indptr = np.concatenate([[0], np.cumsum((dense != 0).sum(axis=1))])
    rows, columns = np.nonzero(dense)
    return SparseRows(indptr, columns, dense[rows, columns], dense.shape[1])


@pytest.mark.parametrize("sizes", SHAPES)
def test_an_entry_has_the_effect_of_taking_it_out(sizes, monkeypatch):
    monkeypatch.setattr(influence, "_NUMBERS_AT_ONCE", 64)  # some rows at a time, or one
    rng, model = np.random.default_rng(1), network(sizes)
    dense = np.where(rng.random((40, 30)) < 0.2, rng.random((40, 30)), 0).astype(np.float32)
    dense[7] = dense[39] = 0
    classes = rng.integers(max(2, sizes[-1]), size=40)
    expected = []
    for row, number in zip(dense, classes, strict=True):
        for column in np.flatnonzero(row):
            without = row.copy()
            without[column] = 0
            expected.append(oracle(model, row, number) - oracle(model, without, number))
    np.testing.assert_allclose(
        effects_in(model.layers, sparse(dense), classes), expected, atol=2e-5
    )


@pytest.mark.parametrize("sizes", SHAPES)
def test_the_strongest_columns_are_those_of_rows_that_have_them_alone(sizes, monkeypatch):
    model, n_classes = network(sizes), max(2, sizes[-1])
    empty = np.zeros(30)
    whole = strongest_columns(model, range(n_classes), 5)
    monkeypatch.setattr(influence, "_NUMBERS_AT_ONCE", 20)  # in parts
    for number, found in enumerate(strongest_columns(model, range(n_classes), 5)):
        effects = [oracle(model, row, number) - oracle(model, empty, number) for row in np.eye(30)]
        best = [k for k in np.argsort(effects)[::-1][:5] if effects[k] > 0]
        assert found.columns.tolist() == best == whole[number].columns.tolist()
        np.testing.assert_allclose(found.effects, np.array(effects)[best], atol=1e-4)


def test_log_odds_do_not_saturate():
    logits = np.array([[90.0, 0.0, -90.0]], np.float32)
    found = [float(log_odds(logits, np.array([number]))[0]) for number in range(3)]
    assert found == [90, -90, -180]


def test_rows_without_entries_have_no_effects():
    rows = sparse(np.zeros((3, 30), np.float32))
    assert len(effects_in(network((30, 4, 2)).layers, rows, np.zeros(3, int))) == 0
