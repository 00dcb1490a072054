"""The environments of the other systems."""

import subprocess

import pytest

from benchmarks import __main__
from benchmarks.measure import harness, peer_environments
from benchmarks.measure.harness import System
from tests.benchmarks.runs import check_what_is_written, linux

TINY = ["peers", "--peer-environments", "PEERS", "--only", "h5py"]


@linux
def test_it_prints_what_it_writes(tiny):
    check_what_is_written(tiny, "peers")


def test_an_environment_is_made_once_and_again_when_it_needs_something_else(tmp_path, monkeypatch):
    calls, answers = [], {"pip list": '[{"name": "Weka", "version": "3.9"}]'}

    def call(command):
        calls.append(" ".join(command[1:]))
        output = next((text for words, text in answers.items() if words in calls[-1]), "")
        return subprocess.CompletedProcess(command, 0, output, "")

    monkeypatch.setattr(peer_environments, "_call", call)
    monkeypatch.setitem(peer_environments.GROUPS, "h5py", ("weka>=3", "numpy<2", "lapack==4"))
    for _ in range(2):
        record = peer_environments.make(tmp_path / "h5py", "h5py")
        assert record["message"] == "weka 3.9, numpy , lapack "
    assert calls == [
        f"-m venv --clear {tmp_path}/h5py",
        "-m pip install --quiet weka>=3 numpy<2 lapack==4",
        "-m pip list --format json",
    ]
    monkeypatch.setitem(peer_environments.GROUPS, "h5py", ("weka>=4",))
    peer_environments.make(tmp_path / "h5py", "h5py")
    assert len(calls) == 6


def test_what_pip_could_not_install_is_said_by_every_benchmark(tmp_path, monkeypatch, capsys):
    def call(command):
        error = "ERROR: No matching distribution found for h5py>=99\n\nhint: see above\n"
        return subprocess.CompletedProcess(command, "pip" in command, "", error)

    monkeypatch.setattr(peer_environments, "_call", call)
    places = ["--peer-environments", str(tmp_path), "--out", str(tmp_path / "out")]
    assert __main__.main(["peers", *places, "--only", "h5py"]) == 1
    line = "| h5py | failed | ERROR: No matching distribution found for h5py>=99 |"
    assert line in capsys.readouterr().out
    for group, message in {
        "h5py": "the installation failed: ERROR: No matching distribution found for h5py>=99",
        "anndata": "no environment 'anndata'; python -m benchmarks peers makes it",
    }.items():
        command = peer_environments.peer_command(tmp_path, group, "guide_tokenizer", "a.csv")
        system = System(name="A", command=command)
        run = harness.run_once(system, tmp_path, cold=False)
        assert (run.outcome, run.message) == (harness.NOT_INSTALLED, message)


def test_peers_need_a_folder(tmp_path, capsys):
    assert __main__.main(["peers", "--out", str(tmp_path)]) == 2
    assert "--peer-environments DIR" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        __main__.main(["peers", "--only", "weka"])
    assert "'weka' is none of: anndata, " in capsys.readouterr().err
