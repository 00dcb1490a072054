"""What may have been meant: options, columns, classes, splits and files alike."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ooc_train
from ooc_train.errors import InputError, OptionError
from ooc_train.suggestions import beside, closest, did_you_mean
from tests.files import write_toy


@given(st.text(), st.lists(st.text()))
def test_a_suggestion_is_a_name_that_there_is(name, known):
    found = closest(name, known)
    assert found is None or found in known
    if name in known and name:
        assert found is not None
        assert found.casefold() == name.casefold()


def test_a_suggestion_ends_a_sentence():
    assert did_you_mean("epoch", ["seed", "epochs"]) == "; did you mean 'epochs'?"
    assert did_you_mean("xyz", ["seed", "epochs"]) == ""


def test_files_beside(tmp_path):
    (tmp_path / "reviews.h5").touch()
    assert beside(tmp_path / "review.h5") == f"; did you mean {tmp_path / 'reviews.h5'}?"
    assert beside(tmp_path / "none" / "review.h5") == ""
    (tmp_path / "u.h5").touch()
    assert beside(tmp_path / "nosuch.h5") == ""  # though the suffix is the same
    with pytest.raises(InputError, match=r"there is no file .*; did you mean .*reviews\.h5\?$"):
        ooc_train.open(tmp_path / "reviws.h5")
    with pytest.raises(InputError, match=r"check the path; did you mean .*reviews\.h5\?$"):
        ooc_train.convert(tmp_path / "revews.h5", tmp_path / "o.h5")


def test_splits_classes_and_columns(tmp_path):
    write_toy(tmp_path / "toy.h5", train=30, validation=30)
    with ooc_train.open(tmp_path / "toy.h5") as store:
        with pytest.raises(InputError, match="it has: train, validation; did you mean 'valida"):
            store["validate"]
        label = store.class_labels[0] + "x"
    with pytest.raises(OptionError, match="did you mean"):
        ooc_train.train(tmp_path / "toy.h5", tmp_path / "run", class_weight={label: 2.0})
    rows = tmp_path / "rows.csv"
    rows.write_text("label,text\n" + "1,a word\n2,no word\n" * 9)
    with pytest.raises(InputError, match="the columns are .*; did you mean 'text'"):
        ooc_train.convert(rows, tmp_path / "o.h5", header=True, text="txt", label="label")
