"""Compiled kernels: what the cache must notice, and the instructions of our own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba.core.errors import NumbaError
from numba.core.event import install_recorder

import ooc_train
from ooc_train.intrinsics import copy_bytes, load_word, ones, trailing_zeros
from ooc_train.jit import inner_kernel, kernel

ROOT = Path(ooc_train.__file__).parent
SHOW = "from ooc_train.conversion.text import numbers_; print(numbers_.doubled(21))"


def run(folder):
    """What the kernel in a copy of the package gives, in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", SHOW],
        env=environment, cwd=folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return int(done.stdout)


@pytest.mark.slow
def test_a_change_in_another_file_is_not_hidden_by_the_cache(tmp_path):
    """Nor one in another folder of the same part of the package."""
    package = tmp_path / "ooc_train" / "conversion"
    (package / "text").mkdir(parents=True)
    for name in ("compiling.py", "imports.py", "jit.py", "kernel_cache.py", "linked_kernels.py"):
        shutil.copy(ROOT / name, package.parent)
    for folder in (package.parent, package, package / "text"):
        (folder / "__init__.py").touch()
    (package / "constants_.py").write_text("FACTOR = 2\n")
    (package / "text" / "numbers_.py").write_text(
        "from ooc_train.conversion.constants_ import FACTOR\n"
        "from ooc_train.jit import kernel\n\n\n"
        "@kernel\ndef doubled(n):\n    return FACTOR * n\n"
    )
    assert run(tmp_path) == 42
    assert list((package / "text" / "__pycache__").glob("*.kernel"))
    (package / "constants_.py").write_text("FACTOR = 10\n")
    assert run(tmp_path) == 210


@inner_kernel
def _allocates():
    return np.zeros(3)


def test_an_inner_kernel_that_allocates_is_refused():
    """It would never give the memory back."""
    with pytest.raises(NumbaError):
        _allocates()


@kernel
def words_at(data, index):
    return load_word(data, index), trailing_zeros(load_word(data, index))


def test_load_word_at_any_place_and_the_zeros_below_the_lowest_one():
    data = np.array([0, 0, 3, 0, 128, 7, 0, 255, 0, 16], np.uint8)
    for index in (0, 1, 2):
        word = int.from_bytes(data[index : index + 8].tobytes(), "little")
        assert words_at(data, index) == (word, (word & -word).bit_length() - 1)
    assert words_at(np.zeros(8, np.uint8), 0) == (0, 64)


@kernel
def counted_and_copied(data, index, n, out):
    copy_bytes(data, index, out, 1, n)
    return ones(load_word(data, index))


def test_ones_and_copied_bytes():
    data = np.array([9, 0, 3, 0, 128, 7, 0, 255, 0, 16], np.uint8)
    for n in (0, 1, 5, 8):
        out = np.zeros(9, np.uint8)
        assert counted_and_copied(data, 1, n, out) == 14
        assert out.tolist() == [0, *data[1 : 1 + n].tolist(), *[0] * (8 - n)]


CONVERT = """
import sys
from ooc_train.cli.convert import main
status = main([*sys.argv[1:], "--quiet"])
print(status, "scipy.linalg" in sys.modules, "tqdm" in sys.modules)
import scipy.linalg
"""


LOADED = """
import sys
import numpy as np
from ooc_train.training.steps.network_kernels import bias_gradient
total = np.empty(3, np.float32)
bias_gradient(np.ones((2, 3), np.float32), total)
assert total.tolist() == [2, 2, 2]
assert sum(bias_gradient.stats.cache_hits.values()) == 1
print("numba.np.arraymath" in sys.modules)
"""


def test_a_cached_kernel_loads_little_of_numba(tmp_path):
    """Only compiling takes all of what Numba can compile: 25 MB."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    said = [
        subprocess.run(
            [sys.executable, "-c", LOADED if number else LOADED.replace("== 1", "== 0")],
            env=environment, capture_output=True, text=True, check=True,
        ).stdout.strip()
        for number in (0, 1)
    ]  # fmt: skip
    assert said == ["True", "False"]


def test_a_conversion_loads_neither_scipy_nor_progress_bars(tmp_path):
    pytest.importorskip("scipy")
    (tmp_path / "rows.csv").write_text("1,a b\n2,b c\n" * 20)
    arguments = [str(tmp_path / "rows.csv"), "-o", str(tmp_path / "o.h5")]
    done = subprocess.run(
        [sys.executable, "-c", CONVERT, *arguments, "--features", "sequence"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["0", "False", "False"]


def compiled_while(call):
    """The names of the functions that are compiled while ``call`` runs, once for each version."""
    with install_recorder("numba:compile") as recorder:
        call()
    return [event.data["dispatcher"].__name__ for _, event in recorder.buffer if event.is_start]


def test_a_constant_makes_no_version_of_its_own():
    @kernel
    def doubled(number):
        return number * 2

    @kernel  # not kept on disk, as it has a closure
    def doubles(number):
        return doubled(7) + doubled(number)

    assert compiled_while(lambda: doubles(3)) == ["doubles", "doubled"]
    assert doubles(3) == 20


def test_what_kernels_call_can_be_called_from_python_too():
    """For that it is compiled by itself."""

    @kernel
    def divided(number, by):
        if by == 0:
            raise ZeroDivisionError("by nothing")
        return number // by

    @kernel
    def halved(number, by):
        return divided(number, by) + len((number, by))

    assert compiled_while(lambda: halved(8, 2)) == ["halved", "divided"]
    assert divided.signatures == []
    assert compiled_while(lambda: divided(8, 2)) == ["divided"]
    assert (halved(8, 2), divided(8, 2)) == (6, 4)
    for function in (halved, divided):
        with pytest.raises(ZeroDivisionError, match="by nothing"):
            function(1, 0)
