"""The tables and plots of the READMEs, from the files of earlier runs in --out.

In README.md and benchmarks/README.md the text between the two lines

    <!-- benchmarks: NAME -->
    <!-- benchmarks: end -->

is replaced by that of NAME.md in --out, or with `NAME, table 2` by its second table alone, under
the command that made it.  NAME may be in a folder below --out.  `targets` stands for the targets of
all results there; those of others, which are not there, stay.  Plots go to benchmarks/plots.
"""

import argparse
import json
import re
from pathlib import Path

from benchmarks.measure import harness, machine
from benchmarks.report import plots, targets
from ooc_train.errors import InputError

READMES = ("README.md", "benchmarks/README.md")
_PLOTS = "benchmarks/plots"
_MARKED = re.compile(
    r"(<!-- benchmarks: (?!end -->)([^\n]+?) -->\n)(.*?)(<!-- benchmarks: end -->)", re.DOTALL
)
_TABLE = re.compile(r"(?:^\|.*\n?)+", re.MULTILINE)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument(
        "--root",
        type=Path,
        default=machine.ROOT,
        metavar="DIR",
        help="the folder of README.md (default: this clone's)",
    )


def run(options: argparse.Namespace) -> int:
    """Fill the READMEs, draw the plots, and print the files that changed."""
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
    """A README with the text between its markers replaced; text without results stays."""

    def content(marked: re.Match[str]) -> str:
        begin, what, old, end = marked.groups()
        found = _content(what, folder, old)
        if found is None:
            harness.say(f"no results of {what} in {folder}: left as it is")
            return begin + old + end
        return f"{begin}\n{found}\n\n{end}"

    return _MARKED.sub(content, text)


def _content(what: str, folder: Path, old: str) -> str | None:
    """The text for `NAME`, `NAME, table K` or `targets`; `None` without results."""
    name, _, number = what.partition(", table ")
    if name == "targets":
        return targets.gathered_table(folder, old)
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
