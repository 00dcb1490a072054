"""How this package compiles a kernel."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit, types

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


def inlined_kernel(function: Function) -> Function:
    """Compile a function into the kernels that call it, not by itself.

    For a function that one kernel calls: by itself it would be compiled, with all that it calls,
    once more.
    """
    return _compiled(function, inline="always")


def _compiled(function: Function, **options: Any) -> Function:
    # The wrapper for callers in C, which there are none of, would take a tenth of the time.
    options["no_cfunc_wrapper"] = True
    compiled: Any = njit(nogil=True, error_model="numpy", **options)(function)
    compiled.get_call_template = _without_literals(compiled.get_call_template)
    if function.__closure__ is None:  # what a closure holds is in the machine code alone
        compiled._cache = KernelCache(function)
    return cast(Function, compiled)


def _without_literals(call_template: Callable[..., Any]) -> Callable[..., Any]:
    """How a kernel is called by others: as one version, whether or not a number is constant.

    Numba would compile another for each call with a constant, though the number is passed all the
    same: what is gained by knowing it is gained where the call is inlined.
    """

    def template(arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        return call_template(tuple(map(types.unliteral, arguments)), keywords)

    return template
