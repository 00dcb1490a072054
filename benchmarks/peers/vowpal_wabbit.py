"""Vowpal Wabbit from CSV to a model: bigrams, logistic loss, several passes over its cache file.

As its tutorials classify text: rows become lines of words in its format, two classes are -1 and 1,
more are numbered for one-against-all.  It keeps every tenth row out to stop early: its default.
"""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.peers import reporting
from benchmarks.peers.csv_rows import read_rows
from benchmarks.peers.reporting import Phases

try:
    import vowpalwabbit  # noqa: F401 - the command is what is used
except ImportError as missing:
    reporting.not_installed(missing)

PACKAGES = ("vowpalwabbit",)
_WORD = re.compile(r"\w+")


def write_lines(source: Path, target: Path, numbers: dict[str, int]) -> int:
    """Write a file's rows in Vowpal Wabbit's format; how many there are."""
    n_rows = 0
    with target.open("w", encoding="utf-8") as file:
        for label, text in read_rows(source):
            file.write(f"{numbers[label]} | {' '.join(_WORD.findall(text.lower()))}\n")
            n_rows += 1
    return n_rows


def class_numbers(path: Path) -> dict[str, int]:
    """A number for each label: -1 and 1 for two, 1 and up for more."""
    labels = sorted({label for label, _ in read_rows(path)})
    numbers = (-1, 1) if len(labels) == 2 else range(1, len(labels) + 1)
    return dict(zip(labels, numbers, strict=True))


def vw(*arguments: object) -> None:
    """Run its command."""
    command = [sys.executable, "-m", "vowpalwabbit", *map(str, arguments), "--quiet"]
    subprocess.run(command, check=True)


def accuracy(predictions: Path, lines: Path) -> float:
    """The share of lines whose label was predicted."""
    with predictions.open() as predicted, lines.open(encoding="utf-8") as rows:
        right = [
            float(answer.split()[0]) == float(row.partition(" ")[0])
            for answer, row in zip(predicted, rows, strict=True)
        ]
    return sum(right) / len(right)


def main() -> None:
    """Train and evaluate on the command line's files."""
    parser = reporting.text_parser(__doc__)
    parser.add_argument("--epochs", type=int, default=5)
    options = parser.parse_args()
    phases = Phases()
    phases.end("imports")
    lines, model = options.output.with_suffix(".train.txt"), options.output
    numbers = class_numbers(options.train)
    report: dict[str, Any] = {"rows": write_lines(options.train, lines, numbers)}
    phases.end("writing lines")
    kind = ["--binary"] if len(numbers) == 2 else ["--oaa", len(numbers)]
    settings = ["--loss_function", "logistic", "--ngram", 2, "-b", 24, *kind]
    passes = ["--passes", options.epochs, "--cache_file", options.output.with_suffix(".cache")]
    vw("-d", lines, "-f", model, *settings, *passes)
    phases.end("training")
    report["seconds_to_model"] = sum(phases.seconds.values())
    if options.test:
        test_lines = options.output.with_suffix(".test.txt")
        predictions = options.output.with_suffix(".predictions")
        report["test_rows"] = write_lines(options.test, test_lines, numbers)
        vw("-t", "-d", test_lines, "-i", model, "-p", predictions)
        report["accuracy"] = accuracy(predictions, test_lines)
        phases.end("test rows")
    reporting.write(options.report, report, phases, PACKAGES)


if __name__ == "__main__":
    main()
