"""How this package compiles a kernel."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit, types

from ooc_train.kernel_cache import KernelCache
from ooc_train.linked_kernels import LinkingCompiler, linked

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
    options |= {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}
    compiled: Any = njit(pipeline_class=LinkingCompiler, **options)(function)
    if "inline" not in options:
        _link_into_callers(compiled, functools.cache(lambda: linked(function, **options)))
    if function.__closure__ is None:  # what a closure holds is in the machine code alone
        compiled._cache = KernelCache(function)
    return cast(Function, compiled)


def _link_into_callers(compiled: Any, linked_form: Callable[[], Any]) -> None:
    """Let other kernels call ``linked_form()``: one version, whether or not a number is constant.

    Numba would compile another for each call with a constant, though the number is passed all the
    same: what is gained by knowing it is gained where the call is inlined.
    """

    def call_template(arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        return linked_form().get_call_template(tuple(map(types.unliteral, arguments)), keywords)

    compiled.get_call_template = call_template
    compiled.get_overload = lambda signature: linked_form().get_overload(signature)
