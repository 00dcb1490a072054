"""Faults put into every command: failing writes, signals, damage; what becomes of the files.

Each injection is one fault in one small command, the same fault each time that it is named.  A
command keeps its promise if its output is complete (`right`), or if it is absent or as it was, and
the command says so in one sentence and by its status (`refused`).  Nothing may be left behind.
Everything else is a failure, and counts once, as the gravest that it is: a wrong output (also an
old one that is gone, or success that was none), a process that a signal ended, no end within a
minute, files left behind, rows that are neither in the output nor among the rejects, and words that
are not one sentence.

A process that has loaded the package forks a child for each injection, which takes a fraction of a
second.  --only repeats a failure by its name.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

from benchmarks import study
from benchmarks.faults import campaign, disks
from benchmarks.faults.bench import Ground
from benchmarks.faults.campaign import Tally
from benchmarks.faults.cases import CASES
from benchmarks.faults.families.table import FAMILIES
from benchmarks.faults.outcomes import FAILURES, REFUSED, RIGHT
from benchmarks.options import positive, words_of
from benchmarks.report import tables
from benchmarks.report.targets import Target
from benchmarks.study import Findings
from ooc_train.errors import OptionError

_WORK_BYTES = 2 * 10**9  # the largest inputs, on each core
_MOST_SHOWN = 12
_TABLE = ("family", "injections", "right", "refused", *FAILURES)
_FAILURES_TABLE = ("failures", "how many", "the first of them", "what it led to")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    add = parser.add_argument
    add("families", nargs="*", type=_family, metavar="FAMILY",
        help=f"{', '.join(FAMILIES)} (default: all)")  # fmt: skip
    counts = ", ".join(f"{name} {family.n_default:,}" for name, family in FAMILIES.items())
    add("--count", type=positive, metavar="N", help=f"injections of a family (default: {counts})")
    add("--seed", type=int, default=0, metavar="N", help="of the choice among them (default: 0)")
    add("--only", metavar="TEXT", help="injections whose names have this in them")
    add("--cases", metavar="TEXT", help="commands whose names have this in them: 'convert ngram'")


def _family(name: str) -> str:
    return words_of(FAMILIES)(name)[0]


def run(options: argparse.Namespace) -> int:
    """Measure, write and print; 1 if a promise was broken."""
    return study.run("faults", options, _WORK_BYTES, lambda folder: _findings(options, folder))


def _findings(options: argparse.Namespace, folder: Path) -> Findings:
    cases = [case for case in CASES if not options.cases or options.cases in case.name]
    if not cases:
        raise OptionError(
            f"no command has {options.cases!r} in its name: {', '.join(map(str, CASES))}"
        )
    tallies: dict[str, Tally] = {}
    with campaign.benches(Ground.prepare(folder.resolve(), cases)) as workers:
        for name in options.families or FAMILIES:
            family = FAMILIES[name]
            tallies[name] = campaign.run(
                family.module,
                workers,
                n=options.count or (family.n_quick if options.quick else family.n_default),
                seed=options.seed,
                only=options.only,
            )
    failures = sum(len(tally.failures) for tally in tallies.values())
    return Findings(
        parts=[table(tallies), *_failures_tables(tallies)],
        record={"families": {name: _record(tally) for name, tally in tallies.items()}},
        succeeded=not failures,
        notes=[_note(name, tally) for name, tally in tallies.items()],
        targets=[Target(text="faults that broke a promise", measured=failures, at_most=0)],
    )


def table(tallies: Mapping[str, Tally]) -> str:
    """The outcomes of each family as Markdown."""
    kinds = (RIGHT, REFUSED, *FAILURES)
    return tables.table(
        _TABLE,
        [
            [name, f"{tally.n_injections:,}", *(f"{tally.counts[kind]:,}" for kind in kinds)]
            for name, tally in tallies.items()
        ],
    )


def _failures_tables(tallies: Mapping[str, Tally]) -> list[str]:
    lines = [
        [f"{name}: {outcome.kind}", f"{n:,}", injection, outcome.words]
        for name, tally in tallies.items()
        for n, injection, outcome in tally.kinds_of_failures()[:_MOST_SHOWN]
    ]
    return [tables.table(_FAILURES_TABLE, lines)] if lines else []


def _note(name: str, tally: Tally) -> str:
    if tally.missing:
        return f"{name}: left out, since {tally.missing}."
    void = f"; {tally.n_void:,} more came at no time that matters, or changed nothing"
    n = f"{tally.n_injections:,}"
    lacking = "; ".join(["", *(f"without {kind}" for kind in disks.lacking(FAMILIES[name].disks))])
    return f"{name}: {n} faults in {tally.seconds:,.0f} s{void if tally.n_void else ''}{lacking}."


def _record(tally: Tally) -> dict[str, object]:
    return {
        "missing": tally.missing,
        "injections": tally.n_injections,
        "void": tally.n_void,
        "seconds": tally.seconds,
        "outcomes": dict(tally.counts),
        "failures": [
            {"injection": name, "kind": outcome.kind, "what": outcome.words}
            for name, outcome in tally.failures
        ],
    }
