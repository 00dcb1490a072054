"""Phases with numbers and the time left of the whole; bars in a terminal and in a notebook."""

import builtins
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tqdm import tqdm

from ooc_train import bars, progress
from ooc_train.bars import Bars, usual_progress
from ooc_train.progress import Numbered, Silent, Stopwatch


class Noted(Silent):
    def __init__(self):
        self.phases, self.texts, self.messages = [], [], []

    def start(self, phase, total, unit):
        self.phases.append(phase)

    def show(self, text):
        self.texts.append(text)

    def message(self, text):
        self.messages.append(text)


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until a test moves it."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now[0])
    return now


def test_phases_have_numbers_and_the_time_left_of_all(clock):
    inner = Noted()
    numbered = Numbered(inner)
    numbered.start("compiling", None, "")
    numbered.show("once")
    numbered.expect({"reading": 30, "writing": 10})
    numbered.start("reading", 100, "row")
    clock[0] += 30
    numbered.show("50 rows")
    numbered.advance(50)
    numbered.start("writing", 10, "row")
    clock[0] += 30
    numbered.advance(0)
    numbered.start("drawing", None, "")
    assert inner.phases == [
        "compiling", "1 of 2: reading", "2 of 2: writing", "drawing"
    ]  # fmt: skip
    assert inner.texts == ["once", "50 rows", "50 rows, 0:50 left in all", "0:20 left in all"]
    assert inner.messages == []  # nothing takes more than a minute


def test_what_takes_long_is_said_once(clock):
    inner = Noted()
    numbered = Numbered(inner)
    numbered.expect({"reading": 1, "writing": 1})
    numbered.start("reading", 100, "row")
    for _ in range(3):
        clock[0] += 60
        numbered.advance(10)
    assert inner.messages == ["all will take about 20 minutes"]


@given(
    shares=st.dictionaries(st.text(min_size=1), st.floats(0.1, 100), min_size=1, max_size=6),
    totals=st.lists(st.one_of(st.none(), st.integers(1, 10**12)), min_size=6, max_size=6),
    amounts=st.lists(st.integers(0, 10**12), max_size=5),
)
def test_the_time_left_is_never_below_zero(shares, totals, amounts):
    """Also where phases are repeated, unknown, or longer than was said."""
    inner = Noted()
    numbered = Numbered(inner)
    numbered.expect(shares)
    numbered._began -= 1000
    for phase, total in zip([*shares, "another", next(iter(shares))], totals, strict=False):
        numbered.start(phase, total, "row")
        for amount in amounts:
            numbered._shown -= 1
            numbered.advance(amount)
    assert all("-" not in text for text in inner.texts)


def test_a_stopwatch_keeps_the_names_of_phases():
    inner = Noted()
    watch = Stopwatch(Numbered(inner))
    watch.start("compiling", None, "")
    watch.expect({"reading": 1, "writing": 1})
    watch.expect({"writing": 1})
    watch.start("writing", 1, "row")
    watch.finish()
    assert inner.phases == ["compiling", "1 of 1: writing"]
    assert {"compiling", "writing"} <= watch.phases.keys()


def test_a_programs_own_progress_need_not_expect_phases():
    class Own:
        def start(self, phase, total, unit):
            self.phase = phase

    own = Own()
    watch = Stopwatch(own)
    watch.expect({"reading": 1})
    watch.start("reading", 1, "row")
    assert own.phase == "reading"


# ---- Bars


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


@pytest.mark.parametrize(("columns", "has_bar"), [(80, False), (120, True)])
def test_eighty_columns_suffice(columns, has_bar):
    terminal = Terminal()

    def make(**options):
        return tqdm(
            **options | {"file": terminal, "dynamic_ncols": False, "ncols": columns, "delay": 0}
        )

    shown = Bars(make, lambda _: None)
    shown.start("2 of 5: counting", 1000, "row")
    shown._bar.mininterval = 0
    shown.show("500 rows, 88,144 rows/s, 1:20 left in all")
    shown.advance(500)
    line = terminal.getvalue().split("\r")[-1]
    assert len(line) <= columns
    assert ("█" in line) == has_bar
    assert "2 of 5: counting: 50%" in line
    assert "1:20 left in all" in line
    shown.finish()
    assert terminal.getvalue().split("\r")[-1].strip() == ""


def test_a_phase_that_never_advances_is_shown_at_once():
    terminal = Terminal()
    shown = Bars(lambda **options: tqdm(**options | {"file": terminal}), lambda _: None)
    shown.start("loading TensorFlow", None, "")
    assert "loading TensorFlow ..." in terminal.getvalue()
    shown.finish()


def test_notebooks_have_bars_and_other_programs_have_none(monkeypatch):
    assert isinstance(usual_progress(), Silent)
    shell = type("ZMQInteractiveShell", (), {})()
    monkeypatch.setattr(builtins, "get_ipython", lambda: shell, raising=False)
    assert isinstance(usual_progress()._inner, Bars)
    assert bars._is_notebook()
