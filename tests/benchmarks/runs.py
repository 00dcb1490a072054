"""Runs of the benchmark suite: a tiny one of each subcommand, and made-up ones."""

import dataclasses
import json
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from benchmarks.measure import harness, memory, page_cache
from benchmarks.measure.harness import Run
from benchmarks.measure.memory import Peaks

ROOT = Path(__file__).resolve().parents[2]
linux = pytest.mark.skipif(not memory.CAN_MEASURE, reason=memory.CANNOT_MEASURE)


class Tiny(NamedTuple):
    """What a subcommand gave at a tiny size."""

    status: int
    output: str
    folder: Path


def check_what_is_written(tiny, name):
    """What holds for the files and the output of every subcommand."""
    status, output, out = tiny
    assert status == 0
    assert sorted(path.name for path in out.glob("*.*")) == [f"{name}.json", f"{name}.md"]
    assert output == (out / f"{name}.md").read_text("utf-8")
    text = (out / f"{name}.json").read_text("utf-8")
    assert str(out.parent) not in text  # no paths of this machine
    assert sys.prefix not in text
    record = json.loads(text)
    assert record["benchmark"] == name
    assert record["command"].startswith(f"python -m benchmarks {name} --out {out.name}")
    described = record["environment"]
    assert described["packages"]["numpy"] == np.__version__
    assert 0 < described["disk_free_bytes"] <= described["disk_bytes"]


def made_run(seconds=1.0, outcome=harness.COMPLETED, **changes):
    fields = {
        "outcome": outcome,
        "exit_status": 0,
        "seconds": seconds,
        "cpu_seconds": seconds,
        "others_cpu_seconds": None,
        "memory": Peaks(),
        "page_cache": page_cache.WARM,
        "result_bytes": 0,
        "report": {},
        "message": "",
    }
    return Run(**{**fields, **changes})


def already_compiled(ours):
    """Let ooc-convert use the kernels that this interpreter's package has compiled already."""
    return lambda *arguments: dataclasses.replace(ours(*arguments), variables={})


def write_toys(folder, n_rows):
    """A folder with as many train as test rows of three classes."""
    folder.mkdir()
    for name in ("train.csv", "test.csv"):
        rows = (f'"{k % 3 + 1}","word{k % 3} term{k % 5} and text"\n' for k in range(n_rows))
        (folder / name).write_text("".join(rows))
    return folder
