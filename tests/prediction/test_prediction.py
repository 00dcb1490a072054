"""Prediction on new text: the same features and probabilities as for converted rows."""

import collections
import csv
import gzip
import io
import json
import subprocess
import sys

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.base import is_classifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.metrics import accuracy_score, get_scorer, log_loss

import ooc_train
from ooc_train.cli import predict as command
from ooc_train.conversion.kinds.terms import indexing
from ooc_train.conversion.sources.room import Room
from ooc_train.conversion.sources.rows import TextRows
from ooc_train.conversion.vectorizer import load_vectorizer
from ooc_train.errors import InputError, OptionError, OutputError
from ooc_train.file.handle import Handle
from ooc_train.prediction.inputs import Trained, find_inputs, opened
from ooc_train.prediction.options import PredictOptions
from ooc_train.training.models.backend import keras
from ooc_train.training.models.keras_form import read_layers
from ooc_train.training.run.folder import open_run
from ooc_train.training.steps.choice import classifier_for
from ooc_train.training.steps.feeds import predict_rows
from tests.corpora import assert_same, random_rows, read_split, write_rows
from tests.files import read_strings, without_compiling
from tests.sequence_oracle import tokenize

TEST_ROWS = random_rows(120, seed=1)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run whose data file is gone, and the evaluation that was made before."""
    folder = tmp_path_factory.mktemp("trained")
    train = write_rows(folder / "train.csv", random_rows(500))
    test = write_rows(folder / "test.csv", TEST_ROWS)
    ooc_train.convert(train, folder / "data.h5", test=[test])
    ooc_train.train(folder / "data.h5", folder / "run", epochs=3)
    report = ooc_train.evaluate(folder / "run", folder / "data.h5")
    matrix = read_split(folder / "data.h5", "test")[0]
    (folder / "data.h5").unlink()
    return folder, report, matrix


def predicted(run, source, **options):
    output = io.StringIO()
    report = ooc_train.predict(run, source, output, **options)
    return list(csv.DictReader(io.StringIO(output.getvalue()))), report


def without_carried(rows):
    """What was predicted, without the input's own columns."""
    known = {"label", "name", "unknown_words"}
    return [{k: v for k, v in row.items() if k in known or k[:2] == "p_"} for row in rows]


def test_the_raw_test_file_gives_the_accuracy_of_its_converted_rows(trained):
    folder, evaluation, _ = trained
    assert_equals_evaluation(folder, evaluation)


@pytest.mark.slow
def test_so_it_does_for_sequences(tmp_path):
    train = write_rows(tmp_path / "train.csv", random_rows(500))
    test = write_rows(tmp_path / "test.csv", TEST_ROWS)
    ooc_train.convert(train, tmp_path / "data.h5", test=[test], features="sequence")
    ooc_train.train(tmp_path / "data.h5", tmp_path / "run", epochs=2, bucket_by_length=True)
    evaluation = ooc_train.evaluate(tmp_path / "run", tmp_path / "data.h5")
    (tmp_path / "data.h5").unlink()
    assert_equals_evaluation(tmp_path, evaluation)


def assert_equals_evaluation(folder, evaluation):
    rows, report = predicted(folder / "run", folder / "test.csv")
    assert report["rows"] == len(rows) == len(TEST_ROWS)
    correct = [row["label"] == truth[0] for row, truth in zip(rows, TEST_ROWS, strict=True)]
    assert np.mean(correct) == evaluation["accuracy"]
    truth = [row[f"p_{label}"] for row, (label, _, _) in zip(rows, TEST_ROWS, strict=True)]
    assert -np.log(np.float64(truth)).mean() == pytest.approx(evaluation["loss"], abs=1e-4)


def test_a_run_and_a_file_that_are_swapped_are_said(trained):
    folder, _, _ = trained
    for call, more in ((ooc_train.evaluate, []), (ooc_train.predict, [io.StringIO()])):
        with pytest.raises(
            InputError, match=r"test\.csv is a file, and .*run is a run folder: swap"
        ):
            call(folder / "test.csv", folder / "run", *more)


