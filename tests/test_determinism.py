"""The same bytes and weights under some conditions of `determinism`; others are in other tests.

`test_unchanged` has workers and memory, `conversion/test_executors` processes for threads, and
`training/test_resume` interruptions of trainings of all kinds at many steps.
"""

import pytest

from tests import determinism
from tests.determinism import Conditions, drawn, made, made_elsewhere, write_inputs


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    write_inputs(folder)
    return folder


@pytest.fixture(scope="module")
def expected(inputs):
    return made(inputs, Conditions(), ("ngram",))


@pytest.mark.slow
@pytest.mark.parametrize(("number", "trained"), [(1, ()), (2, ("ngram",))])
def test_conditions_of_a_process_change_nothing(inputs, expected, number, trained):
    found = made_elsewhere(inputs, drawn(number), trained)
    assert found.items() <= expected.items()
    assert len(found) == len(determinism.CONVERSIONS) + len(trained)


def test_a_change_would_be_seen(inputs, expected, monkeypatch):
    source, options = determinism.CONVERSIONS["dense"]
    monkeypatch.setitem(determinism.CONVERSIONS, "dense", (source, options | {"seed": 1}))
    found = made(inputs, Conditions(), ())
    assert [kind for kind in found if found[kind] != expected[kind]] == ["dense"]


def test_the_conditions_are_those_of_the_product():
    conditions = [drawn(number) for number in range(200)]
    for name in Conditions.__dataclass_fields__:
        assert len({getattr(one, name) for one in conditions}) > 1
