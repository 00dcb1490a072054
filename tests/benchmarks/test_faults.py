"""Faults put into commands, and the judge of what becomes of them."""

import errno
import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import __main__
from benchmarks.faults import bench as bench_module
from benchmarks.faults import campaign, crafts, disks, folders, hostile, injector, parsing
from benchmarks.faults.bench import Bench, Ground
from benchmarks.faults.cases import CASES, Case
from benchmarks.faults.extreme_inputs import EXTREMES
from benchmarks.faults.families import (
    extremes,
    full_disks,
    kills,
    mutations,
    power_cuts,
    writes,
)
from benchmarks.faults.families.dirty_rows import FORMATS
from benchmarks.faults.families.table import FAMILIES
from benchmarks.faults.injection import Injection, drawn
from benchmarks.faults.injector import SHORT, SIGNAL, Fault, State
from benchmarks.faults.outcomes import (
    CRASH,
    HANG,
    LEFTOVER,
    REFUSED,
    RIGHT,
    TRACEBACK,
    WRONG,
    Outcome,
    Seen,
    judge,
)
from benchmarks.faults.processes import Ended
from benchmarks.faults.server import Reply
from benchmarks.studies import faults
from ooc_train.inspection.verify import verify
from tests.benchmarks.runs import check_what_is_written, linux
from tests.files import write_toy

TINY = ["faults", "--quick", "--cases", "predict csv"]
needs_compiler = pytest.mark.skipif(
    not (sys.platform == "linux" and injector.compiler()), reason="needs Linux and a C compiler"
)


@linux
def test_it_prints_what_it_writes(tiny):
    check_what_is_written(tiny, "faults")


@needs_compiler
def test_each_family_puts_its_faults_in(tiny):
    record = json.loads((tiny.folder / "faults.json").read_text("utf-8"))["families"]
    assert [*record] == [*FAMILIES]
    for name in record:
        if record[name]["missing"]:
            assert name in ("full_disks", "power_cuts", "extremes", "fuzz")
            continue
        n_quick = FAMILIES[name].n_quick
        assert record[name]["injections"] + record[name]["void"] == n_quick
        assert record[name]["outcomes"].keys() <= {RIGHT, REFUSED}


def test_there_is_no_fault_of_this_name(tmp_path, capsys):
    with pytest.raises(SystemExit):
        __main__.main(["faults", "floods"])
    assert "'floods' is none of: writes" in capsys.readouterr().err
    assert __main__.main(["faults", "--cases", "floods", "--out", str(tmp_path / "out")]) == 2
    assert "no command has 'floods' in its name" in capsys.readouterr().err


# ---- Calls that fail.


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return injector.build(tmp_path_factory.mktemp("library"))


CALLS = """
import errno, os, sys
folder, other = sys.argv[1:]
def attempt(name, call):
    try:
        print(name, call())
    except OSError as error:
        print(name, errno.errorcode[error.errno])
file = os.open(folder + "/a", os.O_RDWR | os.O_CREAT)
elsewhere = os.open(other + "/a", os.O_RDWR | os.O_CREAT)
for number in (1, 2, 3):
    os.write(elsewhere, b"1234")
    attempt(f"write {number}:", lambda: os.write(file, b"1234"))
attempt("sync 1:", lambda: os.fsync(file))
attempt("resize 1:", lambda: os.truncate(file, 0))
attempt("resize 2:", lambda: os.posix_fallocate(file, 0, 5))
attempt("close 1:", lambda: os.close(file))
os.chdir(folder)
attempt("folder 1:", lambda: os.mkdir("b"))
attempt("name 1:", lambda: os.rename("a", "b/c"))
attempt("name 2:", lambda: os.link("b/c", "d"))
attempt("create 2:", lambda: os.close(os.open("e", os.O_WRONLY | os.O_CREAT)))
"""
WITHOUT_FAULT = [
    "write 1: 4", "write 2: 4", "write 3: 4", "sync 1: None", "resize 1: None", "resize 2: None",
    "close 1: None", "folder 1: None", "name 1: None", "name 2: None", "create 2: None",
]  # fmt: skip


