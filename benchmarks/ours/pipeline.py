"""From CSV to a model and its test accuracy through this package's commands, one after another.

ooc-convert and ooc-train make the model; then ooc-convert with the same vectorizer and ooc-evaluate
handle the test rows.  The report is like that of a peer's script.

The model is there when its run is complete.  The page with plots that ooc-train draws afterwards,
where matplotlib is installed, is a phase of its own: no peer draws one.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.peers import reporting
from benchmarks.peers.reporting import Phases

PACKAGES = ("ooc-train", "tensorflow", "numpy")


def main() -> None:
    """Convert, train and evaluate the command line's files."""
    parser = reporting.text_parser(__doc__)
    parser.add_argument("--features", default="ngram")
    parser.add_argument("--epochs", default="4", help="or auto: the defaults, early stopping")
    parser.add_argument("--memory", help="ooc-convert's --memory")
    options = parser.parse_args()
    phases = Phases()
    with tempfile.TemporaryDirectory(dir=options.output.parent) as folder:
        report = _run(options, Path(folder), phases)
    reporting.write(options.report, report, phases, PACKAGES)


def _run(options: Any, folder: Path, phases: Phases) -> dict[str, Any]:
    data, run, test = folder / "train.h5", folder / "run", folder / "test.h5"
    memory = ["--memory", options.memory] if options.memory else []
    undivided, is_auto = ["--validation-fraction", 0], options.epochs == "auto"
    converted = _call(
        folder, "convert", options.train, "-o", data, "--features", options.features,
        *memory, *([] if is_auto else undivided),
    )  # fmt: skip
    phases.end("ooc-convert")
    epochs = [] if is_auto else ["--epochs", options.epochs]
    trained = _call(folder, "train", data, "-o", run, *epochs)
    phases.end("ooc-train", seconds_ago=time.time() - (run / "report.json").stat().st_mtime)
    seconds_to_model = sum(phases.seconds.values())
    phases.end("page")
    report = {
        "rows": converted["rows"],
        "features": converted["features"],
        "seconds_to_model": seconds_to_model,
        "epochs": len(trained["epochs"]),
        "rows_per_second": trained["epochs"][-1]["rows_per_second"],
    }
    if options.test:
        _call(
            folder, "convert", options.test, "-o", test, "--vectorizer", data, *memory, *undivided
        )
        phases.end("ooc-convert, test rows")
        evaluated = _call(folder, "evaluate", run, test, "--split", "train")
        phases.end("ooc-evaluate")
        report |= {"test_rows": evaluated["rows"], "accuracy": evaluated["accuracy"]}
    return report


def _call(folder: Path, command: str, *arguments: object) -> dict[str, Any]:
    """Run a command of the package; its report, which is written to `folder`."""
    report = folder / f"{command}.json"
    words = [sys.executable, "-m", f"ooc_train.cli.{command}", *map(str, arguments)]
    subprocess.run([*words, "--quiet", "--force", "--report", str(report)], check=True)
    found: dict[str, Any] = json.loads(report.read_text("utf-8"))
    return found


if __name__ == "__main__":
    main()
