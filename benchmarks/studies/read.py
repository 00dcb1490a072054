"""Reading rows: this package's reader beside memory mapping and other systems.

Dense rows are random numbers in a file of --size; the bar is a copied slice of np.memmap.  N-gram
rows are generated reviews, converted.  Every other system reads them from files of its own, which
are made before and not measured.  All of them read batches of 128 in a shuffled order, as does our
reader, which also reads windows to memory, as where it cannot map them, and files compressed with
each codec that is installed, by its own coders and by HDF5's filters.  Rows/s are those of an
epoch, ended after --seconds; the first epoch reads and verifies rows for the first time.  Each
system reads with the page cache warm, and cold.
"""

import argparse
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import study
from benchmarks.data import generated
from benchmarks.data.made_files import write_dense_file
from benchmarks.measure import harness, page_cache
from benchmarks.measure.commands import REPORT, call_command, script
from benchmarks.measure.harness import Run, System, say
from benchmarks.measure.peer_environments import peer_command
from benchmarks.options import add_peers, byte_size
from benchmarks.report import results, tables
from benchmarks.report.results import Spread
from benchmarks.report.targets import Target
from benchmarks.study import Findings
from ooc_train.errors import OptionError, OutputError
from ooc_train.file.filters import FILTERS, is_installed

DENSE, NGRAM = "dense", "ngram"
DEFAULT_SIZE, QUICK_SIZE = 10**9, 10**8
DEFAULT_ROWS, QUICK_ROWS = 200_000, 20_000
STATES = (page_cache.WARM, page_cache.COLD)
_PEER_FILES_BYTES = 2500  # of a row in all the files of the other systems together
_HEADER = (
    "system",
    "rows/s, first epoch",
    "rows/s, second epoch",
    "ours, shuffled, times as fast",
    "anonymous MB above start",
    "resident MB above start",
    "outcome",
)
_OURS = "ooc-train"
SEQUENTIAL, SHUFFLED = f"{_OURS}, sequential", f"{_OURS}, shuffled"
UNCHECKED = ", --no-verify"
UNMAPPED = ", not mapped"
BY_FILTERS = " by HDF5's filters"
MEMMAP = "np.memmap and copy, sequential"
H5PY = "h5py, random rows one by one"


@dataclass(frozen=True)
class Peer:
    """Another system: its environment, its module in `benchmarks.peers`, and how it reads."""

    group: str
    module: str
    variant: str
    makes_files: bool = True


PEERS: dict[str, dict[str, Peer]] = {
    "h5py": {H5PY: Peer("h5py", "h5py_rows", "shuffled", makes_files=False)},
    "datasets": {
        "Hugging Face datasets, NumPy": Peer("datasets", "datasets_rows", "map"),
        "Hugging Face datasets, iterable": Peer("datasets", "datasets_rows", "iterable"),
        "Hugging Face datasets to tf.data": Peer("datasets", "datasets_rows", "tf"),
    },
    "tfrecord": {"TFRecord, tf.data": Peer("tensorflow", "tfrecord_rows", "shuffled")},
    "anndata": {"AnnData, backed": Peer("anndata", "anndata_rows", "shuffled")},
}
"""By name in --peers, the ways to read with a system, each with its name in tables."""


@dataclass(frozen=True)
class Rows:
    """The rows of a file and, by cache state and system, the runs that read them."""

    features: str
    title: str
    n_rows: int
    bar: str
    runs: Mapping[str, Mapping[str, list[Run]]]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    add = parser.add_argument
    add("--features", default="both", choices=[DENSE, NGRAM, "both"], help="the kind of rows")
    add(
        "--size",
        type=byte_size,
        metavar="SIZE",
        help="of the file of dense rows, such as 10GB (default: 1GB, with --quick 100MB)",
    )
    add("--columns", type=int, default=768, metavar="N", help="of dense rows (default: 768)")
    add(
        "--rows",
        type=int,
        metavar="N",
        help=f"n-gram rows (default: {DEFAULT_ROWS:,}, with --quick {QUICK_ROWS:,})",
    )
    add(
        "--seconds",
        type=float,
        metavar="S",
        help="the most that an epoch takes (default: 5, with --quick 1)",
    )
    add_peers(parser, [*PEERS], [*PEERS], "all")


