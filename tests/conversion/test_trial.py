"""The trial of a conversion, which compiles all kernels that the conversion needs."""

import subprocess
import sys

import numpy as np
import pytest

AFTER = """
import sys
import ooc_train
from ooc_train.conversion import convert as module
from ooc_train.kernel_cache import KernelCache

load, few_rows, is_over = KernelCache.load_overload, module.convert_few_rows, []

def loaded(cache, *given):
    if is_over:
        print(cache._module, cache._function)
    return load(cache, *given)

def tried(*given):
    few_rows(*given)
    is_over.append(True)

KernelCache.load_overload, module.convert_few_rows = loaded, tried
rows, kind = sys.argv[1:]
ooc_train.convert(rows, rows + ".h5", features=kind, progress=False)
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ngram", "sequence"])
def test_a_conversion_compiles_nothing_after_its_trial(tmp_path, kind):
    """What is compiled later takes memory that is divided already."""
    words = np.random.default_rng(0).integers(0, 3000, (12_000, 3)).tolist()
    path = tmp_path / "rows.csv"
    path.write_text("".join(f'{a % 2},"w{a} w{b} w{c}"\n' for a, b, c in words))
    command = [sys.executable, "-c", AFTER, path, kind]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == ""
