"""Trainings killed and resumed."""

import sys

from benchmarks import __main__
from benchmarks.studies import resume
from tests.benchmarks.runs import check_what_is_written, linux

TINY = [
    "resume",
    "--data", "TOY.h5", "--kills", "1",
    "--variants", "ooc-train --epochs 3 --batch-size 8 --embedding-dimension 4",
]  # fmt: skip


@linux
def test_it_prints_what_it_writes(tiny):
    check_what_is_written(tiny, "resume")


FORGETFUL = """
import argparse, csv, io, json, sys, time, zipfile
from pathlib import Path
import h5py

parser = argparse.ArgumentParser()
parser.add_argument("-o", type=Path)
parser.add_argument("--report", type=Path)
parser.add_argument("--forgets", action="store_true")
given, _ = parser.parse_known_args()
given.o.mkdir(exist_ok=True)
state = given.o / "state"
done = json.loads(state.read_text()) if "--resume" in sys.argv else []
(given.o / "checkpoints").mkdir(exist_ok=True)
weight = 0 if given.forgets else sum(done)
for step in range(len(done), 60):
    time.sleep(0.005)  # longer than the report says, so that it is killed before its end
    done.append(step)
    weight += step
    (given.o / "part").write_text(json.dumps(done))
    (given.o / "part").replace(state)
    (given.o / "checkpoints" / f"step-{len(done):09}").touch()
content = io.BytesIO()
with h5py.File(content, "w") as file:
    file["a/b"] = weight
with zipfile.ZipFile(given.o / "model.keras", "w") as archive:
    archive.writestr("model.weights.h5", content.getvalue())
(given.o / "history.csv").write_text(f"epoch,seconds,loss\\n1,{time.time()},{len(done)}\\n")
report = {
    "epochs": [{"seconds": 0.15}], "sessions": 2, "steps": len(done), "checkpoint_seconds": 0.25
}
for path in (given.o / "report.json", given.report):
    if path:
        path.write_text(json.dumps(report))
"""
"""A training that saves every step; the weights of killed ones are wrong if it forgets them."""


@linux
def test_resume_tells_trainings_that_end_in_another_way(tmp_path, monkeypatch, capsys):
    fake = tmp_path / "fake.py"
    fake.write_text(FORGETFUL)
    (tmp_path / "data.h5").touch()
    monkeypatch.setattr(resume, "TRAIN", [sys.executable, str(fake)])
    variants = ["--variants", "ooc-train", "ooc-train --forgets"]
    arguments = ["--data", str(tmp_path / "data.h5"), "--kills", "2", "--runs", "1", "--cost"]
    assert __main__.main(["resume", "--out", str(tmp_path / "out"), *arguments, *variants]) == 1
    output = capsys.readouterr().out
    assert "| ooc-train | 2 | 2 | 60 | the same | the same |" in output
    assert "| ooc-train --forgets | 2 | 2 | 60 | DIFFERENT | the same |" in output
    assert "| ooc-train | every 1s | 0.15 | 1.00 | 0.250 |" in output
    assert "| ooc-train | none | 0.15 | – | 0.250 |" in output


def test_resume_explains_wrong_options(tmp_path, capsys):
    out = ["resume", "--out", str(tmp_path)]
    assert __main__.main([*out, "--variants", "--epochs 2"]) == 2
    assert __main__.main([*out, "--data", str(tmp_path / "none.h5")]) == 2
    error = capsys.readouterr().err
    assert "--variants have to begin with ooc-train" in error
    assert "none.h5 is not a file" in error