def test_frozen_features_equal_the_converted_ones_to_the_bit(trained):
    folder, _, matrix = trained
    predictor = ooc_train.load(folder / "run")
    with open_run(folder / "run") as run:
        source = opened(folder / "test.csv", PredictOptions())
        found = find_inputs(Trained.of(run), source, PredictOptions())
        (texts,) = found.blocks(Room(10**9, 1, str))
    rows = predictor._vectorizer.encode(texts).rows
    assert np.array_equal(rows.indptr, matrix.indptr)
    assert np.array_equal(rows.indices, matrix.indices)
    assert np.array_equal(rows.values, matrix.data.astype(np.float32))
    assert_same(matrix, matrix, 0)


def test_lines_of_text_in_their_order(trained):
    folder, _, _ = trained
    texts = [f"{title}, {body}" for _, title, body in TEST_ROWS] + ["", "unseen words only"]
    rows, _ = predicted(folder / "run", io.BufferedReader(io.BytesIO("\n".join(texts).encode())))
    assert len(rows) == len(texts)
    from_file = without_carried(predicted(folder / "run", folder / "test.csv")[0])
    assert rows[: len(from_file)] == from_file
    # No known word: both are the zero row.
    assert rows[-1] | {"unknown_words": "0"} == rows[-2]
    assert rows[-1]["unknown_words"] == "1"


