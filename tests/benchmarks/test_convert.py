"""Converting, beside the usual way in memory."""

import itertools
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks import __main__, study
from benchmarks.data import generated
from benchmarks.measure import cgroup, harness, machine, page_cache
from benchmarks.studies import convert
from tests.benchmarks.in_process import run_in_process
from tests.benchmarks.runs import ROOT, already_compiled, check_what_is_written, linux, made_run

TINY = ["convert", "--rows", "1000,2000", "--peer-rows-limit", "1000", "--runs", "1"]


@linux
def test_it_prints_what_it_writes(tiny):
    check_what_is_written(tiny, "convert")


@linux
def test_convert_measures_both_sides(tiny):
    record = json.loads((tiny.folder / "convert.json").read_text("utf-8"))
    small, large = record["results"]
    ours, peer = small["systems"].values()
    assert list(small["systems"]) == ["ooc-convert", "scikit-learn, in memory"]
    assert small["rows"] == ours["runs"][0]["report"]["rows"] == 1000
    assert peer["runs"][0]["report"]["rows"] == 1000
    assert small["notes"] == []  # the same number of features on both sides
    for system in (ours, peer):
        (run,) = system["runs"]
        assert run["outcome"] == "completed"
        assert run["page_cache"] == "warm"
        assert run["seconds"] > run["report"]["seconds"] > 0
        assert run["result_bytes"] > 100_000
        assert 5e7 < system["peak_anon_bytes"] < system["peak_rss_bytes"] < 1e9
        assert max(run["memory"]["timeline"]["anon_bytes"]) == system["peak_anon_bytes"]
    ratio = peer["runs"][0]["seconds"] / ours["runs"][0]["seconds"]
    assert peer["times_ours"]["median"] == pytest.approx(ratio)
    temporary, _, growth = record["targets"]
    share = ours["runs"][0]["report"]["spill_bytes"] / small["input_bytes"]
    assert temporary["measured"] == pytest.approx(share)
    by_time = large["systems"]["ooc-convert"]["runs"][0]["seconds"] / ours["runs"][0]["seconds"]
    assert growth["measured"] == pytest.approx(by_time / 2)
    assert list(large["systems"]) == ["ooc-convert"]
    assert large["notes"] == ["scikit-learn, in memory: not run above --peer-rows-limit 1,000."]


@linux
def test_convert_reports_the_first_run_apart(tmp_path, monkeypatch):
    """With made-up runs: it has no compiled kernels, the others have those that it leaves."""
    runs = []

    def run_once(system, folder, *, cold):
        compiled = Path(system.variables["NUMBA_CACHE_DIR"])
        runs.append((compiled.parent, compiled.exists()))
        compiled.mkdir(exist_ok=True)
        report = {"rows": 1000, "test_rows": 0, "n_features": 5, "spill_bytes": 9}
        return made_run(len(runs), report=report)

    run_in_process(monkeypatch)
    monkeypatch.setattr(harness, "run_once", run_once)
    arguments = ["--rows", "1000,2000", "--peers", "none", "--runs", "1"]
    assert __main__.main(["convert", "--out", str(tmp_path), *arguments]) == 0
    (folder,) = {folder for folder, _ in runs}
    assert folder.parent == tmp_path
    assert [was_compiled for _, was_compiled in runs] == [False, True, True]
    small, large = json.loads((tmp_path / "convert.json").read_text("utf-8"))["results"]
    assert small["first_run"]["seconds"] == 1
    assert small["systems"]["ooc-convert"]["seconds"]["median"] == 2
    assert large["first_run"] is None


@linux
def test_convert_prints_growth_and_phases(tiny):
    _, output, _ = tiny
    assert "### 1,000 generated rows, " in output
    assert "Phases of ooc-convert, median seconds: start " in output
    assert "### How ooc-convert grows with rows" in output
    assert re.search(r"^\| 2,000 \| .* \| 2\.00 \| ", output, re.MULTILINE)


