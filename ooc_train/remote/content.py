"""The bytes of one version of a file at a URL: ranges, asked for again where that fails."""

import os
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

from ooc_train.errors import InputError
from ooc_train.remote.stores import Stored, stored
from ooc_train.remote.url import Url

Answer = TypeVar("Answer")

PAUSES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
"""Seconds before each further attempt: a server that restarts is waited for."""
_FIRST_PAUSES = 3  # of these, where no request has succeeded yet: the URL may be wrong
_PIECE_BYTES = 2**21
_STATUS = re.compile(r"status code: (\d{3})([ \w-]*)")
_AGAIN = {"408", "425", "429"}
_REASONS = (
    ("dns error", "its host is not found"),
    ("kind: Connect,", "no connection can be made"),
    ("Timeout|TimedOut", "the server does not answer"),
    ("Interrupted|Reset|Incomplete|body error", "the connection broke"),
    ("Requested .*, got|Content-Range|UnexpectedRange", "the server gave other bytes"),
)
"""Parts of obstore's errors, and what they mean."""
_NO_LENGTH = "Content-Length"
_PIPE_IT = "download the file, or pipe it: curl URL | ooc-convert -"


class Version(NamedTuple):
    """The size of a file in bytes, and what tells its versions apart, as the server has it."""

    size: int
    tag: str

    @classmethod
    def of(cls, meta: Any) -> "Version":
        """The version that an answer of obstore is of."""
        return cls(meta["size"], meta["e_tag"] or meta["last_modified"].isoformat())


class _AgainError(Exception):
    """The reason why a request failed that may succeed if it is made again."""


class RemoteContent:
    """The bytes of the file at a URL; threads may share it.

    The first answer tells its ``version``, which all others must be of, and whether the server
    gives parts of it: ``has_ranges``.  An error of the first is that of all others, so that nobody
    waits twice for a server that does not answer.
    """

    def __init__(self, url: Url) -> None:
        self.url = url
        self.has_ranges = True
        self._lock = threading.Lock()
        self._version: Version | None = None
        self._error: InputError | None = None
        self._store: Stored | None = None

    @property
    def version(self) -> Version:
        """The version of the file.  Raises InputError if it cannot be read."""
        with self._lock:
            if self._error:
                raise self._error
            if self._version is None:
                try:
                    self._store = stored(self.url)
                    self._version = answered(self.url, self._first_version, is_first=True)
                except InputError as error:
                    self._error = error
                    raise
            return self._version

    @property
    def size(self) -> int:
        """The number of bytes."""
        return self.version.size

    def read(
        self, start: int, stop: int, stopped: threading.Event | None = None
    ) -> "memoryview[int]":
        """The bytes from ``start`` to before ``stop``, which are in the file.

        Failed requests are made again after pauses, unless ``stopped`` is set.  Raises InputError
        if all fail, and if the file is not what it was.
        """
        expected = self.version

        def attempt() -> "memoryview[int]":
            answer = self._get(start, stop)
            data = memoryview(answer.bytes())
            self._check(Version.of(answer.meta), expected)
            if len(data) != stop - start:
                raise _AgainError("the server gave other bytes")
            return data

        return answered(self.url, attempt, stopped)

    def check_process(self) -> None:
        """Raise InputError in a forked process, where no request would be answered."""
        if _is_forked():
            raise InputError(
                f"{self.url} cannot be read in a forked process; let workers be threads, or start "
                "them by spawn"
            )

    def pieces(self) -> Iterator[bytes]:
        """The whole file piece by piece, in one request, where the server gives no parts.

        Raises InputError if the connection breaks: there is no way to go on.
        """
        expected = self.version
        answer = answered(self.url, self._get)
        self._check(Version.of(answer.meta), expected)
        n_bytes, stream = 0, iter(answer.stream(min_chunk_size=_PIECE_BYTES))
        while True:
            try:
                piece = next(stream, None)
            except _failures() as error:
                raise _unread(
                    self.url,
                    f"{_reason(error)} after {n_bytes:,} bytes, and this server gives no parts of "
                    "a file; download it first",
                ) from None
            if piece is None:
                return
            n_bytes += len(piece)
            yield bytes(piece)

    def _get(self, start: int | None = None, stop: int | None = None) -> Any:
        """The answer of the store, whose bytes are still to be read."""
        import obstore  # noqa: PLC0415 - an extra

        self.check_process()
        assert self._store
        options: Any = {} if start is None else {"range": (start, stop)}
        return obstore.get(self._store.store, self._store.key, options=options)

    def _first_version(self) -> Version:
        from obstore.exceptions import NotSupportedError  # noqa: PLC0415 - an extra

        try:
            return Version.of(self._get(0, 1).meta)
        except NotSupportedError:
            self.has_ranges = False
        except _failures() as error:
            if _status(error) != "416":  # an empty file has no first byte
                raise
        return Version.of(self._get().meta)

    def _check(self, found: Version, expected: Version) -> None:
        if found != expected:
            raise InputError(f"{self.url} changed while it was read; start again with it")


