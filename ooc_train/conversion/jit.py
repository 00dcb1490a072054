"""The one way in which this package compiles a kernel, and the machine instructions it adds."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

Function = TypeVar("Function", bound=Callable[..., Any])


def kernel(function: Function) -> Function:
    """Compile ``function`` to machine code that runs without the GIL, cached on disk.

    No ``fastmath``: results must not depend on how a processor reorders a sum.
    """
    compiled: Any = njit(nogil=True, cache=True)(function)
    # Numba's cache looks at the file of a kernel, not at those that it takes constants and other
    # kernels from: a change there would go on with stale code.  Hence one stamp for them all.
    index = getattr(compiled._cache, "_cache_file", None)
    if index is not None:
        index._source_stamp = (index._source_stamp, _sources_stamp())
    return cast(Function, compiled)


@functools.cache
def _sources_stamp() -> tuple[tuple[str, float, int], ...]:
    """Names, times and sizes of all files that kernels are made of."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return tuple((file.name, file.stat().st_mtime, file.stat().st_size) for file in files)


@intrinsic  # type: ignore[untyped-decorator]
def folded_product(typing_context: Any, left: Any, right: Any) -> Any:  # noqa: ARG001
    """The 128-bit product of two uint64, its halves folded together by exclusive or.

    The mixing step of wyhash (Wang Yi, public domain): one multiplication spreads every input
    bit over the whole word.  Neither NumPy nor Numba offers a 128-bit product.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:  # noqa: ARG001
        wide, word = ir.IntType(128), ir.IntType(64)
        product = builder.mul(builder.zext(args[0], wide), builder.zext(args[1], wide))
        high = builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), word)
        return builder.xor(builder.trunc(product, word), high)

    return types.uint64(types.uint64, types.uint64), generate


@intrinsic  # type: ignore[untyped-decorator]
def eight_bytes(typing_context: Any, array: Any, index: Any) -> Any:  # noqa: ARG001
    """``array[index : index + 8]`` of a uint8 array as one uint64, its first byte the lowest.

    Nothing checks that these bytes are there.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        place = builder.bitcast(builder.gep(data, [args[1]]), ir.IntType(64).as_pointer())
        return builder.load(place, align=1)

    return types.uint64(array, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]
def trailing_zeros(typing_context: Any, word: Any) -> Any:  # noqa: ARG001
    """How many of the lowest bits of a uint64 are 0; of 0 itself, 64."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:  # noqa: ARG001
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), generate
