"""The other systems' environments: one for each group of them, below a folder of the user's.

So nothing of theirs weighs on this package's memory.  What is installed already stays; what pip
could not install is written down, and the tables of the other benchmarks say it.
"""

import argparse

from benchmarks.measure import machine
from benchmarks.measure.peer_environments import GROUPS, INSTALLED, make
from benchmarks.report import results, tables
from ooc_train.errors import OptionError

NAME = "peers"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this command's own options."""
    parser.add_argument(
        "--only",
        type=_group_names,
        default=list(GROUPS),
        metavar="GROUP[,GROUP]",
        help=f"of: {', '.join(GROUPS)} (default: all, some 7 GB)",
    )


def run(options: argparse.Namespace) -> int:
    """Make the environments, write and print what came of it; 1 if one could not be made."""
    if options.peer_environments is None:
        raise OptionError("say with --peer-environments DIR where the environments are to be")
    records = {name: make(options.peer_environments / name, name) for name in options.only}
    markdown = "\n\n".join(
        [
            f"## {NAME}",
            f"`{options.command}`",
            tables.table(
                ["environment", "outcome", "versions, or what pip said last"],
                [[name, record["outcome"], record["message"]] for name, record in records.items()],
            ),
        ]
    )
    record = {
        "benchmark": NAME,
        "command": options.command,
        "environment": machine.describe(options.peer_environments),
        "groups": records,
    }
    results.write(options.out, NAME, record, markdown)
    print(markdown)
    return 0 if all(record["outcome"] == INSTALLED for record in records.values()) else 1


def _group_names(text: str) -> list[str]:
    """The value of --only."""
    names = text.split(",")
    for name in names:
        if name not in GROUPS:
            raise argparse.ArgumentTypeError(f"{name!r} is none of: {', '.join(GROUPS)}")
    return names
