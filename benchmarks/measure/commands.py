"""Commands as words, measured or not.

In a word `SCRATCH` stands for the folder of the run; `REPORT` is the file in it where a command
may report what it did.
"""

import subprocess
import sys
from collections.abc import Sequence

from benchmarks.measure import machine
from ooc_train.errors import OutputError

SCRATCH = "{scratch}"
REPORT_NAME = "report.json"
REPORT = f"{SCRATCH}/{REPORT_NAME}"
_LAST_CHARACTERS = 500


def ooc(command: str, *arguments: object) -> list[object]:
    """One of the package's commands, quiet, with a report."""
    start = (sys.executable, "-m", f"ooc_train.cli.{command}")
    return [*start, *arguments, "--quiet", "--report", REPORT]


def script(module: str, *arguments: object) -> list[object]:
    """A module of this package with a report, in this interpreter."""
    return [sys.executable, "-m", module, "--report", REPORT, *arguments]


def call(module: str, *arguments: object) -> None:
    """Run a module's command, unmeasured.  Raises OutputError with its last words if it fails."""
    call_command([sys.executable, "-m", module, *arguments], module)


def call_command(command: Sequence[object], name: str) -> None:
    """Run a command, unmeasured.  Raises OutputError with ``name`` if it fails."""
    done = subprocess.run(
        [*map(str, command)],
        env=machine.command_environment({}),
        cwd=machine.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise OutputError(f"{name} failed: {done.stderr.strip()[-_LAST_CHARACTERS:]}")
