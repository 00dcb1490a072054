"""`explore`: the whole report against pandas, options as for `convert`, and bounded memory."""

import gzip
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import ooc_train
from ooc_train.cli import convert as convert_command
from ooc_train.cli import inspect as command
from ooc_train.conversion.sources.files.rejects import Place, Reject
from ooc_train.conversion.sources.rows import Block, TextRows
from ooc_train.errors import InputError
from ooc_train.inspection.raw.explore import explore
from ooc_train.inspection.raw.sample import RowSample
from ooc_train.inspection.raw.tally import RejectTally
from ooc_train.memory import measure
from tests.corpora import random_rows, write_rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Rows of two splits, of which some are repeated, with a broken one."""
    folder = tmp_path_factory.mktemp("raw")
    train, test = random_rows(300), random_rows(80, seed=1)
    train[7:10] = train[100:103]
    test[:5] = train[:5]
    write_rows(folder / "train.csv", train)
    write_rows(folder / "test.csv", test)
    with (folder / "train.csv").open("a") as file:
        file.write('"1"\n')
    return folder


@pytest.fixture(scope="module")
def report(folder):
    return explore(folder / "train.csv", test=folder / "test.csv", temp_dir=folder)


def table(path):
    return pd.read_csv(path, header=None, dtype=str, keep_default_na=False).dropna()


def test_rows_classes_and_lengths_are_those_of_pandas(folder, report):
    frames = {name: table(folder / f"{name}.csv") for name in ("train", "test")}
    frames["train"] = frames["train"][:300]
    labels = sorted(set(frames["train"][0]), key=int)
    assert [one["label"] for one in report["classes"]] == labels
    for name, frame in frames.items():
        counts = frame[0].value_counts()
        assert [one["rows"][name] for one in report["classes"]] == [counts[k] for k in labels]
        words = joined(frame).str.split().str.len()
        split = report["splits"][name]
        assert split["rows"] == len(frame)
        assert split["lengths"] == dict(sorted(Counter(words).items()))
        assert split["words"]["mean"] == pytest.approx(words.mean())
        assert (split["words"]["least"], split["words"]["most"]) == (words.min(), words.max())
        expected = words.quantile(0.5, interpolation="lower")
        assert split["words"]["quantiles"]["0.5"] == expected
        assert (
            split["bytes"]
            == frame.loc[:, 1:].agg(", ".join, axis=1).map(lambda text: len(text.encode())).sum()
        )
    assert report["guide"]["rows"] == 300
    assert report["guide"]["advised"] == "ngram"


def joined(frame):
    return frame.loc[:, 1:].agg(", ".join, axis=1)


def test_duplicates_are_found_with_their_places_and_texts(folder, report):
    found = report["duplicates"]
    train, test = joined(table(folder / "train.csv")[:300]), joined(table(folder / "test.csv"))
    assert found["repeated"] == {"train": train.duplicated().sum(), "test": test.duplicated().sum()}
    assert found["repeated"]["train"] >= 3
    assert found["leaked"] == {"train": 0, "test": test.isin(set(train)).sum()}
    assert found["leaked"]["test"] >= 5
    example = found["examples"]["leaked"][0]
    assert (example["row"], example["other"]) == ("test.csv, line 1", "train.csv, line 1")
    assert example["text"] == example["other_text"] == train[0]


def test_rejects_terms_and_costs_are_there(report):
    (reason,) = report["rejects"]["reasons"]
    assert (report["rejects"]["rows"], reason["rows"]) == (1, 1)
    assert "line 301" in reason["first"]
    assert len(report["terms"]["frequent"]) == 30
    places = [one["class"] for one in report["terms"]["telling"]]
    assert places == list(range(len(report["classes"])))
    cost = report["cost"]
    assert cost["sample_rows"] == 300
    for key in ("convert_seconds", "output_bytes", "epoch_seconds", "training_bytes"):
        assert cost[key] > 0
    json.dumps(report)


def test_the_estimated_size_is_about_that_of_the_converted_file(folder, report, tmp_path):
    done = ooc_train.convert(folder / "train.csv", tmp_path / "o.h5", test=folder / "test.csv",
                             max_rejects=5)  # fmt: skip
    assert 0.5 < report["cost"]["output_bytes"] / done["output_bytes"] < 2


def test_nothing_is_left_behind(folder, report):
    assert {path.name for path in folder.iterdir()} == {"train.csv", "test.csv"}


def test_the_result_depends_on_neither_memory_nor_workers(folder, report):
    budget = (measure().anon_bytes or 0) + 300_000_000  # above what other tests have left
    again = explore(folder / "train.csv", test=folder / "test.csv", workers=1,
                    memory_bytes=budget, temp_dir=folder)  # fmt: skip
    for key in ("rows", "classes", "splits", "guide", "terms", "duplicates", "rejects"):
        assert again[key] == report[key]


FORMATS = {
    "rows.jsonl": lambda rows, path: path.write_text(
        "".join(json.dumps({"label": r[0], "text": " ".join(r[1:])}) + "\n" for r in rows)
    ),
    "rows.parquet": lambda rows, path: pd.DataFrame(
        {"label": [r[0] for r in rows], "text": [" ".join(r[1:]) for r in rows]}
    ).to_parquet(path),
    "rows.csv.gz": lambda rows, path: path.write_bytes(gzip.compress(
        ("label,text\n" + "".join(f'{r[0]},"{" ".join(r[1:])}"\n' for r in rows)).encode()
    )),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMATS)
def test_all_formats_and_their_options(tmp_path, name):
    rows = random_rows(100)
    FORMATS[name](rows, tmp_path / name)
    found = explore(tmp_path / name, text="text", label="label")
    assert found["splits"]["train"]["rows"] == 100
    assert found["guide"]["rows"] == 100


def test_a_folder_of_texts_by_class(tmp_path):
    for number, row in enumerate(random_rows(40)):
        path = tmp_path / "texts" / f"class{row[0]}" / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(" ".join(row[1:]))
    found = explore(tmp_path / "texts")
    assert found["rows"] == 40
    assert {one["label"][:5] for one in found["classes"]} == {"class"}


def test_rows_of_a_program_and_numbers(tmp_path):
    rows = [(" ".join(row[1:]), row[0]) for row in random_rows(60)]
    assert explore(rows)["rows"] == 60
    values = np.random.default_rng(0).random((50, 4)).astype(np.float32)
    values[9] = values[3]
    found = explore(values, labels=np.arange(50) % 2)
    assert found["features"] == "dense"
    assert found["guide"] is found["terms"] is found["cost"] is None
    assert found["duplicates"]["repeated"]["train"] == 1
    assert found["duplicates"]["conflicting"] == 0
    (tmp_path / "rows.svm").write_text("".join(f"{i % 2} 1:{i} 7:2\n" for i in range(30)))
    found = explore(tmp_path / "rows.svm")
    assert (
        found["splits"]["train"]["lengths"] == {1: 1, 2: 29}
        or found["splits"]["train"]["entries"]["most"] == 2
    )


def test_what_convert_refuses_is_refused_with_the_same_words(tmp_path, capsys):
    (tmp_path / "t.csv").write_text("".join(f'"text {i}",{i}\n' for i in range(200)))
    arguments = [str(tmp_path / "t.csv"), "--text", "1", "--label", "7"]
    assert convert_command.main([*arguments, "-o", str(tmp_path / "o.h5")]) != 0
    expected = capsys.readouterr().err.removeprefix("ooc-convert")
    assert command.main(arguments) != 0
    assert capsys.readouterr().err.removeprefix("ooc-inspect") == expected
    with pytest.raises(InputError, match="does not exist"):
        explore(tmp_path / "none.csv")


def test_of_too_few_words_there_are_no_costs(tmp_path):
    (tmp_path / "t.csv").write_text("".join(f'{i % 2},"{"x" * (i + 2)}"\n' for i in range(6)))
    found = explore(tmp_path / "t.csv")
    assert found["cost"] is None
    assert found["rows"] == 6


def test_a_sample_is_uniform_and_bounded():
    drawn = Counter()
    texts = [f"{i:04}".encode() * 10 for i in range(1000)]
    for start in range(3):
        sample = RowSample(8000)
        for first in range(0, 1000, 50):
            rows = TextRows.of(texts[first : first + 50])
            sample.add(Block("train", first + 7000 * start, rows, np.zeros(50, np.int32), 0))
            assert sample.n_bytes <= 8000
        assert len(sample) >= 80
        drawn.update(text for *_, text in sample._rows)
    halves = sum(n for text, n in drawn.items() if int(text[:4]) < 500) / drawn.total()
    assert 0.35 < halves < 0.65


def test_reasons_are_counted_without_what_they_quote():
    tally = RejectTally()
    for line in range(30):
        tally.add(Place(Path("a"), line), Reject(line, f"label 'x{line}' does not occur", b""))
    assert tally.report == {"rows": 30, "reasons": [
        {"reason": "label '…' does not occur", "rows": 30,
         "first": "a, line 0: label 'x0' does not occur"}
    ]}  # fmt: skip
    for line in range(50):
        tally.add(Place(Path("a"), line), Reject(line, f"reason {line}", b""))
    assert len(tally.report["reasons"]) == 21


# The command


def test_the_command_prints_what_is_worth_knowing(folder, capsys):
    arguments = [str(folder / "train.csv"), "--test", str(folder / "test.csv"), "--quiet"]
    assert command.main(arguments[:-1]) == 0
    text = capsys.readouterr().out
    for said in (
        "300 train and 80 test rows of text of",
        "telling terms",
        "words in a train row:",
        "Google's guide: 300 rows /",
        " train rows (4.3%) with a text that another row of the split has, too",
        "%) with a text that a train row has, too",
        "test.csv, line 1 = train.csv, line 1: ",
        "1 row cannot be used:",
        "converting takes",
        "an epoch takes about",
    ):
        assert said in text
    assert max(map(len, text.splitlines()[:12])) <= 110
    assert command.main(arguments) == 0
    assert capsys.readouterr().out == ""


def test_json_is_the_report(folder, capsys, tmp_path):
    arguments = [str(folder / "train.csv"), "--json", "--report", str(tmp_path / "r.json")]
    assert command.main(arguments) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown == json.loads((tmp_path / "r.json").read_text())
    ooc_train.convert(folder / "train.csv", tmp_path / "o.h5", max_rejects=3)
    assert command.main([str(tmp_path / "o.h5"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["features"] == "ngram"
    assert command.main([str(tmp_path / "o.h5"), "--json", "--verify"]) == 0
    assert json.loads(capsys.readouterr().out)["damaged"] == []


def test_options_that_do_not_fit_are_said(folder, tmp_path, capsys):
    ooc_train.convert(folder / "train.csv", tmp_path / "o.h5", max_rejects=3)
    for arguments, said in (
        ([str(tmp_path / "o.h5"), "--text", "2"], "is converted already; --text cannot be used"),
        ([str(tmp_path / "o.h5"), str(folder / "train.csv")], "one is inspected at a time"),
        ([str(folder / "train.csv"), "--verify"], "--verify is for a converted file"),
        ([], "name a converted file or files of rows"),
    ):
        assert command.main(arguments) == 2
        assert said in capsys.readouterr().err
    same = folder / "same.json"
    same.hardlink_to(folder / "test.csv")
    assert command.main([str(folder / "train.csv"), "--report", str(same),
                         "--test", str(folder / "test.csv"), "--force"]) == 1  # fmt: skip
    assert "is also the input" in capsys.readouterr().err


BOUNDED = """
import sys
from ooc_train.inspection.raw.explore import explore
found = explore(sys.argv[1], memory_bytes=int(sys.argv[2]))
print(found["peak_anon_bytes"], found["rows"], found["terms"]["missed_rows"])
"""


@pytest.mark.slow
def test_memory_is_bounded_whatever_the_rows(tmp_path):
    rng = np.random.default_rng(0)
    words = np.array([f"w{i}" for i in range(200_000)])
    with (tmp_path / "rows.csv").open("w") as file:
        for _ in range(15):
            picks = rng.zipf(1.2, size=(10_000, 25)) % len(words)
            for label, row in zip(rng.integers(4, size=10_000), words[picks], strict=True):
                file.write(f'{label},"{" ".join(row)}"\n')
    budget = 200_000_000
    done = subprocess.run(
        [sys.executable, "-c", BOUNDED, str(tmp_path / "rows.csv"), str(budget)],
        capture_output=True, text=True, check=True, env=os.environ | {"TMPDIR": str(tmp_path)},
    )  # fmt: skip
    peak, n_rows, missed = map(int, done.stdout.split())
    assert n_rows == 150_000
    assert missed > 0  # not all terms fit
    assert peak < budget
