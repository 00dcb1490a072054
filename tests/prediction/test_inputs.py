"""The inputs of a prediction: several files, standard input, what stays of them in the output."""

import csv
import gzip
import io
import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import ooc_train
from ooc_train.cli import predict as command
from ooc_train.errors import InputError, OptionError
from ooc_train.prediction.inputs import BLOCK_BYTES, Trained, find_inputs, opened
from ooc_train.prediction.options import PredictOptions
from ooc_train.training.run.folder import open_run
from tests.files import without_compiling

NAMES = ["World", "Größe", "Sport"]
TEXTS = ["alpha beta", "gamma delta", "", "café au lait", "beta gamma"]


def rows(n, seed=0):
    rng = np.random.default_rng(seed)
    words = np.array(["alpha", "beta", "gamma", "delta", "café", "lait", "au"])
    return [(str(i % 3 + 1), " ".join(rng.choice(words, 5))) for i in range(n)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Runs of data with a header, and of data without one whose classes have names."""
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "classes.txt").write_text("\n".join(NAMES), "utf-8")
    write(folder / "bare.csv", rows(90))
    write(folder / "headed.csv", [("stars", "text"), *rows(90)])
    for name, options in (("bare", {}), ("headed", {"label": "stars"})):
        ooc_train.convert(folder / f"{name}.csv", folder / f"{name}.h5", **options)
        ooc_train.train(folder / f"{name}.h5", folder / name, epochs=1)
    return folder


def write(path, lines, encoding="utf-8"):
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(lines)
    return path


def predicted(run, source, **options):
    output = io.StringIO()
    report = ooc_train.predict(run, source, output, **options)
    return list(csv.DictReader(io.StringIO(output.getvalue()))), report


def labels(run, texts=TEXTS):
    return ooc_train.load(run).predict(list(texts)).tolist()


def test_files_are_predicted_one_after_another(folder, tmp_path):
    run = folder / "headed"
    one = write(tmp_path / "part1.csv", [("id", "text"), *enumerate(TEXTS)])
    two = write(tmp_path / "part2.csv", [("text", "note"), *((text, "x") for text in TEXTS[:2])])
    three = tmp_path / "three.jsonl"
    three.write_text('\n{"text": "alpha"}\n\n{"text": null, "id": 7}\n', "utf-8")
    found, report = predicted(run, [tmp_path / "part*.csv", str(three)])
    assert list(found[0])[:3] == ["id", "note", "label"]
    assert [row["id"] for row in found] == ["0", "1", "2", "3", "4", "", "", "", "7"]
    assert [row["note"] for row in found] == [""] * 5 + ["x", "x", "", ""]
    assert [row["label"] for row in found] == labels(run, [*TEXTS, *TEXTS[:2], "alpha", ""])
    assert report["files"] == [
        {"name": str(one), "rows": 5, "kept": 5, "rejected": 0, "blank_lines": 0},
        {"name": str(two), "rows": 2, "kept": 2, "rejected": 0, "blank_lines": 0},
        {"name": str(three), "rows": 2, "kept": 2, "rejected": 0, "blank_lines": 2},
    ]
    assert (report["rows"], report["missing_rows"]) == (9, 2)
    for path, n_rows in ((one, 5), (two, 2), (three, 2)):
        assert predicted(run, path)[1]["rows"] == n_rows


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_inputs_with_other_columns_and_with_none(folder, tmp_path, monkeypatch, suffix):
    one = tmp_path / "one.jsonl"
    one.write_text('{"text": "alpha", "id": 1, "note": null}\n')
    two = tmp_path / "two.jsonl"
    two.write_text('{"text": "beta", "note": "x", "more": "y"}\n')
    monkeypatch.setattr(sys, "stdin", Stdin(b"gamma\ndelta\n"))
    output = tmp_path / f"o.{suffix}"
    report = ooc_train.predict(folder / "headed", [one, "-", two], output)
    assert [file["rows"] for file in report["files"]] == [1, 2, 1]
    if suffix == "jsonl":
        found = [json.loads(line) for line in output.read_text("utf-8").splitlines()]
    else:
        found = pq.read_table(output).to_pylist() if suffix == "parquet" else read(output)
        assert list(found[0])[:4] == ["id", "note", "more", "label"]
    assert [row["label"] for row in found] == labels(
        folder / "headed", ["alpha", "gamma", "delta", "beta"]
    )
    assert [(row.get("note") or "", row.get("more") or "") for row in found] == [
        ("", ""), ("", ""), ("", ""), ("x", "y")]  # fmt: skip


def test_a_folder_is_all_its_files(folder, tmp_path):
    for day, text in ((1, "alpha"), (2, "beta")):
        (tmp_path / f"day={day}").mkdir()
        write(tmp_path / f"day={day}" / "part-0.csv", [("text", "id"), (text, 7)])
    (tmp_path / "_SUCCESS").touch()
    found, report = predicted(folder / "headed", tmp_path, keep_text=True)
    assert [(row["text"], row["id"], row["day"]) for row in found] == [
        ("alpha", "7", "1"), ("beta", "7", "2")]  # fmt: skip
    assert report["notes"][0].startswith(f"{tmp_path}: 2 csv files, in the order of their paths")
    assert np.array_equal(
        ooc_train.load(folder / "headed").predict(tmp_path), [row["label"] for row in found]
    )


def test_every_file_is_looked_at_before_a_row_is_predicted(folder, tmp_path):
    one = write(tmp_path / "one.csv", rows(3))
    two = write(tmp_path / "two.csv", [("label", "text"), *rows(3)])
    with pytest.raises(InputError, match="two.csv, line 1 looks like a header .'label', 'text'.;"):
        ooc_train.predict(folder / "bare", [one, two], tmp_path / "o.csv")
    two = write(tmp_path / "two.csv", [*rows(3), ("1", "a", "b")])
    with pytest.raises(InputError, match="two.csv, line 4: found 3 columns, expected 2; mend"):
        ooc_train.predict(folder / "bare", [one, two], tmp_path / "o.csv")
    with pytest.raises(InputError, match="one.csv, line 1: there is no column 'text'"):
        ooc_train.predict(folder / "headed", [one], tmp_path / "o.csv")
    with pytest.raises(InputError, match="no file matches .*gone"):
        ooc_train.predict(folder / "bare", tmp_path / "gone*", tmp_path / "o.csv")
    with pytest.raises(OptionError, match="there are no rows to predict; give at least one file"):
        ooc_train.predict(folder / "bare", [], tmp_path / "o.csv")
    assert not (tmp_path / "o.csv").exists()


@pytest.mark.parametrize("text", ["A film?", "awful", "long " * 99, "1 [draft].csv"])
def test_a_text_is_no_file(folder, tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="there is no file '.*if it is a text, give it on standa"):
        ooc_train.predict(folder / "headed", text, tmp_path / "o.csv")
    with pytest.raises(InputError, match="gone.csv does not exist; check the path"):
        ooc_train.predict(folder / "headed", "gone.csv", tmp_path / "o.csv")


def test_a_name_with_spaces_is_a_file(folder, tmp_path):
    path = tmp_path / "two words [1]"
    path.write_text("stars,text\n1,alpha beta\n")
    for given in (path, str(tmp_path / "two *[[]1]")):
        output = tmp_path / "o.csv"
        report = ooc_train.predict(folder / "headed", given, output, format="csv", force=True)
        assert report["rows"] == 1


def test_the_command_takes_files_before_and_behind_its_options(folder, tmp_path, capsys):
    one = write(tmp_path / "one.csv", rows(3))
    one.write_text(one.read_text() + "\n")
    two = write(tmp_path / "two.csv", rows(4))
    arguments = [
        folder / "bare",
        one,
        "-o",
        tmp_path / "o.csv",
        "--report",
        tmp_path / "r.json",
        two,
    ]
    assert command.main(list(map(str, arguments))) == 0
    shown = capsys.readouterr()
    assert (shown.out, without_compiling(shown.err)) == ("", "1 blank line passed over\n")
    assert json.loads((tmp_path / "r.json").read_text())["rows"] == 7
    assert len((tmp_path / "o.csv").read_text().splitlines()) == 8
    assert command.main([str(folder / "bare"), "--input", str(one), str(two)]) == 2
    assert "name all files behind the run, and leave out --input" in capsys.readouterr().err
    query = ["--sql", "SELECT 1", "--database", "sqlite:///x.db"]
    assert command.main([str(folder / "bare"), str(two), *query]) == 2
    assert f"leave out {two}" in capsys.readouterr().err


def test_paths_are_read_and_strings_are_texts(folder, tmp_path):
    predictor = ooc_train.load(folder / "headed")
    one = write(tmp_path / "one.csv", [("id", "text"), *enumerate(TEXTS)])
    expected = predictor.predict_proba(TEXTS)
    assert np.array_equal(predictor.predict_proba(one), expected)
    one.write_text(one.read_text("utf-8") + "\n\n", "utf-8")
    assert np.array_equal(predictor.predict_proba([one, one]), np.concatenate([expected] * 2))
    assert predictor.predict_proba([str(one)]).shape == (1, 3)
    with pytest.raises(InputError, match="one text is given where a list of texts is expected"):
        predictor.predict(str(one))


# ---- What stays in the output


def read(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def sources(folder):
    """Inputs with `TEXTS`, and the columns that stay of each with the texts."""
    numbered = list(enumerate(TEXTS))
    yield write(folder / "a.csv", [("id", "text"), *numbered]), ["id", "text"]
    yield write(folder / "a.tsv", [("text\tname",), *((f"{t}\tx",) for t in TEXTS)]), [
        "text", "input_name"]  # fmt: skip
    lines = [json.dumps({"text": text, "id": i}) for i, text in numbered]
    (folder / "a.jsonl").write_text("\n".join(lines), "utf-8")
    yield folder / "a.jsonl", ["text", "id"]
    table = pa.table({"text": TEXTS, "id": range(5)})
    pq.write_table(table, folder / "a.parquet")
    yield folder / "a.parquet", ["text", "id"]
    yield table, ["text", "id"]
    (folder / "a.txt").write_text("".join(f"__label__b {t}\n" for t in TEXTS), "utf-8")
    yield folder / "a.txt", ["text", "input_label"]
    yield [(text, "b") for text in TEXTS], ["text", "input_label"]
    (folder / "texts" / "b").mkdir(parents=True)
    for i, text in numbered:
        (folder / "texts" / "b" / f"{i}.txt").write_text(text, "utf-8")
    yield folder / "texts", ["text"]
    yield io.BytesIO("\r\n".join([*TEXTS, ""]).encode("utf-8-sig")), ["text"]


def test_the_text_stays_in_the_output(folder, tmp_path):
    for number, (source, names) in enumerate(sources(tmp_path)):
        output = tmp_path / f"{number}.csv"
        ooc_train.predict(folder / "headed", source, output, keep_text=True)
        found = read(output)
        assert list(found[0])[: len(names) + 1] == [*names, "label"], names
        assert [row["text"] for row in found] == TEXTS, source
        assert [row["label"] for row in found] == labels(folder / "headed"), source
        if isinstance(source, Path):
            ooc_train.predict(folder / "headed", source, output, force=True)
            assert [*read(output)[0]] == [name for name in found[0] if name != "text"]


def test_columns_without_names_keep_their_numbers(folder, tmp_path):
    source = write(tmp_path / "a.csv", [("1", text) for text in TEXTS])
    found, _ = predicted(folder / "bare", source, keep_text=True)
    assert list(found[0])[:3] == ["column_1", "column_2", "label"]
    assert [row["column_2"] for row in found] == TEXTS


def test_columns_of_probabilities_have_the_names_of_classes(folder, tmp_path):
    source = write(tmp_path / "a.csv", [("1", text) for text in TEXTS])
    found, _ = predicted(folder / "bare", source)
    assert [name for name in found[0] if name.startswith("p_")] == [f"p_{n}" for n in NAMES]
    shares = [[float(row[f"p_{name}"]) for name in NAMES] for row in found]
    np.testing.assert_allclose(shares, ooc_train.load(folder / "bare").predict_proba(TEXTS), 1e-5)
    assert found[0]["name"] == NAMES[int(found[0]["label"]) - 1]


def test_names_that_two_classes_share_are_in_no_column(folder, tmp_path):
    (tmp_path / "names.txt").write_text("a\nb\na\n")
    ooc_train.convert(folder / "bare.csv", tmp_path / "o.h5", classes=tmp_path / "names.txt")
    ooc_train.train(tmp_path / "o.h5", tmp_path / "run", epochs=1)
    found, _ = predicted(tmp_path / "run", folder / "bare.csv")
    assert [name for name in found[0] if name.startswith("p_")] == ["p_1", "p_2", "p_3"]


# ---- Standard input


class Stdin:
    def __init__(self, data):
        self.buffer = io.BytesIO(data)


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-16-be", "utf-8", "utf-8-sig"])
def test_lines_of_standard_input_in_any_encoding(folder, monkeypatch, encoding):
    monkeypatch.setattr(sys, "stdin", Stdin("\n".join(TEXTS).encode(encoding)))
    found, _ = predicted(folder / "headed", "-", encoding=encoding, keep_text=True)
    assert [row["text"] for row in found] == TEXTS
    assert [row["label"] for row in found] == labels(folder / "headed")


@pytest.mark.parametrize("encoding", [None, "cp1252"])
def test_lines_are_predicted_as_they_arrive(folder, encoding):
    class Arriving(io.BytesIO):
        n_read = 0

        def read1(self, n_bytes=-1):
            self.n_read += 1
            return super().read1(min(n_bytes, 6))

        read = None

    stream = Arriving("alpha\nbeta\n café\n".encode(encoding or "utf-8"))
    options = PredictOptions(encoding=encoding)
    with open_run(folder / "headed") as run:
        blocks = find_inputs(Trained.of(run), stream, options).blocks(Everything())
    assert (next(blocks).text_bytes(0), stream.n_read) == (b"alpha", 1)


class Everything:
    def check(self, rows, place):
        assert len(rows) <= BLOCK_BYTES


@pytest.mark.parametrize(("options", "lines"), [
    ({"header": True}, [("text", "id"), *((text, "7") for text in TEXTS)]),
    ({"text": "2"}, [("7", text) for text in TEXTS]),
    ({"format": "csv", "encoding": "utf-16"}, [("id", "text"), *enumerate(TEXTS)]),
], ids=["header", "number", "format"])  # fmt: skip
def test_standard_input_may_be_a_file(folder, monkeypatch, tmp_path, options, lines):
    path = write(tmp_path / "a.csv", lines, options.get("encoding", "utf-8"))
    monkeypatch.setattr(sys, "stdin", Stdin(path.read_bytes()))
    found, report = predicted(folder / "headed", "-", **options)
    assert [row["label"] for row in found] == labels(folder / "headed")
    assert report["files"][0]["name"] == "standard input"


@pytest.mark.parametrize("options", [{}, {"format": "csv"}])
def test_compressed_bytes_are_no_texts(folder, options):
    stream = io.BytesIO(gzip.compress(b"text\nalpha\n"))
    with pytest.raises(InputError, match="standard input is compressed, .*; decompress it, as gz"):
        predicted(folder / "headed", stream, **options)


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_no_rows_give_no_predictions(folder, tmp_path, suffix):
    output = tmp_path / f"o.{suffix}"
    report = ooc_train.predict(folder / "headed", io.BytesIO(), output, keep_text=True)
    assert (report["rows"], report["unknown_words"]) == (0, None)
    names = ["text", "label", "name", "p_1", "p_2", "p_3", "unknown_words"]
    if suffix == "parquet":
        assert (pq.read_table(output).column_names, pq.read_table(output).num_rows) == (names, 0)
    else:
        assert output.read_text() == ("" if suffix == "jsonl" else ",".join(names) + "\n")


def test_standard_input_is_opened_once(folder):
    options = PredictOptions(header=True)
    stream = opened(io.BytesIO(b"text,id\nalpha,1\n"), options)
    with open_run(folder / "headed") as run:
        for _ in range(2):  # as where the run is replaced meanwhile
            inputs = find_inputs(Trained.of(run), stream, options)
    (rows,) = inputs.blocks(Everything())
    assert rows.text_bytes(0) == b"alpha"


def test_standard_input_is_read_once(folder, tmp_path):
    with pytest.raises(OptionError, match="standard input, -, can be read once only; give files"):
        ooc_train.predict(folder / "bare", ["-", "-"], tmp_path / "o.csv")
