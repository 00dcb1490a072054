"""The trial of a training, which compiles all kernels that the training needs."""

import subprocess
import sys

import numpy as np
import pytest

from ooc_train.training import trial
from tests.files import write_dense, write_toy

TRAINED = """
import sys
from numba.core.dispatcher import Dispatcher
from ooc_train.training import trial
from ooc_train.training.scores.evaluate import evaluate
from ooc_train.training.train import train

def compiled():
    return {
        (function.__qualname__, signature)
        for name, module in list(sys.modules.items()) if name.startswith("ooc_train")
        for function in vars(module).values() if isinstance(function, Dispatcher)
        for signature in function.signatures
    }

data, layout = sys.argv[1:3]
trial._step(layout, "uint16")
before = compiled()
train(data, data + ".run", epochs=2, global_clipnorm=0.5, label_smoothing=0.1)
evaluate(data + ".run", data, split="validation")
assert before, "nothing is compiled"
assert compiled() == before, compiled() - before
"""


@pytest.mark.slow
@pytest.mark.parametrize(("layout", "write"), [("sparse", write_toy), ("dense", write_dense)])
def test_a_training_compiles_nothing_after_its_trial(tmp_path, layout, write):
    path = tmp_path / "toy.h5"
    write(path, train=200, validation=60)
    subprocess.run([sys.executable, "-c", TRAINED, path, layout], check=True)


@pytest.mark.parametrize("layout", ["sparse", "dense"])
def test_the_step_is_of_the_rows_that_are_to_be_trained_on(monkeypatch, layout):
    steps = []
    monkeypatch.setattr(trial, "_step", lambda *given: steps.append(given))
    trial.prepare_kernels(trial._rows(layout, "uint32"))
    assert steps == [(layout, "uint32" if layout == "sparse" else trial.COLUMN_DTYPE)]


def test_a_command_that_is_interrupted_ends_the_other_process(monkeypatch):
    sleeping = [sys.executable, "-c", "import time; time.sleep(100)"]
    monkeypatch.setattr(trial, "python_command", lambda *_: sleeping)
    with pytest.raises(KeyboardInterrupt), trial.compiling("dense"):
        raise KeyboardInterrupt


def test_the_rows_are_as_those_of_a_mapped_file():
    rows = trial._rows("sparse", "uint16")
    assert rows.to_dense().sum() == 4
    assert rows.values.dtype == np.float32
