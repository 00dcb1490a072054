"""Texts that a file keeps of some rows: those of its source, the same however it is read."""

import gzip
import itertools
import json

import h5py
import numpy as np
import pandas as pd
import pytest

import ooc_train
from ooc_train.cli import convert as command
from ooc_train.conversion.samples import TextSamples, _shown
from ooc_train.conversion.sources.rows import Block, TextRows
from ooc_train.conversion.storage.placement import PlacementRule
from ooc_train.errors import OptionError
from ooc_train.file.samples import MOST_SAMPLES, MOST_TEXT_BYTES
from tests.corpora import random_rows, text_of, train_order, write_rows

ROWS = [(label, f"row {i}", body) for i, (label, _, body) in enumerate(random_rows(3000))]
TEST = [(label, f"test {i}", body) for i, (label, _, body) in enumerate(random_rows(500, seed=1))]


def kept(path):
    with h5py.File(path) as file:
        return json.loads(file.attrs.get("samples", "{}"))


def shown(row):
    return " ".join(text_of(row).split())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("samples")
    write_rows(folder / "train.csv", ROWS)
    write_rows(folder / "test.csv", TEST)
    return folder


@pytest.mark.parametrize("features", ["ngram", "sequence"])
def test_the_texts_are_those_of_the_rows_with_their_numbers(folder, tmp_path, features):
    report = ooc_train.convert(
        folder / "train.csv", tmp_path / "out.h5", test=[folder / "test.csv"], features=features
    )
    drawn = train_order(3000, 0.1)[1]
    with ooc_train.open(tmp_path / "out.h5") as store:
        found = {split: store.samples(split) for split in store}
    assert found["train"] == {}
    assert report["validation_rows"] == 300
    for split, rows in (("validation", [ROWS[i] for i in drawn]), ("test", TEST)):
        assert len(found[split]) == MOST_SAMPLES
        assert found[split] == {row: shown(rows[row]) for row in found[split]}
        assert list(found[split]) == sorted(found[split])