def calls_with(fault, library, folder):
    """What the program `CALLS` sees, and the state after it."""
    for name in ("here", "there"):
        (folder / name).mkdir(parents=True)
    State.make(folder / "state")
    state = State(folder / "state")
    state.arm(fault, [folder / "here"])
    variables = {"LD_PRELOAD": str(library), injector.VARIABLE: str(folder / "state")}
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", CALLS, folder / "here", folder / "there"],
        env=variables,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines(), state


@needs_compiler
def test_calls_are_counted_below_a_folder(tmp_path, library):
    lines, state = calls_with(injector.COUNT, library, tmp_path)
    assert lines == WITHOUT_FAULT
    assert state.n_done == 0
    assert state.counts == {
        "write": 3, "sync": 1, "resize": 2, "close": 2, "folder": 1, "name": 2, "create": 2,
        "any": 13,
    }  # fmt: skip


@needs_compiler
@pytest.mark.parametrize(
    ("fault", "changed"),
    [
        (Fault(call="write", first=2, number=errno.ENOSPC), {"write 2:": "ENOSPC"}),
        (
            Fault(call="write", first=2, number=errno.EIO, onward=True),
            {"write 2:": "EIO", "write 3:": "EIO"},
        ),
        (Fault(call="write", first=1, effect=SHORT), {"write 1:": "2"}),
        (Fault(call="sync", first=1, number=errno.EIO), {"sync 1:": "EIO"}),
        (
            Fault(call="resize", first=1, number=errno.EDQUOT, onward=True),
            {"resize 1:": "EDQUOT", "resize 2:": "EDQUOT"},
        ),
        (Fault(call="close", first=1, number=errno.EIO), {"close 1:": "EIO"}),
        (Fault(call="name", first=2, number=errno.ENOSPC), {"name 2:": "ENOSPC"}),
        (Fault(call="create", first=2, number=errno.EMFILE), {"create 2:": "EMFILE"}),
    ],
    ids=str,
)
def test_the_nth_call_fails(tmp_path, library, fault, changed):
    lines, state = calls_with(fault, library, tmp_path)
    expected = dict(line.rsplit(" ", 1) for line in WITHOUT_FAULT) | changed
    assert dict(line.rsplit(" ", 1) for line in lines) == expected
    assert state.n_done == len(changed)


# ---- A campaign against commands that break promises.


WAYS = {
    "promises": REFUSED,
    "syncs": REFUSED,
    "eats": REFUSED,
    "denies": WRONG,
    "in place": WRONG,
    "crashes": CRASH,
    "hangs": HANG,
    "leaves": LEFTOVER,
    "shouts": TRACEBACK,
}


HOSTILE_WAYS = {
    "promises": RIGHT,
    "declines": REFUSED,
    "peeks": WRONG,
    "varies": WRONG,
    "swells": TRACEBACK,
}


def copying(way):
    return Case(name=way, words=("copy", way, "{in}/a", "{out}/b"), outputs=("b",))


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    """A bench whose command is the test's own, in each of its ways."""
    folder = tmp_path_factory.mktemp("faulty")
    cases = [copying(way) for way in WAYS]
    ground = Ground(folder, cases, injector.build(folder), package="tests.benchmarks.faulty")
    ground.inputs.mkdir()
    (ground.inputs / "a").write_bytes(bytes(range(50)))
    with (
        pytest.MonkeyPatch.context() as patch,
        Bench(ground, folder / "bench") as bench,
    ):
        patch.setattr(bench_module, "LIMIT_SECONDS", 0.5)
        yield bench


def learned(bench, way):
    (case,) = (each for each in bench.ground.cases if each.name == way)
    bench.learn(case)
    return case


@needs_compiler
@pytest.mark.parametrize("way", WAYS)
def test_the_campaign_finds(faulty, way):
    case = learned(faulty, way)
    fault = Fault(call="write", first=3, number=errno.ENOSPC)
    outcome = writes.outcome(faulty, case, "out", fault)
    assert outcome.kind == WAYS[way], outcome
    assert outcome.is_promised == (WAYS[way] == REFUSED)


