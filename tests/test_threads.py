"""Threads where the system grants few, which a patched system stands for."""

import threading

import pytest

from ooc_train.errors import BudgetError
from ooc_train.memory import MemoryMonitor
from ooc_train.threads import ThreadPool, can_start
from ooc_train.training.models import backend
from ooc_train.training.steps.prefetch import Prefetch


@pytest.fixture
def granted(monkeypatch):
    """Grant a number of threads, of all that start from then on."""

    def grant(n):
        started, start = [], threading.Thread.start

        def limited(thread):
            if sum(other.is_alive() for other in started) >= n:
                raise RuntimeError("can't start new thread")
            started.append(thread)
            start(thread)

        monkeypatch.setattr(threading.Thread, "start", limited)

    return grant


def test_a_pool_does_with_fewer_threads(granted):
    granted(2)
    with ThreadPool(8) as pool:
        assert [future.result() for future in [pool.submit(pow, 2, n) for n in range(50)]] == [
            2**n for n in range(50)
        ]


def test_without_any_thread_the_remedy_is_said(granted):
    granted(0)
    with ThreadPool(8) as pool, pytest.raises(BudgetError, match=r"ulimit -u.*pids limit"):
        pool.submit(pow, 2, 2)
    with pytest.raises(BudgetError, match="too few threads"), Prefetch(iter(()), 1):
        pass
    with MemoryMonitor() as memory:
        assert (memory.peak_rss_bytes or 1) > 0


def test_tensorflow_which_would_end_the_process_is_not_loaded(granted, monkeypatch):
    monkeypatch.delitem(vars(backend), "keras", raising=False)
    granted(3)
    assert [can_start(3), can_start(4)] == [True, False]
    with pytest.raises(BudgetError, match="TensorFlow cannot start: the system grants"):
        backend.load()
    assert threading.active_count() < 10
