"""Recipes: each runs on small data, and is in the list of them."""

import csv
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pandas
import pytest

from tests.test_guide import broken_links, check_call, command_lines

ROOT = Path(__file__).resolve().parents[2]
RECIPES = ROOT / "tools/recipes"
SCRIPTS = sorted(RECIPES.glob("*.sh"))
N_ROWS = 160
WORDS = {"good": "charming witty moving", "poor": "dull clumsy endless"}


def rows(n_rows=N_ROWS):
    """The class, a title and a body of so many reviews."""
    for number in range(n_rows):
        label = ("good", "poor")[number % 2]
        words = WORDS[label].split()
        yield label, f"review {number % 7}", f"a {words[number % 3]} film, {words[number % 2]} too"


@pytest.fixture
def table():
    return pandas.DataFrame(rows(), columns=["stars", "title", "body"])


def run(folder, recipe, *arguments, status=0):
    """Run a recipe in ``folder``, with the commands of this interpreter; its standard output."""
    command = [sys.executable] if recipe.endswith(".py") else ["bash"]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        [*command, RECIPES / recipe, *arguments],
        cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == status, done.stderr
    return done.stdout if status == 0 else done.stderr


def test_the_list_has_every_recipe():
    text = (RECIPES / "README.md").read_text("utf-8")
    listed = set(re.findall(r"^\| \[`([^`]+)`\]", text, re.MULTILINE))
    others = {"README.md", "container.Dockerfile.dockerignore"}
    assert listed == {path.name for path in RECIPES.iterdir() if path.is_file()} - others
    assert list(broken_links(RECIPES / "README.md")) == []


@pytest.mark.parametrize("script", SCRIPTS, ids=[path.name for path in SCRIPTS])
def test_shellcheck_finds_nothing(script):
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", script], check=True)
    if not shutil.which("shellcheck"):
        pytest.skip("shellcheck is not installed")
    done = subprocess.run(["shellcheck", script], capture_output=True, text=True, check=False)
    assert done.stdout == ""


@pytest.mark.parametrize(
    "recipe", [*SCRIPTS, RECIPES / "container.Dockerfile"], ids=lambda path: path.name
)
def test_a_recipe_says_how_it_is_called(recipe):
    head = recipe.read_text("utf-8").split("\n\n")[0]
    assert re.search(
        rf"^#     \S*{'docker' if 'Docker' in recipe.name else recipe.name}", head, re.M
    )


# Those of rows


@pytest.mark.slow
def test_own_csv(tmp_path, table):
    table.to_csv(tmp_path / "my reviews.csv", index=False)
    run(tmp_path, "own_csv.sh", "my reviews.csv", "title,body", "stars", "my work")
    found = pandas.read_csv(tmp_path / "my work/predictions.csv")
    assert list(found.body) == list(table.body)
    assert (found.label == table.stars).mean() > 0.9


@pytest.mark.slow
def test_dataframe(tmp_path, table):
    wanted = table.stars.copy()
    table.loc[::10, "stars"] = None
    table.to_parquet(tmp_path / "reviews.parquet")
    run(tmp_path, "dataframe.py", "reviews.parquet", "title,body", "stars", "work")
    found = pandas.read_csv(tmp_path / "work/predictions.csv")
    assert len(found) == N_ROWS
    assert (found.predicted == wanted).mean() > 0.9
    assert found.probability.between(0.5, 1).all()


@pytest.mark.slow
def test_parquet(tmp_path, table):
    (tmp_path / "reviews").mkdir()
    for part in range(2):
        table[part::2].assign(stars=["good", "poor"][part]).to_parquet(
            tmp_path / f"reviews/part-{part}.parquet"
        )
    run(tmp_path, "parquet.sh", "reviews", "body", "stars", "work")
    found = pandas.read_parquet(tmp_path / "work/predictions.parquet")
    assert (found.label == found.stars).mean() > 0.9


@pytest.mark.slow
def test_database(tmp_path, table):
    with sqlite3.connect(tmp_path / "reviews.db") as database:
        new = table.index % 10 == 9
        table.assign(stars=table.stars.where(~new)).to_sql("reviews", database, index_label="id")
    database.close()
    run(tmp_path, "database.sh", "sqlite:///reviews.db", "work")
    found = pandas.read_csv(tmp_path / "work/labels.csv").set_index("id")
    assert len(found) == new.sum()
    assert (found.label == table.stars[new]).mean() > 0.9


@pytest.mark.slow
def test_imbalanced(tmp_path):
    chosen = [row for at, row in enumerate(rows(400)) if row[0] == "good" or at % 10 == 1]
    with (tmp_path / "reviews.csv").open("w", newline="") as file:
        csv.writer(file).writerows(chosen)
    run(tmp_path, "imbalanced.sh", "reviews.csv", "work")
    scores = json.loads((tmp_path / "work/scores.json").read_text())
    assert scores["macro_f1"] > 0.9


