"""The README's Python runs as it stands there."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.corpora import random_rows, write_rows

README = Path(__file__).parents[1] / "README.md"


@pytest.mark.slow
def test_the_python_examples_run(tmp_path):
    """In a process of its own: the budget that they give is for the whole process."""
    blocks = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    assert len(blocks) == 9
    if not importlib.util.find_spec("torch"):
        blocks = [block for block in blocks if "import torch" not in block]
    own_model = 'print(lstm(DataShape("sequence", 9, 5, 3, 0)).output_shape)'
    write_rows(tmp_path / "train.csv", random_rows(400))
    write_rows(tmp_path / "test.csv", random_rows(50, seed=1))
    (tmp_path / "examples.py").write_text(
        "\n".join([*blocks, own_model, "print(model.count_params())"])
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "examples.py"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    accuracy, label, *_, shape, n_parameters = done.stdout.splitlines()
    assert 0 < float(accuracy) <= 1
    assert label in {"['1']", "['2']", "['3']"}
    assert shape == "(None, 3)"
    assert int(n_parameters) > 0
    assert (tmp_path / "runs/reviews/model.keras").is_file()


def test_the_architecture_names_files_that_exist():
    package = README.parent / "ooc_train"
    text = (package / "README.md").read_text("utf-8")
    named = set(re.findall(r"`([\w/.]+\.py|[\w/]+/)`", text))
    paths = [path for root in (package, README.parent / "tests") for path in root.rglob("*")]
    known = [f"/{path.relative_to(README.parent)}{'/' * path.is_dir()}" for path in paths]
    missing = {name for name in named if not any(path.endswith(f"/{name}") for path in known)}
    assert len(named) > 20
    assert missing == set()
