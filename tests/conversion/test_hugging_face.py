"""Class names in Hugging Face's metadata: numbers become names, in their order, in all commands."""

import json

import h5py
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import ooc_train
from ooc_train.conversion.sources.find import find_source
from ooc_train.conversion.sources.formats.hugging_face import class_names_in
from ooc_train.conversion.sources.layout import LayoutOptions
from ooc_train.errors import InputError
from ooc_train.reading.store import open as open_store
from tests.conversion.test_nested_fields import read
from tests.files import read_strings

NAMES = ["world", "sports", "business"]
NOTE = "the labels are the numbers of class names: 0 is 'world', 1 is 'sports', 2 is 'business'"
WORDS = ["one two three", "four five six", "seven eight nine"]


def metadata(features):
    return {"huggingface": json.dumps({"info": {"features": features}})}


def class_label(names):
    return {"names": names, "_type": "ClassLabel"}


def table(labels, names=NAMES, kind=None):
    """A table as a data set of Hugging Face has it."""
    columns = {"text": [WORDS[k % 3] for k in range(len(labels))], "label": pa.array(labels, kind)}
    features = {"text": {"dtype": "string", "_type": "Value"}, "label": class_label(names)}
    found = pa.table(columns)
    return found.replace_schema_metadata(metadata(features)) if names else found


def write(path, *given, **options):
    data = table(*given, **options)
    if path.suffix == ".parquet":
        pq.write_table(data, path)
    else:
        with pa.ipc.new_file(path, data.schema) as writer:
            writer.write_table(data)
    return path


def convert(train, output, **options):
    options = {"features": "sequence", "force": True, "validation_fraction": 0, **options}
    report = ooc_train.convert(train, output, **options)
    with open_store(output) as store:
        counts = {name: len(store[name]) for name in ("train", "test") if name in store}
        assert store.class_names == store.class_labels == report["classes"]
    return report, counts


def names_of(path, split):
    """The class of each row."""
    with h5py.File(path) as file:
        names = read_strings(file, "classes/names")
        return [names[k] for k in file[split]["labels"][:].tolist()]


class Dataset:
    """What a data set of Hugging Face has; ``schema`` is that of its features."""

    def __init__(self, data, schema=None):
        self._data = data
        if schema:
            self.features = type("Features", (), {"arrow_schema": schema})

    def with_format(self, kind):
        assert kind == "arrow"
        return self

    def iter(self, n_rows):
        assert n_rows
        yield self._data.slice(0, 20)
        yield self._data.slice(20)


@pytest.mark.parametrize("kind", ["parquet", "arrow", "table", "data set", "features"])
def test_numbers_become_names_in_their_order(tmp_path, kind):
    labels = [2, 0, 1] * 10
    data = table(labels)
    source = {
        "table": lambda: data,
        "data set": lambda: Dataset(data),
        "features": lambda: Dataset(data.replace_schema_metadata(None), data.schema),
    }.get(kind, lambda: write(tmp_path / f"a.{kind}", labels))()
    report, _ = convert(source, tmp_path / "o.h5")
    assert report["classes"] == NAMES
    assert [note.partition(": ")[2] for note in report["notes"]] == [NOTE]


@pytest.mark.parametrize("kind", ["int8", "float64", "decimal"])
def test_numbers_of_other_types(tmp_path, kind):
    kind = {"int8": pa.int8(), "float64": pa.float64(), "decimal": pa.decimal128(3, 0)}[kind]
    path = write(tmp_path / "a.parquet", [1, None, 0], kind=kind)
    assert read(path)[2] == ["sports", "", "world"]


def test_labels_that_are_no_numbers_of_names(tmp_path):
    path = write(tmp_path / "a.parquet", [0, 1, -1, 3, -2, None])
    _, _, labels, rejects = read(path)
    assert labels == ["world", "sports", "", ""]
    assert rejects == [
        (4, "the label 3 is the number of no class name"),
        (5, "the label -2 is the number of no class name"),
    ]
    report, counts = convert(write(tmp_path / "b.parquet", [0, 1, -1] * 10), tmp_path / "o.h5")
    assert (counts["train"], report["rejected_rows"]) == (20, 10)
    assert "no label" in (tmp_path / "o.h5.rejected.csv").read_text()


def test_names_as_labels_stay(tmp_path):
    path = write(tmp_path / "a.parquet", ["sports", "world"] * 5, kind=pa.string())
    assert convert(path, tmp_path / "o.h5")[0]["classes"] == ["sports", "world"]


