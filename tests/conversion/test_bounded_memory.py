"""The memory promise of the conversion, in fresh processes: a budget, whatever the rows."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import dump_svmlight_file

from benchmarks.corpus.generate import write_corpus

pytestmark = pytest.mark.slow

BUDGET = 256_000_000
ROWS = 60_000

RUN = "import sys; from ooc_train.cli.convert import main; sys.exit(main(sys.argv[1:]))"
# The same step with its temporary files in memory, four times: a bounded one must differ.
RUN_IN_MEMORY = f"""
import os
write, held = os.write, []
def hold(file, items):
    held.append(bytes(items) * 4)
    return write(file, items)
os.write = hold
{RUN}
"""


# Nothing loads what it can do without.
NO_PANDAS = "import sys; sys.modules['pandas'] = sys.modules['scipy'] = None"

FEATURES = {
    "ngram": ["--features", "ngram"],
    "sequence": ["--features", "sequence"],
    "characters": ["--features", "ngram", "--analyzer", "char", "--ngrams", "1,3"],
}


def peak_anon_bytes(program, corpus, output, features):
    report = output.with_suffix(".json")
    arguments = [
        str(corpus),
        "-o",
        str(output),
        "--memory",
        "256MB",
        "--report",
        str(report),
        "--force",
    ]
    arguments += FEATURES[features]
    subprocess.run([sys.executable, "-c", program, *arguments, "--quiet"], check=True)
    output.unlink()
    return json.loads(report.read_text())["peak_anon_bytes"]


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpora")
    for n_rows in (ROWS // 2, ROWS, 4 * ROWS):
        write_corpus(str(folder / f"{n_rows}.csv"), n_rows)
    return folder


@pytest.mark.parametrize(
    ("features", "n_rows"),
    [
        ("ngram", ROWS),
        ("ngram", 4 * ROWS),
        ("sequence", ROWS),
        ("sequence", 4 * ROWS),
        ("characters", ROWS // 2),
    ],
)
def test_anonymous_memory_stays_within_the_budget(corpora, n_rows, features):
    assert peak_anon_bytes(RUN, corpora / f"{n_rows}.csv", corpora / "o.h5", features) < BUDGET


@pytest.mark.parametrize("features", ["ngram", "sequence"])
def test_an_in_memory_variant_does_not(corpora, features):
    corpus = corpora / f"{4 * ROWS}.csv"
    assert peak_anon_bytes(RUN_IN_MEMORY, corpus, corpora / "o.h5", features) > BUDGET


SOURCES = {
    "jsonl": ["--features", "ngram"],
    "parquet": ["--features", "ngram"],
    "npy": ["--dtype", "int8", "--labels", "labels.npy"],
    "csv": ["--features", "dense"],
    "svm": [],
}


def write_source(path, kind):
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=ROWS)
    if kind in ("jsonl", "parquet"):
        write_corpus(str(path.with_suffix(".csv")), ROWS)
        frame = pd.read_csv(path.with_suffix(".csv"), header=None, names=["label", "a", "b"])
        frame = frame.assign(text=frame.a + frame.b)[["label", "text"]]
        if kind == "jsonl":
            frame.to_json(path, orient="records", lines=True)
        else:
            frame.to_parquet(path, row_group_size=ROWS)
        return
    values = rng.normal(size=(3 * ROWS if kind == "npy" else ROWS // 6, 384)).astype(np.float32)
    if kind == "npy":
        np.save(path, values)
        np.save(path.with_name("labels.npy"), np.resize(labels, len(values)))
    elif kind == "csv":
        pd.DataFrame(values).assign(label=labels[: len(values)])[["label", *range(384)]].to_csv(
            path, header=False, index=False
        )
    else:
        values[rng.random(values.shape) < 0.7] = 0
        dump_svmlight_file(values, labels[: len(values)], str(path))


@pytest.mark.parametrize("kind", SOURCES)
def test_memory_stays_within_the_budget_whatever_the_source(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / f"rows.{kind}"
    write_source(path, kind)
    FEATURES[kind] = SOURCES[kind]
    assert peak_anon_bytes(f"{NO_PANDAS}\n{RUN}", path, tmp_path / "o.h5", kind) < BUDGET


def words(n_rows):
    return b"".join(b"%d,some words of text number %d\n" % (i % 2, i % 99) for i in range(n_rows))


HOSTILE = {
    "rows of two letters": lambda: b"0,a\n1,b\n" * 2_000_000,
    "a stray quote": lambda: b"".join((words(400), b'1,"stray\n', words(2_000_000))),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_memory_stays_within_the_budget_whatever_the_rows(tmp_path, kind):
    (tmp_path / "rows.csv").write_bytes(HOSTILE[kind]())
    output = tmp_path / "o.h5"
    assert peak_anon_bytes(RUN, tmp_path / "rows.csv", output, "sequence") < BUDGET
