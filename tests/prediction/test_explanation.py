"""Explanations: the terms that decided, against predictions for rows without each of them."""

import csv
import io
import json
import math

import pyarrow.parquet as pq
import pytest

import ooc_train
from ooc_train.cli import predict as command
from ooc_train.errors import OptionError
from ooc_train.prediction import explanation
from ooc_train.training.models.keras_form import read_layers
from tests.corpora import random_rows, write_rows


@pytest.fixture(scope="module", params=[1, 2, 3], ids=["linear", "mlp", "two hidden layers"])
def run(tmp_path_factory, request):
    folder = tmp_path_factory.mktemp("explained")
    write_rows(folder / "train.csv", random_rows(300))
    ooc_train.convert(folder / "train.csv", folder / "data.h5", ngrams=(1, 1))
    ooc_train.train(folder / "data.h5", folder / "run", epochs=3, layers=request.param, units=8)
    return folder / "run"


def predicted(run, source, **options):
    output = io.StringIO()
    ooc_train.predict(run, source, output, output_format="jsonl", explain=True, **options)
    return list(map(json.loads, output.getvalue().splitlines()))


def test_shares_are_those_of_the_changes_of_the_log_odds(run, tmp_path, monkeypatch):
    monkeypatch.setattr(explanation, "MOST_TERMS", 1000)
    monkeypatch.setattr(explanation, "_DIGITS", 12)
    source = write_rows(tmp_path / "rows.csv", random_rows(12, seed=5))
    found = predicted(run, source)
    assert any(row["explain"] for row in found)
    for row in found:
        shares = row["explain"]
        if shares:
            assert math.isclose(sum(map(abs, shares.values())), 1, rel_tol=1e-6)
            sizes = list(map(abs, shares.values()))
            assert sizes == sorted(sizes, reverse=True)


def test_of_a_linear_model_shares_are_those_of_weights_times_values(tmp_path):
    rows = [(str(i % 2), ("good " if i % 2 else "bad ") + f"plain w{i % 3}x") for i in range(60)]
    (tmp_path / "t.csv").write_text("".join(f'"{label}","{text}"\n' for label, text in rows))
    ooc_train.convert(tmp_path / "t.csv", tmp_path / "t.h5", ngrams=(1, 1))
    ooc_train.train(tmp_path / "t.h5", tmp_path / "run", epochs=5, layers=1, learning_rate=0.05)
    (layer,) = read_layers(tmp_path / "run" / "model.keras")
    with ooc_train.open(tmp_path / "t.h5") as data:
        terms = data.group("vectorizer").strings("terms")
    weights = dict(zip(terms, layer.kernel[:, 0].tolist(), strict=True))
    (tmp_path / "n.csv").write_text("0,good plain\n1,bad bad plain good\n1,nothing known\n")
    found = predicted(tmp_path / "run", tmp_path / "n.csv")
    for row, text in zip(found, ("good plain", "bad plain good"), strict=False):
        sign = 1 if row["label"] == "1" else -1
        for term, share in row["explain"].items():
            assert term in text
            assert (share > 0) == (sign * weights[term] > 0)
    first = found[0]["explain"]
    # Two terms of one occurrence each: their values are proportional to the idf.
    assert abs(abs(first["good"]) + abs(first["plain"]) - 1) < 1e-3
    assert found[2]["explain"] == {}


def test_all_formats_have_the_same(run, tmp_path):
    source = write_rows(tmp_path / "rows.csv", random_rows(30, seed=3))
    expected = [row["explain"] for row in predicted(run, source)]
    for suffix in ("csv", "tsv", "parquet"):
        ooc_train.predict(run, source, tmp_path / f"o.{suffix}", explain=True)
    for suffix, delimiter in (("csv", ","), ("tsv", "\t")):
        with (tmp_path / f"o.{suffix}").open(newline="") as file:
            rows = list(csv.DictReader(file, delimiter=delimiter))
        assert [json.loads(row["explain"]) for row in rows] == expected
    column = pq.read_table(tmp_path / "o.parquet")["explain"].to_pylist()
    assert [[term for term, _ in row] for row in column] == [list(row) for row in expected]
    assert column[0][0][1] == pytest.approx(next(iter(expected[0].values())))


def test_without_a_row_the_column_is_there(run, tmp_path):
    output = io.StringIO()
    ooc_train.predict(run, io.BytesIO(b""), output, explain=True)
    assert output.getvalue().splitlines()[0].split(",")[-1] == "explain"
    ooc_train.predict(run, io.BytesIO(b""), tmp_path / "o.parquet", explain=True)
    assert str(pq.read_schema(tmp_path / "o.parquet").field("explain").type).startswith(
        "map<string, float"
    )


def test_a_model_that_cannot_be_explained_is_said(tmp_path, capsys):
    (tmp_path / "rows.csv").write_text("".join(f"{i % 2},{i}.5,1\n" for i in range(40)))
    ooc_train.convert(tmp_path / "rows.csv", tmp_path / "d.h5", features="dense")
    ooc_train.train(tmp_path / "d.h5", tmp_path / "run", epochs=1)
    with pytest.raises(OptionError, match="has the model mlp of dense features; leave --explain"):
        predicted(tmp_path / "run", tmp_path / "rows.csv")
    arguments = [str(tmp_path / "run"), str(tmp_path / "rows.csv"), "--explain"]
    assert command.main(arguments) == 2
    assert "--explain takes a linear model" in capsys.readouterr().err
