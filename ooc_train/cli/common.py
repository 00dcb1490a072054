"""What all commands share: options, progress bars, reports, and how errors reach the user."""

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ooc_train.atomic import write_json
from ooc_train.cli.startup import import_keras_alone
from ooc_train.errors import Interrupted, OocTrainError, OptionError, OutputError
from ooc_train.memory import MemoryMonitor, parse_size
from ooc_train.progress import Progress, Silent
from ooc_train.version import __version__

LINE_SECONDS = 60
EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130
_INTERRUPTED = "interrupted; nothing was left half written"


class Command:
    """One command: its parser with the options that all commands have, and its outcome."""

    def __init__(self, name: str, description: str, example: str) -> None:
        self.parser = argparse.ArgumentParser(
            prog=name,
            description=description,
            epilog=f"example:\n{example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        self.add = self.parser.add_argument
        self.add("--report", metavar="FILE", type=Path, help="write what was done to FILE as JSON")
        self.add("--quiet", action="store_true", help="no progress bars and no summary")
        self.add("--debug", action="store_true", help="show the traceback of an error")
        self.add("--version", action="version", version=f"%(prog)s {__version__}")

    def run(
        self, work: Callable[[argparse.Namespace], dict[str, Any]], arguments: Sequence[str] | None
    ) -> int:
        """Parse, do ``work``, write the report; the exit status.  No traceback but with --debug."""
        options = self.parser.parse_args(arguments)
        import_keras_alone()
        try:
            _check_report(options.report)
            report = work(options)
            if options.report:
                write_report(options.report, report)
        except OptionError as error:
            self._say(error, options)
            return EXIT_USAGE
        except OocTrainError as error:
            self._say(error, options)
            return EXIT_FAILED
        except KeyboardInterrupt as error:
            stopped = error if isinstance(error, Interrupted) else None
            self._say(error, options, None if stopped else _INTERRUPTED)
            return 128 + stopped.signal_number if stopped else EXIT_INTERRUPTED
        except BrokenPipeError:
            # Whoever read the output has enough; Python's own flush at exit must not complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return EXIT_FAILED
        except Exception as error:  # noqa: BLE001 - a user must not see a traceback
            kind = type(error).__name__
            self._say(error, options, f"{kind}: {error} (run again with --debug for the traceback)")
            return EXIT_FAILED
        return 0

    def _say(
        self, error: BaseException, options: argparse.Namespace, text: str | None = None
    ) -> None:
        if options.debug:
            raise error
        print(f"{self.parser.prog}: {text or error}", file=sys.stderr)


def progress_of(options: argparse.Namespace) -> Progress:
    """Bars on standard error, lines where that is no terminal, or nothing with ``--quiet``."""
    if options.quiet:
        return Silent()
    return Bars() if sys.stderr.isatty() else Lines()


def say(options: argparse.Namespace, text: str) -> None:
    """Print a line of the summary, unless ``--quiet``."""
    if not options.quiet:
        print(text)


def size_argument(text: str) -> int:
    """An option's value such as ``512MB`` in bytes, for ``argparse``."""
    try:
        return parse_size(text)
    except OptionError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


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


def write_report(path: Path, report: dict[str, Any]) -> None:
    """Write a report, whole or not at all."""
    try:
        write_json(path, report)
    except OSError as error:
        raise OutputError(f"{path}, the report, could not be written: {error}") from error


def _check_report(path: Path | None) -> None:
    """Find out before the work, not after it, that the report has no place."""
    if path and (path.is_dir() or not os.access(path.parent, os.W_OK)):
        raise OutputError(f"{path}, the report, cannot be written; is its folder there?")


class Bars:
    """Progress as bars on standard error, for phases that take longer than a second."""

    def __init__(self) -> None:
        self._bar: Any = None

    def start(self, phase: str, total: int | None, unit: str) -> None:
        """Show a new bar."""
        from tqdm import tqdm  # noqa: PLC0415 - 20 ms, which --quiet does without

        self.finish()
        self._bar = tqdm(
            total=total,
            desc=phase,
            unit=unit,
            unit_scale=True,
            delay=1,
            leave=False,
            mininterval=0.2,
        )

    def advance(self, amount: int) -> None:
        """Move the bar."""
        if self._bar is not None:
            self._bar.update(amount)

    def show(self, text: str) -> None:
        """Put figures beside the bar."""
        if self._bar is not None:
            self._bar.set_postfix_str(text, refresh=False)

    def message(self, text: str) -> None:
        """Print a line in place of the bar, which has come to its end."""
        self.finish()
        print(text, file=sys.stderr)

    def finish(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class Lines:
    """Progress as lines on standard error, one a minute: what a log file can hold."""

    def __init__(self) -> None:
        self._phase, self._unit, self._text = "", "", ""
        self._total: int | None = None
        self._done = 0
        self._began = self._printed = time.monotonic()

    def start(self, phase: str, total: int | None, unit: str) -> None:
        """Count anew."""
        self._phase, self._total, self._unit, self._text = phase, total, unit, ""
        self._done, self._began = 0, time.monotonic()

    def advance(self, amount: int) -> None:
        """Print a line if the last is a minute old."""
        self._done += amount
        now = time.monotonic()
        if now - self._printed >= LINE_SECONDS:
            self._printed = now
            print(self._line(now - self._began), file=sys.stderr, flush=True)

    def show(self, text: str) -> None:
        """Figures for the next line."""
        self._text = text

    def message(self, text: str) -> None:
        """Print a line."""
        print(text, file=sys.stderr, flush=True)

    def finish(self) -> None:
        """Nothing is to be taken away."""

    def _line(self, seconds: float) -> str:
        rate = self._done / max(seconds, 1e-9)
        parts = [f"{rate:,.0f} {self._unit}/s", *([self._text] if self._text else [])]
        if self._total:
            left = max(0, self._total - self._done) / max(rate, 1e-9)
            parts = [f"{self._done / self._total:.0%}", *parts, f"{clock(left)} left"]
        return f"{self._phase}: {', '.join(parts)}"


def clock(seconds: float) -> str:
    """Seconds as people read them.

    >>> clock(59.6), clock(3723)
    ('1:00', '1:02:03')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def megabytes(n_bytes: int | None) -> str:
    """A size for people."""
    return "unknown" if n_bytes is None else f"{n_bytes / 1e6:,.0f} MB"
