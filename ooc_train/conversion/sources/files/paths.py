"""The files that a user names: paths, patterns of names, and standard input."""

import glob
import sys
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from ooc_train.conversion.resources import check_disk
from ooc_train.conversion.sources.files.input_file import InputFile
from ooc_train.conversion.sources.files.pipe import Pipe
from ooc_train.errors import InputError, OptionError
from ooc_train.progress import Progress

STANDARD_INPUT = Path("-")
STANDARD_INPUT_FILE = Path("/dev/stdin")
"""What standard input is connected to, which may be a file."""
_NAME = Path("standard input")
_PIECE_BYTES = 2**20
_CHECK_BYTES = 2**26


def matching(path: Path) -> list[Path]:
    """The paths that match a pattern, in the order of their names, or else the path itself."""
    if not glob.has_magic(str(path)) or path.exists():
        return [path]
    found = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207 - takes absolute ones
    return [Path(name) for name in found]


class InputPaths:
    """Finds the files that paths name.

    At most one path may stand for standard input.  It is read as it arrives where the conversion
    ``reads_once``; otherwise it is first copied to a file in ``folder``, which belongs to
    ``stack``.
    """

    def __init__(
        self, folder: Path, progress: Progress, stack: ExitStack, *, reads_once: bool = False
    ) -> None:
        self._folder = folder
        self._progress = progress
        self._stack = stack
        self._reads_once = reads_once
        self._is_read = False

    def files(self, paths: Iterable[Path]) -> list[InputFile]:
        """The files of all paths, those of a pattern in the order of their names.

        Raises ``InputError`` for a pattern that no name matches.
        """
        return [file for path in paths for file in self._files(path)]

    def _files(self, path: Path) -> list[InputFile]:
        if path == STANDARD_INPUT:
            return [self._standard_input()]
        found = matching(path)
        if not found:
            raise InputError(f"no file matches {path}; check the pattern")
        return [InputFile(name) for name in found]

    def _standard_input(self) -> InputFile:
        if self._is_read:
            raise OptionError("standard input, -, can be read once only; give files for the others")
        self._is_read = True
        if self._reads_once:
            return InputFile(_NAME, pipe=Pipe(sys.stdin.buffer))
        return InputFile(_NAME, self._spooled())

    def _spooled(self) -> Path:
        folder = tempfile.TemporaryDirectory(prefix=".ooc-", dir=self._folder)
        spooled = Path(self._stack.enter_context(folder)) / "stdin"
        self._progress.start("reading standard input", None, "B")
        n_bytes = 0
        with spooled.open("wb") as file:
            while piece := sys.stdin.buffer.read(_PIECE_BYTES):
                if n_bytes // _CHECK_BYTES != (n_bytes + len(piece)) // _CHECK_BYTES:
                    check_disk(self._folder, n_bytes)  # at least as much again is needed
                file.write(piece)
                n_bytes += len(piece)
                self._progress.advance(len(piece))
        return spooled
