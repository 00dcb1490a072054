"""The sources that `unchanged` converts: a few hundred rows of every kind, always the same."""

import bz2
import csv
import gzip
import io
import json
from itertools import islice, product
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

SYLLABLES = "ba ce di fo gu ha je ki lo mu".split()
WORDS = ["".join(pair) for pair in product(SYLLABLES, repeat=2)]
MANY_WORDS = ["".join(three) for three in product(SYLLABLES, repeat=3)]
ODD_WORDS = (
    "Straße ÉTÉ naïve re\u0301sume\u0301 日本 日本語 한국어 ΣΟΦΟΣ ﬁne x² № x™ Ⅷ don't U.S. a I 42 "
    "٤٢ snake_case 😀 👩\u200d👩\u200d👧 İstanbul ǅ ﷺ na\u00a0me zero\u200bwidth E-Mail <br/> "
    "A&amp;B"
).split()
BROKEN = b"caf\xe9 \xff\xfe \xe6\x97 \xed\xa0\x80 \xf0\x9f\x98"
DENSE_COLUMNS, SPARSE_COLUMNS = 6, 40


def random(*seed) -> np.random.Generator:
    """Of which only `integers` and `random` are used, which all versions of NumPy have alike."""
    return np.random.Generator(np.random.PCG64(list(seed)))


def sentences(rng, labels, words=WORDS, longest=20):
    """A text for each label: of up to ``longest`` words, frequent ones first in another place."""
    lengths = rng.integers(longest, size=len(labels))
    shares = rng.random(int(lengths.sum()))
    places = (len(words) * shares * shares * shares).astype(int) + 7 * np.repeat(labels, lengths)
    chosen = (words[place % len(words)] for place in places.tolist())
    return [" ".join(islice(chosen, n)) for n in lengths.tolist()]


def text_rows(n, *seed, n_classes=3, words=WORDS, longest=20):
    """Rows of a label from "1" on, a title and a body."""
    rng = random(*seed)
    labels = rng.integers(n_classes, size=n)
    titles, bodies = sentences(rng, labels, words, 5), sentences(rng, labels, words, longest)
    return [
        (str(1 + label), *texts)
        for label, *texts in zip(labels.tolist(), titles, bodies, strict=True)
    ]


def delimited(rows, **options) -> bytes:
    """Rows as CSV."""
    text = io.StringIO()
    options = {"quoting": csv.QUOTE_ALL, "lineterminator": "\n"} | options
    csv.writer(text, **options).writerows(rows)
    return text.getvalue().encode()


def json_lines(rows) -> bytes:
    """Rows as JSON Lines, their texts in two fields and the class a number."""
    return b"".join(
        json.dumps(
            {"id": i, "title": title, "stars": int(label), "body": body}, ensure_ascii=i % 2 == 0
        ).encode()
        + b"\n"
        for i, (label, title, body) in enumerate(rows)
    )


def dense_rows(n, *seed, n_classes=3):
    """Values, ``(n, DENSE_COLUMNS) float32`` of three decimals, and classes from -1 on."""
    rng = random(*seed)
    labels = rng.integers(n_classes, size=n)
    thousandths = rng.integers(-2000, 2000, size=(n, DENSE_COLUMNS))
    thousandths[np.arange(n), labels % DENSE_COLUMNS] += 1500
    return (thousandths / 1000).astype(np.float32), labels - 1


def sparse_rows(n, *seed, n_classes=3, first=1, n_columns=SPARSE_COLUMNS):
    """Lines of svmlight, a fifth of the columns in each, those of its class higher."""
    rng = random(*seed)
    lines = []
    for label in rng.integers(n_classes, size=n).tolist():
        columns = np.flatnonzero(rng.random(n_columns) < 0.2)
        values = rng.integers(1, 1000, size=len(columns)) + 1000 * (columns % n_classes == label)
        pairs = zip(columns.tolist(), values.tolist(), strict=True)
        lines.append(
            " ".join([str(label), *(f"{first + column}:{value / 1000}" for column, value in pairs)])
        )
    return lines


def write_all(folder: Path) -> None:
    """Write all sources to ``folder``."""
    for write in (_write_texts, _write_laid_out, _write_compressed, _write_archives, _write_bad,
                  _write_dense, _write_dense_files, _write_sparse, _write_training):  # fmt: skip
        write(folder)


