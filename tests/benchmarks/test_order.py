"""The order of rows, beside a true shuffle."""

from tests.benchmarks.runs import check_what_is_written, linux

TINY = ["order", "--rows", "20000"]


@linux
def test_it_prints_what_it_writes(tiny):
    check_what_is_written(tiny, "order")
