"""fastText from CSV to a model, and its accuracy, as its own script for these data sets has it.

That is classification-results.sh of its repository: the text is lowered, punctuation set apart,
rows shuffled and written to a file of lines with `__label__` in front, then trained with bigrams
and 10 dimensions.  Buckets are the program's default.
"""

import random
from pathlib import Path
from typing import Any

from benchmarks.peers import reporting
from benchmarks.peers.csv_rows import read_rows
from benchmarks.peers.reporting import Phases

try:
    import fasttext
except ImportError as missing:
    reporting.not_installed(missing)

PACKAGES = ("fasttext", "numpy")
_SPACED = {c: f" {c} " for c in "'.,()!?"} | dict.fromkeys(";:", " ") | {'"': ""}
_PUNCTUATION = str.maketrans(_SPACED)


def normalized(text: str) -> str:
    """The text as the script's `normalize_text` gives it."""
    return " ".join(text.lower().replace("<br />", " ").translate(_PUNCTUATION).split())


def write_lines(source: Path, target: Path) -> int:
    """Write a file's rows as fastText reads them, shuffled; how many there are."""
    lines = [f"__label__{label} {normalized(text)}\n" for label, text in read_rows(source)]
    random.Random(0).shuffle(lines)
    with target.open("w", encoding="utf-8") as file:
        file.writelines(lines)
    return len(lines)


def train(lines: Path, n_epochs: int, options: dict[str, float]) -> Any:
    """A model after `n_epochs`."""
    return fasttext.train_supervised(str(lines), epoch=n_epochs, verbose=0, **options)


def main() -> None:
    """Train and evaluate on the command line's files."""
    parser = reporting.text_parser(__doc__)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--learning-rate", type=float, default=0.5)
    parser.add_argument("--dimension", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--time-epoch",
        action="store_true",
        help="train once more, for one epoch, so that the difference tells what an epoch takes",
    )
    options = parser.parse_args()
    settings = {
        "lr": options.learning_rate,
        "dim": options.dimension,
        "thread": options.threads,
        "wordNgrams": 2,
    }
    phases = Phases()
    phases.end("imports")
    lines = options.output.with_suffix(".train.txt")
    report: dict[str, Any] = {"rows": write_lines(options.train, lines)}
    phases.end("writing lines")
    model = train(lines, options.epochs, settings)
    training_seconds = phases.end("training")
    model.save_model(str(options.output))
    phases.end("saving")
    report["seconds_to_model"] = sum(phases.seconds.values())
    if options.test:
        test_lines = options.output.with_suffix(".test.txt")
        report["test_rows"] = write_lines(options.test, test_lines)
        report["accuracy"] = model.test(str(test_lines))[1]
        phases.end("test rows")
    if options.time_epoch and options.epochs > 1:
        train(lines, 1, settings)
        difference = training_seconds - phases.end("one epoch")
        report["epoch_seconds"] = difference / (options.epochs - 1)
    reporting.write(options.report, report, phases, PACKAGES)


if __name__ == "__main__":
    main()
