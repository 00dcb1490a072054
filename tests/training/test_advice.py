"""The advice on a run's page, and the command that repeats it."""

import json
import shlex

import pytest

import ooc_train
from ooc_train.cli.train import COMMAND
from ooc_train.training.options import TrainingOptions
from ooc_train.training.run.command import command_for
from ooc_train.training.scores.advice import advice_for
from tests.files import Toy, write_toy

SETTINGS = {"epochs": 1000, "learning_rate": 0.001}


def trained(n_epochs=5, best=3, accuracy=0.9, val_loss=0.4):
    epochs = [{"accuracy": accuracy, "val_loss": val_loss}] * n_epochs
    return {"epochs": epochs, "best_epoch": best, "best": {"epoch": best}}


def scored(rows=10_000, accuracy=0.9, baseline=0.5, confusion=((50, 5), (5, 40)), f1=(0.9, 0.9)):
    names = [f"class {i}" for i in range(len(confusion))]
    classes = [
        {"name": name, "support": sum(row), "f1": each}
        for name, row, each in zip(names, confusion, f1, strict=True)
    ]
    return {"split": "validation", "rows": rows, "accuracy": accuracy,
            "baseline_accuracy": baseline, "confusion": confusion, "classes": classes}  # fmt: skip


CASES = [
    ({}, {}, "Nothing stands out"),
    ({"best": 5}, {}, "Nothing stands out"),
    ({"best": 1}, {}, "--learning-rate 0.00033"),
    ({"accuracy": 0.99}, {"accuracy": 0.8}, "0.99 on train rows and 0.80 on validation rows"),
    ({"accuracy": 0.52}, {"accuracy": 0.51}, "hardly above that of the most frequent class"),
    ({}, {"confusion": ((50, 0), (9, 0))}, "class 1 is never predicted"),
    ({}, {"rows": 100}, "100 validation rows tell the accuracy to ±0.059 only"),
    ({}, {"f1": (0.95, 0.5)}, "10 to 1,000 train rows, and the worst F1 is 0.50"),
]


@pytest.mark.parametrize(("training", "scores", "said"), CASES)
def test_each_sign_has_its_advice(training, scores, said):
    class_rows = [1000, 10] if "f1" in scores else [500, 400]
    found = advice_for(SETTINGS, trained(**training), scored(**scores), class_rows)
    assert said in " ".join(found)
    assert len(found) == 1


def test_a_model_that_was_still_learning_is_trained_on():
    settings = SETTINGS | {"epochs": 5}
    (found,) = advice_for(settings, trained(best=5), None, [1])
    assert "`--resume --epochs 10`" in found
    (found,) = advice_for(settings, trained(best=5, val_loss=None), None, [1])
    assert found.startswith("Nothing")


OPTIONS = [
    {},
    {"epochs": 2, "learning_rate": 0.01, "units": 8, "dropout_rate": 0.5, "seed": 3},
    {"epochs": 2, "class_weight": "balanced", "lr_schedule": "cosine", "patience": 4},
]


@pytest.mark.parametrize("options", OPTIONS)
def test_the_command_repeats_the_run(tmp_path, options):
    path = write_toy(tmp_path / "to y.h5", toy=Toy(n_classes=3), train=120, validation=30)
    ooc_train.train(path, tmp_path / "run", **options)
    settings = json.loads((tmp_path / "run" / "settings.json").read_text())
    program, *arguments = shlex.split(command_for(settings, "again"))
    given = COMMAND.given(arguments)
    assert program == "ooc-train"
    keywords = given.keywords(TrainingOptions)
    assert options.items() <= keywords.items()
    ooc_train.train(tmp_path / arguments[0], tmp_path / "again", **keywords)
    for name in ("model.keras", "settings.json"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
