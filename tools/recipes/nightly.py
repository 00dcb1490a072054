"""A nightly job: the night's rows train the model further, which then serves if it is not worse.

    python tools/recipes/nightly.py FOLDER ROWS.csv --test TEST.csv --mix OLD.h5:0.3

FOLDER holds `current`, a symbolic link to the run that serves, as `ooc-predict FOLDER/current` has
it.  The first run is made by `ooc-train`, and `ln -s FIRST FOLDER/current`.  Each night

1. the rows are converted with the vectorizer of that run,
2. its model is trained on them, mixed with rows of before,
3. both runs are evaluated on the same test rows,
4. and the link is swapped, at once, unless the new run is worse.

A job that was killed is started again with the same arguments, and goes on.  The status is 0 if the
new run serves, 1 if it is worse and was left beside, and 2 if something failed.
"""

from __future__ import annotations

import argparse
import sys
from datetime import date
from pathlib import Path

import ooc_train
from ooc_train.errors import OocTrainError

Mix = list[str]


def nightly(folder: Path, rows: Path, test: Path, mix: Mix, *, name: str, tolerance: float) -> bool:
    """Whether the run that was trained on the night's rows serves from now on."""
    current, data, run = folder / "current", folder / f"{name}.h5", folder / name
    serving = current.resolve()
    if serving == run.resolve():
        return True  # the job was killed after its last step
    ooc_train.convert(
        rows, data, test=[test], vectorizer=serving, validation_fraction=0.1, force=True
    )
    ooc_train.train(data, run, init_from=serving, mix=mix, resume=run.exists())
    before, after = (ooc_train.evaluate(one, data)["accuracy"] for one in (serving, run))
    print(f"{name}: accuracy {after:.4f} on {test}, and {before:.4f} of {serving.name}")
    if after < before - tolerance:
        return False
    swap(current, run)
    return True


def swap(link: Path, run: Path) -> None:
    """Let a link lead to another run; at every moment it leads to one of the two."""
    part = link.with_name(f".{link.name}.new")
    part.unlink(missing_ok=True)
    part.symlink_to(run.name)
    part.replace(link)


def main(arguments: list[str] | None = None) -> int:
    """Run the job; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="the folder of the runs and of the link current")
    parser.add_argument("rows", type=Path, help="the night's rows")
    parser.add_argument("--test", type=Path, required=True, help="the same test rows every night")
    parser.add_argument("--mix", nargs="*", default=[], help="converted files, as FILE:SHARE")
    parser.add_argument("--name", default=date.today().isoformat(), help="of the new run")
    parser.add_argument("--tolerance", type=float, default=0.0, help="of the test accuracy")
    given = parser.parse_args(arguments)
    try:
        serves = nightly(
            given.folder,
            given.rows,
            given.test,
            given.mix,
            name=given.name,
            tolerance=given.tolerance,
        )
    except OocTrainError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0 if serves else 1


if __name__ == "__main__":
    sys.exit(main())
