"""Results on the way into the READMEs: tables and plots."""

import sys

import pytest

from benchmarks import __main__
from benchmarks.report import plots, results, targets
from ooc_train.errors import InputError


def test_readmes_get_what_the_results_say(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(plots, "PLOTS", {})
    readme = tmp_path / "README.md"
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks/README.md").write_text("nothing marked\n")
    marked = "before\n<!-- benchmarks: {} -->\nold\n<!-- benchmarks: end -->\nafter\n"
    names = ["end-to-end", "sub/read, table 2", "targets", "absent"]
    readme.write_text("".join(marked.format(name) for name in names))
    table = "| a |\n| --- |"
    markdown = f"## read\n\n`command`\n\n### Rows\n\n{table}\n\ntext\n\n{table.replace('a', 'b')}"
    found = [
        targets.record(targets.Target(text="speed", measured=0.5, at_least=0.8)),
        targets.record(targets.Target(text="memory", measured=None, at_most=60)),
    ]
    record = {"benchmark": "read", "command": "python -m benchmarks read", "targets": found}
    out = tmp_path / "out"
    results.write(out, "end-to-end", record, markdown)
    results.write(out / "sub", "read", {**record, "targets": found[:1]}, markdown)
    arguments = ["publish", "--out", str(out), "--root", str(tmp_path)]
    for printed in ("README.md\n", ""):  # the second time there is nothing to do
        assert __main__.main(arguments) == 0
        assert capsys.readouterr().out == printed
    whole, second, gathered, absent = readme.read_text().split("before\n")[1:]
    assert "\n`command`\n\n##### Rows\n\n| a |\n" in whole
    assert "## read" not in whole
    assert second.splitlines()[1:6] == ["", "    python -m benchmarks read", "", "| b |", "| --- |"]
    assert "| end-to-end | speed | at least 0.8 | 0.500 | missed |" in gathered
    assert "| sub/read | speed | at least 0.8 | 0.500 | missed |" in gathered
    assert "| end-to-end | memory | at most 60 | – | not measured |" in gathered
    assert "\nold\n" in absent
    readme.write_text(marked.format("end-to-end, table 3"))
    assert __main__.main(arguments) == 1
    assert "end-to-end.md has 2 tables, and no table 3" in capsys.readouterr().err


def test_targets_without_a_new_figure_stay(tmp_path):
    def table(before, **figures):
        made = [targets.Target(text=t, measured=m, at_least=1) for t, m in figures.items()]
        results.write(tmp_path, "b", {"targets": [*map(targets.record, made)]}, "")
        return targets.gathered_table(tmp_path, before)

    before = table("", speed=2.0, memory=3.0)
    other = "| a | size | at least 1 | 5.000 | met |"
    header, line = before.split("\n", 2)[:2]
    merged = table("\n".join([*before.splitlines(), other]), memory=None, speed=0.5, new=None)
    assert merged.splitlines() == [
        header,
        line,
        other,
        "| b | speed | at least 1 | 0.500 | missed |",
        "| b | memory | at least 1 | 3.000 | met |",
        "| b | new | at least 1 | – | not measured |",
    ]


def test_plots_are_drawn_from_results(tmp_path):
    pytest.importorskip("matplotlib")
    timeline = {"seconds": [0.1, 2.0], "anon_bytes": [1e8, 2e8]}

    def case(system, rows, outcome):
        memory = {"anon_bytes": 2e8, "timeline": timeline}
        run = {"cap_bytes": 5e8, "outcome": outcome, "memory": memory}
        return {
            "stage": "read", "features": "dense", "system": system, "rows": rows,
            "input_bytes": rows * 1000, "run": run,
        }  # fmt: skip

    cases = [
        case("ooc-train", 1000, "completed"), case("ooc-train", 4000, "completed"),
        case("in memory", 1000, "killed"),
    ]  # fmt: skip
    spread = {"median": 5.0, "least": 4.0, "most": 6.0}
    speeds = {name: {"rows_per_second": spread} for name in ("ooc-train, shuffled", "h5py")}
    warm = {"title": "rows", "page_cache": {"warm": {**speeds, "other": {"rows_per_second": None}}}}
    system = {"accuracy": spread, "seconds_to_model": spread}
    files = {
        "memory": {"cap_bytes": 5e8, "cases": cases},
        "read": {"results": [warm]},
        "end-to-end": {"title": "rows", "systems": {"ours": system, "dead": {"accuracy": None}}},
    }
    for name, record in files.items():
        results.write(tmp_path, name, record, "")
    drawn = plots.draw(tmp_path, tmp_path / "plots")
    assert [path.stem for path in drawn] == list(plots.PLOTS)
    texts = {path.stem: path.read_text("utf-8") for path in drawn}
    assert all(text.startswith("<?xml") for text in texts.values())
    assert "in memory (read, dense), 0.0 × cap, killed" in texts["memory-over-time"]
    assert ">h5py</text>" in texts["rows-per-second"]
    assert ">dead</text>" not in texts["time-and-accuracy"]
    again = plots.draw(tmp_path, tmp_path / "again")
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in drawn]


def test_plots_without_matplotlib_say_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(InputError, match=r"plots need matplotlib: pip install"):
        plots.draw(tmp_path, tmp_path)
