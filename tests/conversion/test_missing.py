"""What is missing is told from what is empty, and labels have one spelling in all formats."""

import csv
import json

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import ooc_train
from ooc_train.cli import convert as command
from ooc_train.conversion.sources.find import find_source
from ooc_train.conversion.sources.layout import LayoutOptions

OPTIONS = {"features": "ngram", "validation_fraction": 0}
LABELS = ["1", "1.0", "+1", " 1 ", "0", "0.0", "-0", "True", "true", "FALSE", "007", "1.5", "nan"]
SPELLED = {"1": 4, "0": 3, "true": 2, "false": 1, "007": 1, "1.5": 1, "nan": 1}


def write_csv(path, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["text", "label"], *rows])


def write_jsonl(path, rows):
    path.write_text("".join(json.dumps({"text": t, "label": y}) + "\n" for t, y in rows))


def write_parquet(path, rows):
    texts, labels = zip(*rows, strict=True)
    pq.write_table(pa.table({"text": list(texts), "label": list(labels)}), path)


WRITERS = {"csv": write_csv, "jsonl": write_jsonl, "parquet": write_parquet}


def convert(path, tmp_path, **options):
    named = {"text": ["text"], "label": "label"}
    return ooc_train.convert(path, tmp_path / "o.h5", force=True, **OPTIONS | named | options)


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_label_has_one_spelling_in_all_formats(tmp_path, suffix):
    path = tmp_path / f"rows.{suffix}"
    WRITERS[suffix](path, [("good words here", label) for label in LABELS])
    report = convert(path, tmp_path)
    assert sorted(report["classes"]) == sorted(SPELLED)
    assert report["rejected_rows"] == 0
    with h5py.File(tmp_path / "o.h5") as file:
        counts = np.bincount(file["train/labels"][:], minlength=len(SPELLED))
    assert dict(zip(report["classes"], counts.tolist(), strict=True)) == SPELLED


def test_a_test_file_may_spell_whole_numbers_otherwise(tmp_path):
    write_csv(tmp_path / "a.csv", [(f"good words {i % 2}", i % 2) for i in range(20)])
    write_jsonl(tmp_path / "b.jsonl", [(f"good words {i % 2}", float(i % 2)) for i in range(10)])
    report = convert(tmp_path / "a.csv", tmp_path, test=[tmp_path / "b.jsonl"])
    assert (report["test_rows"], report["rejected_rows"]) == (10, 0)


ROWS = [("good words", "a"), (None, "a"), ("", "b"), ("nan", "b"), ("bad words", None)]


def test_missing_is_not_empty_in_json_lines(tmp_path):
    nan = float("nan")
    write_jsonl(tmp_path / "a.jsonl", [*ROWS * 2, (nan, "b"), ("words", nan), (nan, nan)])
    with (tmp_path / "a.jsonl").open("a") as file:
        file.write('{"label": "a"}\n')
    report = convert(tmp_path / "a.jsonl", tmp_path)
    assert (report["rows"], report["rejected_rows"]) == (10, 4)
    assert report["missing_rows"] == 4  # not the empty ones, nor the one without a label
    assert {line["reason"] for line in rejected(tmp_path)} == {"no label"}


def test_missing_is_not_empty_in_parquet(tmp_path):
    write_parquet(tmp_path / "a.parquet", ROWS * 2)
    report = convert(tmp_path / "a.parquet", tmp_path)
    assert (report["rows"], report["missing_rows"], report["rejected_rows"]) == (8, 2, 2)
    assert report["empty_rows"] == 4
    assert {line["reason"] for line in rejected(tmp_path)} == {"no label"}


# Which rows are missing, of the texts that each format can spell: a row a line.
SPELLED_TEXTS = {
    "a.csv": 'label,title,text\na,,\na,"",\na,,""\na, ,\na,one two,\na,,one two\na,nan,\n',
    "b.tsv": "label\ttitle\ttext\na\t\t\na\tone two\t\n",
    "c.csv": "title,text,label\n,,a\n,one two,a\n",
    "d.txt": "__label__a\n__label__a one two\n",
}
MISSING = {"a.csv": [2], "b.tsv": [2], "c.csv": [2], "d.txt": [1]}


@pytest.mark.parametrize("block_bytes", [1, 1000])
@pytest.mark.parametrize("name", SPELLED_TEXTS)
def test_an_empty_field_is_missing_unless_it_is_quoted(tmp_path, name, block_bytes):
    (tmp_path / name).write_text(SPELLED_TEXTS[name])
    text = ("text",) if name == "d.txt" else ("title", "text")
    source = find_source(tmp_path / name, LayoutOptions(text=text, label="label"))
    assert missing_lines(source, block_bytes) == MISSING[name]


def missing_lines(source, block_bytes):
    found = [rows for rows, _ in source.read(block_bytes) if rows.missing is not None]
    return [line for rows in found for line in rows.lines[rows.missing].tolist()]