def test_load_predicts_texts(trained):
    folder, _, _ = trained
    predictor = ooc_train.load(folder / "run")
    texts = [f"{title}, {body}" for _, title, body in TEST_ROWS]
    probabilities = predictor.predict_proba(texts)
    assert probabilities.shape == (len(texts), 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    best = [predictor.class_labels[i] for i in probabilities.argmax(axis=1)]
    assert predictor.predict(texts).tolist() == best
    assert predictor.predict_proba([]).shape == (0, 3)


def test_files_without_the_class_and_with_other_columns(trained, tmp_path):
    folder, _, _ = trained
    expected = without_carried(predicted(folder / "run", folder / "test.csv")[0])
    bare = write_rows(tmp_path / "bare.csv", [row[1:] for row in TEST_ROWS])
    assert predicted(folder / "run", bare)[0] == expected
    wide = write_rows(tmp_path / "wide.csv", [("id", b, "", t) for _, t, b in TEST_ROWS])
    rows, _ = predicted(folder / "run", wide, text=["4", "2"])
    assert without_carried(rows) == expected
    assert {(row["column_1"], row["column_3"]) for row in rows} == {("id", "")}
    named = write_rows(tmp_path / "named.csv", [("x", "t", "b"), *TEST_ROWS])
    rows, _ = predicted(folder / "run", named, text=["t", "b"])
    assert without_carried(rows) == expected
    assert [row["x"] for row in rows] == [row[0] for row in TEST_ROWS]
    with pytest.raises(InputError, match="found 4 columns, where the training data had 3; name"):
        predicted(folder / "run", wide)


def test_a_bad_row_is_an_error_with_its_line_and_no_output(trained, tmp_path, capsys):
    folder, _, _ = trained
    bad = tmp_path / "bad.csv"
    bad.write_text('"1","a","b"\n"1","only two"\n')
    status = command.main([str(folder / "run"), "--input", str(bad), "-o", str(tmp_path / "p.csv")])
    assert status == 1
    assert "bad.csv, line 2: found 2 columns, expected 3; mend the row" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["bad.csv"]


def test_damaged_gzip_is_the_inputs_fault(trained, tmp_path, capsys):
    folder, _, _ = trained
    source = tmp_path / "test.csv.gz"
    rows = b"".join(b'"1","%d","%d"\n' % (i * i, i**3) for i in range(50_000))
    whole = gzip.compress(rows)
    source.write_bytes(whole[: len(whole) // 2])
    arguments = [str(folder / "run"), "--input", str(source), "-o", str(tmp_path / "p.csv")]
    assert command.main(arguments) == 1
    assert "test.csv.gz cannot be read to its end" in capsys.readouterr().err
    assert not (tmp_path / "p.csv").exists()


def test_an_output_that_exists_is_kept_without_force(trained, tmp_path, capsys):
    folder, _, _ = trained
    (tmp_path / "p.csv").write_text("precious")
    arguments = [str(folder / "run"), "--input", str(folder / "test.csv"), "-o"]
    assert command.main([*arguments, str(tmp_path / "p.csv")]) == 1
    assert "exists; give --force" in capsys.readouterr().err
    assert (tmp_path / "p.csv").read_text() == "precious"


@pytest.mark.slow
def test_the_command_reads_standard_input(trained, tmp_path):
    folder, _, _ = trained
    done = subprocess.run(
        [sys.executable, "-m", "ooc_train.cli.predict", str(folder / "run"),
         "--report", str(tmp_path / "r.json")],
        input="alpha beta\ngamma delta\n", capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert lines[0] == "label,name,p_1,p_2,p_3,unknown_words"
    assert len(lines) == 3
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["rows"] == 2
    assert not without_compiling(done.stderr)


TABLE = [
    {"id": i, "title": title, "body": body, "label": f'true, "{label}"\nso', "share": i / 8}
    for i, (label, title, body) in enumerate(TEST_ROWS)
]


def write_table(path, rows=TABLE):
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    elif path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            delimiter = "\t" if path.suffix == ".tsv" else ","
            writer = csv.DictWriter(file, rows[0], delimiter=delimiter)
            writer.writeheader()
            writer.writerows(rows)
    return path


def read_table(path):
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ","))


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
@pytest.mark.parametrize("source", ["csv", "tsv", "jsonl", "parquet"])
@pytest.mark.slow
def test_every_format_to_every_other_with_the_other_columns(trained, tmp_path, source, suffix):
    folder, _, _ = trained
    table = write_table(tmp_path / f"in.{source}")
    output = tmp_path / f"out.{suffix}"
    report = ooc_train.predict(folder / "run", table, output, text=["title", "body"])
    found = read_table(output)
    predictor = ooc_train.load(folder / "run")
    texts = [f"{row['title']}, {row['body']}" for row in TABLE]
    probabilities = predictor.predict_proba(texts)
    assert report["rows"] == len(found) == len(TABLE)
    assert list(found[0]) == [
        "id", "input_label", "share", "label", "name", "p_1", "p_2", "p_3", "unknown_words",
    ]  # fmt: skip
    assert [row["label"] for row in found] == predictor.predict(texts).tolist()
    # Of CSV all values are text; numbers of JSON Lines and Parquet stay numbers.
    kind = str if "sv" in source or "sv" in suffix else lambda value: value
    for name in ("id", "share"):
        assert [row[name] for row in found] == [kind(row[name]) for row in TABLE]
    assert [row["input_label"] for row in found] == [row["label"] for row in TABLE]
    shares = [[float(row[f"p_{label}"]) for label in predictor.classes_] for row in found]
    np.testing.assert_allclose(shares, probabilities, rtol=1e-5)
    assert [path.name for path in sorted(tmp_path.iterdir())] == [table.name, output.name]


def test_nested_values_and_fields_that_come_later(trained, tmp_path):
    folder, _, _ = trained
    rows = [{"text": "alpha beta", "tags": ["a", {"b": None}], "ok": True} for _ in range(99)]
    rows.append({"text": "gamma", "late": 1})
    source = write_table(tmp_path / "in.jsonl", rows)
    output = tmp_path / "out.jsonl"
    ooc_train.predict(folder / "run", source, output, text=["text"])
    found = read_table(output)
    assert found[0]["tags"] == ["a", {"b": None}]
    assert (found[-1]["late"], "tags" in found[-1]) == (1, False)
    for suffix in ("csv", "parquet"):
        output = tmp_path / f"out.{suffix}"
        with pytest.raises(InputError, match="the field 'late' is not in the first rows"):
            ooc_train.predict(folder / "run", source, output, text=["text"])
        assert not output.exists()
    write_table(source, rows[:99])
    ooc_train.predict(folder / "run", source, tmp_path / "out.csv", text=["text"])
    assert read_table(tmp_path / "out.csv")[0]["tags"] == '["a",{"b":null}]'
    assert read_table(tmp_path / "out.csv")[0]["ok"] == "true"


def test_the_most_probable_labels(trained):
    folder, _, _ = trained
    probabilities = ooc_train.load(folder / "run").predict_proba(
        [f"{title}, {body}" for _, title, body in TEST_ROWS]
    )
    rows, _ = predicted(folder / "run", folder / "test.csv", top=2)
    for row, shares in zip(rows, probabilities, strict=True):
        assert row["label"] == row["top_1"] == str(shares.argmax() + 1)
        assert row["top_2"] == str(np.argsort(-shares, kind="stable")[1] + 1)
        assert float(row["top_2_probability"]) == pytest.approx(np.sort(shares)[1], rel=1e-5)
        assert "p_1" not in row
    both, _ = predicted(folder / "run", folder / "test.csv", top=9, proba=True)
    assert {"top_3", "p_1"} <= set(both[0])
    none, _ = predicted(folder / "run", folder / "test.csv", proba=False)
    assert set(none[0]) == {"column_1", "label", "name", "unknown_words"}
    with pytest.raises(OptionError, match="--top must be at least 0, not -1"):
        predicted(folder / "run", folder / "test.csv", top=-1)


def test_output_formats_that_cannot_be(trained, tmp_path):
    folder, _, _ = trained
    with pytest.raises(OptionError, match="--output-format must be one of csv, tsv, .*, not 'xml'"):
        predicted(folder / "run", folder / "test.csv", output_format="xml")
    with pytest.raises(OptionError, match="Parquet is written to a file; name one with --output"):
        predicted(folder / "run", folder / "test.csv", output_format="parquet")
    with pytest.raises(OutputError, match="is a folder; name the file to write"):
        ooc_train.predict(folder / "run", folder / "test.csv", tmp_path)
    for name in ("p.xlsx", "p.csv.gz"):
        with pytest.raises(OptionError, match=r"predictions are not written as \.(xlsx|gz); name"):
            ooc_train.predict(folder / "run", folder / "test.csv", tmp_path / name)
    assert list(tmp_path.iterdir()) == []
    output = io.StringIO()
    ooc_train.predict(folder / "run", folder / "test.csv", output, output_format="jsonl")
    assert json.loads(output.getvalue().splitlines()[0])["column_1"] == TEST_ROWS[0][0]


def test_the_kernels_predict_what_keras_does(trained):
    folder, _, _ = trained
    run = open_run(folder / "run")
    assert len(read_layers(run.path / "model.keras")) == 2
    source = opened(folder / "test.csv", PredictOptions())
    found = find_inputs(Trained.of(run), source, PredictOptions())
    (texts,) = found.blocks(Room(10**9, 1, str))
    predictor = ooc_train.load(run.path)
    rows = predictor._vectorizer.encode(texts).rows
    expected = predict_rows(keras.models.load_model(run.model_path), rows)
    np.testing.assert_allclose(classifier_for(run)(rows), expected, atol=1e-6)
    assert predictor.of_block(texts).probabilities.shape == expected.shape


def perceptron(n_outputs, *, hidden="relu", last="softmax", extra=()):
    layers = [
        keras.Input((4,)),
        keras.layers.Dense(5, hidden),
        *extra,
        keras.layers.Dense(n_outputs, last),
    ]
    return keras.Sequential(layers)


@pytest.mark.parametrize(
    ("model", "n_layers"),
    [
        (perceptron(3), 2),
        (perceptron(1, last="sigmoid", extra=[keras.layers.Dense(7, "relu")]), 3),
        (perceptron(3, hidden="tanh"), None),
        (perceptron(3, last="sigmoid"), None),
        (perceptron(3, extra=[keras.layers.LayerNormalization()]), None),
        (perceptron(3, extra=[keras.layers.Dense(7, "relu", use_bias=False)]), None),
    ],
)
def test_which_models_the_kernels_can_compute(tmp_path, model, n_layers):
    model.save(tmp_path / "model.keras")
    layers = read_layers(tmp_path / "model.keras")
    if n_layers is None:
        assert layers is None
        return
    assert len(layers) == n_layers
    for array, weights in zip(
        [a for pair in layers for a in pair], model.get_weights(), strict=True
    ):
        assert np.array_equal(array, weights)


@pytest.mark.slow
def test_texts_are_predicted_without_tensorflow(trained):
    folder, _, _ = trained
    code = (
        f"import sys, ooc_train; p = ooc_train.load({str(folder / 'run')!r}); p.predict(['alpha']);"
        "print([m for m in ('tensorflow', 'keras', 'sklearn', 'pyarrow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_it_behaves_like_a_classifier_of_scikit_learn(trained):
    folder, _, _ = trained
    predictor = ooc_train.load(folder / "run")
    texts = np.array([f"{title}, {body}" for _, title, body in TEST_ROWS])
    labels = np.array([row[0] for row in TEST_ROWS])
    predictions = predictor.predict(texts)
    assert predictor.classes_.tolist() == ["1", "2", "3"]
    assert predictions.shape == labels.shape
    accuracy = accuracy_score(labels, predictions)
    assert 0.5 < accuracy == predictor.score(texts, labels)
    for name in ("accuracy", "roc_auc_ovr", "neg_log_loss", "f1_macro"):
        assert np.isfinite(get_scorer(name)(predictor, texts, labels))
    scorer = get_scorer("neg_log_loss")
    exact = -log_loss(labels, predictor.predict_proba(list(texts)), labels=predictor.classes_)
    assert scorer(predictor, texts, labels) == pytest.approx(exact)
    assert is_classifier(predictor)
    column = pd.Series(texts, dtype=object)
    assert predictor.predict(column).tolist() == predictions.tolist()
    assert predictor.predict(()).shape == (0,)


def test_many_texts_are_taken_some_at_a_time(trained, monkeypatch):
    folder, _, _ = trained
    predictor = ooc_train.load(folder / "run")
    texts = [f"{title}, {body}" for _, title, body in TEST_ROWS]
    expected = predictor.predict_proba(texts)
    monkeypatch.setattr("ooc_train.prediction.given.BLOCK_BYTES", 300)
    monkeypatch.setattr("ooc_train.training.steps.choice.ROWS_AT_ONCE", 3)
    np.testing.assert_allclose(predictor.predict_proba(texts), expected, atol=1e-6)


def test_the_predictions_do_not_depend_on_the_workers(trained, tmp_path, monkeypatch):
    """Blocks of different sizes, blank lines, and two files: all in order."""
    run = trained[0] / "run"
    lines = [f"{'word ' * (i * 37 % 50)}{i},{i}\n" if i % 7 else "\n" for i in range(400)]
    files = [tmp_path / "a.csv", tmp_path / "b.csv"]
    for file, some in zip(files, (lines[:300], lines[300:]), strict=True):
        file.write_text("".join(["text,number\n", *some]))
    ooc_train.predict(run, files, tmp_path / "whole.csv", text=["text"], workers=1)
    monkeypatch.setattr("ooc_train.prediction.inputs.BLOCK_BYTES", 300)
    reports = []
    for workers in (1, 3):
        output = tmp_path / f"{workers}.csv"
        report = ooc_train.predict(run, files, output, text=["text"], workers=workers)
        reports.append({key: report[key] for key in ("rows", "files", "unknown_words")})
        assert output.read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert reports[0] == reports[1]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("one text", r"one text is given where a list of texts is expected; write \[text\]"),
        (["a", None], "text 1 is None, a NoneType and not a string"),
        ([["a"]], r"text 0 is \['a'\], a list and not a string"),
    ],
)
def test_what_is_no_list_of_texts_is_refused(trained, texts, message):
    with pytest.raises(InputError, match=message):
        ooc_train.load(trained[0] / "run").predict(texts)


def shares_of_unknown(words, known):
    return [np.mean([word not in known for word in own]) if own else 0 for own in words]


UNKNOWN_TEXTS = [f"{title}, {body} unseen" for _, title, body in TEST_ROWS] + [
    "",
    "none known here",
]


@pytest.mark.parametrize(
    ("analyzer", "ngrams", "min_df"),
    [("word", (1, 2), 60), ("word", (2, 4), 3), ("char", (2, 2), 150), ("char", (1, 3), 290)],
)
def test_the_share_of_unknown_words_of_n_grams(tmp_path, analyzer, ngrams, min_df):
    source = write_rows(tmp_path / "train.csv", random_rows(300))
    ooc_train.convert(
        source, tmp_path / "o.h5", features="ngram", analyzer=analyzer, ngrams=ngrams,
        min_df=min_df, validation_fraction=0,
    )  # fmt: skip
    shortest = (ngrams[0], ngrams[0])
    words = CountVectorizer(
        strip_accents="unicode", analyzer=analyzer, ngram_range=shortest
    ).build_analyzer()
    train = [set(words(f"{title}, {body}")) for _, title, body in random_rows(300)]
    counts = collections.Counter(word for row in train for word in row)
    known = {word for word, count in counts.items() if count >= min_df}
    found = shares_found(tmp_path / "o.h5")
    expected = shares_of_unknown([words(text) for text in UNKNOWN_TEXTS], known)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert len(set(found)) > 3


def test_the_share_of_unknown_words_of_sequences(tmp_path):
    source = write_rows(tmp_path / "train.csv", random_rows(300))
    ooc_train.convert(
        source, tmp_path / "o.h5", features="sequence", top_k=12, validation_fraction=0
    )
    with h5py.File(tmp_path / "o.h5") as file:
        known = set(read_strings(file, "vectorizer/terms"))
    found = shares_found(tmp_path / "o.h5")
    expected = shares_of_unknown([tokenize(text) for text in UNKNOWN_TEXTS], known)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert 0 < found[:-2].mean() < 1
    assert found[-1] == 1


def shares_found(path):
    with ooc_train.open(path) as store:
        vectorizer = load_vectorizer(store.handle)
    rows = TextRows.of([text.encode() for text in UNKNOWN_TEXTS])
    return vectorizer.encode(rows).unknown_shares


def test_texts_are_tokenized_once_and_the_vectorizer_opened_once(trained, monkeypatch):
    folder, _, _ = trained
    tokenized, opened = [], []

    def tokenize(text, offsets, *arguments):
        tokenized.append(len(offsets) - 1)
        return indexing_tokenize(text, offsets, *arguments)

    class Opened(Handle):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            opened.append(self)

    indexing_tokenize = indexing.tokenize
    monkeypatch.setattr(indexing, "tokenize", tokenize)
    monkeypatch.setattr("ooc_train.file.handle.Handle", Opened)
    predicted(folder / "run", folder / "test.csv")
    assert tokenized == [len(TEST_ROWS)]
    assert [handle.path for handle in opened].count(folder / "run" / "vectorizer.h5") == 1
    assert not any(handle.is_open for handle in opened)
