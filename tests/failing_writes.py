"""Every write to an output fails once, and from then on: run by `test_failing_writes`.

In one process, which HDF5 must not crash, now or at its end.
"""

import errno
import itertools
import json
import os
import sys
from pathlib import Path

import ooc_train
from benchmarks.faults.injector import COUNT, VARIABLE, Fault, State
from ooc_train.atomic import publishing
from ooc_train.errors import OutputError
from ooc_train.reading.store import open as open_store
from ooc_train.training.run import writer
from tests.corpora import random_rows, write_rows
from tests.file.test_output import write

NUMBERS = (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EFBIG)
CALLS = ("write", "sync", "resize", "name")


def main(folder: Path) -> None:
    """Print the works that went wrong, and how many failures each has seen."""
    state = State(Path(os.environ[VARIABLE]))
    inputs, temp_dir = folder / "inputs", folder / "temporary"
    for each in (inputs, temp_dir):
        each.mkdir()
    works = {"rows": rows("none"), "compressed rows": rows("zstd")}
    with open_store(write(inputs / "rows.h5")) as store:
        store.file.keys()  # opened before anything fails
        works["a run's vectorizer"] = lambda path: writer._copy_vectorizer(store, path)
        steps = dict.fromkeys(works, 1)
        for name, convert in conversions(inputs, temp_dir).items():
            works[name], steps[name] = convert, 29
        print(json.dumps({name: tried(work, folder, state, steps[name])
                          for name, work in works.items()}))  # fmt: skip


def rows(compression):
    """A file with an array of each way of writing."""

    def work(path: Path) -> None:
        with publishing(path, force=path.exists()) as part:
            write(part, compression)

    return work


def conversions(inputs: Path, temp_dir: Path):
    """By name, a conversion of each layout, and one with the vectorizer of another."""
    texts = write_rows(inputs / "texts.csv", random_rows(40))
    numbers = inputs / "numbers.csv"
    numbers.write_text("".join(f"{i % 2},{i}.5,1.25\n" for i in range(40)), "utf-8")
    fitted = inputs / "fitted.h5"
    ooc_train.convert(texts, fitted, features="ngram")
    options = {
        "n-grams": (texts, {"features": "ngram"}),
        "compressed": (texts, {"features": "ngram", "compression": "zstd"}),
        "sequences": (texts, {"features": "sequence"}),
        "dense": (numbers, {"features": "dense"}),
        "fitted": (texts, {"vectorizer": fitted}),
    }

    def conversion(source, given):
        return lambda path: ooc_train.convert(
            source, path, temp_dir=temp_dir, force=path.exists(), workers=1, **given
        )

    return {name: conversion(*values) for name, values in options.items()}


def tried(work, folder: Path, state: State, step: int) -> dict:
    """The failures of a work's calls, and those that were not as they should be."""
    place = folder / "output"
    place.mkdir(exist_ok=True)
    path = place / "o.h5"
    seen, wrong = 0, []
    state.arm(COUNT, [place])
    work(path)
    counts = state.counts
    good = path.read_bytes()
    for call, onward in itertools.product(CALLS, (False, True)):
        for first in range(1 + onward * (step // 2), counts[call] + 1, step):
            if path.exists():
                path.unlink()
            fault = Fault(
                call=call, first=first, number=NUMBERS[first % len(NUMBERS)], onward=onward
            )
            state.arm(fault, [place])
            try:
                work(path)
                outcome = None if path.exists() and path.read_bytes() == good else "success"
            except OSError:
                outcome = None
            except OutputError as error:
                outcome = str(error) if "\n" in str(error) else None
            except Exception as error:  # noqa: BLE001 - to be told
                outcome = repr(error)
            state.arm(COUNT, [])
            left = [each.name for each in place.iterdir() if each != path]
            if outcome or left or (path.exists() and path.read_bytes() != good):
                wrong.append([str(fault), outcome, left])
            seen += 1
    path.unlink(missing_ok=True)
    return {"seen": seen, "wrong": wrong}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
