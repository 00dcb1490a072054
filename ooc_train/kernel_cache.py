"""Compiled kernels on disk, so that later processes need not compile them again.

A cached kernel is machine code that is run without further checks.  Hence folders that other users
can write to are never used, and a file is used only if its checksum shows that it is whole and was
made from the sources as they are now.  Whatever fails here, a kernel is compiled instead.

The folders are tried in this order; new kernels go to the first that can be written to:

- ``NUMBA_CACHE_DIR``, if that is set
- ``__pycache__`` beside the kernel's source
- ``ooc-train`` in the user's cache folder (``XDG_CACHE_HOME``, by default ``~/.cache``)
- ``ooc-train-`` with the user's number in the folder for temporary files (``TMPDIR``)
"""

import contextlib
import errno
import functools
import io
import os
import pickle
import stat
import sys
import tempfile
import uuid
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numba
from numba.core import config, environment
from numba.core.caching import NullCache
from numba.core.compiler import CompileResult
from numba.core.runtime import rtsys
from numba.core.serialize import dumps
from xxhash import xxh3_64_hexdigest, xxh3_128_digest

from ooc_train import compiling, imports

_SUM_BYTES = 16
_REMEDY = "set NUMBA_CACHE_DIR to a folder of your own to keep them there"
_IN_TEMPORARY = (
    "compiled kernels are kept in {}, since the folders of the package and of the user's cache "
    f"cannot be written to; {_REMEDY}"
)
_NOWHERE = (
    "compiled kernels could not be kept, so each process compiles them, for some seconds: the "
    "folders of the package, of the user's cache and of temporary files cannot be written to; "
    f"{_REMEDY}"
)


class KernelCache(NullCache):  # type: ignore[misc] # Numba is not typed
    """The compiled versions of one function, a file for each signature, as Numba asks for them.

    Numba's own cache ends the program where no folder can be written to, runs damaged machine code,
    and knows the file of a function alone, not those of its constants and inner kernels.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        code = function.__code__
        source = Path(code.co_filename)
        self._module, self._function = function.__module__, function.__qualname__
        self._folder = source.parent
        self._name = f"{source.stem}.{function.__qualname__}-{code.co_firstlineno}"

    def load_overload(self, signature: Any, target_context: Any) -> Any:
        """The function compiled for a signature, or ``None`` if it has to be compiled."""
        rtsys.initialize(target_context)
        with imports.around_numba():
            found = self._found(signature, target_context)
            compile_, folders = compiling.elsewhere, _folders(self._folder)
            if found is None and folders.notice:
                _warn_once(folders.notice)
            if found is None and compile_ and folders.written is not None:
                compile_(self._module, self._function, dumps(signature))
                found = self._found(signature, target_context)
            if found is None:
                # All that compiling takes, in 0.1 s and 20 MB: for loading the runtime suffices.
                target_context.refresh()
        return found

    def _found(self, signature: Any, target_context: Any) -> Any:
        name, stamp = self._key(signature, target_context.codegen())
        for folder in _folders(self._folder).read:
            # What another version of Numba wrote may raise anything.
            with contextlib.suppress(Exception):
                content = (folder / name).read_bytes()
                payload = content[_SUM_BYTES:]
                if content[:_SUM_BYTES] == xxh3_128_digest(stamp + payload):
                    found, reduced = _Unpickler(io.BytesIO(payload)).load()
                    if found == signature:
                        return CompileResult._rebuild(target_context, *reduced)
        return None

    def save_overload(self, signature: Any, compiled: Any) -> None:
        """Write a compiled function to disk, if there is a folder for it."""
        folder = _folders(self._folder).written
        # Dynamic globals are addresses in the memory of this process.
        if folder is None or compiled.lifted or compiled.library.has_dynamic_globals:
            return
        name, stamp = self._key(signature, compiled.codegen)
        payload = dumps((signature, compiled._reduce()))
        try:
            _write(folder / name, xxh3_128_digest(stamp + payload) + payload)
        except OSError as error:
            _warn_once(f"compiled kernels could not be kept in {folder}: {error.strerror}")

    def _key(self, signature: Any, codegen: Any) -> tuple[str, bytes]:
        """The name of a signature's file, and the stamp of all that its content depends on."""
        target = repr((signature, codegen.magic_tuple()))
        version = f"{sys.implementation.cache_tag}-{xxh3_64_hexdigest(target.encode())}"
        settings = (numba.__version__, target, config.OPT, config.BOUNDSCHECK)
        stamp = repr(settings).encode() + _stamp(_part_of_package(self._folder))
        return f"{self._name}.{version}.kernel", stamp


