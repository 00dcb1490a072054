"""What is converted, trained and predicted is what it was when ``unchanged.json`` was recorded.

A failure here is a change that users see.  If it is meant, `unchanged` says how to record anew.
"""

import math

import pytest

from ooc_train.cli import convert as convert_command
from tests import unchanged
from tests.unchanged import CONVERSIONS, ORDERS, RESOURCES, SAME_WHATEVER, TRAININGS

RECORD = unchanged.read_record()


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    return unchanged.Workshop(tmp_path_factory.mktemp("unchanged"))


@pytest.mark.parametrize("name", CONVERSIONS)
def test_a_conversion_makes_the_file_that_it_made(workshop, name):
    found, expected = unchanged.conversion_made(workshop, name), RECORD["conversions"][name]
    if unchanged.file_versions() != RECORD["file versions"]:
        found, expected = found | {"file": None}, expected | {"file": None}
    assert found == expected


@pytest.mark.parametrize("resources", RESOURCES)
@pytest.mark.parametrize("name", SAME_WHATEVER)
def test_resources_do_not_change_a_byte(workshop, name, resources):
    again = workshop.convert_again(name, resources)
    assert again.read_bytes() == workshop.made(name).read_bytes()


def test_the_command_makes_the_same_file_as_the_function(workshop):
    output = workshop.folder / "again" / "command.h5"
    arguments = [workshop.folder / "train.csv", "-o", output, "--features", "ngram", "--quiet"]
    more = ["--analyzer", "char", "--ngrams", "3,3"]
    assert convert_command.main([*map(str, arguments), *more]) == 0
    assert output.read_bytes() == workshop.made("ngram, three characters").read_bytes()


@pytest.mark.parametrize("name", ORDERS)
def test_rows_are_read_in_the_order_that_they_were(workshop, name):
    assert unchanged.order_made(workshop, name) == RECORD["orders"][name]


@pytest.mark.parametrize("name", ORDERS)
def test_an_inspection_finds_what_it_found(workshop, name):
    assert unchanged.inspection_made(workshop, name) == RECORD["inspections"][name]


@pytest.mark.parametrize("name", TRAININGS)
def test_a_training_ends_with_the_weights_that_it_ended_with(workshop, name):
    found, expected = unchanged.training_made(workshop, name), RECORD["trainings"][name]
    if is_as_recorded():
        assert found == expected
        return
    bounds = [size for _, size in expected["sums"]]
    for (total, size), (expected_total, _), bound in zip(
        found.pop("sums"), expected["sums"], bounds, strict=True
    ):
        assert total == pytest.approx(expected_total, rel=1e-3, abs=1e-3 * bound)
        assert size == pytest.approx(bound, rel=1e-3)
    assert_close(found, without(expected, "sums"))


@pytest.mark.parametrize("name", TRAININGS)
def test_a_run_predicts_what_it_predicted(workshop, name):
    found, expected = unchanged.prediction_made(workshop, name), RECORD["predictions"][name]
    if is_as_recorded():
        assert found == expected
    else:
        assert_close(found, expected)


def test_no_key_of_a_report_has_vanished(workshop):
    assert vanished(RECORD["keys"], unchanged.keys_made(workshop)) == {}


def test_no_option_of_a_command_has_vanished():
    found = {command: unchanged.options_made(command) for command in unchanged.COMMANDS}
    assert vanished(RECORD["options"], found) == {}


def test_all_that_is_recorded_is_compared():
    assert RECORD["conversions"].keys() == CONVERSIONS.keys()
    assert RECORD["trainings"].keys() == RECORD["predictions"].keys() == TRAININGS.keys()
    assert RECORD["orders"].keys() == RECORD["inspections"].keys() == set(ORDERS)
    assert unchanged.RECORD.stat().st_size < 60_000


def is_as_recorded():
    """Whether weights are to be the same to the last bit."""
    return unchanged.processor() == RECORD["processor"]


def vanished(expected, found):
    """What of each list was recorded and is not there now."""
    gone = {name: sorted({*names} - {*found.get(name, ())}) for name, names in expected.items()}
    return {name: names for name, names in gone.items() if names}


def without(dictionary, name):
    return {key: value for key, value in dictionary.items() if key != name}


def assert_close(found, expected, name=""):
    """The same but for bits, and numbers that are near each other."""
    if name in ("bits", "labels"):
        return
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for key in expected:
            assert_close(found[key], expected[key], key)
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_close(one, other, name)
    elif isinstance(expected, float):  # of accuracies, a few rows' worth
        a_few_rows = 0.05 if name.endswith(("accuracy", "f1")) else 1e-4
        assert math.isclose(found, expected, rel_tol=1e-3, abs_tol=a_few_rows), name
    else:
        assert found == expected, name
