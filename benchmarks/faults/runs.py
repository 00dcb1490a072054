"""Small runs of some kinds of features: the trainings that make them, and what uses them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.faults import consistency
from benchmarks.faults.cases import CONVERTED, MADE, OUT, Case, case_of
from benchmarks.faults.hostile import Check
from ooc_train.training.run.folder import SEALED
from ooc_train.training.run.seal import DIGESTS, digest_of, sealed

SOURCES = {
    "ngram": "test.csv", "sequence": "test.csv", "lz4": "test.csv", "int8": "dense.npz",
    "sparse": "rows.svm",
}  # fmt: skip
"""For each kind of converted file, new rows."""
REPORT = "report.json"


@dataclass(frozen=True)
class Use:
    """A command that uses what the cases ``made_by`` have made; ``check`` looks at its outputs."""

    case: Case
    made_by: Sequence[Case]
    check: Check


@dataclass(frozen=True)
class Kind:
    """A kind of converted files of which runs are made, by its name in `CONVERTED`."""

    name: str

    @property
    def conversion(self) -> Case:
        """What makes the file."""
        return case_of(CONVERTED[self.name])

    @property
    def file(self) -> str:
        """The file, below the folder of the campaign."""
        return f"{MADE}/{self.conversion}/o.h5"

    @property
    def run(self) -> str:
        """The run, below the folder of the campaign."""
        return f"{MADE}/{self.training.case}/run"

    @property
    def training(self) -> Use:
        """What makes the run."""
        case = Case(
            name=f"train {self.name}",
            words=("train", "{temp}/o.h5", "-o", "{out}/run", "--epochs", "1", "--batch-size", "16",
                   "--units", "4", "--quiet"),
            outputs=("run",),
            given=(self.file,),
        )  # fmt: skip
        return Use(case, [self.conversion], lambda places: consistency.of_run(places[OUT] / "run"))

    @property
    def prediction(self) -> Use:
        """The predictions of the run for new rows."""
        case = Case(
            name=f"predict {self.name}",
            words=("predict", "{temp}/run", "--input", f"{{in}}/{SOURCES[self.name]}",
                   "-o", "{out}/p.csv", "--quiet"),
            outputs=("p.csv",),
            given=(self.run,),
        )  # fmt: skip
        made_by = [self.conversion, self.training.case]
        return Use(case, made_by, lambda places: consistency.of_predictions(places[OUT] / "p.csv"))

    @property
    def evaluation(self) -> Use:
        """The evaluation of the run."""
        case = Case(
            name=f"evaluate {self.name}",
            words=("evaluate", "{temp}/run", "{temp}/o.h5", "--split", "validation",
                   "--report", f"{{out}}/{REPORT}", "--quiet"),
            outputs=(REPORT,),
            given=(self.run, self.file),
        )  # fmt: skip
        made_by = [self.conversion, self.training.case]
        return Use(case, made_by, lambda places: consistency.of_evaluation(places[OUT] / REPORT))

    @property
    def resuming(self) -> Use:
        """The training of the run for one more epoch."""
        first = self.training.case
        case = replace(
            first,
            name=f"train {self.name} --resume",
            words=(*first.words, "--resume", "--epochs", "2"),
            begun=(self.run,),
        )
        return replace(self.training, case=case, made_by=[self.conversion, first])


def seal_run(run: Path) -> None:
    """Compute the digests of a run anew, as those who make one up can."""
    report = json.loads((run / REPORT).read_text("utf-8"))
    digests = {name: digest_of(run / name) for name in SEALED}
    content = {name: value for name, value in report.items() if name != DIGESTS}
    (run / REPORT).write_text(json.dumps(sealed(content, digests, REPORT)), "utf-8")
