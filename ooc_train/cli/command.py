"""A command: its command line, its report, and how errors reach the user."""

import argparse
import contextlib
import itertools
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ooc_train.atomic import output_file
from ooc_train.cli import bars, streams
from ooc_train.cli.command_line import CommandLine, check_units, surplus
from ooc_train.cli.options import Given, add_options, lacking, of_commands
from ooc_train.cli.startup import prepare
from ooc_train.cli.streams import show, tell
from ooc_train.counts import counted
from ooc_train.errors import Interrupted, OocTrainError, OptionError
from ooc_train.json_text import as_json
from ooc_train.memory import MemoryMonitor
from ooc_train.options import Option, option
from ooc_train.outputs import OutputOptions, check_place
from ooc_train.signals import INTERRUPTED, ended_by_signals
from ooc_train.system_errors import reason
from ooc_train.version import __version__

EXIT_FAILED, EXIT_USAGE = 1, 2
_SHARED = "all commands"
FILES, MOST_USED = "files", "most used"
"""Headings in ``--help``."""


@dataclass(frozen=True, kw_only=True)
class SharedOptions:
    """The options that every command has."""

    config: Path | None = option(
        None,
        "take options from FILE, in TOML, with a table for each command, such as [train]; those "
        "given here win",
        group=_SHARED,
    )
    save_config: Path | None = option(
        None, "write the options given here to FILE, for --config", group=_SHARED
    )
    report: Path | None = option(
        None, "write a report of what was done to FILE, as JSON", group=_SHARED
    )
    quiet: bool = option(False, "show no progress and print no summary", group=_SHARED)
    debug: bool = option(False, "show the traceback of an error", group=_SHARED)

    @property
    def outputs(self) -> dict[str, Path | None]:
        """The files that the command writes beside those of its library call."""
        return {"the report": self.report, "the file of options": self.save_config}


_FILES_FOLLOW = "--"
_MANY = 0.01  # a share of the rows


class Command:
    """One command: its name, its options, and how it ends.

    ``declared`` are dataclasses of options, in the order of ``--help``; `SharedOptions` are added.
    ``first`` are the names of those that matter most, which come before all others there.
    """

    def __init__(
        self,
        name: str,
        description: str,
        example: str,
        declared: Sequence[type] = (),
        first: Sequence[str] = (),
    ) -> None:
        self.name, self.declared = name, (*declared, SharedOptions)
        self.example = example
        self._description, self._first = description, first

    def groups(self) -> list[tuple[str, list[Option]]]:
        """The options under the headings of ``--help``: those that matter most come first."""
        options = {option.name: option for option in of_commands(self.declared)}
        found: dict[str, list[Option]] = {FILES: [], MOST_USED: []}
        found[MOST_USED] = [options.pop(name) for name in self._first]
        for one in options.values():
            found.setdefault(FILES if one.positional else one.group, []).append(one)
        return [(group, options) for group, options in found.items() if options]

    def _usage(self) -> str:
        """The line that shows how it is called."""
        words = [self.name]
        for one in of_commands(self.declared):
            if one.positional:
                word = f"{one.name} ..." if one.takes_many else one.name
                words.append(word if one.is_required else f"[{word}]")
            elif one.is_required:
                words.append(f"{one.flags[0]} {one.placeholder or one.name.upper()}")
        return " ".join([*words, "[options]"])

    def parser(self, *, may_lack: bool = False) -> CommandLine:
        """The parser of its command line, or of one from which required options ``may_lack``."""
        parser = CommandLine(
            prog=self.name,
            description=self._description,
            usage=self._usage(),
            epilog=f"example:\n{self.example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            add_help=False,
        )
        add_options(parser, self.groups(), may_lack=may_lack)
        add = parser.add_argument_group("help").add_argument
        add("-h", "--help", action="help", help="show this help and exit")
        version = f"%(prog)s {__version__}"
        add("--version", action="version", version=version, help="show the version and exit")
        return parser

    def given(self, arguments: Sequence[str] | None) -> Given:
        """The options of a command line.  Raises OptionError if it is wrong.

        Raises SystemExit after --help and --version.
        """
        return self._given(self._parsed(arguments))

    def _given(self, namespace: argparse.Namespace) -> Given:
        """The options of a parsed command line, and of the file that it names."""
        path, configured = getattr(namespace, "config", None), {}
        options = of_commands(self.declared)
        if path is not None:
            from ooc_train.cli.config import read_config  # noqa: PLC0415 - few have one

            configured = read_config(Path(path), self.name.removeprefix("ooc-"), options)
        missing = lacking(options, {**configured, **vars(namespace)})
        if missing:
            raise OptionError(self._missing(missing[0], is_configured=path is not None))
        return Given.of(namespace, self.declared, configured)

    def _missing(self, option: Option, *, is_configured: bool) -> str:
        """The sentence about a required option that was not given."""
        name = "/".join(option.flags) or option.name
        if is_configured:
            return f"neither the command line nor the file of --config has {name}, {option.help}"
        return f"{name} is missing, {option.help}; write {self._usage()}"

    def _parsed(self, arguments: Sequence[str] | None) -> argparse.Namespace:
        """The parsed command line; files may stand before, between and behind options."""
        given = sys.argv[1:] if arguments is None else arguments
        options = list(itertools.takewhile(lambda it: it != _FILES_FOLLOW, given))
        parser, known = self.parser(may_lack=True), of_commands(self.declared)
        parser.check_options(options)
        check_units(options, known)
        # Two hyphens are forgotten by argparse where files stand between options.
        has_hyphens = _FILES_FOLLOW in given
        parse = parser.parse_known_args if has_hyphens else parser.parse_known_intermixed_args
        namespace, others = parse(given)
        if others:
            parser.error(surplus(others, lacking(known, vars(namespace))))
        return namespace

    def run(
        self, work: Callable[[Given], dict[str, Any]], arguments: Sequence[str] | None = None
    ) -> int:
        """Parse, do ``work``, write the report; the exit status.  No traceback but with --debug."""
        streams.open_closed()
        debug = False
        try:
            namespace = self._parsed(arguments)
            debug = getattr(namespace, "debug", False)
            prepare()
            with self._warnings_told(), ended_by_signals():
                self._work(work, self._given(namespace))
            streams.check_shown()
        except BrokenPipeError:  # whoever read the output has enough
            return EXIT_FAILED
        except (Exception, KeyboardInterrupt) as error:  # a user must not see a traceback
            if debug:
                raise
            bars.finish_all()  # so that the line below stands alone
            status, message = _outcome(error)
            tell(f"{self.name}: {message}")
            return status
        finally:
            bars.finish_all()
            streams.discard_unwritten()
        return 0

    def _work(self, work: Callable[[Given], dict[str, Any]], given: Given) -> None:
        shared = given.made(SharedOptions)
        for what, path in shared.outputs.items():  # the library call looks at all else
            if path:
                check_place(path, what)
        write_report(given, work(given))
        if shared.save_config:
            self.save_config(given, shared.save_config, force=given.made(OutputOptions).force)

    def save_config(self, given: Given, path: Path, *, force: bool) -> None:
        """Write what was given to a file for ``--config``.  Raises OutputError."""
        from ooc_train.cli.config import write_config  # noqa: PLC0415 - as above
        from ooc_train.toml_text import options_text  # noqa: PLC0415

        name, options = self.name.removeprefix("ooc-"), of_commands(self.declared)
        write_config(path, options_text(name, options, given.texts), force=force)

    @contextlib.contextmanager
    def _warnings_told(self) -> Iterator[None]:
        """Tell a warning as one line, without the place in the program."""
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_, **__: tell(f"{self.name}: {message}")
            yield


