"""How many batches are made ahead, and what is refused before TensorFlow is loaded."""

import re
import subprocess
import sys

import pytest

from ooc_train.errors import BudgetError
from ooc_train.reading.store import open as open_store
from ooc_train.training import input_budget
from ooc_train.training.input_budget import MOST_AHEAD
from ooc_train.training.options import TrainingOptions
from ooc_train.training.plan import TrainingPlan
from tests.files import Toy, write_sequences, write_toy


@pytest.fixture(scope="module")
def ngrams(tmp_path_factory):
    toy = Toy(n_columns=5000, mean_entries=100)
    return write_toy(tmp_path_factory.mktemp("budget") / "ngrams.h5", toy=toy, train=2000)


def ahead(path, memory_bytes=None, **options):
    with open_store(path) as store:
        options = TrainingOptions(epochs=1, **options)
        return TrainingPlan.of(store, options, memory_bytes=memory_bytes).n_ahead


def test_small_batches_are_made_many_ahead_and_large_ones_few(ngrams, tmp_path):
    assert ahead(ngrams) == MOST_AHEAD
    assert ahead(ngrams, batch_size=2000) < MOST_AHEAD
    # A model of the user's own takes dense rows, of 2.6 MB a batch.
    assert ahead(ngrams, model="mine:model") == 1
    assert ahead(ngrams, model="mine:model", batch_size=10_000) == 1
    assert ahead(write_sequences(tmp_path / "a.h5", train=100), model="sepcnn") == MOST_AHEAD


@pytest.mark.parametrize("options", [{}, {"optimizer": "adam"}, {"model": "mine:model"}])
def test_the_least_budget_that_is_named_is_the_least_that_does(ngrams, options):
    with pytest.raises(BudgetError, match=r"do not hold a window of .*ngrams.h5 and three") as no:
        ahead(ngrams, 100_000, **options)
    least = 1_000_000 * int(re.search(r"at least (\d+)MB", str(no.value))[1])
    assert ahead(ngrams, least, **options) >= 1
    with pytest.raises(BudgetError):
        ahead(ngrams, least - 1_000_000, **options)
    assert ahead(ngrams, 10**9, **options) == MOST_AHEAD


COMMAND = """
import sys
from ooc_train.cli import train
from ooc_train.training import input_budget
input_budget.usable_bytes = lambda: int(sys.argv[3])
status = train.main([sys.argv[1], "-o", sys.argv[1] + ".run", "--epochs", "1", *sys.argv[4:]])
print(status, "tensorflow" in sys.modules)
"""


@pytest.mark.parametrize(
    ("usable", "more", "message"),
    [
        (60_000_000, [], "may use 60 MB of memory, .* training takes at least 64 MB"),
        (
            300_000_000,
            ["--optimizer", "adam"],
            "may use 300 MB of memory, .* training by Keras and TensorFlow takes at least 400 MB",
        ),
        (10**10, ["--memory", "10KB"], "0.0 MB do not hold a window .* give --memory at least"),
    ],
)
def test_it_is_refused_before_tensorflow_is_loaded(ngrams, usable, more, message):
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, str(ngrams), "", str(usable), *more],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["1", "False"]
    assert re.search(message, done.stderr)
    assert not ngrams.with_suffix(".h5.run").exists()


@pytest.mark.parametrize("in_keras", [False, True])
def test_the_floor_is_what_usable_memory_is_compared_with(monkeypatch, in_keras):
    floor = input_budget.KERAS_FLOOR_BYTES if in_keras else input_budget.FLOOR_BYTES
    monkeypatch.setattr(input_budget, "usable_bytes", lambda: floor)
    input_budget.check_floor(in_keras=in_keras)
    monkeypatch.setattr(input_budget, "usable_bytes", lambda: floor - 1)
    with pytest.raises(BudgetError):
        input_budget.check_floor(in_keras=in_keras)