@needs_compiler
def test_half_a_write_is_no_error(faulty):
    case = learned(faulty, "promises")
    fault = Fault(call="write", first=1, effect=SHORT)
    assert writes.outcome(faulty, case, "out", fault) == Outcome(RIGHT)
    assert writes.outcome(faulty, case, "out", replace(fault, first=99)) is None  # it never came


@needs_compiler
def test_a_signal_comes_at_a_call(faulty):
    case = learned(faulty, "promises")
    faulty.reset(case)
    fault = Fault(call="any", first=4, effect=SIGNAL, number=signal.SIGKILL)
    seen = faulty.run(case, where=["out"], fault=fault, signal=signal.SIGKILL)
    assert seen.ended.status == -signal.SIGKILL
    assert seen.ended.reply.counts["any"] == 4
    assert judge(seen).kind == LEFTOVER


@needs_compiler
@pytest.mark.parametrize("way", HOSTILE_WAYS)
def test_the_campaign_finds_what_hostile_files_lead_to(faulty, way):
    found = hostile.outcome(faulty, copying(way), lambda places, outside: True, lambda places: None)
    assert found.kind == HOSTILE_WAYS[way], found


@needs_compiler
def test_outputs_that_are_not_consistent_are_wrong(faulty):
    case = learned(faulty, "promises")
    for check, words in (
        (lambda places: "too few rows", "too few rows"),
        (lambda places: places["no"], "cannot be read: 'no'"),
    ):
        found = hostile.outcome(faulty, case, lambda places, outside: True, check)
        assert found.kind == WRONG
        assert words in found.words
    assert hostile.outcome(faulty, case, lambda places, outside: False, None) is None
    assert hostile.outcome(faulty, case, lambda places, outside: True, None) == Outcome(RIGHT)


def needs_disk(kind):
    return pytest.mark.skipif(
        not injector.compiler() or disks.missing(kind) is not None,
        reason=f"needs a compiler and a disk of its own: {disks.missing(kind)}",
    )


DISKS = [pytest.param(kind, marks=needs_disk(kind)) for kind in (disks.EXT4, disks.XFS)]


def the_one(groups, name):
    (injection,) = (each for group in groups for each in group if each.name == name)
    return injection


@pytest.mark.parametrize("disk", DISKS)
@pytest.mark.parametrize(
    ("way", "free_kb", "kind"),
    [("promises", 0, REFUSED), ("promises", 1200, RIGHT), ("denies", 0, WRONG)],
)
def test_a_disk_without_space_is_full(faulty, disk, way, free_kb, kind):
    learned(faulty, way)
    name = f"{way}, out on {disk} with {free_kb} KB free"
    assert the_one(full_disks.groups(faulty), name).run(faulty).kind == kind


@pytest.mark.parametrize("disk", DISKS)
@pytest.mark.parametrize(
    ("way", "when", "kind"),
    [
        ("syncs", "0 s after its end", RIGHT),
        ("promises", "0 s after its end", WRONG),  # it said that it had copied
        ("promises", "at call 3", REFUSED),
    ],
)
def test_what_was_not_flushed_is_lost_when_the_power_is_cut(faulty, disk, way, when, kind):
    name = f"{way}, power cut on {disk} {when}"
    assert the_one(power_cuts.groups(faulty), name).run(faulty).kind == kind


def test_a_file_system_that_cannot_be_made_is_named(monkeypatch):
    monkeypatch.setattr(disks, "missing", {"ext4": None, "xfs": "there is no mkfs.xfs"}.get)
    assert disks.lacking(["ext4", "xfs"]) == ["xfs, since there is no mkfs.xfs"]


@pytest.mark.skipif(extremes.missing(None) is not None, reason=f"{extremes.missing(None)}")
@needs_compiler
@pytest.mark.parametrize(("way", "kind"), [("promises", RIGHT), ("eats", CRASH)])
def test_what_takes_too_much_memory_is_killed(faulty, monkeypatch, way, kind):
    monkeypatch.setattr(extremes, "CAP_BYTES", 80 * 10**6)
    case = learned(faulty, way)
    path = faulty.places["in"] / "a"
    assert extremes.in_little_memory(faulty, case, path).kind == kind


