"""Compiled kernels: what the cache must notice."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import ooc_train

CONVERSION = Path(ooc_train.__file__).parent / "conversion"
SHOW = "from ooc_train.conversion import numbers_; print(numbers_.doubled(21))"


def run(folder):
    """What the kernel in a copy of the package gives, in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", SHOW],
        env=environment, cwd=folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return int(done.stdout)


def test_a_change_in_another_file_is_not_hidden_by_the_cache(tmp_path):
    package = tmp_path / "ooc_train" / "conversion"
    package.mkdir(parents=True)
    shutil.copy(CONVERSION / "jit.py", package)
    (package.parent / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "constants_.py").write_text("FACTOR = 2\n")
    (package / "numbers_.py").write_text(
        "from ooc_train.conversion.constants_ import FACTOR\n"
        "from ooc_train.conversion.jit import kernel\n\n\n"
        "@kernel\ndef doubled(n):\n    return FACTOR * n\n"
    )
    assert run(tmp_path) == 42
    assert list((package / "__pycache__").glob("*.nbc"))
    (package / "constants_.py").write_text("FACTOR = 10\n")
    assert run(tmp_path) == 210