@linux
def test_convert_takes_data_a_cap_and_an_environment_without_peers(tmp_path, capsys, monkeypatch):
    rows = "".join(f'"{k % 2 + 1}","","word{k % 3} term{k % 5} and text"\n' for k in range(60))
    for name in ("train.csv", "test.csv"):
        (tmp_path / name).write_text(rows)
    bare = tmp_path / "peers/sklearn/bin/python"
    bare.parent.mkdir(parents=True)
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    bare.chmod(0o755)
    monkeypatch.setattr(convert, "own_system", already_compiled(convert.own_system))
    monkeypatch.setattr(machine, "last_edit", itertools.count().__next__)
    data = [str(tmp_path / "train.csv"), str(tmp_path / "test.csv")]
    arguments = ["--data", *data, "--cap", "512MB", "--runs", "1"]
    arguments += ["--peer-environments", str(tmp_path / "peers")]
    out = tmp_path / "out"
    assert __main__.main(["convert", "--out", str(out), *arguments]) == 0
    output = capsys.readouterr().out
    assert "### Data given, 60 train and 60 test rows, 0 MB of CSV" in output
    assert re.search(r"scikit-learn, in memory \| 1 \| – .* not installed \(\w+ is not", output)
    record = json.loads((out / "convert.json").read_text("utf-8"))
    assert "--data train.csv test.csv" in record["command"]
    (run,) = record["results"][0]["systems"]["ooc-convert"]["runs"]
    assert run["report"]["memory_budget_bytes"] == 512_000_000
    assert record["notes"][-1] == study.EDITED
    if len(record["notes"]) == 1:  # the cap could be enforced
        assert run["cap_bytes"] == 512_000_000
        assert run["page_cache"] in {page_cache.COLD, page_cache.CANNOT_DROP}
    assert all(path.is_file() for path in map(Path, data))


@linux
def test_convert_measures_sequences_beside_the_guides_tokenizer(tmp_path, capsys, monkeypatch):
    run_in_process(monkeypatch)
    arguments = ["--features", "sequence", "--rows", "1000", "--runs", "1"]
    assert __main__.main(["convert", "--out", str(tmp_path), *arguments]) == 0
    assert "| the guide's tokenizer, in memory | " in capsys.readouterr().out
    (result,) = json.loads((tmp_path / "convert.json").read_text("utf-8"))["results"]
    assert list(result["systems"]) == ["ooc-convert", "the guide's tokenizer, in memory"]
    assert result["notes"] == []  # the same number of features on both sides
    for system in result["systems"].values():
        assert system["runs"][0]["outcome"] == "completed"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--data nothing.csv", "nothing.csv is not a file"),
        ("--data a.csv b.csv c.csv", "--data takes train.csv and test.csv, not 3 files"),
        ("--data a.csv --rows 5000", "--rows and --data exclude each other"),
        ("--rows 10", "'10' is not a number of rows, 1000 or more, or several with commas"),
        ("--rows 5000,many", "'5000,many' is not a number of rows"),
        ("--peers weka", "'weka' is not a peer; sklearn, guide or none"),
        ("--peers guide", "--peers guide does not make ngram features"),
        ("--runs 0", "'0' is not a number from 1"),
        ("--cap much", "'much' is not a size"),
    ],
)
def test_wrong_options_are_explained(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    try:
        status = __main__.main(["convert", *arguments.split()])
    except SystemExit as exit_:
        status = exit_.code
    assert status == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_too_little_disk_is_said_before_starting(tmp_path, capsys):
    arguments = ["--out", str(tmp_path / "out"), "--rows", "1_000_000_000_000"]
    assert __main__.main(["convert", *arguments]) == 1
    assert "GB are needed for a while; give a folder" in capsys.readouterr().err
    assert list((tmp_path / "out").iterdir()) == []


def test_generated_rows_are_deleted_after_use(tmp_path, monkeypatch):
    run_in_process(monkeypatch)
    with generated.rows(1000, tmp_path) as path:
        assert path.read_bytes().count(b"\n") == 1000
    assert list(tmp_path.iterdir()) == []


def test_the_peers_disagreement_is_noted():
    ours = {"rows": 10, "test_rows": 0, "n_features": 7}
    runs = {
        convert.OURS: [made_run(report=ours)],
        "other": [made_run(report={**ours, "n_features": 8})],
        "ended": [made_run(outcome=harness.KILLED)],
    }
    assert convert._disagreements(runs) == [
        "Not the same work: n_features: 7 with ooc-convert, 8 with other."
    ]


def test_a_cap_that_cannot_be_enforced_is_noted(tmp_path, monkeypatch):
    monkeypatch.setattr(cgroup, "_ROOT", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    cap, (note,) = harness.enforceable(512_000_000)
    assert cap is None
    assert note.startswith("Measured without the cap of 512 MB: no memory limit can be enforced")


@linux
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_benchmark_leaves_nothing(number, tmp_path):
    command = [sys.executable, "-m", "benchmarks", "convert", "--rows", "1000"]
    process = subprocess.Popen(
        [*command, "--out", str(tmp_path)], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    with process:
        measured = wait_for(lambda: measured_process(process.pid, "ooc_train.cli.convert"))
        process.send_signal(number)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}[number]
    assert "Traceback" not in errors
    assert list(tmp_path.iterdir()) == []
    assert not Path(f"/proc/{measured}").exists()


def measured_process(parent, word):
    """A child whose command line has a word."""
    for thread in Path(f"/proc/{parent}/task").iterdir():
        for child in (thread / "children").read_text().split():
            if word.encode() in Path(f"/proc/{child}/cmdline").read_bytes():
                return int(child)
    return None


def wait_for(condition):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    raise TimeoutError
