"""Measured commands run in this process: what starting TensorFlow again and again would take.

Only commands of this interpreter without a cap; the others still get a process of their own.
"""

import contextlib
import importlib
import io
import sys
import tempfile
import time
from pathlib import Path
from unittest import mock

from benchmarks.measure import commands, harness
from benchmarks.measure.memory import Peaks
from tests.benchmarks.runs import made_run

MEMORY = Peaks(rss_bytes=300_000_000, high_water_bytes=300_000_000, anon_bytes=200_000_000)


def run_in_process(patch):
    """Let `harness.run_once` and `commands.call` run commands of this interpreter here."""
    run_once, call_command = harness.run_once, commands.call_command

    def run_here(system, folder, *, cold):
        if system.cap_bytes is not None or not is_ours(system.command):
            return run_once(system, folder, cold=cold)
        with tempfile.TemporaryDirectory(prefix="run-", dir=folder) as name:
            scratch = Path(name)
            began = time.perf_counter()
            status, message = main_of(system.words(scratch))
            return made_run(
                time.perf_counter() - began,
                outcome=harness._outcome(status, 0),
                exit_status=status,
                message=message,
                memory=MEMORY,
                result_bytes=sum(path.stat().st_size for path in scratch.glob("result.*")),
                report=harness._report(scratch),
            )

    def call_here(command, name):
        if not is_ours(command):
            call_command(command, name)
        else:
            status, message = main_of(map(str, command))
            assert status == 0, message

    patch.setattr(harness, "run_once", run_here)
    patch.setattr(commands, "call_command", call_here)


def is_ours(command):
    return list(command[:2]) == [sys.executable, "-m"]


def main_of(words):
    """Run `python -m MODULE ARGUMENTS`; its exit status and what it printed."""
    _, _, name, *arguments = words
    module = importlib.import_module(name)
    if hasattr(module, "__path__"):
        module = importlib.import_module(f"{name}.__main__")
    output, status = io.StringIO(), 0
    with (
        mock.patch.object(sys, "argv", [name, *arguments]),
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(output),
    ):
        try:
            status = module.main() or 0
        except SystemExit as exit_:
            status = exit_.code
    return status, output.getvalue().strip()