def test_a_quote_at_the_end_of_a_file_is_not_that_of_its_first_field(tmp_path):
    (tmp_path / "a.csv").write_text(',a\nwords,"b"')
    source = find_source(tmp_path / "a.csv", LayoutOptions(text=("1",), label="2"))
    assert missing_lines(source, 1000) == [1]


def write_arrow(path, **columns):
    table = pa.table(columns)
    with pa.ipc.new_file(path, table.schema) as file:
        file.write_table(table)


@pytest.mark.parametrize("kind", ["float16", "float32", "float64", "dictionary"])
def test_nan_among_numbers_in_place_of_texts_is_missing(tmp_path, kind):
    dtype = "float32" if kind == "dictionary" else kind
    numbers = np.array([1.5, np.nan, 0, 2] * 5, dtype)
    values = pa.array(numbers, mask=np.array([False, False, True, False] * 5))
    values = values.dictionary_encode() if kind == "dictionary" else values
    write_arrow(tmp_path / "a.arrow", text=values, label=["a", "b"] * 10)
    report = convert(tmp_path / "a.arrow", tmp_path, analyzer="char", min_df=1)
    assert (report["rows"], report["missing_rows"], report["empty_rows"]) == (20, 10, 10)


def test_labels_are_numbers_in_a_dictionary_too(tmp_path):
    labels = pa.array([1.0, 0.0, float("nan"), None] * 5).dictionary_encode()
    write_arrow(tmp_path / "a.arrow", text=["good words"] * 20, label=labels)
    report = convert(tmp_path / "a.arrow", tmp_path)
    assert (report["classes"], report["rows"], report["rejected_rows"]) == (["0", "1"], 10, 10)


def test_labels_of_svmlight_are_spelled_as_all_others_are(tmp_path):
    lines = [f"{label} 1:1 2:0.5\n" for label in LABELS if " " not in label]
    (tmp_path / "a.svm").write_text("".join([*lines, "01 1:1\n", "1e3 1:1\n", "-1 1:1\n"]))
    report = ooc_train.convert(tmp_path / "a.svm", tmp_path / "o.h5", validation_fraction=0)
    assert sorted(report["classes"]) == sorted([*SPELLED, "01", "1e3", "-1"])


LINES = {
    "a.csv": "\n\ntext,label\n\ngood words,a\n  \nbad words,b\n\r\n\n",
    "a.tsv": "text\tlabel\n\ngood words\ta\nbad words\tb\n\n",
    "a.jsonl": '\n{"text": "good words", "label": "a"}\n \t\n{"text": "bad", "label": "b"}\n\n',
    "a.json": '[\n\n{"text": "good words", "label": "a"},\n\n{"text": "bad", "label": "b"}]\n\n',
    "a.txt": "\n__label__a good words\n  \n__label__b bad words",
    "a.svm": "# two rows\n1 1:1\n\n0 2:1 # the second\n\n",
}
COUNTS = {"a.csv": (3, 1, 5), "a.tsv": (2, 0, 2), "a.jsonl": (2, 0, 3), "a.json": (2, 0, 0)}
COUNTS |= {"a.txt": (2, 0, 2), "a.svm": (2, 0, 3)}


@pytest.mark.parametrize("name", LINES)
def test_blank_lines_are_counted_and_are_no_rows(tmp_path, name, capsys):
    (tmp_path / name).write_bytes(LINES[name].encode())
    options = ["--text", "text", "--label", "label"] if ".svm" not in name else []
    status = command.main(
        [str(tmp_path / name), "-o", str(tmp_path / "o.h5"), "--report", str(tmp_path / "r.json"),
         "--validation-fraction", "0", *options, *(["--features", "sequence"] if options else [])]
    )  # fmt: skip
    assert status == 0
    (found,) = json.loads((tmp_path / "r.json").read_text())["files"]
    n_rows, n_rejected, n_blank = COUNTS[name]
    assert (found["rows"], found["rejected"], found["blank_lines"]) == (n_rows, n_rejected, n_blank)
    shown = capsys.readouterr().out
    assert (f"{n_blank} blank lines passed over" in shown) == bool(n_blank)


def rejected(tmp_path):
    with (tmp_path / "o.h5.rejected.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("suffix", ["csv", "tsv"])
def test_the_null_of_databases_is_missing(tmp_path, suffix):
    rows = ["label text", *(f"{label} words" for label in "ab" * 5), r"a \N", r"\N words", r"a \n"]
    separated = [row.replace(" ", "\t" if suffix == "tsv" else ",") for row in rows]
    (tmp_path / f"a.{suffix}").write_text("\n".join(separated) + "\n")
    report = convert(tmp_path / f"a.{suffix}", tmp_path, features="sequence")
    assert (report["rows"], report["missing_rows"], report["rejected_rows"]) == (12, 1, 1)
    assert (report["classes"], report["words"]) == (["a", "b"], 11)
    assert {line["reason"] for line in rejected(tmp_path)} == {"no label"}
