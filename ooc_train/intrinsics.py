"""Machine instructions that neither NumPy nor Numba offers, for the kernels that touch every byte.

Bytes are taken eight or 64 at a time; LLVM turns that into whatever the processor has.  Callers
see to it that what is read or written lies inside the array: a padding of ``PADDING`` bytes behind
the last that counts is enough.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.cgutils import raw_memcpy, raw_memmove
from numba.extending import intrinsic

from ooc_train.jit import kernel

PADDING = 64
_ALL_BITS = 0xFFFFFFFFFFFFFFFF
_BYTE, _INT, _WORD, _WIDE = (ir.IntType(n_bits) for n_bits in (8, 32, 64, 128))
_LANES = ir.VectorType(_BYTE, PADDING)


@intrinsic  # type: ignore[untyped-decorator]
def folded_product(typing_context: Any, left: Any, right: Any) -> Any:  # noqa: ARG001
    """The 128-bit product of two uint64, its halves folded together by exclusive or.

    The mixing step of wyhash (Wang Yi, public domain): one multiplication spreads every input
    bit over the whole word.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:  # noqa: ARG001
        product = builder.mul(builder.zext(args[0], _WIDE), builder.zext(args[1], _WIDE))
        high = builder.trunc(builder.lshr(product, ir.Constant(_WIDE, 64)), _WORD)
        return builder.xor(builder.trunc(product, _WORD), high)

    return types.uint64(types.uint64, types.uint64), generate


@intrinsic  # type: ignore[untyped-decorator]
def trailing_zeros(typing_context: Any, value: Any) -> Any:  # noqa: ARG001
    """How many of the lowest bits of a uint64 are 0, as int64; 64 for 0."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:  # noqa: ARG001
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), generate


@intrinsic  # type: ignore[untyped-decorator]
def ones(typing_context: Any, value: Any) -> Any:  # noqa: ARG001
    """How many bits of a uint64 are 1, as int64."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:  # noqa: ARG001
        return builder.ctpop(args[0])

    return types.int64(types.uint64), generate


@intrinsic  # type: ignore[untyped-decorator]
def copy_bytes(
    typing_context: Any,  # noqa: ARG001
    source: Any,
    start: Any,  # noqa: ARG001
    target: Any,
    end: Any,  # noqa: ARG001
    n: Any,  # noqa: ARG001
) -> Any:
    """Copy ``n`` bytes of one uint8 array, from ``start`` on, to another at ``end``: a memcpy."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source = _pointer(_BYTE, context, builder, signature, args)
        target = _pointer(_BYTE, context, builder, signature, args, 2)
        raw_memcpy(builder, target, source, args[4], 1)
        return context.get_dummy_value()

    return types.void(source, types.intp, target, types.intp, types.intp), generate


@intrinsic  # type: ignore[untyped-decorator]
def copy_from(
    typing_context: Any,  # noqa: ARG001
    address: Any,  # noqa: ARG001
    target: Any,
    end: Any,  # noqa: ARG001
    n: Any,  # noqa: ARG001
) -> Any:
    """Copy ``n`` bytes from an address in memory to a uint8 array at ``end``: a memcpy."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source = builder.inttoptr(args[0], _BYTE.as_pointer())
        target = _pointer(_BYTE, context, builder, signature, args, 1)
        raw_memcpy(builder, target, source, args[3], 1)
        return context.get_dummy_value()

    return types.void(types.int64, target, types.intp, types.intp), generate


@intrinsic  # type: ignore[untyped-decorator]
def move_bytes(
    typing_context: Any,  # noqa: ARG001
    array: Any,
    start: Any,  # noqa: ARG001
    end: Any,  # noqa: ARG001
    n: Any,  # noqa: ARG001
) -> Any:
    """Copy ``n`` bytes of a uint8 array from ``start`` on to ``end``, which they may overlap."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source = _pointer(_BYTE, context, builder, signature, args)
        target = builder.gep(source, [builder.sub(args[2], args[1])])
        raw_memmove(builder, target, source, args[3], 1)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, types.intp), generate


@intrinsic  # type: ignore[untyped-decorator]
def load_word(typing_context: Any, array: Any, index: Any) -> Any:  # noqa: ARG001
    """The eight bytes of a uint8 array from ``index`` on as a little-endian uint64."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(_pointer(_WORD, context, builder, signature, args), align=1)

    return types.uint64(array, types.intp), generate


