"""A new format is one module and one entry: this one, whose rows are fields between bars."""

import csv
from dataclasses import dataclass

import numpy as np
import pytest

import ooc_train
from ooc_train.conversion.sources.columns import Cells, ColumnFile, Table
from ooc_train.conversion.sources.files.buffer import line_blocks
from ooc_train.conversion.sources.find import find_source
from ooc_train.conversion.sources.formats.table import FORMATS, Format, file_formats
from ooc_train.conversion.sources.layout import LayoutOptions
from ooc_train.conversion.sources.rows import SpelledLabels
from ooc_train.errors import InputError
from tests.corpora import random_rows, write_rows

# The module of the format.


@dataclass(frozen=True, kw_only=True)
class BarsFile(ColumnFile):
    """Fields between bars, after a line of names; a row of another length is rejected."""

    def read(self, chosen, block_bytes):
        """The rows in tables of about ``block_bytes``, each with the progress."""
        n_lines = 0
        for block, progress in self.file.parsed(lambda stream: line_blocks(stream, block_bytes)):
            rows = [line.split(b"|") for line in block.splitlines()]
            yield self._table(rows, n_lines, chosen), progress
            n_lines += len(rows)

    def _table(self, rows, n_lines, chosen):
        numbers = range(n_lines + 1, n_lines + 1 + len(rows))
        found = [(k, row) for k, row in zip(numbers, rows, strict=True) if k > 1]
        reasons, cells = {}, []
        for position, (_, row) in enumerate(found):
            if len(row) == len(self.names):
                cells += [row[column] for column in chosen.cells]
            else:
                cells += [b""] * len(chosen.cells)
                reasons[position] = f"found {len(row)} fields"
        columns = Cells.of(cells, len(chosen.cells))
        labels = SpelledLabels.none(len(found))
        if chosen.label >= 0:
            labels = columns.labels(len(chosen.columns))
        lines = np.array([k for k, _ in found])
        return Table(lines, labels, columns, reasons=reasons)


def open_bars(file, _):
    """Look into a file for the names of its columns."""
    names = file.sample(2**16).partition(b"\n")[0].decode().split("|")
    return BarsFile(file=file, format="bars", names=tuple(names))


# Its entry, and what follows from it.


@pytest.fixture(autouse=True)
def _entry(monkeypatch):
    opener = f"{__name__}:open_bars"
    monkeypatch.setitem(FORMATS, "bars", Format((".bars",), ("text", "dense"), opener, named=True))


def write_bars(path, names, rows):
    lines = ["|".join(names), *("|".join(map(str, row)) for row in rows)]
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return path


def predictions(run, path, output):
    ooc_train.predict(run, path, output)
    with output.open(newline="", encoding="utf-8") as file:
        return [row["label"] for row in csv.DictReader(file)]


def test_its_texts_are_converted_and_predicted(tmp_path):
    names, rows = ("label", "title", "text"), random_rows(300)
    path = write_bars(tmp_path / "rows.bars", names, rows)
    ooc_train.convert(path, tmp_path / "bars.h5", features="ngram")
    write_rows(tmp_path / "rows.csv", [(label, text) for label, _, text in rows])
    ooc_train.convert(tmp_path / "rows.csv", tmp_path / "csv.h5", features="ngram")
    with ooc_train.open(tmp_path / "bars.h5") as bars, ooc_train.open(tmp_path / "csv.h5") as other:
        assert bars.provenance["layout"]["format"] == "bars"
        assert np.array_equal(
            bars["train"].read(0, 270).to_dense(), other["train"].read(0, 270).to_dense()
        )
    ooc_train.train(tmp_path / "bars.h5", tmp_path / "run", epochs=1)
    found = predictions(tmp_path / "run", path, tmp_path / "found.csv")
    texts = [text for _, _, text in rows]
    assert found == ooc_train.load(tmp_path / "run").predict(texts).tolist()


def test_its_numbers_are_converted_and_predicted(tmp_path):
    values = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    rows = [(int(row[0] > 0), *row) for row in values.tolist()]
    path = write_bars(tmp_path / "rows.bars", ("label", "a", "b", "c"), rows)
    options = {"validation_fraction": 0, "shuffle": False, "features": "dense"}
    report = ooc_train.convert(path, tmp_path / "o.h5", **options)
    assert (report["rows"], report["n_features"]) == (60, 3)
    with ooc_train.open(tmp_path / "o.h5") as store:
        assert np.array_equal(store["train"].read(0, 60).values, values)
    ooc_train.train(tmp_path / "o.h5", tmp_path / "run", epochs=1)
    found = predictions(tmp_path / "run", path, tmp_path / "found.csv")
    assert found == ooc_train.load(tmp_path / "run").predict(values).tolist()


def test_it_is_known_by_its_name_and_its_faults_are_told(tmp_path):
    rows = [*random_rows(40), ("1", "two fields")]
    names = ("label", "title", "text")
    assert "bars" in file_formats()  # from which --format takes its choices
    unnamed = write_bars(tmp_path / "rows.txt", names, rows)
    assert isinstance(find_source(unnamed, LayoutOptions(format="bars")).file, BarsFile)
    path = write_bars(tmp_path / "rows.bars", names, rows)
    with pytest.raises(InputError, match="more than 0 rows .*bars, line 42: found 2 fields"):
        ooc_train.convert(path, tmp_path / "o.h5", max_rejects=0)
    with pytest.raises(InputError, match="there is no column 'body'; the columns are 'label', 't"):
        ooc_train.convert(path, tmp_path / "o.h5", text=["body"], force=True)
