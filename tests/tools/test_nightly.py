"""The nightly recipe: a run that is not worse takes the place of the one that serves."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

import ooc_train

RECIPE = Path(__file__).resolve().parents[2] / "tools" / "recipes" / "nightly.py"


@pytest.fixture(scope="module")
def recipe():
    spec = importlib.util.spec_from_file_location("nightly", RECIPE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rows(path, seed, *, flipped=False, n_rows=300):
    """Rows of two classes, whose words tell them apart; or whose labels are wrong."""
    rng = np.random.default_rng(seed)
    words = {"good": ["charming", "lovely", "warm"], "bad": ["dull", "tedious", "cold"]}
    other = {"good": "bad", "bad": "good"}
    lines = ["label,text"]
    for label in rng.choice(["good", "bad"], n_rows):
        text = " ".join(rng.choice([*words[label], "the", "film", "plot"], 8))
        lines.append(f"{other[label] if flipped else label},{text}")
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def folder(tmp_path):
    """A folder with a first run that serves."""
    rows(tmp_path / "test.csv", 9)
    first = rows(tmp_path / "first.csv", 1)
    options = {"features": "ngram", "validation_fraction": 0.1, "label": "label", "text": ["text"]}
    ooc_train.convert(first, tmp_path / "first.h5", **options)
    ooc_train.train(tmp_path / "first.h5", tmp_path / "first", epochs=1)
    (tmp_path / "current").symlink_to("first")
    return tmp_path


def night(recipe, folder, name, *more):
    arguments = [folder, folder / f"{name}.csv", "--test", folder / "test.csv", "--name", name]
    return recipe.main([*map(str, arguments), "--mix", f"{folder / 'first.h5'}:0.3", *more])


def test_the_new_run_serves_unless_it_is_worse(recipe, folder, capsys):
    rows(folder / "monday.csv", 2)
    assert night(recipe, folder, "monday") == 0
    assert (folder / "current").resolve() == folder / "monday"
    report = json.loads((folder / "current" / "report.json").read_text())
    assert report["init_from"]["run"] == "first"
    assert ooc_train.load(folder / "current").predict(["lovely and warm"]) == ["good"]
    rows(folder / "tuesday.csv", 3, flipped=True, n_rows=2000)
    assert night(recipe, folder, "tuesday") == 1
    assert (folder / "current").resolve() == folder / "monday"
    assert "tuesday: accuracy" in capsys.readouterr().out
    assert night(recipe, folder, "tuesday", "--tolerance", "1") == 0  # complete, it is not redone
    assert (folder / "current").resolve() == folder / "tuesday"
    assert night(recipe, folder, "tuesday") == 0


def test_a_job_that_fails_leaves_what_serves(recipe, folder, capsys):
    assert night(recipe, folder, "wednesday") == 2
    assert "wednesday.csv" in capsys.readouterr().err
    assert (folder / "current").resolve() == folder / "first"


def test_a_link_that_was_left_half_way_is_in_nobodys_way(recipe, folder):
    (folder / ".current.new").symlink_to("nowhere")
    recipe.swap(folder / "current", folder / "first.h5")
    assert (folder / "current").resolve() == folder / "first.h5"
