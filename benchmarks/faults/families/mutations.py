"""Files whose bytes have changed: converted files, runs, and files of rows of each format.

What is read from a converted file or a run has to be what it was, or the damage has to be found:
rows by the library, everything by `ooc-inspect --verify`, the vectorizer by a conversion, and a run
by its predictions.  Changed rows may become other rows, or be refused.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from benchmarks.faults.bench import Bench
from benchmarks.faults.cases import CONVERTED, IN, MADE, OUT, TEMP, Case, case_of
from benchmarks.faults.injection import Injection
from benchmarks.faults.outcomes import Outcome, judge

_N_EACH = 25
"""Mutations of each kind of each file."""
Mutation = Callable[[bytearray, random.Random], None]


def missing(_bench: Bench) -> str | None:
    """What this machine lacks for these faults: nothing."""
    return None


def groups(_bench: Bench) -> Iterator[Sequence[Injection]]:
    """All injections, a group for each file and kind of mutation."""
    for reader in READERS:
        for name in MUTATIONS:
            yield [_injection(reader, name, number) for number in range(_N_EACH)]


# ---- What reads what.


@dataclass(frozen=True)
class Reader:
    """A case that reads a changed copy of a file in ``{temp}``; of a run, one of its ``files``.

    ``made_by`` is the case that makes the file.  If ``is_source``, it has rows, of which a changed
    one may become another.
    """

    case: Case
    file: str
    made_by: Case | None = None
    is_source: bool = False


_RUN_FILES = ("model.keras", "vectorizer.h5", "settings.json", "report.json")


def _reading(kind: str, *more: str) -> Reader:
    case = Case(
        name=f"{'verify' if more else 'rows of'} {kind}",
        words=("benchmarks.faults.read_rows", "{temp}/o.h5", "{out}/digest", *more),
        outputs=("digest",),
        given=(f"{MADE}/{CONVERTED[kind]}/o.h5",),
    )
    return Reader(case, "o.h5", made_by=case_of(CONVERTED[kind]))


def _source(file: str, *more: str) -> Reader:
    case = Case(
        name=f"convert {file}",
        words=("convert", f"{{temp}}/{file}", "-o", "{out}/o.h5", "--quiet", *more),
        outputs=("o.h5", "o.h5.rejected.csv"),
        given=(f"{IN}/{file}",),
    )
    return Reader(case, file, is_source=True)


_FROZEN = Case(
    name="convert --vectorizer",
    words=("convert", "{in}/test.csv", "-o", "{out}/o.h5", "--quiet", "--vectorizer",
           "{temp}/ngram.h5"),
    outputs=("o.h5",),
    given=(f"{IN}/ngram.h5",),
)  # fmt: skip
_PREDICT = Case(
    name="predict",
    words=("predict", "{temp}/run", "--input", "{in}/test.csv", "-o", "{out}/p.csv", "--quiet"),
    outputs=("p.csv",),
    given=(f"{IN}/run",),
)
_NAMED = ("--text", "text", "--label", "label", "--features", "sequence")
READERS = (
    *(_reading(kind) for kind in CONVERTED),
    *(_reading(kind, "--verify") for kind in CONVERTED),
    Reader(_FROZEN, "ngram.h5"),
    *(Reader(_PREDICT, f"run/{name}") for name in _RUN_FILES),
    _source("train.csv"),
    _source("train.csv.gz"),
    _source("train.jsonl", *_NAMED),
    _source("train.parquet", *_NAMED),
    _source("dense.npz"),
    _source("rows.svm"),
)


# ---- Mutations.


def _flip(content: bytearray, draw: random.Random) -> None:
    content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)


def _noise(content: bytearray, draw: random.Random) -> None:
    at, n = _range(content, draw)
    content[at : at + n] = draw.randbytes(n)


def _zeros(content: bytearray, draw: random.Random) -> None:
    at, n = _range(content, draw)
    content[at : at + n] = bytes(n)


def _truncate(content: bytearray, draw: random.Random) -> None:
    del content[draw.randrange(len(content)) :]


def _delete(content: bytearray, draw: random.Random) -> None:
    at, n = _range(content, draw)
    del content[at : at + n]


def _insert(content: bytearray, draw: random.Random) -> None:
    at, n = _range(content, draw)
    content[at:at] = draw.randbytes(n)


def _repeat(content: bytearray, draw: random.Random) -> None:
    at, n = _range(content, draw)
    content[at:at] = content[at : at + n]


def _swap(content: bytearray, draw: random.Random) -> None:
    if len(content) < 2:
        return
    n = draw.randrange(1, max(2, len(content) // 4))
    one = draw.randrange(len(content) - 2 * n + 1)
    other = draw.randrange(one + n, len(content) - n + 1)
    first, second = content[one : one + n], content[other : other + n]
    content[one : one + n], content[other : other + n] = second, first


def _range(content: bytearray, draw: random.Random) -> tuple[int, int]:
    """A random position and length, more often short."""
    n = min(len(content), 2 ** draw.randrange(1, 13))
    return draw.randrange(len(content) - n + 1), n


MUTATIONS: Mapping[str, Mutation] = {
    "flip": _flip, "noise": _noise, "zeros": _zeros, "truncate": _truncate, "delete": _delete,
    "insert": _insert, "repeat": _repeat, "swap": _swap,
}  # fmt: skip


def _injection(reader: Reader, mutation: str, number: int) -> Injection:
    name = f"{reader.case}, {mutation} {number} of {reader.file}"

    def outcome(bench: Bench) -> Outcome | None:
        if reader.made_by:
            bench.learn(reader.made_by)
        bench.learn(reader.case)
        bench.reset(reader.case)
        path = bench.places[TEMP] / reader.file
        before = path.read_bytes()
        content = bytearray(before)
        MUTATIONS[mutation](content, random.Random(name))
        if content == before:
            return None
        path.write_bytes(content)
        seen = bench.run(reader.case)
        if reader.is_source:  # other rows are as good
            made = [name for name in reader.case.outputs if name in seen.after[OUT]]
            case = replace(reader.case, outputs=tuple(made) or reader.case.outputs)
            seen = replace(seen, case=case, complete=frozenset(made))
        return judge(seen)

    return Injection(name, outcome)