@pytest.mark.slow
def test_embeddings(tmp_path, table):
    table.to_csv(tmp_path / "reviews.csv", index=False, header=False)
    words = sorted({word for text in WORDS.values() for word in text.split()})
    lines = [f"{word} {at % 3}.5 -0.25 {at}e-1" for at, word in enumerate(words)]
    (tmp_path / "vectors.txt").write_text("\n".join(lines))
    run(tmp_path, "embeddings.sh", "vectors.txt", "reviews.csv", "work", "--epochs", "1")
    report = json.loads((tmp_path / "work/run/report.json").read_text())
    assert report["embeddings"]["found"] == len(words)


# The nightly job


def stand_ins(folder, monkeypatch):
    """Commands that only write a run of the accuracy in ACCURACY, on the day of TODAY."""
    report = '{\\"best\\": {\\"val_accuracy\\": $ACCURACY}}'
    names = {
        "ooc-convert": "exit 0",
        "ooc-train": f'mkdir "$3" && echo "{report}" >"$3/report.json"',
        "date": 'echo "$TODAY"',
    }
    folder.mkdir()
    for name, script in names.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(folder / "python"))


@pytest.mark.slow
def test_a_night(tmp_path, table):
    table[["stars", "body"]].to_csv(tmp_path / "rows.csv", index=False, header=False)
    run(tmp_path, "nightly.sh", "rows.csv", "job")
    assert (tmp_path / "job/current/model.keras").is_file()
    assert {path.name for path in (tmp_path / "job").iterdir()} == {"runs", "current"}


def test_nights(tmp_path, monkeypatch):
    stand_ins(tmp_path / "bin", monkeypatch)
    job = tmp_path / "job"
    for day in range(1, 10):  # of which seven stay
        monkeypatch.setenv("TODAY", f"day-{day}")
        monkeypatch.setenv("ACCURACY", f"0.9{9 - day}")
        assert "is in use" in run(tmp_path, "nightly.sh", "rows.csv", job)
        assert (job / "current").readlink() == Path(f"runs/day-{day}")
    assert {path.name for path in (job / "runs").iterdir()} == {f"day-{n}" for n in range(3, 10)}
    monkeypatch.setenv("TODAY", "day-x")
    monkeypatch.setenv("ACCURACY", "0.86")
    assert "it stays" in run(tmp_path, "nightly.sh", "rows.csv", job, status=3)
    assert (job / "current").readlink() == Path("runs/day-9")
    (job / "lock").mkdir()
    assert "another job holds" in run(tmp_path, "nightly.sh", "rows.csv", job, status=1)
    assert (job / "lock").is_dir()


# Installations


def packages_of_pip(text):
    """What the first `pip install` of a script installs."""
    line = re.search(r"pip\"? install (.*)", text)[1]
    return {word for word in line.split() if not word.startswith("-") and word != "\\"}


@pytest.mark.parametrize("recipe", ["without_tensorflow.sh", "container.Dockerfile"])
def test_installations_have_every_dependency_but_tensorflow(recipe):
    required = re.search(
        r"^dependencies = \[(.*?)^\]", (ROOT / "pyproject.toml").read_text(), re.M | re.S
    )[1]
    only_elsewhere = {"keras", "tensorflow", "tomli"}  # tomli: for Python 3.10
    wanted = set(re.findall(r'"([\w-]+)', required)) - only_elsewhere
    assert packages_of_pip((RECIPES / recipe).read_text("utf-8")) == wanted
    guide = (ROOT / "ooc_train/guide/models.md").read_text("utf-8")
    assert packages_of_pip(guide[guide.index("## Without TensorFlow") :]) == wanted


def test_the_container_runs_what_there_is():
    text = (RECIPES / "container.Dockerfile").read_text("utf-8")
    head, *_ = text.split("FROM")
    calls = list(command_lines(re.sub(r"^# ?", "", head, flags=re.M)))
    assert [call[0] for call in calls] == ["ooc-convert"]
    check_call(calls[0])
    (script,) = re.findall(r"bash /source/(\S+)", text)
    assert (ROOT / script).is_file()
    assert re.findall(r"^(\w+) ", text[len(head) :], re.M) == [
        "FROM", "COPY", "RUN", "RUN", "WORKDIR", "CMD",
    ]  # fmt: skip


@pytest.mark.slow
def test_kernels_are_compiled(tmp_path):
    run(tmp_path, "compile_kernels.sh")
    assert list(tmp_path.iterdir()) == []
