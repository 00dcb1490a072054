"""The tables and plots of the READMEs, from the files of earlier runs in --out.

Between the two lines

    <!-- benchmarks: NAME -->
    <!-- benchmarks: end -->

in README.md and benchmarks/README.md comes what NAME.md in --out has, and with `NAME, table 2` its
second table alone, under the command that made it.  NAME may be in a folder below --out.  `targets`
stands for the targets of all results there.  Plots go to benchmarks/plots.
"""

import argparse
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.measure import harness, machine
from benchmarks.report import plots, tables
from ooc_train.errors import InputError

NAME = "publish"
READMES = ("README.md", "benchmarks/README.md")
_PLOTS = "benchmarks/plots"
_MARKED = re.compile(
    r"(<!-- benchmarks: (?!end -->)([^\n]+?) -->\n)(.*?)(<!-- benchmarks: end -->)", re.DOTALL
)
_TABLE = re.compile(r"(?:^\|.*\n?)+", re.MULTILINE)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this command's own options."""
    parser.add_argument(
        "--root",
        type=Path,
        default=machine.ROOT,
        metavar="DIR",
        help="the folder of README.md (default: this clone's)",
    )


def run(options: argparse.Namespace) -> int:
    """Fill the READMEs and draw the plots; says what it wrote."""
    for name in READMES:
        path = options.root / name
        text = path.read_text("utf-8")
        filled = fill(text, options.out)
        if filled != text:
            path.write_text(filled, "utf-8")
            print(path.name if name == path.name else name)
    for drawn in plots.draw(options.out, options.root / _PLOTS):
        print(drawn.relative_to(options.root))
    return 0


def fill(text: str, folder: Path) -> str:
    """A README with what is between its markers made anew; what has no results stays."""

    def content(marked: re.Match[str]) -> str:
        begin, what, old, end = marked.groups()
        found = _content(what, folder)
        if found is None:
            harness.say(f"no results of {what} in {folder}: left as it is")
            return begin + old + end
        return f"{begin}\n{found}\n\n{end}"

    return _MARKED.sub(content, text)


def _content(what: str, folder: Path) -> str | None:
    """What stands for `NAME`, `NAME, table K` or `targets`; `None` without results."""
    name, _, number = what.partition(", table ")
    if name == "targets":
        return targets_table(folder)
    path = folder / f"{name}.md"
    if not path.is_file():
        return None
    text = path.read_text("utf-8").strip()
    if not number:
        body = text.partition("\n")[2].strip()  # the README has a heading of its own
        return re.sub(r"^###", "#####", body, flags=re.MULTILINE)
    found = _TABLE.findall(text)
    if not number.isdecimal() or not 1 <= int(number) <= len(found):
        raise InputError(f"{path} has {len(found)} tables, and no table {number}")
    record = json.loads((folder / f"{name}.json").read_text("utf-8"))
    return f"    {record['command']}\n\n{found[int(number) - 1].strip()}"


def records(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """All results below a folder that have targets, each with its `NAME`."""
    for path in sorted(folder.rglob("*.json")):
        record = json.loads(path.read_text("utf-8"))
        if record.get("targets"):
            yield path.relative_to(folder).with_suffix("").as_posix(), record


def targets_table(folder: Path) -> str | None:
    """The targets of all results below a folder, with what was measured."""
    lines = [
        [name, target["text"], target["bound"], target["shown"], target["outcome"]]
        for name, record in records(folder)
        for target in record["targets"]
    ]
    if not lines:
        return None
    return tables.table(["results", "target", "bound", "measured", "outcome"], lines)
