"""What a process runs under changes neither a byte of a converted file nor a bit of a weight.

``python -m tests.determinism 100`` tries so many conditions, drawn from the product of all;
`test_determinism` tries a few.
"""

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

import ooc_train
from ooc_train.progress import Silent
from tests.corpora import random_rows, write_rows

CONVERSIONS = {
    "ngram": ("rows.csv", {"features": "ngram", "min_df": 1}),
    "sequence": ("rows.csv", {"features": "sequence", "top_k": 30}),
    "dense": ("rows.npz", {"dtype": "int8"}),
    "sparse": ("rows.svm", {}),
}
TRAINED = ("ngram", "dense")
"""What models are trained on: the kinds whose weights do not depend on the number of processors."""


@dataclass(frozen=True)
class Conditions:
    """What a process runs under.  The defaults are those of a plain call."""

    environment: tuple[tuple[str, str], ...] = ()
    n_processors: int | None = None
    workers: int | None = None
    memory_bytes: int | None = None
    has_temp_dir: bool = False
    interrupted_after: int | None = None
    """Calls of progress after which each conversion and training is ended, to be begun again."""
    checkpoint_every: str | None = None


def drawn(number: int) -> Conditions:
    """One combination of the product, which the number decides."""
    choose = random.Random(number).choice
    locale = choose([{"LC_ALL": "C", "PYTHONUTF8": "0"}, {"LC_ALL": "C.UTF-8"}, {"LANG": "tr_TR"}])
    environment = {
        "PYTHONHASHSEED": str(number),
        "TZ": choose(["UTC", "Asia/Kathmandu"]),
        **locale,
    }
    return Conditions(
        environment=tuple(environment.items()),
        n_processors=choose([1, None]),
        workers=choose([1, 2, 5]),
        memory_bytes=choose([None, 300_000_000, 800_000_000]),
        has_temp_dir=choose([True, False]),
        interrupted_after=choose([None, 1, 3, 8, 20]),
        checkpoint_every=choose([None, "1", "3"]),
    )


def write_inputs(folder: Path) -> None:
    """Write the rows of `CONVERSIONS`."""
    write_rows(folder / "rows.csv", random_rows(300))
    values = np.random.default_rng(0).normal(size=(300, 5)).astype(np.float32)
    labels = np.arange(300) % 3
    np.savez(folder / "rows.npz", x=values, y=labels)
    lines = [
        f"{label} " + " ".join(f"{i + 1}:{value:g}" for i, value in enumerate(row) if value > 0)
        for row, label in zip(values, labels, strict=True)
    ]
    (folder / "rows.svm").write_text("\n".join(lines))


def made(inputs: Path, conditions: Conditions, trained: tuple[str, ...] = TRAINED) -> dict:
    """The digests of all files and weights that this process makes under the conditions."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "temp").mkdir()
        for kind, (source, options) in CONVERSIONS.items():
            given = {name: getattr(conditions, name) for name in ("workers", "memory_bytes")}
            given["temp_dir"] = folder / "temp" if conditions.has_temp_dir else None
            given = {name: value for name, value in given.items() if value is not None}
            _until_done(
                conditions, ooc_train.convert, inputs / source, folder / kind, **options, **given
            )
        digests = {kind: _digest((folder / kind).read_bytes()) for kind in CONVERSIONS}
        for kind in trained:
            given = {"checkpoint_every": conditions.checkpoint_every}
            given = {name: value for name, value in given.items() if value is not None}
            run = folder / f"{kind} run"
            options = {"epochs": 2, "batch_size": 32, "units": 8}
            _until_done(
                conditions, ooc_train.train, folder / kind, run, resume=True, **options, **given
            )
            with zipfile.ZipFile(run / "model.keras") as model:
                digests[f"weights, {kind}"] = _digest(model.read("model.weights.h5"))
        assert not any((folder / "temp").iterdir())
        return digests


def made_elsewhere(
    inputs: Path, conditions: Conditions, trained: tuple[str, ...] = TRAINED
) -> dict:
    """The same in a process of its own, with the environment of the conditions."""
    root = str(Path(__file__).parents[1])
    given = [str(inputs), json.dumps(asdict(conditions)), *trained]
    done = subprocess.run(
        [sys.executable, "-m", "tests.determinism", *given],
        env={**os.environ, "PYTHONPATH": root, **dict(conditions.environment)},
        cwd=root,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


class _Interrupting(Silent):
    """Progress that ends the work, as Ctrl-C would, at a call."""

    def __init__(self, n_calls: int) -> None:
        self._n_left = n_calls

    def advance(self, amount: int) -> None:
        self._n_left -= 1
        if not self._n_left:
            raise KeyboardInterrupt


def _until_done(conditions: Conditions, work, *arguments, **options) -> None:
    if conditions.interrupted_after:
        try:
            work(*arguments, progress=_Interrupting(conditions.interrupted_after), **options)
        except KeyboardInterrupt:
            pass
        else:
            shutil.rmtree(arguments[1]) if arguments[1].is_dir() else arguments[1].unlink()
    work(*arguments, **options)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


def main(arguments: list[str]) -> int:
    """Try conditions, or, for `made_elsewhere`, make everything under given ones."""
    if len(arguments) > 1:
        inputs, text, *trained = arguments
        conditions = Conditions(**json.loads(text))
        if conditions.n_processors:
            os.sched_setaffinity(0, [*os.sched_getaffinity(0)][: conditions.n_processors])
        print(json.dumps(made(Path(inputs), conditions, tuple(trained))))
        return 0
    n_different = 0
    with tempfile.TemporaryDirectory() as name:
        write_inputs(Path(name))
        expected = made_elsewhere(Path(name), Conditions())
        for number in range(int(arguments[0])):
            found = made_elsewhere(Path(name), drawn(number))
            different = [what for what in expected if found[what] != expected[what]]
            n_different += bool(different)
            print("differs: " + ", ".join(different) if different else "same", drawn(number))
    return n_different > 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
