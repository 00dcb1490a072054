"""The default model where TensorFlow is not installed: all of it works, and all else says so."""

import subprocess
import sys

import numpy as np
import pytest

from ooc_train.extras import pip_install
from tests.corpora import random_rows, write_rows
from tests.files import write_dense, write_sequences, write_toy

ABSENT = """
import importlib.abc, sys

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("tensorflow", "keras", "matplotlib"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
"""
COMMANDS = """
import importlib

def run(command, *arguments):
    status = importlib.import_module(f"ooc_train.cli.{command}").main(list(arguments))
    assert status == 0, (command, status)

"""
WHOLE = """
run("convert", "train.csv", "-o", "words.h5", "--test", "train.csv", "--quiet")
run("convert", "dense.npz", "-o", "dense.h5", "--quiet")
for name, rows in (("words", "train.csv"), ("dense", "rows.npy")):
    run("train", f"{name}.h5", "-o", name, "--epochs", "2", "--quiet")
    run("train", f"{name}.h5", "-o", name, "--epochs", "3", "--resume", "--quiet")
    run("evaluate", name, f"{name}.h5", "--split", "validation", "--quiet")
    run("predict", name, "--input", rows, "-o", f"{name}.csv", "--quiet")
run("train", "dense.h5", "-o", "grid", "--grid", "units=4", "--epochs", "1", "--quiet")
assert not {"tensorflow", "keras"} & sys.modules.keys()
"""

REFUSED = """
for arguments in (
    ["sequence.h5"], ["dense.h5", "--optimizer", "adam"], ["dense.h5", "--tensorboard"]
):
    from ooc_train.cli.train import main
    status = main([*arguments, "-o", "refused", "--epochs", "1", "--quiet"])
    assert status == 2, status
"""
TRAINED = """
for name in ("sparse", "numbers"):
    run("train", f"{name}.h5", "-o", name, "--epochs", "1", "--quiet")
    run("evaluate", name, f"{name}.h5", "--split", "validation", "--quiet")
assert not {"tensorflow", "keras"} & sys.modules.keys()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("without")
    write_rows(folder / "train.csv", random_rows(120))
    random = np.random.default_rng(0)
    values = random.random((90, 7), np.float32)
    np.savez(folder / "dense.npz", x=values, y=random.integers(0, 3, 90))
    np.save(folder / "rows.npy", values)
    write_sequences(folder / "sequence.h5", train=20)
    return folder


def python(code, folder):
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_the_whole_pipeline_and_what_is_missing(folder):
    done = python(ABSENT + COMMANDS + WHOLE + REFUSED, folder)
    assert done.returncode == 0, done.stderr
    assert len((folder / "dense.csv").read_text().splitlines()) == 91
    said = [line for line in done.stderr.splitlines() if line.startswith("ooc-train: ")]
    assert len(said) == 3
    for line in said:
        assert line == (
            "ooc-train: this takes TensorFlow and Keras, which are not both installed: without "
            "them there is mlp, by its own optimizers, without callbacks and TensorBoard; install "
            f"them with {pip_install('tensorflow', 'keras')}"
        )
    assert not (folder / "refused").exists()


@pytest.mark.slow
def test_where_it_is_installed_it_is_not_loaded(folder):
    write_toy(folder / "sparse.h5", train=200, validation=50)
    write_dense(folder / "numbers.h5", train=200, validation=50)
    done = python("import sys" + COMMANDS + TRAINED, folder)
    assert done.returncode == 0, done.stderr


def test_the_hook_hides_it(tmp_path):
    """Lest the tests above prove nothing."""
    done = python(f"{ABSENT}\nimport keras", tmp_path)
    assert "No module named 'keras'" in done.stderr
