"""Fuzzing of one parser of rows, guided by what it covers: a process of `families.fuzz`.

fuzzer FORMAT SEED N FOLDER    N inputs; FOLDER/found gets what is wrong, FOLDER/done their number

Kernels run as plain Python (``NUMBA_DISABLE_JIT=1``), so that their branches are covered.  The
machine instructions that Python does not have are written out here.
"""

import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import atheris
import numpy as np

with atheris.instrument_imports(include=["ooc_train.conversion.sources"]):
    from benchmarks.faults import parsing
    from ooc_train.conversion.sources.formats import delimited_kernel, svmlight

from benchmarks.faults.families.dirty_rows import FORMATS

FOUND, DONE = "found", "done"
_LONGEST, _LANES, _N_EXAMPLES = 300, 64, 40
_MOST_FOUND = 10


def main(arguments: Sequence[str]) -> None:
    """Run the command; it ends the process."""
    name, seed, n_inputs, target = arguments
    folder = Path(target)
    delimited_kernel.__dict__.update(
        bytes_equal=_bytes_equal, move_bytes=_move_bytes, ones=_ones, trailing_zeros=_trailing_zeros
    )
    svmlight.__dict__["_parse"] = _of_wide_bytes(svmlight.__dict__["_parse"])
    corpus = folder / "corpus"
    corpus.mkdir()
    _write_examples(name, corpus, random.Random(int(seed)))
    n_done = n_found = 0

    def one(content: bytes) -> None:
        nonlocal n_done, n_found
        try:
            with np.errstate(all="ignore"):
                found = parsing.problem(name, content, folder / "rows")
        except Exception as error:  # noqa: BLE001 - whatever it is, the next input comes
            found = f"{type(error).__name__}: {error}"
        n_done += 1
        if found and n_found < _MOST_FOUND:
            n_found += 1
            with (folder / FOUND).open("a") as file:
                print(f"{found}; input {content!r}", file=file)
        (folder / DONE).write_text(str(n_done))

    options = (f"-runs={n_inputs}", f"-seed={int(seed) + 1}", f"-max_len={_LONGEST}")
    atheris.Setup([sys.argv[0], *options, "-verbosity=0", str(corpus)], one)
    atheris.Fuzz()


def _write_examples(name: str, folder: Path, draw: random.Random) -> None:
    """Write rows to begin with, clean and dirty ones."""
    (form,) = (each for each in FORMATS if each.name == name)
    for number in range(_N_EXAMPLES):
        rows = [form.clean(1, "red"), form.dirty(draw), form.clean(0, "early late")]
        content = draw.randbytes(1) + draw.choice([b"\n", b"\r\n"]).join(rows)
        (folder / str(number)).write_bytes(content[:_LONGEST])


# ---- Instructions, as Python.


def _of_wide_bytes(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """A kernel that computes with bytes as Numba does: the sum of a byte and an integer is wide."""
    return lambda data, *rest: kernel(data.astype(np.int64), *rest)


def _bytes_equal(array: Any, index: int, byte: Any) -> Any:
    """Which of 64 bytes equal one; behind the array there may be anything."""
    lanes = np.full(_LANES, b'"\n,\0'[index % 4], np.uint8)
    part = array[index : index + _LANES]
    lanes[: len(part)] = part
    return np.packbits(lanes == byte, bitorder="little").view(np.uint64)[0]


def _move_bytes(array: Any, start: int, end: int, n: int) -> None:
    array[end : end + n] = array[start : start + n].copy()


def _ones(word: Any) -> int:
    return bin(int(word)).count("1")


def _trailing_zeros(word: Any) -> int:
    number = int(word)
    return (number & -number).bit_length() - 1 if number else _LANES


if __name__ == "__main__":
    main(sys.argv[1:])