def test_extremes_have_names_of_their_own():
    names = [injection.name for group in extremes.groups(None) for injection in group]
    assert len({*names}) == len(names) > len(EXTREMES)


@pytest.mark.parametrize("kind", mutations.MUTATIONS)
def test_mutations_are_the_same_each_time(kind):
    content = bytes(range(256)) * 40
    changed = []
    for name in ("one", "one", "other"):
        changed.append(bytearray(content))
        mutations.MUTATIONS[kind](changed[-1], random.Random(name))
    assert changed[0] == changed[1] != content
    assert changed[2] not in (changed[0], content)
    for size in range(1, 5):
        mutations.MUTATIONS[kind](bytearray(size), random.Random(0))  # is no error


# ---- Hostile files.


def test_a_pipe_has_no_essence(tmp_path):
    os.mkfifo(tmp_path / "model.keras")
    assert folders.essence(tmp_path / "model.keras") is None
    assert folders.essence(tmp_path / "absent") is None
    assert folders.contents(tmp_path) == {"model.keras": "a pipe or a device"}


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    return write_toy(tmp_path_factory.mktemp("toy") / "o.h5", train=50, validation=9)


@pytest.mark.parametrize("edit", crafts.EDITS)
def test_a_crafted_file_is_the_same_each_time(converted, tmp_path, edit):
    names, n_bytes = ("1", "1 again", "2", "3", "4", "5"), {}
    for name in names:
        path = tmp_path / "o.h5"
        path.write_bytes(converted.read_bytes())
        is_made = crafts.craft(path, edit, random.Random(name[0]), tmp_path / "secret")
        n_bytes[name] = is_made and path.stat().st_size
    assert n_bytes["1"] == n_bytes["1 again"]
    assert any(n_bytes.values())


def test_a_crafted_file_has_true_checksums(converted, tmp_path):
    path = tmp_path / "o.h5"
    path.write_bytes(converted.read_bytes())
    assert crafts.craft(path, "number", random.Random(2), tmp_path)
    assert not verify(path)["damaged"]


@pytest.mark.parametrize("name", parsing.PARSERS)
@settings(max_examples=25)
@given(st.data())
def test_rows_are_read_as_the_fuzzer_expects(tmp_path_factory, name, data):
    (form,) = (each for each in FORMATS if each.name == name)
    rows = [form.dirty(data.draw(st.randoms())) for _ in range(3)]
    some = st.one_of(st.binary(max_size=30), st.sampled_from([*rows, form.clean(1, "red")]))
    content = data.draw(st.binary(max_size=1)) + b"\n".join(data.draw(st.lists(some, max_size=4)))
    assert parsing.problem(name, content, tmp_path_factory.getbasetemp() / "rows") is None


@pytest.mark.parametrize(
    ("name", "content", "rows"),
    [
        ("csv", b'1,a\n"2","b""\n"\n\n3\n', [(b"1", b"a"), (b"2", b'b"\n'), (None, None)]),
        ("jsonl", b'{"label": true, "text": 1.0}\n[]', [(b"true", b"1.0"), (None, None)]),
        ("svm", b"+1 2:0.5 # x\n1 2:1 1:1\n", [(b"+1", [(2, 0.5)]), (None, None)]),
    ],
)
def test_what_python_itself_reads(name, content, rows):
    assert parsing.PARSERS[name].expected(content) == rows


# ---- The judge.


def seen(status=1, errors="ooc: no space left\n", *, old=False, sent=None, **changes):
    """A refusal, by default, with changes."""
    case = Case(name="case", words=("convert",), outputs=("o.h5",), is_forced=old)
    before = {"in": {"a": "1"}, "out": {"o.h5": "0"} if old else {}, "temp": {}}
    reply = Reply(status=status, seconds=0, timed_out=False, n_done=1, counts={})
    return Seen(
        case=case,
        ended=Ended(reply=reply, errors=errors, signal=sent),
        before=before,
        after=before | changes.get("after", {}),
        complete=frozenset(changes.get("complete", ())),
    )


