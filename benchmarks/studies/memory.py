"""Does memory stay bounded? The real commands in a memory cgroup, at sizes that grow.

The reader, ooc-train and ooc-evaluate run under --cap at 1, 4, 16 and 64 times a base size, of
which the largest is 20 times the cap; ooc-convert and ooc-predict on text of up to 4 times the cap.
The usual ways in memory run under the same cap until they die.  Each run starts with its input
dropped from the page cache, so that every page that it reads is charged to its cgroup.  Dense rows
are random numbers.  N-gram rows are generated reviews, converted and then repeated.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks import study
from benchmarks.data import generated
from benchmarks.data.made_files import rows_bytes, write_dense_file, write_repeated_file
from benchmarks.measure import harness
from benchmarks.measure.commands import REPORT, SCRATCH, call, ooc, script
from benchmarks.measure.harness import COMPLETED, NOT_INSTALLED, Run, System, say
from benchmarks.measure.peer_environments import peer_command
from benchmarks.options import byte_size, words_of
from benchmarks.report import results, tables
from benchmarks.report.targets import Target
from benchmarks.study import Findings

DEFAULT_CAP = 512 * 10**6
MULTIPLES, QUICK_MULTIPLES = (1, 4, 16, 64), (1, 4)
TIMES_CAP = {
    "convert": 4,
    "read": 20,
    "train": 20,
    "evaluate": 20,
    "predict": 4,
}  # the largest input, by stage
KINDS = ("dense", "ngram")
DENSE_COLUMNS, MODEL_ROWS = 768, 50_000
UNLIMITED = ", without the limit"
_CSV_ROW_BYTES = 450  # of a generated row, a little less than on average
_HEADER = (
    "stage",
    "rows",
    "input MB",
    "times the cap",
    "system",
    "outcome",
    "seconds",
    "rows/s",
    "peak anonymous MB",
    "peak charged MB",
)


@dataclass(frozen=True)
class Input:
    """A file to work on: its rows, their number, and its size as a multiple of the base."""

    stage: str
    features: str
    multiple: int
    path: Path
    n_rows: int
    n_bytes: int


@dataclass(frozen=True)
class Case:
    """A run of a system on an input under the cap."""

    input: Input
    system: str
    run: Run


@dataclass(frozen=True)
class Plan:
    """How to measure: `cap_bytes` is `None` where no limit can be enforced."""

    folder: Path
    budget_bytes: int
    cap_bytes: int | None
    multiples: Sequence[int]
    environments: Path | None
    with_peers: bool

    @property
    def run(self) -> Path:
        """The folder of the run that is evaluated, or predicts."""
        return self.folder / "model"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    add = parser.add_argument
    add(
        "--cap",
        type=byte_size,
        default=DEFAULT_CAP,
        metavar="SIZE",
        help="the limit, and ooc-convert's --memory (default: 512MB)",
    )
    add(
        "--stages",
        type=words_of(TIMES_CAP),
        default=tuple(TIMES_CAP),
        metavar="STAGE[,STAGE]",
        help=f"of: {', '.join(TIMES_CAP)} (default: all)",
    )
    add(
        "--features",
        type=words_of(KINDS),
        default=KINDS,
        metavar="KIND[,KIND]",
        help=f"rows to read and to train on, of: {', '.join(KINDS)} (default: both)",
    )
    add(
        "--multiples",
        type=_multiples,
        metavar="N[,N...]",
        help="sizes, as multiples of the base, of which the largest input has 64 (default: "
        "1,4,16,64, with --quick 1,4)",
    )
    add(
        "--peers",
        default="all",
        choices=["all", "none"],
        help="whether the ways in memory run, too (default: all)",
    )


def run(options: argparse.Namespace) -> int:
    """Measure, write and print; 1 if one of the package's commands did not complete."""
    options.multiples = options.multiples or (QUICK_MULTIPLES if options.quick else MULTIPLES)
    needed = _needed_bytes(options)
    return study.run("memory", options, needed, lambda folder: _findings(options, folder))


