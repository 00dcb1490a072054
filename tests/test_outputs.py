"""No command destroys what exists: each of its outputs, over all that can be in its place."""

import importlib
import os
import stat
import sys
from pathlib import Path

import pytest

import ooc_train
from ooc_train.errors import OutputError
from ooc_train.outputs import check_outputs
from tests.files import write_toy

OUTPUTS = {
    "convert -o": ["train.csv", "-o", "OUT"],
    "convert --rejects": ["train.csv", "-o", "new.h5", "--rejects", "OUT"],
    "convert --report": ["train.csv", "-o", "new.h5", "--report", "OUT"],
    "inspect --plot": ["data.h5", "--plot", "OUT"],
    "inspect --report": ["data.h5", "--report", "OUT"],
    "inspect --verify": ["data.h5", "--verify", "--report", "OUT"],
    "train --report": ["data.h5", "-o", "new", "--report", "OUT"],
    "train --grid": ["data.h5", "-o", "new", "--grid", "units=1", "--report", "OUT"],
    "evaluate --html": ["run", "data.h5", "--html", "OUT"],
    "evaluate --report": ["run", "data.h5", "--report", "OUT"],
    "predict -o": ["run", "--input", "train.csv", "-o", "OUT"],
    "predict --report": ["run", "--input", "train.csv", "--report", "OUT"],
}
"""The command lines; ``OUT`` stands for the output that is tried."""
INPUTS = {
    "convert": {
        "train.csv": [],
        "classes.txt": [],
        "one.csv": ["--test", "on*.csv"],
        "texts/a/1.txt": ["--validation", "texts"],
        "data.h5": ["--vectorizer", "data.h5"],
        "names.txt": ["--classes", "names.txt"],
        "labels.npy": ["--labels", "labels.npy"],
    },
    "inspect": {"data.h5": []},
    "train": {"data.h5": [], "vectors.txt": ["--embeddings", "vectors.txt"]},
    "evaluate": {"data.h5": [], "run/model.keras": [], "run/checkpoints/step-1": []},
    "predict": {"train.csv": [], "run/vectorizer.h5": [], "run/settings.json": []},
}
"""Files that each command reads, and the arguments that make it read them."""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The current folder, with all files that the command lines name."""
    monkeypatch.chdir(tmp_path)
    write_toy(tmp_path / "data.h5", train=20, test=20)
    for names in ("texts/a", "texts/b", "run/checkpoints"):
        Path(names).mkdir(parents=True)
    for name in {name for read in INPUTS.values() for name in read} - {"data.h5"}:
        Path(name).write_text("1,some words\n2,other words\n")
    Path("texts/b/1.txt").touch()
    Path("precious").write_text("precious")
    return tmp_path


def content(folder):
    """All paths below a folder, and what is there."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else path.stat().st_mode
        for path in sorted(folder.rglob("*"))
    }


def refused(case, output, capsys, *more, match):
    """Run a command, which must refuse its output and leave everything as it is."""
    before = content(Path.cwd())
    arguments = [output if text == "OUT" else text for text in OUTPUTS[case]]
    main = importlib.import_module(f"ooc_train.cli.{case.split()[0]}").main
    assert main([*arguments, *more]) == 1
    said = capsys.readouterr().err.removeprefix("starting ...\n")
    assert match in said
    assert said.count("\n") == 1
    assert content(Path.cwd()) == before


@pytest.mark.parametrize("case", OUTPUTS)
class TestEveryOutput:
    def test_what_exists_needs_force(self, case, here, capsys):
        Path("link").symlink_to("precious")
        for output in ("precious", "link"):
            refused(case, output, capsys, match=f"{output} exists; give --force")

    def test_no_input_is_replaced_whatever_its_name(self, case, here, capsys):
        for name, more in INPUTS[case.split()[0]].items():
            os.link(name, "hard")
            Path("link").symlink_to(name)
            for output in (name, "hard", "link", f"texts/../{name}", str(here / name)):
                for force in ([], ["--force"]):
                    refused(case, output, capsys, *more, *force, match="is also the input")
            Path("hard").unlink()
            Path("link").unlink()

    def test_what_is_no_file_is_not_replaced(self, case, here, capsys):
        os.mkfifo("pipe")
        for output in ("pipe", "/dev/null", "/dev/stdout"):
            refused(case, output, capsys, "--force", match="since it is a device or a pipe")
        refused(case, "texts", capsys, "--force", match="is a folder; name the file")
        refused(case, "none/out", capsys, "--force", match="none does not exist; make it")

    def test_no_output_is_another_one(self, case, here, capsys):
        if "--report" in OUTPUTS[case]:
            others = {"convert": "new.h5", "inspect": "plot.png", "evaluate": "a.html",
                      "predict": "p.csv"}  # fmt: skip
            flags = {"inspect": "--plot", "evaluate": "--html", "predict": "-o"}
            command = case.split()[0]
            if command in others:
                more = [flags[command], others[command]] if command in flags else []
                refused(case, others[command], capsys, *more, match="the report, is also")
        else:
            refused(case, "new", capsys, "--report", "./new", match="the report, is also")


def test_the_list_of_rejected_rows_is_an_output_also_by_its_usual_name(here, capsys):
    Path("out.rejected.csv").touch()
    refused("convert -o", "out", capsys, match="out.rejected.csv exists; give --force")
    more = ("--report", "out.rejected.csv", "--force")
    refused("convert -o", "out", capsys, *more, match="is also the list of rejected rows")