def _write_texts(folder):
    """Headerless CSV: the class, then two texts."""
    for name, n, seed in (("train", 300, 0), ("test", 80, 1), ("other", 60, 2)):
        (folder / f"{name}.csv").write_bytes(delimited(text_rows(n, 0, seed)))
    big = text_rows(6000, 1, words=MANY_WORDS, longest=40)
    (folder / "big.csv").write_bytes(delimited(big))
    long = text_rows(60, 2, words=MANY_WORDS, longest=1200)
    (folder / "long.csv").write_bytes(delimited(long))
    ties = [(str(i % 2), " ".join(WORDS[k] for k in range(i % 5, 60, 5))) for i in range(100)]
    (folder / "ties.csv").write_bytes(delimited(ties))
    odd = text_rows(200, 3, words=[*ODD_WORDS, *WORDS[:20]])
    odd = delimited(odd) + b"".join(b'"%d","%s","x %s y"\n' % (i % 3 + 1, BROKEN[: 4 + i], BROKEN)
                                    for i in range(12))  # fmt: skip
    (folder / "odd.csv").write_bytes(odd)
    names = {"1": "Wörld", "2": "sports, and more", "3": "10"}
    named = [(f" {names[label]} ", *texts) for label, *texts in text_rows(150, 4)]
    (folder / "names.csv").write_bytes(delimited(named))
    numbers = {"1": "10", "2": "-1", "3": "2"}
    numbered = [(numbers[label], *texts) for label, *texts in text_rows(150, 5)]
    (folder / "numbers.csv").write_bytes(delimited(numbered, quoting=csv.QUOTE_MINIMAL))


def _write_laid_out(folder):
    """Other layouts: columns with names, fields, folders, files in parts."""
    rows = text_rows(150, 6)
    table = [("id", "title", "stars", "body")]
    table += [(i, title, label, body) for i, (label, title, body) in enumerate(rows)]
    (folder / "header.csv").write_bytes(delimited(table, quoting=csv.QUOTE_MINIMAL))
    (folder / "header.tsv").write_bytes(delimited(table, quoting=csv.QUOTE_MINIMAL, delimiter="\t"))
    for name in ("plain.tsv", "plain.txt"):
        text = delimited(rows, quoting=csv.QUOTE_NONE, delimiter="\t")
        (folder / name).write_bytes(text)
    (folder / "rows.jsonl").write_bytes(json_lines(rows))
    usual = [("label", "text"), *((label, f"{title}\r\n{body}") for label, title, body in rows)]
    text = delimited(usual, lineterminator="\r\n")
    (folder / "usual.csv").write_bytes(b"\xef\xbb\xbf" + text.replace(b"ba ", b'""ba"" '))
    columns = dict(zip(("stars", "title", "body"), zip(*rows, strict=True), strict=True))
    columns["stars"] = [int(label) for label in columns["stars"]]
    pq.write_table(pa.table(columns), folder / "rows.parquet", row_group_size=40)
    for i in range(3):
        (folder / f"part{i}.csv").write_bytes(delimited(rows[50 * i : 50 * i + 50]))
    (folder / "classes").mkdir()
    (folder / "classes" / "train.csv").write_bytes(delimited(rows))
    (folder / "classes" / "classes.txt").write_text("Erste\nZweite\nDritte\n", "utf-8")
    (folder / "names.txt").write_text("one\ntwo\nthree\n", "utf-8")


def _write_compressed(folder):
    text = (folder / "train.csv").read_bytes()
    (folder / "train.csv.gz").write_bytes(gzip.compress(text, mtime=0))
    (folder / "train.csv.bz2").write_bytes(bz2.compress(text))
    (folder / "train.csv.zst").write_bytes(zstandard.compress(text))
    text = (folder / "rows.jsonl").read_bytes()
    (folder / "rows.jsonl.zst").write_bytes(zstandard.compress(text))


def _write_archives(folder):
    """Data sets as they are published."""
    escaped = r" good\nfood \"really\" nice won\support"
    for name, n_classes in (("ag_news", 4), ("amazon_review_polarity", 2)):
        (folder / name).mkdir()
        for split, n, seed in (("train", 120, 0), ("test", 40, 1)):
            rows = text_rows(n, 7, seed, n_classes=n_classes)
            rows = [(label, title, body + escaped) for label, title, body in rows]
            (folder / name / f"{split}.csv").write_bytes(delimited(rows))
    for split, n, seed in (("train", 90, 2), ("test", 40, 3)):
        for i, (label, _, body) in enumerate(text_rows(n, 7, seed, n_classes=3)):
            place = folder / "imdb" / split / {"1": "neg", "2": "pos", "3": "unsup"}[label]
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{i}_{label}.txt").write_text(body + " <br />", "utf-8")


