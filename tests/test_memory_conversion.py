"""The memory promise of the conversion, in fresh processes: a budget, whatever the rows."""

import json
import subprocess
import sys

import pytest

from benchmarks.corpus import write_corpus

BUDGET = 256_000_000
ROWS = 60_000

RUN = "import sys; from ooc_train.cli.convert import main; sys.exit(main(sys.argv[1:]))"
# The same step with its spill in memory: what a bounded one must be told from.
RUN_IN_MEMORY = f"""
from ooc_train.conversion.spill import Spill
write, held = Spill.write, []
def hold(self, first_row, records, bounds):
    held.append(records.copy())
    write(self, first_row, records, bounds)
Spill.write = hold
{RUN}
"""


FEATURES = {
    "ngram": ["--features", "ngram"],
    "sequence": ["--features", "sequence"],
    "characters": ["--features", "ngram", "--analyzer", "char", "--ngrams", "1,3"],
}


def peak_anon_bytes(program, corpus, output, features):
    report = output.with_suffix(".json")
    arguments = [str(corpus), "-o", str(output), "--memory", "256MB", "--report", str(report)]
    arguments += FEATURES[features]
    subprocess.run([sys.executable, "-c", program, *arguments, "--quiet"], check=True)
    output.unlink()
    return json.loads(report.read_text())["peak_anon_bytes"]


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpora")
    for n_rows in (ROWS, 4 * ROWS):
        write_corpus(str(folder / f"{n_rows}.csv"), n_rows)
    return folder


@pytest.mark.parametrize(
    ("features", "n_rows"),
    [
        ("ngram", ROWS),
        ("ngram", 4 * ROWS),
        ("sequence", ROWS),
        ("sequence", 4 * ROWS),
        ("characters", ROWS),
    ],
)
def test_anonymous_memory_stays_within_the_budget(corpora, n_rows, features):
    assert peak_anon_bytes(RUN, corpora / f"{n_rows}.csv", corpora / "o.h5", features) < BUDGET


@pytest.mark.parametrize("features", ["ngram", "sequence"])
def test_an_in_memory_variant_does_not(corpora, features):
    corpus = corpora / f"{4 * ROWS}.csv"
    assert peak_anon_bytes(RUN_IN_MEMORY, corpus, corpora / "o.h5", features) > BUDGET