def run(options: argparse.Namespace) -> int:
    """Measure, write and print; 1 if this package's reader did not complete every run."""
    options.size = options.size or (QUICK_SIZE if options.quick else DEFAULT_SIZE)
    options.rows = options.rows or (QUICK_ROWS if options.quick else DEFAULT_ROWS)
    options.seconds = options.seconds or (1 if options.quick else 5)
    kinds = [DENSE, NGRAM] if options.features == "both" else [options.features]
    needed = _needed_bytes(options, kinds)
    return study.run("read", options, needed, lambda folder: _findings(kinds, options, folder))


def _findings(kinds: Sequence[str], options: argparse.Namespace, folder: Path) -> Findings:
    measured = [_MEASURES[kind](options, folder) for kind in kinds]
    ours = [
        run
        for rows in measured
        for of_state in rows.runs.values()
        for name, runs in of_state.items()
        if name.startswith(_OURS)
        for run in runs
    ]
    return Findings(
        parts=[part for rows in measured for part in (f"### {rows.title}", *_parts(rows))],
        record={"results": [_record(rows) for rows in measured]},
        succeeded=results.all_completed(ours),
        targets=[target for rows in measured for target in _targets(rows)],
    )


def _needed_bytes(options: argparse.Namespace, kinds: Sequence[str]) -> int:
    """Disk space for the largest set of files that is there at once."""
    row_bytes = generated.CONVERTING_BYTES + _PEER_FILES_BYTES
    sizes = {DENSE: int(options.size * 1.01), NGRAM: options.rows * row_bytes}
    return max(sizes[kind] for kind in kinds)


# ---- Measuring.


def _dense(options: argparse.Namespace, folder: Path) -> Rows:
    n_rows = options.size // (4 * options.columns)
    if n_rows < 1:
        raise OptionError(f"--size {options.size} is less than a row of {options.columns} columns")
    data = folder / "dense.h5"
    say(f"writing {n_rows:,} dense rows")
    write_dense_file(data, n_rows, options.columns)
    bar = _reader(MEMMAP, None, Peer("h5py", "memmap_rows", "sequential"), data, options)
    peers = [
        _reader(name, options.peer_environments, peer, data, options)
        for name, peer in PEERS["h5py"].items()
        if "h5py" in options.peers
    ]
    runs = _alternate([bar, *_own(data, options), *peers], options, folder)
    data.unlink()
    title = f"{n_rows:,} dense rows of {options.columns} float32, {options.size / 1e9:.1f} GB"
    return Rows(DENSE, title, n_rows, MEMMAP, runs)


def _ngram(options: argparse.Namespace, folder: Path) -> Rows:
    data = folder / "rows.h5"
    with generated.rows(options.rows, folder) as path:
        generated.convert(path, data, NGRAM)
        compressed = {
            name: generated.convert(path, folder / f"{name}.h5", NGRAM, "--compression", name)
            for name in FILTERS
            if is_installed(name)
        }
    title = f"{options.rows:,} n-gram rows, {data.stat().st_size / 1e6:,.0f} MB"
    systems = [
        *_own(data, options),
        *_own_compressed(compressed, options),
        *_peers(data, options, folder),
    ]
    return Rows(NGRAM, title, options.rows, H5PY, _alternate(systems, options, folder))


_MEASURES = {DENSE: _dense, NGRAM: _ngram}


def _own(data: Path, options: argparse.Namespace) -> list[System]:
    """The reader of this package in two orders, one without a map, one without checksums."""
    variants = {
        SEQUENTIAL: "sequential",
        SHUFFLED: "shuffled",
        SHUFFLED + UNMAPPED: "shuffled-unmapped",
        SEQUENTIAL + UNCHECKED: "sequential-unchecked",
    }
    return [_own_reader(name, variant, data, options) for name, variant in variants.items()]