@intrinsic  # type: ignore[untyped-decorator]
def store_word(typing_context: Any, array: Any, index: Any, word: Any) -> Any:  # noqa: ARG001
    """Put a uint64 into a uint8 array as eight little-endian bytes from ``index`` on."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = _pointer(_WORD, context, builder, signature, args)
        builder.store(args[2], pointer, align=1)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.uint64), generate


@intrinsic  # type: ignore[untyped-decorator]
def prefetch(typing_context: Any, array: Any, index: Any) -> Any:  # noqa: ARG001
    """Have the processor fetch the cache line of an item that is written soon, counted flat.

    Without that a loop waits for each item which lies somewhere in a large array, since what it
    does next depends on what it finds there.  ``index`` need not lie inside the array.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        item = context.make_array(signature.args[0])(context, builder, args[0]).data
        pointer = builder.bitcast(builder.gep(item, [args[1]]), _BYTE.as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [_BYTE.as_pointer(), *3 * [_INT]])
        function = builder.module.declare_intrinsic("llvm.prefetch", [_BYTE.as_pointer()], kind)
        for_writing, into_all_caches, data = 1, 3, 1
        constants = [ir.Constant(_INT, n) for n in (for_writing, into_all_caches, data)]
        builder.call(function, [pointer, *constants])
        return context.get_dummy_value()

    return types.void(array, types.intp), generate


@intrinsic  # type: ignore[untyped-decorator]
def bytes_equal(typing_context: Any, array: Any, index: Any, byte: Any) -> Any:  # noqa: ARG001
    """Which of 64 bytes of a uint8 array from ``index`` on equal ``byte``: a bit for each."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        found = builder.load(_pointer(_LANES, context, builder, signature, args), align=1)
        return builder.bitcast(builder.icmp_unsigned("==", found, _splat(builder, args[2])), _WORD)

    return types.uint64(array, types.intp, types.uint8), generate


@intrinsic  # type: ignore[untyped-decorator]
def bytes_above(typing_context: Any, array: Any, index: Any) -> Any:  # noqa: ARG001
    """Which of 64 bytes of a uint8 array from ``index`` on are 128 or more: a bit for each."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        found = builder.load(_pointer(_LANES, context, builder, signature, args), align=1)
        return builder.bitcast(builder.icmp_signed("<", found, _constant(0)), _WORD)

    return types.uint64(array, types.intp), generate


def ascii_copy(*, spaces: bytes) -> Any:
    """Make an intrinsic: copy 64 bytes of ASCII in lower case, with a space for each of ``spaces``.

    It takes the text, the index to copy from, the array to copy to, and the index there.  Compiled
    to comparisons with the fewest ranges that ``spaces`` or all other bytes form.
    """
    inside, outside = _ranges(spaces), _ranges(bytes(set(range(128)) - set(spaces)))
    ranges = min(inside, outside, key=len)

    @intrinsic  # type: ignore[untyped-decorator]
    def copy(typing_context: Any, text: Any, index: Any, out: Any, end: Any) -> Any:  # noqa: ARG001
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            found = builder.load(_pointer(_LANES, context, builder, signature, args), align=1)
            is_capital = _between(builder, found, ord("A"), ord("Z"))
            small = builder.select(is_capital, builder.or_(found, _constant(32)), found)
            in_ranges = ir.Constant(is_capital.type, [0] * PADDING)
            for least, most in ranges:
                in_ranges = builder.or_(in_ranges, _between(builder, found, least, most))
            choices = (_constant(32), small) if ranges is inside else (small, _constant(32))
            target = _pointer(_LANES, context, builder, signature, args, 2)
            builder.store(builder.select(in_ranges, *choices), target, align=1)
            return context.get_dummy_value()

        return types.void(text, types.intp, out, types.intp), generate

    return copy


@kernel
def low_bytes(word: np.uint64, n: int) -> np.uint64:
    """The first ``n`` of a word's eight bytes, 1 to 8, the others 0."""
    return word & (np.uint64(_ALL_BITS) >> np.uint64(64 - 8 * n))


def _pointer(
    kind: Any, context: Any, builder: Any, signature: Any, args: Any, first: int = 0
) -> Any:
    """The address of the byte of array ``args[first]`` that ``args[first + 1]`` numbers."""
    array = context.make_array(signature.args[first])(context, builder, args[first])
    return builder.bitcast(builder.gep(array.data, [args[first + 1]]), kind.as_pointer())


def _constant(byte: int) -> Any:
    return ir.Constant(_LANES, [byte] * PADDING)


def _splat(builder: Any, byte: Any) -> Any:
    one = builder.insert_element(ir.Constant(_LANES, ir.Undefined), byte, ir.Constant(_WORD, 0))
    zeros = ir.Constant(ir.VectorType(_INT, PADDING), [0] * PADDING)
    return builder.shuffle_vector(one, ir.Constant(_LANES, ir.Undefined), zeros)


def _between(builder: Any, found: Any, least: int, most: int) -> Any:
    shifted = builder.sub(found, _constant(least))
    return builder.icmp_unsigned("<=", shifted, _constant(most - least))


def _ranges(some: bytes) -> list[tuple[int, int]]:
    """The runs of neighbours among some bytes: the first and the last of each."""
    marks = np.zeros(258, np.int8)
    marks[np.frombuffer(some, np.uint8).astype(int) + 1] = 1
    edges = np.flatnonzero(np.diff(marks)).tolist()
    return [(first, stop - 1) for first, stop in zip(edges[::2], edges[1::2], strict=True)]
