"""The seal of a run: whatever has changed since the training is found before it is used."""

import json
import shutil

import pytest

from ooc_train.errors import FormatError
from ooc_train.prediction.predictor import load
from ooc_train.training.run.folder import SEALED, open_run
from ooc_train.training.scores.evaluate import evaluate
from ooc_train.training.train import train
from tests.files import Toy, write_toy

CHECKED = (*SEALED, "report.json")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a file and of two runs."""
    folder = tmp_path_factory.mktemp("sealed")
    write_toy(folder / "toy.h5", toy=Toy(n_classes=3), train=200, validation=50, test=50)
    for seed, name in enumerate(("run", "other")):
        train(folder / "toy.h5", folder / name, epochs=1, seed=seed)
    return folder


@pytest.fixture
def run(trained, tmp_path):
    return shutil.copytree(trained / "run", tmp_path / "run")


def damage(path):
    """Change one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", CHECKED)
def test_a_changed_bit_is_found_by_all_that_use_the_run(trained, run, name):
    damage(run / name)
    path = trained / "toy.h5"
    for use in (
        lambda: load(run),
        lambda: evaluate(run, path),
        lambda: train(path, run, resume=True, epochs=1),
        lambda: train(path, run, resume=True, epochs=2),
    ):
        with pytest.raises(FormatError, match=rf"{name} is damaged.*; restore it from a copy, or"):
            use()
    assert (run / "report.json").exists()


def test_a_damaged_run_can_be_replaced(trained, run):
    for name in CHECKED:
        damage(run / name)
    train(trained / "toy.h5", run, epochs=1, force=True)
    assert open_run(run).features == "ngram"


@pytest.mark.parametrize("name", SEALED)
def test_files_of_two_runs_are_no_run(trained, run, name):
    (run / name).write_bytes((trained / "other" / name).read_bytes())
    if name == "vectorizer.h5":  # that of the same data
        assert open_run(run)
        return
    with pytest.raises(FormatError, match=f"{name} is damaged, or of another run"):
        open_run(run)


def test_a_run_of_an_earlier_release_is_refused(run):
    report = json.loads((run / "report.json").read_text())
    assert report.pop("digests").keys() == set(CHECKED)
    (run / "report.json").write_text(json.dumps(report))
    with pytest.raises(FormatError, match="earlier release, without digests of its files; train"):
        open_run(run)


@pytest.mark.parametrize("digests", [None, [], {}, {"report.json": "00"}, {"report.json": 7}])
def test_digests_of_other_files(run, digests):
    report = json.loads((run / "report.json").read_text())
    (run / "report.json").write_text(json.dumps(report | {"digests": digests}))
    with pytest.raises(FormatError, match=r"report\.json is damaged: it has digests of other file"):
        open_run(run)


def test_what_is_reported_is_what_is_sealed(trained, run):
    report = train(trained / "toy.h5", run, resume=True, epochs=2)
    assert report == json.loads((run / "report.json").read_text()) == open_run(run).report


def test_the_seal_is_of_what_was_written_not_of_what_the_disk_has_later(trained, tmp_path):
    class Rotting:
        """A ``Progress`` during whose first epoch the disk changes a bit of the settings."""

        def __getattr__(self, name):
            return lambda *arguments: None

        def message(self, text):
            if text.startswith("epoch 1"):
                damage(tmp_path / "run" / "vectorizer.h5")

    train(trained / "toy.h5", tmp_path / "run", epochs=1, progress=Rotting())
    with pytest.raises(FormatError, match=r"vectorizer\.h5 is damaged"):
        open_run(tmp_path / "run")
