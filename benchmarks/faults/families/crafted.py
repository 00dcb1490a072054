"""Converted files that someone hostile has edited and sealed: refused, or used without any harm.

An edit has true checksums, so that only the checks of what a file says can find it; see `crafts`.
A command that completes has to make something that is consistent in itself, and the same once more
when its memory is filled with another byte: nothing comes from beyond an array.  It may open no
file but its own, and has little memory.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.faults import consistency, hostile
from benchmarks.faults.bench import Bench
from benchmarks.faults.cases import CONVERTED, MADE, OUT, TEMP, Case, case_of
from benchmarks.faults.crafts import EDITS, craft
from benchmarks.faults.injection import Injection
from benchmarks.faults.outcomes import Outcome
from benchmarks.faults.runs import REPORT, SOURCES, Kind, Use, seal_run

_DATA, _VECTORIZER = "o.h5", "run/vectorizer.h5"


def missing(_bench: Bench) -> str | None:
    """What this machine lacks for these faults."""
    return hostile.missing()


def groups(_bench: Bench) -> Iterator[Sequence[Injection]]:
    """All injections, a group for each edit."""
    targets = [*_targets()]
    for edit in EDITS:
        yield [_injection(each, edit, n) for each in targets for n in range(each.n_each)]


@dataclass(frozen=True)
class _Target:
    """A use of an edited ``file`` in ``{temp}``, and how many times each edit comes."""

    use: Use
    file: str = _DATA
    n_each: int = 3


def _targets() -> Iterator[_Target]:
    for kind, name in CONVERTED.items():
        yield from (_Target(use) for use in _uses(kind, case_of(name)))
    for model in map(Kind, ("ngram", "int8", "sparse")):
        yield _Target(model.training, n_each=1)
        yield _Target(model.evaluation, n_each=1)
        yield _Target(model.prediction, _VECTORIZER, n_each=1 if model.name == "int8" else 3)


def _uses(kind: str, conversion: Case) -> Iterator[Use]:
    """What uses a converted file, but for what needs a run."""
    given = (f"{MADE}/{conversion}/{_DATA}",)
    rows = Case(
        name=f"rows of {kind}",
        words=("benchmarks.faults.read_rows", "{temp}/o.h5", "{out}/digest"),
        outputs=("digest",),
        given=given,
    )
    yield Use(rows, [conversion], lambda places: consistency.of_rows(places[TEMP] / _DATA))
    verify = Case(
        name=f"verify {kind}",
        words=("inspect", "{temp}/o.h5", "--verify", "--report", f"{{out}}/{REPORT}", "--quiet"),
        outputs=(REPORT,),
        given=given,
    )
    yield Use(verify, [conversion], consistency.of_nothing)
    frozen = Case(
        name=f"convert --vectorizer {kind}",
        words=("convert", f"{{in}}/{SOURCES[kind]}", "--vectorizer", "{temp}/o.h5",
               "-o", "{out}/o.h5", "--max-rejects", "1000", "--quiet"),
        outputs=(_DATA, f"{_DATA}.rejected.csv"),
        given=given,
    )  # fmt: skip
    yield Use(frozen, [conversion], lambda places: consistency.of_rows(places[OUT] / _DATA))


def _injection(target: _Target, edit: str, number: int) -> Injection:
    use = target.use
    name = f"{use.case} crafted, {edit} {number}"

    def make(places: Mapping[str, Path], outside: Path) -> bool:
        is_made = craft(places[TEMP] / target.file, edit, random.Random(name), outside)
        if is_made and target.file == _VECTORIZER:
            seal_run(places[TEMP] / "run")
        return is_made

    def outcome(bench: Bench) -> Outcome | None:
        for case in use.made_by:
            bench.learn(case)
        return hostile.outcome(bench, use.case, make, use.check)

    return Injection(name, outcome)
