"""Trials on the workers of a scheduler, several at a time.

Each is a process that its worker waits for.  All workers share the folder of the trials, in which a
file asks the trials to stop, wherever they run.
"""

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from pathlib import Path
from typing import IO, NamedTuple

from ooc_train.errors import Interrupted, OutputError
from ooc_train.progress import Progress
from ooc_train.schedulers import workers_of
from ooc_train.subprocesses import python_command
from ooc_train.system_errors import reason
from ooc_train.tasks import SharedFolder, Workers
from ooc_train.training.interruption import stop_requests
from ooc_train.work_folder import WorkFolder

_COMMAND = "ooc_train.cli.train"  # run as a process, never imported from here
_POLL_SECONDS = 0.2
_STOP = "stop"
_MOST_SAID = 10_000


class Ended(NamedTuple):
    """The exit status of a trial, and the last line that a scheduler's trial said, if it failed."""

    status: int
    error: str = ""


def side_by_side(
    scheduler: str | Executor,
    commands: Mapping[str, Sequence[str]],
    folder: Path,
    memory_bytes: int | None,
    progress: Progress,
) -> dict[str, Ended]:
    """How each trial ended, by name.

    ``commands`` are the arguments of ``ooc-train`` by the trials' names, whose runs are in
    ``folder``.  Workers of this machine share ``memory_bytes``.  Raises as `schedulers.workers_of`,
    OutputError if the folder cannot be written, and Interrupted, when all trials under way have
    saved their state, if a signal asks to stop.
    """
    with contextlib.ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path = stack.enter_context(WorkFolder(folder))
        except OSError as error:
            raise OutputError(f"{folder} cannot be written: {reason(error)}") from error
        shared = SharedFolder(path, "the trials' files", "give an --output that they do")
        request = stack.enter_context(stop_requests())
        workers = stack.enter_context(workers_of(scheduler, None, shared))
        assert workers is not None
        more = ["--quiet", *_memory(memory_bytes, workers)]
        here = str(Path.cwd())
        futures = {
            workers.pool.submit(run_trial, [*words, *more], folder / name, here, path): name
            for name, words in commands.items()
        }
        return _all_ended(futures, path, lambda: request.signal_number, progress)


def _memory(memory_bytes: int | None, workers: Workers) -> list[str]:
    """The arguments that divide a budget among the trials of one machine."""
    if memory_bytes is None or workers.n_sharing == 1:
        return []
    return [f"--memory={memory_bytes // workers.n}"]


def _all_ended(
    futures: "Mapping[Future[Ended], str]",
    shared: Path,
    asked: Callable[[], int | None],
    progress: Progress,
) -> dict[str, Ended]:
    ended, pending = {}, {*futures}
    try:
        while pending:
            done, pending = wait(pending, _POLL_SECONDS, FIRST_COMPLETED)
            for future in done:
                name = futures[future]
                ended[name] = future.result()
                failed = f", failed: {ended[name].error}" if ended[name].status else ""
                progress.message(f"trial {len(ended)} of {len(futures)}: {name}{failed}")
            number = asked()
            if number is not None and pending:
                raise Interrupted(
                    "stopped, and the trials saved; the same command with --resume continues from "
                    "there",
                    number,
                )
    except BaseException as error:
        number = error.signal_number if isinstance(error, Interrupted) else signal.SIGTERM
        _stop(shared, number)
        wait([future for future in pending if not future.cancel()])
        raise
    return ended


def _stop(shared: Path, number: int) -> None:
    """Ask the trials to stop, by the signal of a number."""
    part = shared / f"{_STOP}.part"
    part.write_text(str(number), "ascii")
    part.replace(shared / _STOP)


def _asked(shared: Path) -> int | None:
    """The number of the signal that the trials are asked to stop by, if they are."""
    with contextlib.suppress(FileNotFoundError):
        return int((shared / _STOP).read_text("ascii"))
    return None


def run_trial(arguments: Sequence[str], run: Path, current: str, shared: Path) -> Ended:
    """Run a trial, as a task of a worker.

    ``run`` is its folder, ``current`` the folder that relative paths begin at.  Where a worker has
    died, its trial is continued.
    """
    if not Path(current).is_dir():
        return Ended(1, f"there is no folder {current} on {socket.gethostname()}")
    if (Path(current) / run).exists() and not {"--resume", "--force"} & {*arguments}:
        arguments = [*arguments, "--resume"]
    with (
        tempfile.TemporaryFile() as said,
        begin_trial(arguments, stderr=said, current=current) as process,
    ):
        status = waited(process, lambda: _asked(shared))
        return Ended(status, _last_line(said) if status else "")


def begin_trial(
    arguments: Sequence[str], *, stderr: IO[bytes] | None, current: str | None = None
) -> subprocess.Popen[bytes]:
    """The process of one training; without a file for its standard error, it has this process's."""
    return subprocess.Popen(
        python_command(_COMMAND, arguments),
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        cwd=current,
        # In a session of its own, a terminal's Ctrl-C reaches it only once: from here.
        start_new_session=True,
    )


def waited(process: subprocess.Popen[bytes], asked: Callable[[], int | None]) -> int:
    """The exit status of a trial.  The signal that is ``asked`` for is sent to it, once."""
    is_sent = False
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(_POLL_SECONDS)
        number = None if is_sent else asked()
        if number is not None:
            process.send_signal(number)
            is_sent = True


def _last_line(said: IO[bytes]) -> str:
    """The last line that a process wrote, without the name of the command."""
    n_bytes = said.seek(0, os.SEEK_END)
    said.seek(max(0, n_bytes - _MOST_SAID))
    lines = said.read().decode("utf-8", "replace").strip().splitlines()
    return lines[-1].removeprefix("ooc-train: ") if lines else ""