def test_other_files_agree_by_names(tmp_path):
    train = write(tmp_path / "train.parquet", [0, 1, 2] * 10)
    turned = write(tmp_path / "turned.parquet", [0, 0, 1], NAMES[::-1])
    plain = write(tmp_path / "plain.arrow", [2, 0, 0], None)
    lines = tmp_path / "lines.jsonl"
    lines.write_text('{"text": "one", "label": "business"}\n{"text": "two", "label": "0"}\n')
    report, _ = convert(train, tmp_path / "o.h5", test=[turned, plain, lines], shuffle=False)
    assert names_of(tmp_path / "o.h5", "test") == [
        "business",
        "business",
        "sports",
        "business",
        "world",
        "world",
        "business",
    ]
    assert report["rejected_rows"] == 1
    assert "label '0' is no class name" in (tmp_path / "o.h5.rejected.csv").read_text()
    notes = [note for note in report["notes"] if "numbers of class names" in note]
    assert [note.split(": ")[0] for note in notes] == [
        f"{train} and another file", str(turned)
    ]  # fmt: skip
    vectorizer = {"vectorizer": tmp_path / "o.h5", "validation_fraction": None}
    report, _ = convert([turned], tmp_path / "p.h5", **vectorizer)
    assert report["classes"] == NAMES
    assert sorted(names_of(tmp_path / "p.h5", "train")) == ["business", "business", "sports"]


def test_training_files_without_names_make_no_classes_of_their_own(tmp_path):
    train = write(tmp_path / "train.parquet", [0, 1, 2] * 10)
    lines = tmp_path / "lines.jsonl"
    lines.write_text('{"text": "one", "label": 1}\n')
    more = write(tmp_path / "more.parquet", [0, 1], ["world", "science"])
    report, _ = convert([train, lines, more], tmp_path / "o.h5")
    assert report["classes"] == [*NAMES, "science"]
    assert report["rejected_rows"] == 1


def test_numbers_as_names(tmp_path):
    path = write(tmp_path / "a.parquet", [0, 1, 2] * 5, ["10", "9", "1.0"])
    assert convert(path, tmp_path / "o.h5")[0]["classes"] == ["10", "9", "1"]


def test_names_within_structs(tmp_path):
    data = pa.Table.from_pylist([{"text": WORDS[k % 3], "y": {"z": k % 2}} for k in range(6)])
    features = {"text": {"dtype": "string", "_type": "Value"}, "y": {"z": class_label(NAMES)}}
    pq.write_table(data.replace_schema_metadata(metadata(features)), tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet", label="y.z")[2] == ["world", "sports"] * 3


def test_dense_rows_have_names_too(tmp_path):
    data = table([0, 1, 2]).drop_columns("text").append_column("x", pa.array([1.0, 2.0, 3.0]))
    pq.write_table(data, tmp_path / "a.parquet")
    _, numbers, labels, _ = read(tmp_path / "a.parquet", "dense")
    assert (numbers, labels) == ([[1], [2], [3]], NAMES)


@pytest.mark.parametrize(
    "written",
    [
        b"{", b"[]", b'{"info": []}', b'{"info": {"features": [1]}}', b"[" * 10_000, b"\xff",
        json.dumps({"info": {"features": {"y": class_label(["a", "a"])}}}).encode(),
        json.dumps({"info": {"features": {"y": class_label(["1", "1.0"])}}}).encode(),
        json.dumps({"info": {"features": {"y": class_label([" "])}}}).encode(),
        json.dumps({"info": {"features": {"y": class_label([1, 2])}}}).encode(),
        json.dumps({"info": {"features": {"y": {"_type": "ClassLabel"}}}}).encode(),
    ],
)  # fmt: skip
def test_metadata_that_names_no_classes(written):
    assert class_names_in({b"huggingface": written}) == {}
    assert class_names_in(None) == {}
    assert class_names_in({}) == {}


def test_the_names_of_a_column_that_is_not_the_label(tmp_path):
    path = write(tmp_path / "a.parquet", [0, 1, 2])
    source = find_source(path, LayoutOptions(needs_label=False, carry=True))
    assert source.class_names == ()
    blocks = [piece for piece, _ in source.read(2**20)]
    assert [row["label"] for block in blocks for row in block.carried] == [0, 1, 2]


def test_a_file_of_class_names_does_not_rename_them(tmp_path):
    path = write(tmp_path / "a.parquet", [0, 1, 2] * 5)
    (tmp_path / "classes.txt").write_text("a\nb\nc\n")
    with pytest.raises(InputError, match="no line for label 'world'"):
        convert(path, tmp_path / "o.h5", classes=tmp_path / "classes.txt")