def _own_compressed(files: Mapping[str, Path], options: argparse.Namespace) -> Iterator[System]:
    """The reader of this package on compressed files, by its coders and by HDF5's filters."""
    for name, path in files.items():
        yield _own_reader(f"{SHUFFLED}, {name}", "shuffled", path, options)
        yield _own_reader(f"{SHUFFLED}, {name}{BY_FILTERS}", "shuffled-filters", path, options)


def _own_reader(name: str, variant: str, data: Path, options: argparse.Namespace) -> System:
    command = script("benchmarks.ours.read_rows", *_arguments(data, variant, options))
    return System(name=name, command=command, inputs=[data])


def _peers(data: Path, options: argparse.Namespace, folder: Path) -> Iterator[System]:
    """The other systems, each with its own files, made once for all ways to read them."""
    for name in options.peers:
        target = folder / name
        for title, peer in PEERS[name].items():
            if peer.makes_files and not target.exists():
                _prepare(peer, data, target, options)
            own_files = target if peer.makes_files else data
            yield _reader(title, options.peer_environments, peer, own_files, options)


def _prepare(peer: Peer, source: Path, target: Path, options: argparse.Namespace) -> None:
    """Make a system's files; if that fails there are none, and its runs will say why."""
    say(f"{peer.module}: making its files")
    command = peer_command(
        options.peer_environments, peer.group, peer.module, "prepare", source, target
    )
    try:
        call_command(command, peer.module)
    except OutputError as error:
        say(str(error))
        if target.is_dir():
            shutil.rmtree(target)


def _reader(
    name: str, environments: Path | None, peer: Peer, data: Path, options: argparse.Namespace
) -> System:
    arguments = ("--report", REPORT, *_arguments(data, peer.variant, options))
    command = peer_command(environments, peer.group, peer.module, *arguments)
    files = data.rglob("*") if data.is_dir() else [data]
    return System(name=name, command=command, inputs=sorted(filter(Path.is_file, files)))


def _arguments(data: Path, variant: str, options: argparse.Namespace) -> list[object]:
    return ["read", data, "--variant", variant, "--seconds", options.seconds]


def _alternate(
    systems: Sequence[System], options: argparse.Namespace, folder: Path
) -> dict[str, dict[str, list[Run]]]:
    """The runs by state of the page cache and system."""
    runs = {}
    for state in STATES:
        say(f"page cache {state}")
        cold = state == page_cache.COLD
        runs[state] = harness.alternate(systems, options.runs, folder, cold=cold)
    return runs


# ---- Figures.


def _speed(run: Run, epoch: int) -> float:
    figures = run.report["epochs"][epoch]
    return float(figures["rows"] / figures["seconds"])


def speeds(runs: Sequence[Run], epoch: int) -> Spread | None:
    """Rows/s in an epoch, 0 for the first."""
    return results.spread(runs, lambda run: _speed(run, epoch))


def times(runs: Sequence[Run], others: Sequence[Run], epoch: int = 0) -> Spread | None:
    """How many times the rows/s of `others` those of `runs` are in an epoch, pair by pair."""
    return results.ratios(runs, others, lambda run: _speed(run, epoch))


def above_baseline(runs: Sequence[Run], kind: str) -> float | None:
    """The most memory of a kind, `anon_bytes` say, above the interpreter with its imports."""
    grown = [
        peak - run.report["baseline"][kind]
        for run in results.completed(runs)
        if (peak := getattr(run.memory, kind)) is not None and run.report["baseline"]
    ]
    return max(grown, default=None)


def _targets(rows: Rows) -> list[Target]:
    of_features = _dense_targets if rows.features == DENSE else _ngram_targets
    return [*of_features(rows), *_map_targets(rows), *_memory_targets(rows)]


def _map_targets(rows: Rows) -> Iterator[Target]:
    """What mapping windows gains over reading them to memory, where rows are in the page cache."""
    runs = rows.runs[page_cache.WARM]
    others = SHUFFLED + UNMAPPED
    ratio = times(runs[SHUFFLED], runs[others], 1)
    yield Target(
        text=f"{rows.features} rows, {SHUFFLED}, warm page cache, second epoch: times {others}",
        measured=results.median(ratio),
        at_least=1.25 if rows.features == DENSE else 1.3,
    )


