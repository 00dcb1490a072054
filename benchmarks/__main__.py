"""Measure ooc-train on this machine, beside the systems that it competes with."""

import argparse
import importlib
import shlex
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, Protocol, cast

from benchmarks.measure import machine
from benchmarks.options import positive
from ooc_train.errors import OocTrainError, OptionError

COMMANDS = (
    "all",
    "accuracy",
    "convert",
    "defaults",
    "end-to-end",
    "faults",
    "fit",
    "memory",
    "order",
    "parse",
    "peers",
    "publish",
    "read",
    "remote",
    "resume",
    "schedulers",
    "scripts",
    "selftest",
    "shards",
    "train",
)
"""The module of each has its name, in `benchmarks.studies`."""


class Study(Protocol):
    """A module that is a command; its docstring is the command's help."""

    __doc__: str | None

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's own options."""

    def run(self, options: argparse.Namespace) -> int:
        """Measure, write and print; the exit status."""


def study(command: str) -> Study:
    """The module of a command."""
    module: Any = importlib.import_module(f"benchmarks.studies.{command.replace('-', '_')}")
    return cast(Study, module)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(given)
    options.command = _command_line(given)
    options.work = (options.work or options.out).resolve()
    signal.signal(signal.SIGTERM, _terminated)
    try:
        status: int = options.run(options)
    except OocTrainError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2 if isinstance(error, OptionError) else 1
    except KeyboardInterrupt:
        print("benchmarks: interrupted; temporary files are deleted", file=sys.stderr)
        return 130
    return status


def _escaped(text: str) -> str:
    """A text as argparse takes it, which replaces what follows a percent sign."""
    return text.replace("%", "%%")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="BENCHMARK")
    for name in COMMANDS:
        module = study(name)
        text = module.__doc__ or ""
        command = commands.add_parser(
            name, help=_escaped(text.splitlines()[0]), description=_escaped(text)
        )
        command.formatter_class = argparse.RawDescriptionHelpFormatter
        _add_common_options(command)
        module.add_options(command)
        command.set_defaults(run=module.run)
    return parser


def _add_common_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--out",
        type=Path,
        default=Path("benchmark-results"),
        metavar="DIR",
        help="where the JSON and Markdown files go (default: benchmark-results)",
    )
    add(
        "--work",
        type=Path,
        metavar="DIR",
        help="where temporary files go, on a disk (default: the folder of --out)",
    )
    add(
        "--runs",
        type=positive,
        default=3,
        metavar="N",
        help="how often each system runs (default: 3)",
    )
    add(
        "--peer-environments",
        type=lambda text: Path(text).resolve(),
        metavar="DIR",
        help="the folder that `python -m benchmarks peers` installs the other systems into "
        "(default: they run in this interpreter's environment)",
    )
    add("--quick", action="store_true", help="a small size, for a first look")
    add(
        "--cold",
        action="store_true",
        help="drop the input from the page cache before each run (default: it is warm)",
    )


def _command_line(given: Sequence[str]) -> str:
    """The command line as results show it: of an absolute path only its last part."""
    return shlex.join(["python", "-m", "benchmarks", *map(machine.without_folders, given)])


def _terminated(number: int, _frame: FrameType | None) -> NoReturn:
    """End by an exception, so that temporary files and running commands go as on Ctrl-C."""
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