class _Unpickler(pickle.Unpickler):
    """Imports none of the modules of Numba whose functions a kernel has compiled in: 9 MB.

    Their environments refer to them for the sake of code that is not compiled.
    """

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == (environment.__name__, "_rebuild_env"):
            return _environment
        return super().find_class(module, name)


def _environment(module: str, constants: Any, name: str) -> Any:
    """The environment of a compiled function, without the globals of its module but its name."""
    found = environment.lookup_environment(name)
    if found is None:
        found = environment.Environment({"__name__": module})
        found.consts[:] = constants
        found.env_name = name
        environment.Environment._memo[name] = found
    return found


def _write(path: Path, content: bytes) -> None:
    """Write a file that appears whole.  Raises OSError."""
    part = path.with_name(f"{uuid.uuid4().hex}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _part_of_package(folder: Path) -> Path:
    """The part of the package that ``folder`` is in, or elsewhere ``folder`` itself."""
    package = Path(__file__).parent
    parts = [part for part in (folder, *folder.parents) if part.parent == package]
    return parts[0] if parts else folder


@functools.cache
def _stamp(folder: Path) -> bytes:
    """A checksum of all files that the kernels of a folder may depend on.

    These are the folder's own and those on the package's ground floor.
    """
    files = sorted({*folder.rglob("*.py"), *Path(__file__).parent.glob("*.py")})
    return xxh3_128_digest(b"".join(xxh3_128_digest(file.read_bytes()) for file in files))


# ---- Where kernels are kept.


class Folders(NamedTuple):
    """The folders that kernels are read from, and the one that new ones are written to, if any.

    The ``notice`` is for the user, when a kernel is compiled; empty if there is nothing to tell.
    """

    read: list[Path]
    written: Path | None
    notice: str = ""


@functools.cache
def _folders(source: Path) -> Folders:
    """The folders of the kernels whose sources are in the folder ``source``."""
    folders: list[Path] = []
    temporary = _of_temporary_files()
    has_temporary = temporary is not None and temporary.exists()
    for folder in _candidates(source):
        folders.append(folder)
        if _is_writable(folder):
            is_new = folder.parent == temporary and not has_temporary
            return Folders(folders, folder, _IN_TEMPORARY.format(temporary) if is_new else "")
    return Folders(folders, None, _NOWHERE)


def _candidates(source: Path) -> Iterator[Path]:
    name = f"{source.name}-{xxh3_64_hexdigest(os.fsencode(source))}"
    if config.CACHE_DIR:
        yield Path(config.CACHE_DIR) / name
    yield source / "__pycache__"
    for find in (_in_users_cache, _in_temporary_files):
        if own := find():
            yield own / name


def _in_users_cache() -> Path | None:
    folder = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))  # noqa: PTH111 - no home is no error
    return _made(folder / "ooc-train") if folder.is_absolute() else None


def _in_temporary_files() -> Path | None:
    folder = _of_temporary_files()
    return _made(folder) if folder else None


def _of_temporary_files() -> Path | None:
    with contextlib.suppress(OSError):  # there is no folder for temporary files
        parent = Path(tempfile.gettempdir())
        if parent != Path.cwd():
            return parent / f"ooc-train-{os.getuid()}"
    return None


def _made(folder: Path) -> Path | None:
    """A folder that nobody but this user, or root, can write to or replace; made if need be."""
    with contextlib.suppress(OSError):
        folder.mkdir(0o700, parents=True, exist_ok=True)
        found, parent = folder.lstat(), folder.parent.stat()
        is_own = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
        is_kept = not parent.st_mode & stat.S_IWOTH or parent.st_mode & stat.S_ISVTX
        if is_own and not found.st_mode & 0o022 and is_kept and parent.st_uid in (0, found.st_uid):
            return folder
    return None


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        return error.errno in (errno.EMFILE, errno.ENFILE)  # which is not the folder's fault
    return True


@functools.cache
def _warn_once(text: str) -> None:
    warnings.warn(text, RuntimeWarning, stacklevel=2)
