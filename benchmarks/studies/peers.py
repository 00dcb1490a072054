"""The other systems' environments: one for each group of them, below a folder of the user's.

So none of their packages weighs on this package's memory.  An environment that is there already
stays.  If pip cannot install one, its last words are kept, and the tables of the other benchmarks
show them.
"""

import argparse

from benchmarks import study
from benchmarks.measure import machine
from benchmarks.measure.peer_environments import GROUPS, INSTALLED, make
from benchmarks.options import words_of
from benchmarks.report import tables
from benchmarks.study import Findings
from ooc_train.errors import OptionError

_TABLE = ("environment", "outcome", "versions, or the last words of pip")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument(
        "--only",
        type=words_of(GROUPS),
        default=tuple(GROUPS),
        metavar="GROUP[,GROUP]",
        help=f"of: {', '.join(GROUPS)} (default: all, some 7 GB)",
    )


def run(options: argparse.Namespace) -> int:
    """Make the environments, write and print the outcomes; 1 if one could not be made."""
    if options.peer_environments is None:
        raise OptionError("give a folder for the environments with --peer-environments DIR")
    records = {name: make(options.peer_environments / name, name) for name in options.only}
    lines = [[name, record["outcome"], record["message"]] for name, record in records.items()]
    found = Findings(
        parts=[tables.table(_TABLE, lines)],
        record={"groups": records},
        succeeded=all(record["outcome"] == INSTALLED for record in records.values()),
    )
    return study.conclude("peers", options, machine.describe(options.peer_environments), found)