def _write_bad(folder):
    """Files with rows that cannot be used."""
    good = delimited(text_rows(40, 8))
    bad = b'"1","no body"\n"1","a","b","c"\n"1","a "stray" quote","b"\n"1","a","nul \0 byte"\n'
    bad += b'"","a","no label"\n"1","broken","%s"\n' % BROKEN
    (folder / "bad.csv").write_bytes(good + bad + good + b'"2","never","closed\n')
    (folder / "bad_test.csv").write_bytes(good + b'"9","a label","never seen"\n')
    lines = (
        b'{"title": "a", "stars": 1, "body": [1]}\n[1]\n{"title": \n{"stars": {}, "body": "b"}\n'
    )
    lines += b'{"title": null, "stars": 2.0, "body": 3}\n{"title": "a", "body": "no label"}\n'
    rows = json_lines(text_rows(40, 9))
    (folder / "bad.jsonl").write_bytes(rows + lines + rows)
    lines = [*sparse_rows(30, 10), "1 3:1 2:1", "1 5:x", "1 1:1 x", "", "# nothing", "2 7:1e400"]
    (folder / "bad.svm").write_text("\n".join([*lines, *sparse_rows(30, 11)]) + "\n")
    values, labels = dense_rows(40, 12)
    rows = [[label, *row] for label, row in zip(labels.tolist(), values.tolist(), strict=True)]
    rows[5][3], rows[6][2], rows[7][0], rows[8] = "x", "nan", "", rows[8][:-1]
    (folder / "bad_dense.csv").write_bytes(delimited(rows))
    values[3, 2], values[9, 0] = np.nan, 1e30
    np.savez(folder / "bad.npz", x=values, y=labels)


def _write_dense(folder):
    """Arrays with files of labels."""
    for name, n, seed in (("dense", 300, 0), ("dense_test", 80, 1), ("dense_other", 60, 2)):
        values, labels = dense_rows(n, 13, seed)
        np.save(folder / f"{name}.npy", 1.25 * values if name == "dense_test" else values)
        np.save(folder / f"{name}_labels.npy", labels)
        text = "".join(f'"class {label}"\n' for label in labels)
        (folder / f"{name}_labels.txt").write_text(text)
    by_column = np.asfortranarray(np.load(folder / "dense.npy").astype(np.float64))
    np.save(folder / "by_column.npy", by_column)
    values, labels = dense_rows(20_000, 14)
    np.savez(folder / "big.npz", x=values, y=labels)


def _write_dense_files(folder):
    """The same rows in files that hold their labels."""
    values, labels = dense_rows(150, 15)
    np.savez(folder / "dense.npz", x=values, y=labels.astype(np.float64))
    np.savez_compressed(folder / "named.npz", here=values, there=labels.astype("U2"))
    rows = [[label, *row] for label, row in zip(labels.tolist(), values.tolist(), strict=True)]
    (folder / "dense.csv").write_bytes(delimited(rows, quoting=csv.QUOTE_MINIMAL))
    table = [["id", *"abcdef", "kind"], *([f"x{label}", *row, label] for label, *row in rows)]
    (folder / "dense_header.csv").write_bytes(delimited(table, quoting=csv.QUOTE_MINIMAL))
    columns = {"label": labels} | {f"c{i}": values[:, i] for i in range(DENSE_COLUMNS)}
    pq.write_table(pa.table(columns), folder / "dense.parquet", row_group_size=40)
    lists = {
        "embedding": pa.array(values[:, :4].tolist(), pa.list_(pa.float32())),
        "fixed": pa.array(values[:, 4:].tolist(), pa.list_(pa.float64(), 2)),
        "text": ["x"] * len(labels),
        "stars": labels,
    }
    pq.write_table(pa.table(lists), folder / "lists.parquet", row_group_size=40)


def _write_sparse(folder):
    """Files of svmlight, their columns from 1 or from 0."""
    for name, first, seed in (("one", 1, 0), ("zero", 0, 1), ("one_test", 1, 2)):
        n_columns = SPARSE_COLUMNS + 3 * (name == "one_test")
        lines = sparse_rows(150, 16, seed, first=first, n_columns=n_columns)
        (folder / f"{name}.svm").write_text("\n".join(lines) + "\n")
    lines = sparse_rows(150, 17)
    lines = [f"{'+1' if line[0] == '1' else '-1.0'} qid:3{line[1:]} # {i}"
             for i, line in enumerate(lines)]  # fmt: skip
    lines[7] = "-1 # no column"
    text = "\n".join(lines).encode()
    (folder / "signs.svm.gz").write_bytes(gzip.compress(text, mtime=0))
    (folder / "big.svm").write_text("\n".join(sparse_rows(12_000, 18)) + "\n")


def _write_training(folder):
    """Rows that models learn something from, test rows likewise, and word vectors."""
    for name, n, seed in (("learn", 420, 0), ("learn_test", 90, 1)):
        (folder / f"{name}.csv").write_bytes(delimited(text_rows(n, 19, seed)))
        two = text_rows(n, 20, seed, n_classes=2)
        (folder / f"{name}_two.csv").write_bytes(delimited(two))
        values, labels = dense_rows(n, 21, seed)
        np.savez(folder / f"{name}.npz", x=values, y=labels)
        lines = sparse_rows(n, 22, seed, n_classes=21)
        (folder / f"{name}.svm").write_text("\n".join(lines) + "\n")
    rng = random(23)
    vectors = (rng.integers(-1000, 1000, size=(len(WORDS), 8)) / 500 + 0.25).tolist()
    lines = [f"{word} {' '.join(map(str, vectors.pop()))}" for word in WORDS[:70]]
    (folder / "vectors.txt").write_text("\n".join([*lines, "unknown" + " 0.5" * 8]) + "\n")