def _outcome(error: BaseException) -> tuple[int, str]:
    """The exit status and the message after an error."""
    if isinstance(error, KeyboardInterrupt):
        number = error.signal_number if isinstance(error, Interrupted) else signal.SIGINT
        return 128 + number, str(error) or INTERRUPTED
    if isinstance(error, OocTrainError):
        return EXIT_USAGE if isinstance(error, OptionError) else EXIT_FAILED, str(error)
    if isinstance(error, OSError) and error.filename is not None:
        return EXIT_FAILED, f"{error.filename}: {reason(error)}"
    kind = type(error).__name__
    return EXIT_FAILED, f"{kind}: {error} (run again with --debug for the traceback)"


def say(shared: SharedOptions, *lines: str) -> None:
    """Print lines of the summary, unless ``--quiet``."""
    if not shared.quiet:
        show(*lines)


def row_remarks(report: dict[str, Any]) -> Iterator[str]:
    """Lines about rows that were read otherwise than one may expect, and about blank lines."""
    n_rows = sum(file["kept"] for file in report["files"])
    if report["replaced_rows"]:
        many = report["replaced_rows"] > _MANY * n_rows
        yield (
            f"{counted(report['replaced_rows'], 'row')} had invalid UTF-8, read as U+FFFD"
            f"{'; if the text is in another encoding, name it: --encoding cp1252' if many else ''}"
        )
    if report["missing_rows"]:
        n_missing = counted(report["missing_rows"], "row")
        yield f"{n_missing} without a text, which is null, left out, or an empty field"
    n_blank = sum(file["blank_lines"] for file in report["files"])
    if n_blank:
        yield f"{counted(n_blank, 'blank line')} passed over"


def measured(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The report of ``work``, with its seconds and peak memory."""
    began = time.perf_counter()
    with MemoryMonitor() as memory:
        report = work()
        return report | {
            "seconds": time.perf_counter() - began,
            "peak_rss_bytes": memory.peak_rss_bytes,
            "peak_anon_bytes": memory.peak_anon_bytes,
        }


def write_report(given: Given, report: dict[str, Any]) -> None:
    """Write the report if it is asked for, whole or not at all.  Raises OutputError."""
    path, force = given.made(SharedOptions).report, given.made(OutputOptions).force
    if path:
        with output_file(path, "the report", force=force) as part:
            part.write_text(as_json(report), "utf-8")


def megabytes(n_bytes: int | None) -> str:
    """A size for people."""
    return "unknown" if n_bytes is None else f"{n_bytes / 1e6:,.0f} MB"
