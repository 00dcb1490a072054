"""The last table of the quickstart: what each command took, read from its `--report` file.

    python tools/quickstart_summary.py FOLDER

FOLDER holds `convert.json`, `inspect.json`, `train.json`, `evaluate.json` and `predict.json`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

COMMANDS = ("convert", "inspect", "train", "evaluate", "predict")
COLUMNS = {
    "seconds": ("seconds", 1),
    "peak memory, MB": ("peak_rss_bytes", 1e-6),
    "anonymous, MB": ("peak_anon_bytes", 1e-6),
}

Report = dict[str, Any]


def read_reports(folder: Path) -> dict[str, Report]:
    """Read every command's report, in the order of the commands."""
    return {
        command: json.loads((folder / f"{command}.json").read_text(encoding="utf-8"))
        for command in COMMANDS
    }


def summary(reports: dict[str, Report]) -> str:
    """Format the table; `-` stands where a report does not say."""
    lines = [f"{'command':<12}" + "".join(f"{name:>18}" for name in COLUMNS)]
    for command, report in reports.items():
        cells = [_cell(_total(report.get(key)), scale) for key, scale in COLUMNS.values()]
        lines.append(f"{'ooc-' + command:<12}" + "".join(f"{cell:>18}" for cell in cells))
    evaluation = reports["evaluate"]
    lines += ["", f"accuracy {evaluation['accuracy']:.3f} on {evaluation['rows']:,} held-out rows"]
    return "\n".join(lines)


def _total(value: Any) -> Any:
    """Take the total of seconds that a report gives by phase."""
    return value.get("total") if isinstance(value, dict) else value


def _cell(value: float | None, scale: float) -> str:
    return "-" if value is None else f"{value * scale:,.1f}"


def main() -> int:
    """Print the table of the folder named on the command line."""
    if len(sys.argv) != 2:
        print("usage: python tools/quickstart_summary.py FOLDER", file=sys.stderr)
        return 2
    print(summary(read_reports(Path(sys.argv[1]))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
