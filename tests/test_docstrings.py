"""The examples in docstrings run and are true."""

import doctest
import importlib

import pytest

MODULES = [
    "ooc_train.atomic",
    "ooc_train.conversion.kinds.ngram.selection",
    "ooc_train.memory",
    "ooc_train.cli.common",
    "ooc_train.permutation",
    "ooc_train.reading.rows",
    "ooc_train.reading.sampler",
    "ooc_train.training.steps.divergence",
    "ooc_train.training.run.saver",
    "ooc_train.training.scores.tally",
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0
    assert result.failed == 0