def test_standard_input_may_be_a_file(here, capsys, monkeypatch):
    with Path("train.csv").open() as file:
        monkeypatch.setattr(sys, "stdin", file)
        arguments = ["run", "-o", "train.csv", "--force"]
        monkeypatch.setitem(OUTPUTS, "predict stdin", arguments)
        refused("predict stdin", "", capsys, match="is also the input /dev/fd/")


def test_nothing_of_the_user_lies_in_a_run_folder_that_is_replaced(here, capsys):
    for name, more in {
        "run/r.json": [],
        "fresh": ["-o", "fresh"],
        "new/r.json": ["-o", "new"],
    }.items():
        Path("new").mkdir(exist_ok=True)
        arguments = ["-o", "run", *more, "--force"]
        refused("train --report", name, capsys, *arguments, match="which is written as a whole")
    Path("data.h5").rename("run/data.h5")
    with pytest.raises(OutputError, match="the input, lies in run"):
        ooc_train.train("run/data.h5", "run", force=True)


def test_the_table_of_a_grid(here, capsys, monkeypatch):
    Path("grids").mkdir()
    Path("grids/grid.csv").touch()
    grid = ["data.h5", "-o", "grids", "--grid", "units=1"]
    monkeypatch.setitem(OUTPUTS, "train table", grid)
    refused("train table", "", capsys, match="grid.csv exists, the table of another grid")
    report = ["--report", "grids/grid.csv", "--force"]
    refused("train table", "", capsys, *report, match="is also the input")
    report[1] = "grids/units=1/r.json"
    Path("grids/units=1").mkdir()
    refused("train table", "", capsys, *report, match="which is written as a whole")


def test_resuming_replaces_no_report(here, capsys):
    refused("train --report", "precious", capsys, "--resume", match="exists; give another name")


def test_with_force_the_old_file_stays_until_the_new_one_is_complete(here, capsys, monkeypatch):
    main = importlib.import_module("ooc_train.cli.inspect").main
    Path("r.json").write_text("old")
    Path("r.json").chmod(0o600)
    Path("link").symlink_to("r.json")
    arguments = ["data.h5", "--verify", "--report", "link", "--force"]
    with monkeypatch.context() as patch:
        patch.setattr("ooc_train.cli.command.as_json", lambda _: 1 / 0)
        assert main(arguments) == 1
    assert Path("r.json").read_text() == "old"
    assert main(arguments) == 0
    assert Path("r.json").read_text().startswith("{")
    assert stat.S_IMODE(Path("r.json").stat().st_mode) == 0o600
    assert Path("link").is_symlink()
    assert not list(here.glob(".*"))


class TestCheckOutputs:
    def refused(self, match: str, outputs: dict[str, Path], *inputs: Path, force: bool = True):
        with pytest.raises(OutputError, match=match):
            check_outputs(outputs, inputs, force=force)

    def test_new_files_pass(self, tmp_path):
        check_outputs({"one": tmp_path / "a", "two": tmp_path / "b", "three": None}, force=False)

    def test_an_existing_file_needs_force(self, tmp_path):
        (tmp_path / "a").touch()
        self.refused("exists; give --force", {"one": tmp_path / "a"}, force=False)
        check_outputs({"one": tmp_path / "a"}, force=True)

    @pytest.mark.parametrize("spelled", ["a", "./a", "link", "hard", "sub/../a"])
    def test_no_output_is_an_input(self, tmp_path, monkeypatch, spelled):
        monkeypatch.chdir(tmp_path)
        Path("a").touch()
        Path("sub").mkdir()
        Path("link").symlink_to("a")
        os.link("a", "hard")
        self.refused("also the input", {"the report": Path(spelled)}, tmp_path / "a")

    def test_no_output_is_another_output(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        Path("link").symlink_to(tmp_path)
        Path("dangling").symlink_to("a")
        for name in ("a", "link/a", "dangling"):
            self.refused(
                "the page, is also the report",
                {"the report": Path(name), "the page": tmp_path / "a"},
            )

    def test_devices_and_pipes_are_never_replaced(self, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        for path in (tmp_path / "pipe", Path("/dev/null"), Path("/dev/stdout"), Path("/dev/fd/1")):
            self.refused("device or a pipe", {"one": path})

    def test_folders(self, tmp_path):
        self.refused("one, is a folder; name the file", {"one": tmp_path})
        self.refused("does not exist", {"one": tmp_path / "none" / "a"})

    def test_names_that_no_file_can_have(self, tmp_path):
        (tmp_path / "loop").symlink_to("loop")
        (tmp_path / "file").touch()
        self.refused("one, cannot be written: Too many levels", {"one": tmp_path / "loop"})
        self.refused("one, cannot be written: File name too long", {"one": tmp_path / ("a" * 256)})
        self.refused("one, cannot be written: Not a directory", {"one": tmp_path / "file" / "a"})

    @pytest.mark.parametrize("spelled", ["run/a", "run", "elsewhere", "run/link"])
    def test_nothing_lies_in_a_folder_that_is_written_as_a_whole(
        self, tmp_path, monkeypatch, spelled
    ):
        monkeypatch.chdir(tmp_path)
        Path("run").mkdir()
        Path("run/link").symlink_to("../target")
        Path("elsewhere").symlink_to("run/target")
        path = Path(spelled)
        if spelled != "run":
            with pytest.raises(OutputError, match="the report, lies in"):
                check_outputs({"the report": path}, folders=[tmp_path / "run"], force=True)
        with pytest.raises(OutputError, match="the input, lies in"):
            check_outputs({}, [path], folders=[tmp_path / "run"], force=True)
