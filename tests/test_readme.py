"""The README's Python runs as it stands there."""

import re
from pathlib import Path

from tests.corpora import random_rows, write_rows

README = Path(__file__).parents[1] / "README.md"


def test_the_python_examples_run(tmp_path, monkeypatch, capsys):
    blocks = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    assert len(blocks) == 2
    write_rows(tmp_path / "train.csv", random_rows(400))
    write_rows(tmp_path / "test.csv", random_rows(50, seed=1))
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in blocks:
        exec(block, names)
    assert (tmp_path / "runs/reviews/model.keras").is_file()
    accuracy, label = capsys.readouterr().out.splitlines()[:2]
    assert 0 < float(accuracy) <= 1
    assert label in {"['1']", "['2']", "['3']"}
    assert names["model"].count_params() > 0
