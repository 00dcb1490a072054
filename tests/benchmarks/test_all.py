"""All benchmarks, one after another."""

import json

from benchmarks import __main__
from benchmarks.studies import all as all_study
from tests.benchmarks.runs import check_what_is_written, linux

TINY = ["all", "--peers", "none", "--runs", "1"]


@linux
def test_it_prints_what_it_writes(tiny):
    check_what_is_written(tiny, "all")


@linux
def test_all_runs_every_benchmark_and_gathers_targets(tiny):
    _, output, out = tiny
    record = json.loads((out / "all.json").read_text("utf-8"))
    (run,) = record["runs"]
    assert (run["benchmark"], run["status"]) == ("order --rows 9999", 0)
    assert "| 9,999 rows" not in output
    assert json.loads((out / "orders" / "order.json").read_text("utf-8"))["rows"] == 9999
    assert "- order --rows 9999: status 0, " in output


def test_all_passes_its_options_on(tmp_path, monkeypatch):
    given = __main__._parser().parse_args(
        ["all", "--quick", "--cold", "--peers", "none", "--peer-environments", str(tmp_path)]
    )
    given.out, given.work = tmp_path / "out", tmp_path
    arguments = all_study._arguments("memory", "sub", given)
    places = ["--out", str(tmp_path / "out/sub"), "--work", str(tmp_path)]
    environments = ["--peer-environments", str(tmp_path)]
    more = ["--cold", "--quick", "--features", "dense", "--peers", "none"]
    assert arguments == [*places, "--runs", "1", *environments, *more]
    assert "--check" not in all_study._arguments("fit", "", given)
    for name, folder, options in all_study.RUNS:
        words = [name, *all_study._arguments(name, folder, given), *options]
        __main__._parser().parse_args(words)  # each takes them
    given.quick = False
    assert all_study._arguments("fit", "", given)[-1] == "--check"
    assert {name for name, _, _ in all_study.RUNS} <= {*__main__.COMMANDS}