def answered(
    url: Url,
    request: Callable[[], Answer],
    stopped: threading.Event | None = None,
    *,
    is_first: bool = False,
) -> Answer:
    """The answer to a request, which is made again after pauses, of which the first has fewer.

    Raises InputError, which names the URL, if all attempts fail.
    """
    stopped = stopped or threading.Event()
    pauses = PAUSES[:_FIRST_PAUSES] if is_first else PAUSES
    for pause in (*pauses, None):
        try:
            return request()
        except _AgainError as error:
            why = str(error)
        except InputError:
            raise
        except _failures() as error:
            why = _reason(error)
            if _is_final(error):
                raise _unread(url, f"{why}; {_remedy(error)}") from None
        if pause is None or stopped.wait(pause):
            break
    raise _unread(
        url,
        f"{why}, {len(pauses) + 1} times; check the URL and the network, and run the command again",
    )


def _unread(url: Url, why: str) -> InputError:
    return InputError(f"{url} cannot be read: {why}")


def content_of(url: Url) -> RemoteContent:
    """The bytes of the file at a URL: the same object whenever the URL is read.

    So all readings must find the version that the first has met.
    """
    if url.content is None:
        url.content = RemoteContent(url)
    content: RemoteContent = url.content
    return content


def _failures() -> tuple[type[Exception], ...]:
    """The errors of obstore.  Their text may have secrets: it is never shown, see `_reason`."""
    from obstore.exceptions import BaseError  # noqa: PLC0415 - an extra

    return (BaseError, FileNotFoundError, OSError, ValueError)


def _status(error: Exception) -> str:
    found = _STATUS.search(str(error))
    return found[1] if found else ""


def _reason(error: Exception) -> str:
    """The error in words."""
    found = _STATUS.search(str(error))
    if found:
        return f"the server answers {found[1]}{found[2].rstrip()}"
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if _NO_LENGTH in str(error):
        return "the server does not tell its length"
    matches = (words for part, words in _REASONS if re.search(part, str(error)))
    return next(matches, f"the request failed ({type(error).__name__})")


def _is_final(error: Exception) -> bool:
    """Whether another attempt must fail, too."""
    status = _status(error)
    if status:
        return status.startswith(("3", "4")) and status not in _AGAIN
    return type(error).__name__ != "GenericError" or _NO_LENGTH in str(error)


def _remedy(error: Exception) -> str:
    name = type(error).__name__
    if _NO_LENGTH in str(error) or name == "NotSupportedError":
        return _PIPE_IT
    if name in ("PermissionDeniedError", "UnauthenticatedError"):
        return "give credentials in the environment, or sign the URL anew"
    return "check the URL"


_process: int | None = None
"""The process that made the first request: obstore's threads are not in those forked from it."""


def _is_forked() -> bool:
    global _process  # noqa: PLW0603 - true of the process
    _process = _process or os.getpid()
    return _process != os.getpid()
