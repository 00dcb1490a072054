"""Training from a URL."""

from benchmarks.studies import remote
from tests.benchmarks.runs import check_what_is_written, linux, made_run

TINY = ["remote", "--data", "TOY.h5", "--runs", "1", "--epochs", "1", "--delays", "0.05"]


@linux
def test_it_prints_what_it_writes(tiny):
    check_what_is_written(tiny, "remote")


def test_the_target_is_a_share_of_the_disks_rows():
    def runs(*rates):
        return [made_run(report={"epochs": [{"rows_per_second": 1}, {"rows_per_second": rate}]})
                for rate in rates]  # fmt: skip

    at = remote._at("0.05")
    (target,) = remote._targets({remote.LOCAL: runs(100, 200), at: runs(40, 120)})
    assert target.measured == 0.5
    assert target.is_met
    (target,) = remote._targets({remote.LOCAL: runs(100), at: runs(49)})
    assert not target.is_met
    assert remote._targets({remote.LOCAL: runs(100)}) == []