def _findings(options: argparse.Namespace, folder: Path) -> Findings:
    cap, notes = harness.enforceable(options.cap)
    plan = Plan(
        folder=folder,
        budget_bytes=options.cap,
        cap_bytes=cap,
        multiples=options.multiples,
        environments=options.peer_environments,
        with_peers=options.peers == "all" and cap is not None,
    )
    cases = [case for stage in _stages(options, plan) for case in stage]
    ours = [case.run for case in cases if case.system.startswith("ooc-")]
    return Findings(
        parts=[tables.table(_HEADER, [_line(case, options.cap) for case in cases])],
        record={"cap_bytes": options.cap, "cases": [_record(case) for case in cases]},
        succeeded=results.all_completed(ours),
        notes=notes,
        targets=_targets(cases, options.cap),
    )


def _multiples(text: str) -> tuple[int, ...]:
    """The value of --multiples."""
    words = text.split(",")
    if not all(word.isdecimal() and 1 <= int(word) <= MULTIPLES[-1] for word in words):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 64, or several")
    return tuple(sorted({int(word) for word in words}))


def _size(stage: str, multiple: int, cap_bytes: int) -> int:
    """Bytes of an input."""
    return int(cap_bytes * TIMES_CAP[stage] * multiple / MULTIPLES[-1])


def _needed_bytes(options: argparse.Namespace) -> int:
    """Disk space for the largest input, and for converting the largest of text."""
    largest = {stage: _size(stage, options.multiples[-1], options.cap) for stage in options.stages}
    text = {stage: largest.pop(stage, 0) for stage in ("convert", "predict")}
    converted = max(text["convert"] * (1 + generated.WORK_MULTIPLE), 2 * text["predict"])
    rows = MODEL_ROWS * generated.CONVERTING_BYTES
    return max(converted, int(max(largest.values(), default=0) * 1.01) + rows)


# ---- Inputs.


def _stages(options: argparse.Namespace, plan: Plan) -> Iterator[list[Case]]:
    """The cases of each stage and kind of rows, an input at a time."""
    if "convert" in options.stages:
        yield list(_measured(_csv_files("convert", plan), [_converting], plan))
    of_rows = {"read": _reading, "train": _training, "evaluate": _evaluating}
    later = [stage for name, stage in of_rows.items() if name in options.stages]
    makers = {"dense": _dense_files, "ngram": _ngram_files}
    for kind in options.features if later else ():
        yield list(_measured(makers[kind](plan), later, plan))
    if "predict" in options.stages:
        _train_on_text(plan)
        yield list(_measured(_csv_files("predict", plan), [_predicting], plan))


def _csv_files(stage: str, plan: Plan) -> Iterator[Input]:
    for multiple in plan.multiples:
        n_rows = _size(stage, multiple, plan.budget_bytes) // _CSV_ROW_BYTES
        n_rows = max(generated.LEAST_ROWS, n_rows)
        with generated.rows(n_rows, plan.folder) as path:
            yield Input(stage, "text", multiple, path, n_rows, path.stat().st_size)


