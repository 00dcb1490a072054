"""How this package compiles a kernel."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])


def kernel(function: Function) -> Function:
    """Compile ``function`` to machine code that runs without the GIL, cached on disk.

    No ``fastmath``: results must not depend on how a processor reorders a sum.
    """
    return _compiled(function)


def inner_kernel(function: Function) -> Function:
    """Compile a function that other kernels call often, and that allocates nothing.

    It does not count references to its arrays, which would take some 10 ns a call for each.
    """
    return _compiled(function, _nrt=False)


def _compiled(function: Function, **options: bool) -> Function:
    compiled: Any = njit(nogil=True, cache=True, error_model="numpy", **options)(function)
    # Numba's cache looks at a kernel's own file, not at those that its constants and inner kernels
    # come from, and would run stale code after a change there.  Hence one stamp for them all.
    index = getattr(compiled._cache, "_cache_file", None)
    if index is not None:
        folder = Path(function.__code__.co_filename).parent
        index._source_stamp = (index._source_stamp, _stamp(_part_of_package(folder)))
    return cast(Function, compiled)


def _part_of_package(folder: Path) -> Path:
    """The part of the package that ``folder`` is in, or elsewhere ``folder`` itself."""
    package = Path(__file__).parent
    parts = [part for part in (folder, *folder.parents) if part.parent == package]
    return parts[0] if parts else folder


@functools.cache
def _stamp(folder: Path) -> tuple[tuple[str, float, int], ...]:
    """Names, times and sizes of all files that the kernels of a folder may depend on.

    These are the folder's own and those on the package's ground floor.
    """
    files = sorted({*folder.rglob("*.py"), *Path(__file__).parent.glob("*.py")})
    return tuple((file.name, file.stat().st_mtime, file.stat().st_size) for file in files)
