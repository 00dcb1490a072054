"""The choice of who compiles kernels that are not kept on disk: this process, or another one.

It imports nothing, so that what never calls a kernel does not load Numba to say so.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import NoReturn


class NotCompiledError(Exception):
    """A kernel is not kept on disk, and is not to be compiled."""


Compile = Callable[[str, str, bytes], None]
"""Compiles a kernel, given its module, its name there and a signature as Numba pickles it."""

elsewhere: Compile | None = None


@contextlib.contextmanager
def compiled_by(compile_: Compile) -> Iterator[None]:
    """Let ``compile_`` compile kernels, in all threads, and keep them on disk.

    What is not there afterwards, or cannot be kept, is compiled by this process.
    """
    global elsewhere  # noqa: PLW0603 - kernels are compiled wherever they are first called
    before, elsewhere = elsewhere, compile_
    try:
        yield
    finally:
        elsewhere = before


def refuse(module: str, name: str, signature: bytes) -> NoReturn:  # noqa: ARG001 - a `Compile`
    """Compile nothing.  Raises NotCompiledError."""
    raise NotCompiledError(f"{module}.{name}")
