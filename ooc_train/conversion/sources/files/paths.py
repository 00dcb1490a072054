"""The files that a user names: paths, pipes, and standard input."""

import sys
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from ooc_train.conversion.disk import check_disk
from ooc_train.conversion.sources.files.input_file import Input, InputFile
from ooc_train.conversion.sources.files.pipe import Pipe
from ooc_train.conversion.sources.formats.table import FORMATS, format_of
from ooc_train.errors import OptionError
from ooc_train.progress import Progress
from ooc_train.system_errors import errors_at
from ooc_train.work_folder import WorkFolder

STANDARD_INPUT = Path("-")
STANDARD_INPUT_FILE = Path("/dev/stdin")
"""What standard input is connected to, which may be a file."""
_NAME = Path("standard input")
_PIECE_BYTES = 2**20
_CHECK_BYTES = 2**26


def is_pipe(given: Input) -> bool:
    """Whether a path names standard input, or a pipe."""
    return isinstance(given, Path) and (given == STANDARD_INPUT or given.is_fifo())


def streamed(path: Path) -> InputFile:
    """A file that is read once, from its beginning to its end, where it is a pipe.

    Pipes of formats that are read in any order, and of compressed files, are left for those that
    read them to refuse.
    """
    file = InputFile(path)
    if not path.is_fifo() or file.named_compression or FORMATS[format_of(file)].seeks:
        return file
    return InputFile(path, pipe=Pipe(path.open("rb", buffering=0), str(path), is_owned=True))


class InputPaths:
    """Finds the files that paths name, see `listing`, and those that a program has in their place.

    A pipe, of which standard input may be one, is read as it arrives where the conversion
    ``reads_once``; otherwise it is first copied to a file in ``folder``, which belongs to
    ``stack``.
    """

    def __init__(
        self, folder: Path, progress: Progress, stack: ExitStack, *, reads_once: bool = False
    ) -> None:
        self.reads_once = reads_once
        self._folder = folder
        self._progress = progress
        self._stack = stack
        self._is_read = False

    def files(self, paths: Iterable[Input]) -> list[InputFile]:
        """The files of all paths."""
        return [self._file(path) for path in paths]

    def _file(self, path: Input) -> InputFile:
        if isinstance(path, InputFile):
            return self._kept(path)
        if path == STANDARD_INPUT:
            return self._standard_input()
        return self._pipe(path) if is_pipe(path) else InputFile(path)

    def _standard_input(self) -> InputFile:
        if self._is_read:
            raise OptionError("standard input, -, can be read once only; give files for the others")
        self._is_read = True
        return self._kept(InputFile(_NAME, pipe=Pipe(sys.stdin.buffer, str(_NAME))))

    def _kept(self, file: InputFile) -> InputFile:
        """The same, but for a pipe that has to be read twice or is compressed: in a file."""
        if file.pipe is None or (self.reads_once and (file.is_held or not file.compression)):
            return file
        with file.pipe.open() as stream:
            return replace(file, pipe=None, spooled=self._spooled(stream, str(file.path)))

    def _pipe(self, path: Path) -> InputFile:
        self._progress.start(f"waiting for {path}", None, "B")  # until something writes to it
        file = streamed(path) if self.reads_once else InputFile(path)
        if file.pipe:
            return self._kept(file)
        with path.open("rb", buffering=0) as stream:
            return InputFile(path, self._spooled(stream, str(path)))

    def _spooled(self, stream: BinaryIO, name: str) -> Path:
        spooled = self._stack.enter_context(WorkFolder(self._folder)) / "pipe"
        self._progress.start(f"reading {name}", None, "B")
        n_bytes = 0
        with spooled.open("wb") as file:
            while piece := stream.read(_PIECE_BYTES):
                if n_bytes // _CHECK_BYTES != (n_bytes + len(piece)) // _CHECK_BYTES:
                    check_disk(self._folder, n_bytes)  # at least as much again is needed
                with errors_at(spooled):
                    file.write(piece)
                    file.flush()
                n_bytes += len(piece)
                self._progress.advance(len(piece))
        return spooled
