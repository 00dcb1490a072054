"""The column that is taken for the class holds classes, each of which has a train row."""

import h5py
import numpy as np
import pytest

import ooc_train
from ooc_train.conversion.storage import row_classes
from ooc_train.conversion.storage.placement import Placement
from ooc_train.errors import InputError

TEXTS = [f"some words of text number {i % 7}" for i in range(60)]


def rows_of(labels, texts=TEXTS):
    return "".join(f"{label},{text}\n" for label, text in zip(labels, texts, strict=False))


def labels_in(path, split):
    with h5py.File(path) as file:
        return file[split]["labels"][:].tolist()


def convert(tmp_path, content, name="train.csv", **options):
    (tmp_path / name).write_text(content)
    options = {"features": "ngram", "validation_fraction": 0} | options
    return ooc_train.convert(tmp_path / name, tmp_path / "o.h5", force=True, **options)


def test_a_column_of_ids_is_no_class_unless_it_is_named(tmp_path):
    content = rows_of(f"x{i // 2 if i < 50 else i}" for i in range(60))
    message = (
        "train.csv: the column 1 was taken for the class and has 35 different values in 60 rows, "
        "such as 'x0' and 'x1'; .* name the columns with --text and --label"
    )
    with pytest.raises(InputError, match=message):
        convert(tmp_path, content)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["train.csv"]
    assert len(convert(tmp_path, content, label="1")["classes"]) == 35
    lines = "".join(f'{{"label": "x{i}", "text": "some words"}}\n' for i in range(30))
    with pytest.raises(InputError, match="the field 'label' was taken for the class and has 30 "):
        convert(tmp_path, lines, name="train.jsonl", features="auto")


def test_a_long_tail_and_few_rows_are_classes(tmp_path):
    tail = [f"x{i}" for i in range(25)]
    assert len(convert(tmp_path, rows_of(["a", "b"] * 15 + tail))["classes"]) == 27
    assert len(convert(tmp_path, rows_of(f"x{i}" for i in range(19)))["classes"]) == 19


def test_real_numbers_are_no_classes_but_half_stars_are(tmp_path):
    real = [f"{i / 8}" for i in range(60)]
    for options in ({}, {"label": "1"}):
        with pytest.raises(InputError, match="has 60 different values .* real numbers are no clas"):
            convert(tmp_path, rows_of(real), **options)
    svmlight = "".join(f"{value} 1:0.5 2:{i}\n" for i, value in enumerate(real))
    with pytest.raises(InputError, match="train.svm: the label was taken .* real numbers"):
        convert(tmp_path, svmlight, name="train.svm", features="sparse")
    assert len(convert(tmp_path, rows_of(f"{i % 10 / 2}" for i in range(60)))["classes"]) == 10
    assert len(convert(tmp_path, rows_of(i % 25 for i in range(60)))["classes"]) == 25


def test_a_first_row_that_is_alike_no_other_names_the_columns(tmp_path):
    labels = ["kind", *(["spam", "ham"] * 25)]
    message = (
        "line 1 looks like a header: 'kind' is repeated nowhere, and the others are, "
        "such as 'spam'; say --header"
    )
    with pytest.raises(InputError, match=message):
        convert(tmp_path, rows_of(labels))
    assert len(convert(tmp_path, rows_of(labels), label="1")["classes"]) == 3
    assert len(convert(tmp_path, rows_of(["0", *(["1", "2"] * 25)]))["classes"]) == 3
    assert len(convert(tmp_path, rows_of(["kind", *(["a"] * 40), "b"]))["classes"]) == 3
    with pytest.raises(InputError, match="looks like a header .'review', 'review_title'."):
        convert(tmp_path, "review,review_title\n" + rows_of(TEXTS, ["pos", "neg"] * 20))


