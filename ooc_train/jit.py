"""How this package compiles a kernel."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

from ooc_train.kernel_cache import KernelCache

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
    compiled: Any = njit(nogil=True, error_model="numpy", **options)(function)
    if function.__closure__ is None:  # what a closure holds is in the machine code alone
        compiled._cache = KernelCache(function)
    return cast(Function, compiled)
