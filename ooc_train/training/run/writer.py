"""A run folder while it is written: locked, begun or resumed, and completed.

It is written in place from the start, so that the training can be watched there.  The report comes
last: a run without it is unfinished.
"""

import contextlib
import csv
import io
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ooc_train.atomic import reason, replacing, write_json
from ooc_train.errors import OutputError
from ooc_train.file.output import OutputFile
from ooc_train.file.schema import compression_of, header_of
from ooc_train.reading.store import Store
from ooc_train.training.run.checkpoints import CheckpointFolder
from ooc_train.training.run.folder import (
    CHECKPOINTS,
    HISTORY,
    MODEL,
    REPORT,
    SETTINGS,
    VECTORIZER,
    is_complete,
    is_unfinished,
    read_report,
)
from ooc_train.training.run.lock import locked
from ooc_train.training.run.seal import digest_of, sealed
from ooc_train.training.run.settings import read_settings

if TYPE_CHECKING:
    from ooc_train.training.models.backend import keras

_LOCK = "lock"  # in the folder of the checkpoints


class RunWriter:
    """The folder of a run, which this process alone may write to.

    Methods raise OSError if they cannot write.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = CheckpointFolder(path / CHECKPOINTS)
        self.is_complete = is_complete(path)
        """Whether the folder held a complete run when it was opened."""
        self.has_begun = False
        """Whether a new run has begun here, in place of an earlier one."""
        self._digests: dict[str, str] = {}

    def settings(self) -> dict[str, Any] | None:
        """The settings of the run that the folder holds; ``None`` if there is none.

        Raises FormatError if they are damaged.
        """
        path = self.path / SETTINGS
        return read_settings(path) if path.is_file() else None

    def report(self) -> dict[str, Any]:
        """The report of the complete run.  Raises FormatError as `read_report`."""
        return read_report(self.path)

    def begin(self, settings: Mapping[str, Any], store: Store) -> None:
        """Delete an earlier run, and write the settings and the vectorizer of a new one."""
        self.has_begun = True
        self.clear()
        self._write_inputs(settings, store)

    def go_on(self, settings: Mapping[str, Any], store: Store) -> None:
        """Resume the run in the folder, which is then not complete any more.

        What it knows of the file is written anew, and not taken from a disk that may have lost it.
        """
        (self.path / REPORT).unlink(missing_ok=True)
        self._write_inputs(settings, store)

    def _write_inputs(self, settings: Mapping[str, Any], store: Store) -> None:
        """Write the settings and the vectorizer."""
        with self._sealing(SETTINGS) as path:
            write_json(path, settings)
        with self._sealing(VECTORIZER) as path:
            _copy_vectorizer(store, path)

    def write_history(self, epochs: Sequence[dict[str, Any]]) -> None:
        """Write the figures of all epochs so far, a line for each."""
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        if epochs:
            writer.writerow(["epoch", *epochs[0]])
        for number, figures in enumerate(epochs, start=1):
            writer.writerow([number, *figures.values()])
        with replacing(self.path / HISTORY) as part:
            part.write_text(text.getvalue(), "utf-8")

    def write_model(self, model: "keras.Model") -> None:
        """Write the model; the last checkpoint stays beside it."""
        with self._sealing(MODEL) as path, replacing(path) as part:
            model.save(part)

    def complete(self, report: Mapping[str, Any]) -> dict[str, Any]:
        """Write the report, which completes and seals the run, and return it as it is written.

        Only the last checkpoint is kept.
        """
        self.checkpoints.keep(1)
        content = sealed(report, self._digests, REPORT)
        write_json(self.path / REPORT, content)
        return content

    @contextlib.contextmanager
    def _sealing(self, name: str) -> Iterator[Path]:
        """The path of a file that the block writes, and whose digest the report will have.

        It is that of what was written now, not of what the disk has when the training ends.
        """
        path = self.path / name
        yield path
        self._digests[name] = digest_of(path)

    def clear(self) -> None:
        """Delete everything but the lock.

        The report goes first, since no run is complete without it, and the settings last, since
        without them the rest would not be a run: if it is killed on the way, it can be repeated.
        """
        (self.path / REPORT).unlink(missing_ok=True)
        items = [*self.checkpoints.path.iterdir(), *self.path.iterdir()]
        for item in sorted(items, key=lambda item: item.name == SETTINGS):
            if item.name not in (CHECKPOINTS, _LOCK):
                shutil.rmtree(item) if item.is_dir() else item.unlink()


@contextlib.contextmanager
def writing(path: str | Path, *, force: bool, resume: bool) -> Iterator[RunWriter]:
    """Lock and write the folder of a run during the block; make it if it does not exist.

    If the block fails before a first checkpoint, nothing of the new run is left.  Raises
    OutputError if another training has the folder; if it holds something else than a run; if it
    holds a run, unless ``force`` replaces it or ``resume`` continues it; and if writing fails.
    """
    folder = Path(path)
    _check_free(folder, force=force, resume=resume, is_locked=False)
    try:
        made = not folder.exists()
        (folder / CHECKPOINTS).mkdir(parents=True, exist_ok=True)
        with locked(folder / CHECKPOINTS / _LOCK, folder):
            _check_free(folder, force=force, resume=resume, is_locked=True)
            writer = RunWriter(folder)
            try:
                yield writer
            except BaseException:
                _tidy(writer, made=made)
                raise
    except OSError as error:
        advice = "free space, or choose another place"
        if CheckpointFolder(folder / CHECKPOINTS).files():
            advice = "free space, and continue with --resume"
        raise OutputError(f"{folder} cannot be written: {reason(error)}; {advice}") from error


def _check_free(folder: Path, *, force: bool, resume: bool, is_locked: bool) -> None:
    """Raise OutputError if a run may not be written to a folder.

    A folder that is not locked yet may belong to another training, which the lock will show.
    """
    if _is_vacant(folder) or (is_unfinished(folder) and not is_locked):
        return
    if not (is_complete(folder) or is_unfinished(folder)):
        raise OutputError(f"{folder} exists and is not a run folder; choose another place")
    if force or resume:
        return
    if is_complete(folder):
        raise OutputError(f"the run folder {folder} exists; use --force to replace it")
    raise OutputError(
        f"the run folder {folder} holds an unfinished run; continue it with --resume, or replace "
        "it by --force"
    )


def _is_vacant(folder: Path) -> bool:
    """Whether nothing is lost if a folder becomes a run: it holds at most an empty beginning."""
    if not os.path.lexists(folder):
        return True
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else {""}
    inner = folder / CHECKPOINTS
    return not names or (
        names == {CHECKPOINTS} and inner.is_dir() and {p.name for p in inner.iterdir()} <= {_LOCK}
    )


def _tidy(writer: RunWriter, *, made: bool) -> None:
    """Leave nothing of a run that failed before its first checkpoint."""
    with contextlib.suppress(OSError):  # the failure itself is reported, and must not be hidden
        if writer.has_begun and not writer.checkpoints.files():
            writer.clear()
        if _is_vacant(writer.path):
            shutil.rmtree(writer.path / CHECKPOINTS)
            if made:
                writer.path.rmdir()


def _copy_vectorizer(store: Store, path: Path) -> None:
    """Write the vectorizer, which turns new rows into features.  Memory: HDF5's copy buffer."""
    store.group("vectorizer").check()
    with (
        replacing(path) as part,
        OutputFile(part, compression=compression_of(store.file)) as target,
    ):
        for group in ("classes", "vectorizer"):
            target.copy(store.file[group])
        target.finish(header_of(store.file))