def _dense_files(plan: Plan) -> Iterator[Input]:
    for multiple in plan.multiples:
        n_rows = max(1, _size("read", multiple, plan.budget_bytes) // (4 * DENSE_COLUMNS))
        path = plan.folder / "dense.h5"
        say(f"writing {n_rows:,} dense rows")
        write_dense_file(path, n_rows, DENSE_COLUMNS)
        yield Input("read", "dense", multiple, path, n_rows, path.stat().st_size)
        path.unlink()


def _ngram_files(plan: Plan) -> Iterator[Input]:
    model = plan.folder / "model.h5"
    with generated.rows(MODEL_ROWS, plan.folder) as path:
        generated.convert(path, model, "ngram")
    for multiple in plan.multiples:
        size = _size("read", multiple, plan.budget_bytes)
        n_times = max(1, -(-size // rows_bytes(model)))
        path = plan.folder / "ngram.h5"
        say(f"writing {MODEL_ROWS * n_times:,} n-gram rows")
        write_repeated_file(model, path, n_times)
        yield Input("read", "ngram", multiple, path, MODEL_ROWS * n_times, path.stat().st_size)
        path.unlink()
    model.unlink()


def _train(data: Path, plan: Plan) -> None:
    """Train for evaluating and predicting, unmeasured."""
    call("ooc_train.cli.train", data, "-o", plan.run, "--epochs", 1, "--force", "--quiet")


def _train_on_text(plan: Plan) -> None:
    data = plan.folder / "text.h5"
    with generated.rows(MODEL_ROWS, plan.folder) as path:
        generated.convert(path, data, "ngram")
    _train(data, plan)
    data.unlink()


# ---- Systems.

Stage = Callable[[Input, Plan], tuple[str, list[System], System | None]]
"""From an input to the name of the stage, the package's systems, and the one in memory, if any."""


def _converting(source: Input, plan: Plan) -> tuple[str, list[System], System | None]:
    ours = ooc(
        "convert", source.path, "-o", f"{SCRATCH}/result.h5", "--features", "ngram",
        "--memory", plan.budget_bytes, "--validation-fraction", 0,
    )  # fmt: skip
    places = ("--output", f"{SCRATCH}/result.npz", "--report", REPORT)
    peer = peer_command(plan.environments, "sklearn", "sklearn_ngram", source.path, *places)
    own = _system("ooc-convert", ours, source, plan.cap_bytes)
    return "convert", [own], _system("scikit-learn, in memory", peer, source, plan.cap_bytes)


def _reading(source: Input, plan: Plan) -> tuple[str, list[System], System | None]:
    words = ("read", source.path, "--variant", "shuffled", "--epochs", 1, "--seconds", 1e9)
    ours = script("benchmarks.ours.read_rows", *words)
    own = _system("ooc-train's reader", ours, source, plan.cap_bytes)
    return "read", [own], _in_memory("read", "all rows in memory", source, plan)


def _training(source: Input, plan: Plan) -> tuple[str, list[System], System | None]:
    ours = ooc("train", source.path, "--epochs", 1, "-o", f"{SCRATCH}/run")
    systems = [_system("ooc-train", ours, source, plan.cap_bytes)]
    if plan.cap_bytes and source.multiple == max(plan.multiples):
        systems.append(_system("ooc-train" + UNLIMITED, ours, source, None))
    return "train", systems, _in_memory("train", "model.fit, in memory", source, plan)


def _evaluating(source: Input, plan: Plan) -> tuple[str, list[System], System | None]:
    _train(source.path, plan)
    ours = ooc("evaluate", plan.run, source.path, "--split", "train")
    return "evaluate", [_system("ooc-evaluate", ours, source, plan.cap_bytes)], None


def _predicting(source: Input, plan: Plan) -> tuple[str, list[System], System | None]:
    ours = ooc("predict", plan.run, source.path, "-o", f"{SCRATCH}/result.csv", "--text", 1)
    return "predict", [_system("ooc-predict", ours, source, plan.cap_bytes)], None


def _in_memory(stage: str, name: str, source: Input, plan: Plan) -> System:
    arguments = ("--report", REPORT, stage, source.path)
    command = peer_command(plan.environments, "keras", "in_memory", *arguments)
    return _system(name, command, source, plan.cap_bytes)


def _system(name: str, command: Sequence[object], source: Input, cap_bytes: int | None) -> System:
    return System(name=name, command=command, inputs=[source.path], cap_bytes=cap_bytes)


def _measured(inputs: Iterator[Input], stages: Sequence[Stage], plan: Plan) -> Iterator[Case]:
    """Run each stage on each input; a way in memory is not run again once it has failed.

    Each stage is run once before, without the cap, so that its kernels are compiled.
    """
    ended: set[str] = set()
    compiled: set[str] = set()
    for source in inputs:
        for stage in stages:
            name, own, in_memory = stage(source, plan)
            staged = replace(source, stage=name)
            if name not in compiled:
                compiled.add(name)
                harness.run_once(replace(own[0], cap_bytes=None), plan.folder, cold=False)
            is_run = in_memory and plan.with_peers and in_memory.name not in ended
            peers = [in_memory] if in_memory and is_run else []
            for system in [*own, *peers]:
                run = harness.run_once(system, plan.folder, cold=True)
                size = f"{source.n_bytes / 1e6:,.0f} MB"
                say(f"{name}, {size}, {system.name}: {harness.in_words(run)}")
                if run.outcome != COMPLETED:
                    ended.add(system.name)
                yield Case(staged, system.name, run)


# ---- Figures.


def _rows_per_second(case: Case) -> float | None:
    """Rows/s of the stage; start and end of the process are left out if its report allows it."""
    report = case.run.report
    if case.run.outcome != COMPLETED:
        return None
    if "rows_per_second" in report:
        return float(report["rows_per_second"])
    if "epochs" in report:
        epoch = report["epochs"][-1]
        return float(epoch.get("rows_per_second") or epoch["rows"] / epoch["seconds"])
    return case.input.n_rows / case.run.seconds


def _line(case: Case, cap_bytes: int) -> list[object]:
    run, source = case.run, case.input
    speed = _rows_per_second(case)
    return [
        source.stage if source.features == "text" else f"{source.stage}, {source.features}",
        f"{source.n_rows:,}",
        f"{source.n_bytes / 1e6:,.0f}",
        f"{source.n_bytes / cap_bytes:.2f}",
        case.system,
        run.outcome if run.outcome != NOT_INSTALLED else tables.outcome(run),
        f"{run.seconds:,.1f}",
        f"{speed:,.0f}" if speed else None,
        tables.megabytes(run.memory.anon_bytes),
        tables.megabytes(run.cap_peak_bytes),
    ]


def _targets(cases: Sequence[Case], cap_bytes: int) -> list[Target]:
    """The largest input that each command completes under the cap, and its speed."""
    found = []
    groups = dict.fromkeys((case.input.stage, case.input.features) for case in cases)
    for stage, features in groups:
        of_group = [
            case for case in cases if (case.input.stage, case.input.features) == (stage, features)
        ]
        capped = [
            case for case in of_group if case.system.startswith("ooc-") and case.run.cap_bytes
        ]
        done = [case.input.n_bytes / cap_bytes for case in capped if case.run.outcome == COMPLETED]
        whole = any(case.input.multiple == MULTIPLES[-1] for case in capped)
        found.append(
            Target(
                text=f"{stage}, {features}: times the cap of the largest input that completes",
                measured=max(done, default=0.0) if whole else None,
                at_least=TIMES_CAP[stage],
            )
        )
        found += _speed_targets(of_group, features)
    return found


def _speed_targets(cases: Sequence[Case], features: str) -> Iterator[Target]:
    for free in cases:
        if free.system.endswith(UNLIMITED):
            (capped,) = [
                case
                for case in cases
                if case.input == free.input and case.system + UNLIMITED == free.system
            ]
            speeds = _rows_per_second(capped), _rows_per_second(free)
            yield Target(
                text=f"train, {features}: rows/s under the cap, times those without it",
                measured=speeds[0] / speeds[1] if speeds[0] and speeds[1] else None,
                at_least=0.9,
            )


def _record(case: Case) -> dict[str, Any]:
    source = case.input
    return {
        "stage": source.stage,
        "features": source.features,
        "multiple": source.multiple,
        "rows": source.n_rows,
        "input_bytes": source.n_bytes,
        "system": case.system,
        "rows_per_second": _rows_per_second(case),
        "run": results.run_record(case.run),
    }
