"""What is missing is told from what is empty, and labels have one spelling in all formats."""

import csv
import json

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import ooc_train

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


def rejected(tmp_path):
    with (tmp_path / "o.h5.rejected.csv").open(newline="") as file:
        return list(csv.DictReader(file))