WHOLE = {"after": {"out": {"o.h5": "2"}}, "complete": ["o.h5"]}


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (seen(), REFUSED),
        (seen(old=True), REFUSED),
        (seen(0, "", **WHOLE), RIGHT),
        (seen(**WHOLE), REFUSED),  # of several outputs, another failed
        (seen(0, ""), WRONG),
        (seen(0, "", after={"out": {"o.h5": "3"}}), WRONG),
        (seen(after={"out": {"o.h5": "3"}}), WRONG),
        (seen(old=True, after={"out": {"o.h5": "3"}}), WRONG),
        (seen(old=True, after={"out": {}}), WRONG),
        (seen(after={"in": {}}), WRONG),
        (seen(after={"temp": {"x": "4"}}), LEFTOVER),
        (seen(-11), CRASH),
        (seen(139), CRASH),
        (seen(-15, sent=15), TRACEBACK),  # it has to say that it ends
        (seen(-15, "", sent=15), REFUSED),  # before it had begun
        (seen(143, sent=15), REFUSED),
        (seen(1, sent=15), TRACEBACK),
        (seen(2), TRACEBACK),
        (seen(1, ""), TRACEBACK),
        (seen(1, "one\ntwo\n"), TRACEBACK),
        (seen(1, "OSError: x (run again with --debug for the traceback)"), TRACEBACK),
        (seen(0, "Exception ignored in: x", **WHOLE), TRACEBACK),
    ],
)
def test_the_judge(given, kind):
    assert judge(given).kind == kind


@pytest.mark.parametrize(
    ("frame", "is_its_own"), [("<frozen site>", True), ("x/ooc_train/cli/convert.py", False)]
)
def test_ctrl_c_before_the_package_has_begun_is_not_its_own(frame, is_its_own):
    errors = f'Traceback:\n  File "{frame}", line 1\nKeyboardInterrupt\n'
    assert kills.is_of_python_itself(errors) == is_its_own
    assert not kills.is_of_python_itself("ooc-convert: no space left on device")


# ---- Choosing and counting.


def test_groups_have_equal_shares_in_what_is_drawn():
    groups = [
        [Injection(f"{letter}{number}", lambda bench: None) for number in range(size)]
        for letter, size in {"a": 2, "b": 50, "c": 50}.items()
    ]
    names = [injection.name for injection in drawn(groups, 12, seed=0)]
    assert Counter(name[0] for name in names) == {"a": 2, "b": 5, "c": 5}
    assert len({*names}) == 12
    assert names == [injection.name for injection in drawn(groups, 12, seed=0)]
    assert names != [injection.name for injection in drawn(groups, 12, seed=1)]
    assert len([*drawn(groups, 1000, seed=0)]) == 102


def test_failures_that_differ_in_numbers_are_one():
    tally = campaign.Tally()
    tally.add("convert, out, write 3: EIO", Outcome(WRONG, "status 0; o.h5 is absent"))
    tally.add("convert, out, write 4: EIO", Outcome(WRONG, "status 0; o.h5 is absent"))
    tally.add("train, out, write 4: EIO", Outcome(CRASH, "status -11"))
    tally.add("train, out, write 5: EIO", Outcome(REFUSED))
    tally.add("train, out, write 6: EIO", None)
    assert [(n, name[:7]) for n, name, _ in tally.kinds_of_failures()] == [
        (2, "convert"), (1, "train, "),
    ]  # fmt: skip
    assert (tally.n_injections, tally.n_void) == (4, 1)
    (line,) = (line for line in faults.table({"x": tally}).splitlines() if line.startswith("| x"))
    assert line == "| x | 4 | 0 | 1 | 2 | 1 | 0 | 0 | 0 | 0 |"


def test_each_command_is_broken():
    commands = {case.command for case in CASES}
    assert commands == {"convert", "train", "evaluate", "predict", "inspect"}
    assert len({case.name for case in CASES}) == len(CASES)