def _dense_targets(rows: Rows) -> Iterator[Target]:
    bounds = {SEQUENTIAL: 0.8, SHUFFLED: 0.7}
    for state, runs in rows.runs.items():
        for name, bound in bounds.items():
            for epoch, which in enumerate(("first epoch, checked", "second epoch")):
                text = f"dense rows, {name}, {state} page cache, {which}: times {MEMMAP}"
                ratio = results.median(times(runs[name], runs[rows.bar], epoch))
                yield Target(text=text, measured=ratio, at_least=bound)
    runs = rows.runs[page_cache.WARM]
    yield Target(
        text=f"dense rows, {SEQUENTIAL}{UNCHECKED}, warm page cache, first epoch: times {MEMMAP}",
        measured=results.median(times(runs[SEQUENTIAL + UNCHECKED], runs[rows.bar])),
        at_least=0.85,
    )


def _ngram_targets(rows: Rows) -> Iterator[Target]:
    for state, runs in rows.runs.items():
        for name in runs:
            if not name.startswith(_OURS):
                yield Target(
                    text=f"n-gram rows, {SHUFFLED}, {state} page cache: times {name}",
                    measured=results.median(times(runs[SHUFFLED], runs[name])),
                    at_least=100 if name == H5PY else 1,
                )


def _memory_targets(rows: Rows) -> Iterator[Target]:
    runs = [run for of_state in rows.runs.values() for run in of_state[SHUFFLED]]
    for kind, word, bound in (("rss_bytes", "resident", 100), ("anon_bytes", "anonymous", 15)):
        grown = above_baseline(runs, kind)
        yield Target(
            text=f"{rows.features} rows, {SHUFFLED}: {word} MB above the interpreter and imports",
            measured=None if grown is None else grown / 1e6,
            at_most=bound,
        )


def _parts(rows: Rows) -> list[str]:
    """A table for each state of the page cache, and remarks."""
    parts = []
    for state, runs in rows.runs.items():
        parts += [
            f"Page cache {state}:",
            tables.table(_HEADER, [_line(runs, name) for name in runs]),
        ]
    remarks = _disagreements(rows)
    return [*parts, *([tables.items(remarks)] if remarks else [])]


def _line(runs: Mapping[str, Sequence[Run]], name: str) -> list[object]:
    of_system = runs[name]
    memory = [above_baseline(of_system, kind) for kind in ("anon_bytes", "rss_bytes")]
    return [
        name,
        speeds(of_system, 0),
        speeds(of_system, 1),
        times(runs[SHUFFLED], of_system),
        *map(tables.megabytes, memory),
        tables.outcome(of_system[-1]),
    ]


def _disagreements(rows: Rows) -> list[str]:
    """Systems whose whole epochs have other rows or entries than ours."""
    found: dict[tuple[int, int], list[str]] = {}
    for runs in rows.runs.values():
        for name, of_system in runs.items():
            for run in results.completed(of_system):
                for epoch in run.report["epochs"]:
                    if epoch["rows"] >= rows.n_rows:
                        found.setdefault((epoch["rows"], epoch["entries"]), []).append(name)
    if len(found) < 2:
        return []
    return [
        f"Not the same rows: {n_rows:,} with {n_entries:,} entries in an epoch of {names[0]}."
        for (n_rows, n_entries), names in found.items()
    ]


def _record(rows: Rows) -> dict[str, Any]:
    return {
        "features": rows.features,
        "rows": rows.n_rows,
        "title": rows.title,
        "page_cache": {
            state: {
                name: {
                    **results.records(
                        {
                            "rows_per_second": speeds(of_system, 0),
                            "rows_per_second_later": speeds(of_system, 1),
                            "times_as_fast_as_this": times(runs[SHUFFLED], of_system),
                        }
                    ),
                    "anon_above_start_bytes": above_baseline(of_system, "anon_bytes"),
                    "rss_above_start_bytes": above_baseline(of_system, "rss_bytes"),
                    "runs": [results.run_record(run) for run in of_system],
                }
                for name, of_system in runs.items()
            }
            for state, runs in rows.runs.items()
        },
    }