def test_rows_of_all_places_are_kept():
    """Some of each tenth of the rows, as it would be in a random sample."""
    samples = TextSamples(0)
    samples.note(block("test", 10_000))
    samples.place(block("test", 10_000), destinations("test", 10_000))
    tenths = np.bincount(np.array(list(samples.found()["test"])) // 1000, minlength=10)
    assert tenths.min() > 5


@pytest.mark.parametrize("source", ["pandas", "gz", "rejects"])
def test_each_way_of_reading_keeps_the_same_texts(folder, tmp_path, source):
    """Rows that are read once, or whose number is not known, or of which some are rejected."""
    ooc_train.convert(folder / "train.csv", tmp_path / "fitted.h5", test=[folder / "test.csv"])
    fitted = {"vectorizer": tmp_path / "fitted.h5", "test": [folder / "test.csv"]}
    if source == "gz":
        path = tmp_path / "train.csv.gz"
        path.write_bytes(gzip.compress((folder / "train.csv").read_bytes()))
    elif source == "rejects":
        path = pd.DataFrame({"label": [*(row[0] for row in ROWS), "no such class"],
                             "text": [*map(text_of, ROWS), "rejected"]})  # fmt: skip
        path = path.iloc[[0, 1, 3000, *range(2, 3000)]]
    else:
        path = pd.DataFrame({"label": [row[0] for row in ROWS], "text": list(map(text_of, ROWS))})
    if source != "gz":
        fitted["test"] = pd.DataFrame(
            {"label": [row[0] for row in TEST], "text": list(map(text_of, TEST))}
        )
    ooc_train.convert(path, tmp_path / "again.h5", **fitted)
    assert kept(tmp_path / "again.h5") == kept(tmp_path / "fitted.h5") != {}


def test_blocks_and_repetitions_change_nothing():
    whole, parts = TextSamples(0.5), TextSamples(0.5)
    placement = PlacementRule(0.5, 3).place({"train": 5000})
    whole.note(block("train", 5000))
    whole.place(block("train", 5000), placement.destinations("train", 0, 5000))
    for first in range(0, 5000, 70):
        part = block("train", min(70, 5000 - first), first)
        parts.note(part)
        parts.note(part)
    for _ in range(2):
        parts.start_placing()
        placement = PlacementRule(0.5, 3).place({"train": 5000})
        for first in range(0, 5000, 70):
            part = block("train", min(70, 5000 - first), first)
            parts.place(part, placement.destinations("train", first, len(part.rows)))
    assert whole.found() == parts.found()
    assert len(whole.found()["validation"]) == MOST_SAMPLES


def test_what_is_found_in_parts_is_what_blocks_have():
    n_rows = {"train": 5000, "validation": 100, "test": 900}
    whole, parts = TextSamples(0.2), TextSamples(0.2)
    sampler = whole.sampler(n_rows)
    first = 0
    for split, n in n_rows.items():
        whole.note(block(split, n, first))
        found = [sampler(block(split, min(70, n - k), first + k)) for k in range(0, n, 70)]
        parts._candidates[split] = sorted(itertools.chain.from_iterable(found))
        first += n
    assert parts._candidates == whole._candidates
    assert [len(held) for held in whole._candidates.values()] == [1200, 100, MOST_SAMPLES]
    assert TextSamples(0).sampler({"train": 5})(block("train", 5)) == []


def test_texts_are_cut_and_made_safe(tmp_path):
    long = "é" * MOST_TEXT_BYTES
    rows = [("1", "one", "two"), ("2", "three", "four")] * 5
    odd = [("1", "red \x1b[31m\u202etext\n\n  two", "<script>"), ("2", "long", long)]
    write_rows(tmp_path / "train.csv", rows)
    write_rows(tmp_path / "test.csv", odd)
    (tmp_path / "test.csv").write_bytes(
        (tmp_path / "test.csv").read_bytes() + b'"1","bad \xff","x"\n'
    )
    ooc_train.convert(
        tmp_path / "train.csv", tmp_path / "o.h5", test=[tmp_path / "test.csv"], min_df=1
    )
    texts = kept(tmp_path / "o.h5")["test"]
    assert texts["0"] == r"red \x1b[31m\u202etext two, <script>"
    assert texts["2"] == "bad \ufffd, x"
    assert texts["1"] == ("long, " + "é" * 297 + "…")
    assert len(texts["1"].encode()) == MOST_TEXT_BYTES + len("…".encode())


def test_a_character_that_is_cut_is_left_out():
    assert _shown(b"x" + "é".encode() * 300) == "x" + "é" * 299 + "…"
    assert _shown(b"x" * MOST_TEXT_BYTES) == "x" * MOST_TEXT_BYTES


def test_no_samples_keeps_none_and_changes_nothing_else(folder, tmp_path):
    for name, flags in (("with", []), ("without", ["--no-samples"])):
        arguments = [folder / "train.csv", "-o", tmp_path / f"{name}.h5", "--quiet", *flags]
        assert command.main([*map(str, arguments)]) == 0
    with h5py.File(tmp_path / "with.h5") as one, h5py.File(tmp_path / "without.h5") as other:
        assert set(one.attrs) - set(other.attrs) == {"samples"}
        for name in ("labels", "indptr", "indices", "values"):
            assert np.array_equal(one["validation"][name], other["validation"][name])
    content = (tmp_path / "without.h5").read_bytes()
    drawn = train_order(3000, 0.1)[1]
    assert not any(
        text_of(ROWS[i]).encode() in content for i in drawn if len(text_of(ROWS[i])) > 40
    )


def test_numbers_have_no_texts(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(60, dtype=np.float32).reshape(30, 2))
    labels = [0, 1] * 15
    ooc_train.convert(tmp_path / "x.npy", tmp_path / "x.h5", labels=labels, validation_fraction=0.2)
    assert kept(tmp_path / "x.h5") == {}


def test_a_resumed_conversion_must_keep_what_it_kept(folder, tmp_path, monkeypatch):
    """It is another conversion without samples, and with them the file is the same."""
    options = {"resume": True}
    ooc_train.convert(folder / "train.csv", tmp_path / "whole.h5", **options)

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("ooc_train.conversion.pipeline._Conversion._write", stop)
        with pytest.raises(KeyboardInterrupt):
            ooc_train.convert(folder / "train.csv", tmp_path / "out.h5", **options)
    with pytest.raises(OptionError, match="--no-samples was true and is false"):
        ooc_train.convert(folder / "train.csv", tmp_path / "out.h5", samples=False, **options)
    report = ooc_train.convert(folder / "train.csv", tmp_path / "out.h5", **options)
    assert report["resumed"]
    assert (tmp_path / "out.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()


def block(split, n_rows, first_row=0):
    texts = [f"text {i}".encode() for i in range(first_row, first_row + n_rows)]
    return Block(split, first_row, TextRows.of(texts), np.zeros(n_rows, np.int32), 0)


def destinations(split, n_rows):
    return PlacementRule(0, 0).place({"train": 0, split: n_rows}).destinations(split, 0, n_rows)
