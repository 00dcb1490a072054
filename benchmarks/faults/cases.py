"""The commands that faults are put into, small, and the files that they read.

In their words ``{in}`` is the folder of their input, ``{out}`` of their outputs and ``{temp}``
another one.  A case with ``--force`` has old outputs, made by the same command with ``others``.
"""

import csv
import gzip
import json
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.measure.commands import call

IN, OUT, TEMP = "in", "out", "temp"
MADE = "made"
"""The folder of what the cases make when nothing goes wrong, each in one with its name."""
_N_ROWS, _N_TEST_ROWS, _N_CLASSES = 90, 30, 3
_WORDS = "red green blue black white brown early late warm cold stone water field".split()


@dataclass(frozen=True, kw_only=True)
class Case:
    """A command, its words, and the names of its outputs, files or a run's folder."""

    name: str
    words: tuple[str, ...]
    outputs: tuple[str, ...]
    others: tuple[str, ...] = ()
    """Options with which it makes an older output."""
    is_forced: bool = False
    given: tuple[str, ...] = ()
    """Files and folders, below that of the campaign, of which it has copies in ``{temp}``."""
    begun: tuple[str, ...] = ()
    """The same, in ``{out}``: outputs that it goes on with."""

    @property
    def command(self) -> str:
        """The command, such as ``"convert"``."""
        return self.words[0]

    @property
    def is_training(self) -> bool:
        """Whether it is ooc-train, which can be resumed."""
        return self.command == "train"

    @property
    def loads_tensorflow(self) -> bool:
        """Whether it starts threads of TensorFlow, after which a process cannot be forked."""
        return self.command in ("train", "evaluate")

    def __str__(self) -> str:
        return self.name


def forced(case: Case, *more: str) -> Case:
    """A case with --force, where older outputs exist."""
    words = (*case.words, "--force", *more)
    return replace(case, name=f"{case.name} {' '.join(['--force', *more[:1]])}", words=words,
                   is_forced=True)  # fmt: skip


def _convert(name: str, source: str, *more: str, outputs: Sequence[str] = ()) -> Case:
    return Case(
        name=f"convert {name}",
        words=("convert", f"{{in}}/{source}", "-o", "{out}/o.h5", "--quiet", *more),
        outputs=("o.h5", *outputs),
        others=("--seed", "7"),
    )


def _predict(kind: str) -> Case:
    words = ("predict", "{in}/run", "--input", "{in}/test.csv", "-o", f"{{out}}/p.{kind}")
    return Case(
        name=f"predict {kind}",
        words=(*words, "--quiet"),
        outputs=(f"p.{kind}",),
        others=("--input", "{in}/train.csv"),
    )


_NGRAM = _convert("ngram", "train.csv", "--features", "ngram", "--test", "{in}/test.csv")
_SEQUENCE = _convert("sequence", "train.csv", "--features", "sequence")
_REPORT = ("--report", "{out}/report.json")
_TRAIN = Case(
    name="train",
    words=("train", "{in}/ngram.h5", "-o", "{out}/run", "--epochs", "2", "--batch-size", "8",
           "--checkpoint-every", "4", "--units", "4", "--quiet"),
    outputs=("run",),
    others=("--seed", "7"),
)  # fmt: skip
CASES = (
    _NGRAM,
    forced(_NGRAM, "--temp-dir", "{temp}"),
    _SEQUENCE,
    forced(_SEQUENCE),
    _convert("sequence lz4", "train.csv", "--features", "sequence", "--compression", "lz4"),
    _convert("dense", "dense.npz"),
    forced(_convert("dense", "dense.npz", "--dtype", "int8")),
    _convert("sparse", "rows.svm"),
    forced(_convert("sparse", "rows.svm")),
    _convert("frozen", "test.csv", "--vectorizer", "{in}/ngram.h5"),
    _convert("rejects", "bad.csv", "--features", "sequence", *_REPORT,
             outputs=("o.h5.rejected.csv", "report.json")),
    _TRAIN,
    forced(_TRAIN),
    _predict("csv"),
    forced(_predict("csv")),
    _predict("jsonl"),
    _predict("parquet"),
    Case(
        name="evaluate --html",
        words=("evaluate", "{in}/run", "{in}/ngram.h5", "--html", "{out}/page.html", *_REPORT,
               "--quiet"),
        outputs=("page.html", "report.json"),
    ),
    Case(
        name="inspect --plot png",
        words=("inspect", "{in}/ngram.h5", "--plot", "{out}/plot.png", *_REPORT, "--quiet"),
        outputs=("plot.png", "report.json"),
    ),
    Case(
        name="inspect --plot svg",
        words=("inspect", "{in}/ngram.h5", "--plot", "{out}/plot.svg", "--quiet"),
        outputs=("plot.svg",),
    ),
)  # fmt: skip
"""What is broken, in the order of the results."""
CONVERTED = {
    "ngram": "convert ngram", "sequence": "convert sequence", "lz4": "convert sequence lz4",
    "int8": "convert dense --force", "sparse": "convert sparse",
}  # fmt: skip
"""Kinds of converted files, and the cases that make them."""


def case_of(name: str) -> Case:
    """The case with a name."""
    (case,) = (each for each in CASES if each.name == name)
    return case


def words_of(case: Case, places: Mapping[str, Path], *more: str) -> list[str]:
    """The words of a case in these places."""
    return [word.format_map(places) for word in (*case.words, *more)]


def write_inputs(folder: Path) -> None:
    """Write what the cases read: rows of each kind, a converted file and a run."""
    import pyarrow.parquet  # noqa: PLC0415 - an extra of the package

    draw = random.Random(0)
    _write_csv(folder / "train.csv", _text_rows(_N_ROWS, draw))
    _write_csv(folder / "test.csv", _text_rows(_N_TEST_ROWS, draw))
    bad = [*_text_rows(_N_ROWS, draw), ["only a label"], *_text_rows(3, draw), ["another"]]
    _write_csv(folder / "bad.csv", bad)
    numbers = np.random.default_rng(0)
    labels = np.arange(_N_ROWS) % _N_CLASSES
    np.savez(folder / "dense.npz", x=numbers.random((_N_ROWS, 6), np.float32), y=labels)
    with (folder / "rows.svm").open("w") as file:
        for label in labels:
            columns = sorted(draw.sample(range(1, 40), 5))
            file.write(f"{label} {' '.join(f'{k}:{draw.random():.3f}' for k in columns)}\n")
    text = (folder / "train.csv").read_bytes()
    (folder / "train.csv.gz").write_bytes(gzip.compress(text, mtime=0))
    table = [dict(zip(("label", "text"), row, strict=True)) for row in _text_rows(_N_ROWS, draw)]
    lines = [json.dumps(row) for row in table]
    (folder / "train.jsonl").write_text("\n".join(lines) + "\n")
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(table), folder / "train.parquet")
    converted, run = folder / "ngram.h5", folder / "run"
    call("ooc_train.cli.convert", folder / "train.csv", "--test", folder / "test.csv",
         "-o", converted, "--features", "ngram", "--quiet")  # fmt: skip
    call("ooc_train.cli.train", converted, "-o", run, "--epochs", 2, "--units", 4, "--quiet")


def _text_rows(n_rows: int, draw: random.Random) -> Iterator[list[str]]:
    for number in range(n_rows):
        label = number % _N_CLASSES
        text = draw.choices(_WORDS, k=12) + draw.choices(_WORDS[label * 3 :][:3], k=4)
        yield [str(label), " ".join(text)]


def _write_csv(path: Path, rows: Iterator[list[str]] | Sequence[list[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator=os.linesep).writerows(rows)