@pytest.mark.parametrize("shuffle", [True, False])
def test_each_class_keeps_a_train_row(tmp_path, shuffle, monkeypatch):
    monkeypatch.setattr(row_classes, "_ROWS_AT_ONCE", 16)
    rare = {7: "x", 20: "y", 33: "y", 41: "z"}
    labels = [rare.get(i, "ab"[i % 2]) for i in range(60)]
    seeds = (
        seed
        for seed in range(999)
        if (drawn := Placement({"train": 60}, 0.5, seed).drawn(0, 60))[[7, 20, 33]].all()
        and not drawn[41]
    )
    options = {"validation_fraction": 0.5, "seed": next(seeds), "shuffle": shuffle}
    report = convert(tmp_path, rows_of(labels), **options)
    assert (report["rows"], report["validation_rows"], report["kept_rows"]) == (32, 28, 2)
    assert report["notes"] == [
        "drawn for validation, but kept in training, where their classes have no other row: "
        "2 rows; for validation there remain 28"
    ]
    numbers = {label: number for number, label in enumerate(report["classes"])}
    train = labels_in(tmp_path / "o.h5", "train")
    validation = labels_in(tmp_path / "o.h5", "validation")
    assert sorted(train + validation) == sorted(numbers[label] for label in labels)
    assert [train.count(numbers[label]) for label in "xyz"] == [1, 1, 1]
    assert [validation.count(numbers[label]) for label in "xyz"] == [0, 1, 0]
    if not shuffle:  # they are where the source has them: the first of the two
        drawn = Placement({"train": 60}, 0.5, options["seed"]).drawn(0, 60)
        expected = [n for n in range(60) if not drawn[n] or n in (7, 20)]
        assert train == [numbers[labels[n]] for n in expected]


def test_rows_whose_number_is_known_keep_a_train_row_too(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(60, dtype=np.float32).reshape(20, 3))
    np.save(tmp_path / "y.npy", np.array([0, 1] * 9 + [2, 3]))
    report = ooc_train.convert(
        tmp_path / "x.npy", tmp_path / "o.h5", labels=[tmp_path / "y.npy"], validation_fraction=0.99
    )
    assert (report["rows"], report["validation_rows"], report["kept_rows"]) == (4, 16, 4)
    assert sorted(labels_in(tmp_path / "o.h5", "train")) == [0, 1, 2, 3]


def test_classes_that_look_alike_are_one_or_are_told(tmp_path):
    spelled = ["caf\u00e9", "cafe\u0301", "caf\u00e9\u00a0", "\u200bcaf\u00e9", "Tea", "tea"]
    report = convert(tmp_path, rows_of(spelled * 10))
    assert report["classes"] == ["Tea", "caf\u00e9", "tea"]
    (note,) = report["notes"]
    assert note.startswith("the classes 'Tea' and 'tea' differ in case, spaces or kinds of")
    (tmp_path / "test.csv").write_text(rows_of(["TEA", "cafe\u0301", "milk"]))
    report = convert(tmp_path, rows_of(["tea", "caf\u00e9"] * 30), test=tmp_path / "test.csv")
    assert (report["test_rows"], report["rejected_rows"], report["notes"]) == (1, 2, [])
    rejects = (tmp_path / "o.h5.rejected.csv").read_text()
    assert "label 'TEA' does not occur in the train rows; 'tea' does, which differs" in rejects
    assert "'milk' does not occur in the train rows;" not in rejects


def test_what_may_be_no_classes_is_told(tmp_path):
    report = convert(tmp_path, rows_of(["a", "b", "NaN", "None"] * 15))
    assert report["notes"] == [
        "labels that may mean that there is none name a class like others: 'NaN', 'None'"
    ]
    report = convert(tmp_path, rows_of(f"x{i}" for i in range(40)), label="1", text=["2"])
    assert report["notes"] == [
        "there are 40 classes in 40 rows, such as 'x0': does --label name the right column?"
    ]


def test_names_of_classes_have_no_byte_order_mark_and_match_labels_as_these_are_spelled(tmp_path):
    (tmp_path / "names").write_text("\ufeffGood\r\nBad\n", "utf-8")
    convert(tmp_path, rows_of("12" * 20), classes=tmp_path / "names")
    with ooc_train.open(tmp_path / "o.h5") as data:
        assert data.class_names == ["Good", "Bad"]
    (tmp_path / "names").write_text("cafe\u0301\nTrue\n", "utf-8")
    report = convert(tmp_path, rows_of(["caf\u00e9", "true"] * 20), classes=tmp_path / "names")
    assert report["classes"] == ["caf\u00e9", "true"]
