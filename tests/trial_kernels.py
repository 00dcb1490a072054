"""The kernels that conversions call, and their record, ``ooc_train/conversion/trial_kernels``.

``python -m tests.trial_kernels`` records them anew; `test_kernel_processes` compares.
"""

import contextlib
import subprocess
import sys
import tempfile
from pathlib import Path

from numba import types

import ooc_train
from ooc_train.kernel_cache import KernelCache

KINDS = ("ngram", "sequence")
RECORDS = Path(ooc_train.__file__).parent / "conversion" / "trial_kernels"
ROWS = 300


def called(kind):
    """The lines of the kernels that a conversion of this kind calls, by a process of its own."""
    command = [sys.executable, "-m", "tests.trial_kernels", kind]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.splitlines()


def call(kind):
    """Convert some rows, and print the kernels that are loaded or compiled for it, in order."""
    load = KernelCache.load_overload

    def loaded(cache, signature, context):
        with contextlib.suppress(ValueError):
            print(cache._module, cache._function, f"({', '.join(map(written, signature))},)")
        return load(cache, signature, context)

    KernelCache.load_overload = loaded
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder) / "rows.csv"
        rows.write_text("".join(f'{i % 2},"words {i} {i % 7}"\n' for i in range(ROWS)))
        ooc_train.convert(rows, rows.with_suffix(".h5"), features=kind, progress=False)


def written(kind):
    """A type as Numba reads it, such as ``int64`` or ``uint8[::1]``.

    Raises ValueError for one that it cannot read.
    """
    if isinstance(kind, types.Array) and kind.layout == "C" and kind.mutable:
        return f"{kind.dtype}[{':, ' * (kind.ndim - 1)}::1]"
    if not isinstance(kind, types.Number | types.Boolean):
        raise ValueError(f"Numba does not read {kind}")
    return str(kind)


def main(*kinds):
    """Print the kernels of the kinds given, or else record those of all."""
    for kind in kinds:
        call(kind)
    for kind in () if kinds else KINDS:
        (RECORDS / f"{kind}.txt").write_text("".join(line + "\n" for line in called(kind)))


if __name__ == "__main__":
    main(*sys.argv[1:])
