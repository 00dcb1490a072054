"""A folder that no command has to do with, and whether one opens what is in it."""

import ctypes
import os
from pathlib import Path

_OPENED = 0x20
_EVENT_BYTES = 2**16


class Watch:
    """Looks whether files of a folder are opened, by any process, as a context manager; Linux."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor = -1

    def __enter__(self) -> "Watch":
        library = ctypes.CDLL(None, use_errno=True)
        self._descriptor = library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        watch = library.inotify_add_watch(self._descriptor, os.fsencode(self._folder), _OPENED)
        if self._descriptor < 0 or watch < 0:
            raise OSError(ctypes.get_errno(), f"{self._folder} cannot be watched")
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def has_seen_any(self) -> bool:
        """Whether a file has been opened since it was asked last."""
        try:
            return bool(os.read(self._descriptor, _EVENT_BYTES))
        except BlockingIOError:
            return False
