"""Items made ahead: in order, with the errors in their places, and no thread left behind."""

import threading
import time

import pytest

from ooc_train.training.steps.prefetch import Prefetch


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    yield
    assert not [thread for thread in threading.enumerate() if thread.name == "prefetch"]


def numbers(n, made=None, closed=None):
    """0 to n - 1; what was made so far, and that it was closed, is written into the lists."""
    try:
        for i in range(n):
            if made is not None:
                made.append(i)
            yield i
    finally:
        if closed is not None:
            closed.append(True)


@pytest.mark.parametrize("depth", [1, 2, 50])
@pytest.mark.parametrize("n", [0, 1, 10])
def test_all_items_come_in_order(n, depth):
    with Prefetch(numbers(n), depth) as items:
        assert list(items) == list(range(n))


def test_it_works_ahead_so_far_and_no_farther():
    made = []
    with Prefetch(numbers(100, made), depth=3) as items:
        assert next(iter(items)) == 0
        deadline = time.monotonic() + 5
        while len(made) < 5 and time.monotonic() < deadline:  # one used, three ready, one in hand
            time.sleep(0.001)
        time.sleep(0.02)
        assert made == [0, 1, 2, 3, 4]


def test_an_error_comes_after_the_items_before_it():
    def failing():
        yield 1
        yield 2
        raise ValueError("the third")

    with Prefetch(failing(), depth=5) as prefetch:
        items = iter(prefetch)
        assert [next(items), next(items)] == [1, 2]
        with pytest.raises(ValueError, match="the third"):
            next(items)


@pytest.mark.parametrize("depth", [1, 4])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_the_thread_ends_where_its_user_fails(error, depth):
    closed = []

    def use():
        with Prefetch(numbers(10**9, closed=closed), depth) as items:
            for item in items:
                if item == 7:
                    raise error

    with pytest.raises(error):
        use()
    assert closed == [True]


def test_only_waiting_is_measured():
    def slow():
        for i in range(3):
            time.sleep(0.02)
            yield i

    with Prefetch(slow(), depth=1) as items:
        list(items)
    assert items.seconds_waited > 0.03

    made = []
    with Prefetch(numbers(3, made), depth=3) as items:
        while len(made) < 3:
            time.sleep(0.001)
        for _ in items:
            time.sleep(0.05)
    assert items.seconds_waited < 0.15
