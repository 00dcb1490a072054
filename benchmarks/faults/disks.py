"""Small real file systems: images of disks, mounted by loop devices, and disks in memory."""

import contextlib
import filecmp
import functools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from ooc_train.errors import OutputError

EXT4, XFS, MEMORY = "ext4", "xfs", "tmpfs"
_MAKE = {EXT4: ("mkfs.ext4", "-q", "-m", "0", "-b", "1024"), XFS: ("mkfs.xfs", "-q")}
"""The commands that make a file system on an image."""
IMAGE_BYTES = {EXT4: 24 * 2**20, XFS: 320 * 2**20}
"""The sizes of images: of XFS the least that it takes; holes take no space."""
_MOUNT_OPTIONS = {EXT4: "loop", XFS: "loop,nouuid"}  # or a copy would be taken for its original
_N_COPIES = 20


@functools.cache
def missing(kind: str) -> str | None:
    """What this machine lacks for file systems of a kind, in words; `None` if nothing."""
    if os.name != "posix" or os.geteuid() != 0:
        return "mounting needs root"
    for program in ("mount", "umount", *_MAKE.get(kind, ())[:1]):
        if not shutil.which(program):
            return f"there is no {program}"
    with tempfile.TemporaryDirectory() as name:
        image, folder = Path(name, "image"), Path(name, "mounted")
        folder.mkdir()
        try:
            with new(kind, image, folder):
                return None
        except OutputError as error:
            return str(error)


def lacking(kinds: Iterable[str]) -> list[str]:
    """The kinds of file systems that cannot be had on this machine, in words, with the reason."""
    return [f"{kind}, since {reason}" for kind in kinds if (reason := missing(kind))]


@contextlib.contextmanager
def new(kind: str, image: Path, folder: Path) -> Iterator[None]:
    """A new file system, mounted at a folder during the block; its image stays, if it has one.

    Raises OutputError if that is not possible.
    """
    if kind == MEMORY:
        size = f"size={IMAGE_BYTES[EXT4]}"
        with _mounted(["-t", MEMORY, "-o", size, MEMORY, str(folder)], folder):
            yield
        return
    image.unlink(missing_ok=True)
    with image.open("wb") as file:
        file.truncate(IMAGE_BYTES[kind])
    _call(*_MAKE[kind], str(image))
    with mounted(kind, image, folder):
        with contextlib.suppress(FileNotFoundError):
            (folder / "lost+found").rmdir()
        yield


@contextlib.contextmanager
def mounted(kind: str, image: Path, folder: Path) -> Iterator[None]:
    """The file system of a kind on an image, mounted at a folder during the block."""
    with _mounted(["-o", _MOUNT_OPTIONS[kind], str(image), str(folder)], folder):
        yield


def copy(image: Path, target: Path) -> None:
    """Copy an image as it is at one moment, while it is mounted; holes stay.

    Raises OutputError if it changes all the time.
    """
    for _ in range(_N_COPIES):
        _call("cp", "--sparse=always", str(image), str(target))
        if filecmp.cmp(image, target, shallow=False):  # nothing was written meanwhile
            return
    raise OutputError(f"{image.name} changes while it is copied, {_N_COPIES} times")


def flush(folder: Path) -> None:
    """Write everything to the disk that is mounted at a folder, and to no other."""
    _call("sync", "-f", str(folder))


def fill(folder: Path, free_bytes: int) -> None:
    """Let so many bytes be free on the disk that is mounted at a folder, by a file in it."""
    flush(folder)  # or blocks that are only reserved would count as free
    left, done = max(1, shutil.disk_usage(folder).free - free_bytes), 0
    piece = left
    with (folder / "filler").open("wb") as file:
        while piece and left:
            try:
                os.posix_fallocate(file.fileno(), done, piece)
            except OSError:  # the file system needs some space itself to allocate so much
                piece //= 2
            else:
                done, left = done + piece, left - piece
                piece = min(piece, left)


@contextlib.contextmanager
def _mounted(arguments: list[str], folder: Path) -> Iterator[None]:
    _call("mount", *arguments)
    try:
        yield
    finally:
        _call("umount", str(folder))


def _call(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OutputError(f"{words[0]} failed: {done.stderr.strip()}")
