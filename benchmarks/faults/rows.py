"""The rows of a source: each has to be in the output of a conversion, or among the rejects."""

import csv
import io
import json
from pathlib import Path

from benchmarks.faults.outcomes import LOST_ROWS, Outcome

REJECTS = "o.h5.rejected.csv"
REPORT = "report.json"


def lost(folder: Path, n_rows: int) -> Outcome | None:
    """Rows that are nowhere, or in two places, by the report and the rejects in a folder."""
    report = json.loads((folder / REPORT).read_text("utf-8"))
    n_kept, n_rejected = report["rows"] + report["validation_rows"], report["rejected_rows"]
    if n_kept + n_rejected != n_rows:
        return Outcome(LOST_ROWS, f"{n_kept} kept and {n_rejected} rejected of {n_rows} rows")
    rejects = folder / REJECTS
    text = rejects.read_text("utf-8", "surrogateescape") if rejects.exists() else "header\n"
    n_listed = len(list(csv.reader(io.StringIO(text, newline="")))) - 1
    if n_listed != n_rejected:
        return Outcome(LOST_ROWS, f"{n_listed} listed of {n_rejected} rejected rows")
    return None
