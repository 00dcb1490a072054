"""Kernels that other kernels call: they are compiled into their callers only.

Numba compiles what a kernel calls as if Python called it, too: it optimises it by itself, makes
machine code of it, and a wrapper that takes Python's objects.  Then each caller is linked with it,
and optimises all of it again.  Here only the caller does.
"""

from collections.abc import Callable
from typing import Any

from numba import njit
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler, CompileResult


def linked(function: Callable[..., Any], **options: Any) -> Any:
    """A kernel that is compiled with Numba's ``options``, and that kernels alone can call."""
    return njit(pipeline_class=_LinkedCompiler, **options)(function)


class LinkingCompiler(Compiler):  # type: ignore[misc] # Numba is not typed
    """Compiles a function that Python calls, with all that is linked into it."""

    def compile_extra(self, function: Callable[..., Any]) -> CompileResult:
        """The function, whose code finds its own environment and those of what it calls."""
        compiled = super().compile_extra(function)
        for environment in compiled._find_referenced_environments():
            compiled.library.codegen.set_env(environment.env_name, environment)
        return compiled


class _LinkedCompiler(Compiler):  # type: ignore[misc] # Numba is not typed
    """Compiles a function as far as its callers need it."""

    def define_pipelines(self) -> Any:
        state = self.state
        state.flags.no_compile = state.flags.no_cpython_wrapper = True
        state.library = _LinkedLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        return super().define_pipelines()

    def compile_extra(self, function: Callable[..., Any]) -> CompileResult:
        compiled = super().compile_extra(function)
        # Callers find it by its entry point, of which Numba asks nothing but the type.
        entry_point = list[Any]().append
        self.state.targetctx.insert_user_function(entry_point, compiled.fndesc, [compiled.library])
        return compiled._replace(entry_point=entry_point)


class _LinkedLibrary(JITCodeLibrary):  # type: ignore[misc] # Numba is not typed
    """The code of a kernel with what it calls, neither optimised nor made machine code."""

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalized = True
