"""Whether a call may write its outputs, so that nothing that exists is destroyed."""

import contextlib
import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ooc_train.errors import OptionError, OutputError
from ooc_train.options import option
from ooc_train.remote.url import Url
from ooc_train.system_errors import reason

REMEDY = "give --force to overwrite it, or another name"
CONVERTED = (".h5", ".hdf5")
"""How the names of converted files end."""
_STREAM = re.compile(r"/dev/(std(in|out|err)|fd/\d+)|/proc/[^/]+/fd/\d+")
"""Names of what a process has open, which may be a file at the moment."""
_SUFFIXES = frozenset({
    ".csv", ".tsv", ".tab", ".json", ".jsonl", ".ndjson", ".parquet", ".pq", ".arrow", ".feather",
    ".xlsx", ".xls", ".ods", ".h5", ".hdf5", ".npy", ".npz", ".svm", ".svmlight", ".libsvm",
    ".html", ".htm", ".toml", ".png", ".svg", ".pdf", ".keras", ".pkl", ".db", ".sqlite",
    ".zip", ".gz", ".bz2", ".xz", ".zst",
})  # fmt: skip
"""Ends of names that promise a kind of file."""
_KINDS = {
    "the page": (".html", ".htm"),
    "the report": (".json",),
    "the file of options": (".toml",),
    "the list of rejected rows": (".csv",),
}
"""What outputs are, whoever writes them, and how their names may end if they promise a kind."""


@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """The options of every call that writes files."""

    force: bool = option(
        False,
        "replace outputs that exist; each stays as it is until its successor is complete",
        group="output",
    )
    more_outputs: Mapping[str, Path | None] | None = option(
        None,
        "files that the caller will write, by what they are: they, too, may be no inputs",
        group="output",
        on_command_line=False,
    )


def check_outputs(
    outputs: Mapping[str, Path | None],
    inputs: Iterable[Path] = (),
    *,
    folders: Iterable[Path] = (),
    force: bool,
    resume: bool = False,
) -> None:
    """Raise OutputError unless all ``outputs`` can be written and nothing is destroyed by that.

    Raises OptionError for a name that promises another kind of file, see `check_suffix`.

    ``outputs`` are the files to write by what they are, in words, such as ``"the report"``; those
    that are ``None`` are not written.  No output may be one of the ``inputs`` or another output,
    whatever their names, nor a folder, a device or a pipe.  Only with ``force`` may an output
    exist; a call that is to ``resume`` is not advised to give it, since both together begin anew.
    ``folders`` are replaced as a whole: no output and no input may lie in one.

    ``inputs`` are looked at only where an output could be one of them, because it exists.
    """
    written = {what: path for what, path in outputs.items() if path is not None}
    for what, path in written.items():
        check_place(path, what)
    found: list[Path] = []
    if folders or any(path.exists() for path in written.values()):
        found = list(inputs)
    for folder in folders:
        for what, path in [*written.items(), *(("the input", path) for path in found)]:
            if path == folder:
                raise OutputError(
                    f"{folder}, a folder which is written as a whole, is also {what}; give another "
                    "name"
                )
            if _is_inside(path, folder):
                raise OutputError(
                    f"{path}, {what}, lies in {folder}, which is written as a whole; give a path "
                    "outside"
                )
    taken = {_identity(path): f"the input {path}" for path in found}
    for what, path in written.items():
        identity = _identity(path)
        if identity in taken:
            raise OutputError(f"{path}, {what}, is also {taken[identity]}; give another name")
        if path.exists() and not force:
            raise OutputError(f"{path} exists; {'give another name' if resume else REMEDY}")
        if what in _KINDS:
            check_suffix(path, f"{what} is", _KINDS[what])
        taken[identity] = what


def check_suffix(
    path: Path, what: str, suffixes: Collection[str], remedy: str = "name a file {suffixes}"
) -> None:
    """Raise OptionError if a name promises another kind of file than those with ``suffixes``.

    ``what`` begins the sentence, such as ``"the report is"``.  A name without a suffix, or with one
    that says nothing, such as ``.txt`` or ``.part1``, promises none.
    """
    found = path.suffix.lower()
    if found in _SUFFIXES.difference(suffixes):
        told = remedy.format(suffixes=" or ".join(suffixes))
        raise OptionError(f"{path}: {what} not written as {found}; {told}")


def check_place(path: Path, what: str) -> None:
    """Raise OutputError if no file, which is ``what`` in words, can be made at ``path``."""
    begin = f"{path}, {what}, cannot be written"
    if isinstance(path, Url):
        raise OutputError(f"{begin} to a URL; write it here, and copy it there")
    try:
        with contextlib.suppress(FileNotFoundError):
            path.stat()
        if path.is_dir():
            raise OutputError(f"{path}, {what}, is a folder; name the file to write")
        if _STREAM.fullmatch(_spelled(path)) or (path.exists() and not path.is_file()):
            raise OutputError(
                f"{begin}, since it is a device or a pipe, which a file would replace; name a file"
            )
        folder = Path(os.path.realpath(path)).parent
        if not folder.is_dir():
            raise OutputError(f"{begin}, since the folder {folder} does not exist; make it first")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise OutputError(f"{begin}, since the folder {folder} cannot be written to")
    except OSError as error:
        raise OutputError(f"{begin}: {reason(error)}; give another name") from error


def _is_inside(path: Path, folder: Path) -> bool:
    """Whether ``path`` is ``folder`` or in it, by its name or by what it leads to."""
    ways: tuple[Callable[[Path], str], ...] = (_spelled, os.path.realpath)
    return any(Path(way(path)).is_relative_to(way(folder)) for way in ways)


def _spelled(path: Path) -> str:
    """An absolute path without dots, whose symbolic links are not followed."""
    return os.path.normpath(path.absolute())


def _identity(path: Path) -> tuple[object, ...]:
    """A key that two paths share if and only if they name the same file, existing or not."""
    with contextlib.suppress(OSError):
        found = path.stat()
        return found.st_dev, found.st_ino
    real = Path(os.path.realpath(path))
    with contextlib.suppress(OSError):
        folder = real.parent.stat()
        return folder.st_dev, folder.st_ino, real.name
    return (real,)
