"""Rows that are not as they should be, between others: each has to be kept, or be a listed reject.

A file has clean rows and dirty ones, whose number is known.  The rows of the output and the
rejected ones have to be as many, and the list of rejected rows as long as the report says.
"""

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.faults.bench import Bench
from benchmarks.faults.cases import OUT, TEMP, Case
from benchmarks.faults.injection import Injection
from benchmarks.faults.outcomes import RIGHT, Outcome, judge
from benchmarks.faults.rows import REJECTS, REPORT, lost

_N_EACH = 1000
_N_CLEAN = 60


def missing(_bench: Bench) -> str | None:
    """What this machine lacks for these faults: nothing."""
    return None


def groups(_bench: Bench) -> Iterator[Sequence[Injection]]:
    """All injections, a group for each format."""
    for form in FORMATS:
        yield [_injection(form, number) for number in range(_N_EACH)]


@dataclass(frozen=True)
class Format:
    """A format of rows: a clean row of a class, and dirty ones; ``n_rows`` is what one counts."""

    name: str
    clean: Callable[[int, str], bytes]
    dirty: Callable[[random.Random], bytes]
    options: tuple[str, ...] = ()
    header: bytes = b""

    @property
    def case(self) -> Case:
        """The conversion of a file of this format."""
        return Case(
            name=f"convert dirty {self.name}",
            words=("convert", f"{{temp}}/dirty.{self.name}", "-o", "{out}/o.h5", "--report",
                   f"{{out}}/{REPORT}", "--max-rejects", "100000", "--quiet", *self.options),
            outputs=("o.h5", REJECTS, REPORT),
        )  # fmt: skip

    def write(self, path: Path, draw: random.Random) -> int:
        """Write clean and dirty rows; how many."""
        rows = [self.clean(k % 3, " ".join(draw.choices(_WORDS, k=9))) for k in range(_N_CLEAN)]
        for _ in range(draw.randrange(1, 12)):
            # The first rows say what the format is.
            rows.insert(draw.randrange(20, len(rows) + 1), self.dirty(draw))
        end = draw.choice([b"\n", b"\r\n"])
        last = end if draw.random() < 0.8 else b""
        path.write_bytes(self.header + end.join(rows) + last)
        return len(rows)


_WORDS = "red green blue black white brown early late".split()
_ODD = (
    b"", b" ", b"\t", b"\x00", b"\xff\xfe", b"\xed\xa0\x80", b"\xc3", b"\xef\xbb\xbf", b"\x1b[31m",
    b"\x7f", b"\x85", "ü ß ﬁ 中".encode(), b"'", b"\\", b"\\n", b"<script>", b"=1+1", b"NaN",
    b"-0", b"1e999", b"9" * 400, b"a" * 70_000, b"x " * 40_000, b"{", b"]", b"#", b":", b"null",
)  # fmt: skip
"""What fields may be, whatever their format."""


def _odd(draw: random.Random) -> bytes:
    return b" ".join(draw.choices(_ODD, k=draw.randrange(1, 4)))


# ---- CSV and tab-separated.


def _clean_csv(label: int, text: str) -> bytes:
    return f'"{label}","{text}"'.encode()


def _dirty_csv(draw: random.Random) -> bytes:
    fields = [draw.choice([b"0", b"1", b"7", _odd(draw)]), _odd(draw)]
    fields = draw.choice([fields, fields, fields, fields[:1], [*fields, b"more"]])
    fields = [field + draw.choice([b"", b"", b"\n", b"\r\n", b'""', b","]) for field in fields]
    return b",".join(b'"' + field + b'"' for field in fields)


def _clean_tsv(label: int, text: str) -> bytes:
    return f"{label}\t{text}".encode()


def _dirty_tsv(draw: random.Random) -> bytes:
    fields = [draw.choice([b"0", b"1", b"7", b"x" + _odd(draw)]), _odd(draw)]
    fields = draw.choice([fields, fields, fields, fields[:1], [*fields, b"more"]])
    return b"\t".join(field.replace(b"\t", b"") for field in fields)


# ---- JSON Lines.


def _clean_json(label: int, text: str) -> bytes:
    return json.dumps({"label": label, "text": text}).encode()


def _dirty_json(draw: random.Random) -> bytes:
    value = draw.choice([
        b"null", b"1.5", b"-7", b"true", b"[]", b"{}", b'["a"]', b'"\\u0000"', b'"\\ud800"', b"NaN",
        b"1e400", b"12345678901234567890123", b'"' + b"a" * 70_000 + b'"', b'"x', b"[" * 2000,
        b'"' + _odd(draw).replace(b'"', b"") + b'"',
    ])  # fmt: skip
    return draw.choice([
        b'{"label": 1, "text": ' + value + b"}",
        b'{"label": ' + value + b', "text": "red"}',
        b'{"text": ' + value + b"}",
        b'{"label": 1, "label": 2, "text": ' + value + b"}",
        value,
        b'{"label": 1, "text": "cut',
        b'{"label": 1, "text": "x"} more',
    ])  # fmt: skip


# ---- svmlight.


def _clean_svm(label: int, text: str) -> bytes:
    columns = sorted({1 + 5 * label + len(word) % 5 for word in text.split()})
    return f"{label} {' '.join(f'{column}:0.5' for column in columns)}".encode()


def _dirty_svm(draw: random.Random) -> bytes:
    pairs = [b"1:1", b"2:-3", b"3:nan", b"4:inf", b"5:1e999", b"6:x", b"y:1", b"7", b":", b"8:",
             b"2:2", b"-1:1", b"0:1", b"9:0x10", b"10:1e-320", b"11:" + b"9" * 50]  # fmt: skip
    label = draw.choice([b"0", b"1", b"7", b"+1", b"x\x1b", b"1.5"])
    return b" ".join([label, *draw.choices(pairs, k=draw.randrange(1, 6))])


_NAMED = ("--text", "text", "--label", "label", "--features", "sequence")
FORMATS = (
    Format("csv", _clean_csv, _dirty_csv, ("--features", "sequence")),
    Format("tsv", _clean_tsv, _dirty_tsv, _NAMED, header=b"label\ttext\n"),
    Format("jsonl", _clean_json, _dirty_json, _NAMED),
    Format("svm", _clean_svm, _dirty_svm),
)


def _injection(form: Format, number: int) -> Injection:
    case = form.case
    name = f"{case}, {number}"

    def outcome(bench: Bench) -> Outcome:
        bench.reset(case)
        n_rows = form.write(bench.places[TEMP] / f"dirty.{form.name}", random.Random(name))
        seen = bench.run(case)
        made = frozenset(output for output in case.outputs if output in seen.after[OUT])
        expected = tuple(made | {"o.h5", REPORT})
        found = judge(replace(seen, case=replace(case, outputs=expected), complete=made))
        return lost(bench.places[OUT], n_rows) or found if found.kind == RIGHT else found

    return Injection(name, outcome)
