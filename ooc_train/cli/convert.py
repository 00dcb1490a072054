"""``ooc-convert``: labelled text to one HDF5 file of features."""

import argparse
import atexit
import gc
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ooc_train.cli.common import Command, megabytes, progress_of, say, size_argument
from ooc_train.memory import keep_freed_memory

_DESCRIPTION = """\
Convert labelled text of any size to one HDF5 file of features, in bounded memory.

Rows come from CSV files (tab-separated for .tsv), from JSON Lines (.jsonl, .ndjson) or
Parquet; all but Parquet plain or compressed (.gz, .bz2, .zst).  CSV without a header has
the class in its first column and text in all others, as AG News, DBPedia, Amazon and
Yelp reviews; of all else, name the columns.  A quoted pattern such as 'part*.csv' stands
for all files that it matches, and - for standard input.  Or rows come from a folder that
has a subfolder of .txt files for each class, as IMDb's has.  --preset knows these data
sets.

Rows of numbers are taken as they are: dense ones from .npy files with --labels, from
.npz, or with --features dense from the columns of Parquet or CSV; sparse ones from
svmlight files (.svm, .svmlight, .libsvm).

Features of text are either tf-idf n-grams: words and pairs of words, the best 20,000 by ANOVA
F, equal to scikit-learn's to rounding; or sequences: the ids of the 19,999 most
frequent words, equal to those of Keras' Tokenizer.  Unless --features says which, the
rule of Google's text-classification guide decides: sequences from 1,500 rows on for
each word of a median row."""

_EXAMPLE = """\
  ooc-convert train.csv --test test.csv -o reviews.h5
  ooc-convert aclImdb --preset imdb -o imdb.h5
  ooc-convert 'part*.jsonl.zst' --text title,body --label stars -o reviews.h5
  ooc-convert train.npy --labels train_labels.npy --dtype float16 -o embeddings.h5
  unzip -p reviews.zip | ooc-convert - --format jsonl --label stars -o reviews.h5"""


_EMPTY = {
    "ngram": "word of two letters; kept, all zeros",
    "sequence": "word; kept, all padding",
    "sparse": "column that is not zero; kept",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    command = Command("ooc-convert", _DESCRIPTION, _EXAMPLE)
    _add_options(command)
    return command.run(_work, arguments)


def _add_options(command: Command) -> None:
    add = command.add
    add(
        "train",
        nargs="+",
        type=Path,
        help="files or folders of the training rows, patterns, or - for standard input",
    )
    add(
        "--format",
        choices=["csv", "tsv", "jsonl", "parquet", "npy", "npz", "svmlight"],
        help="what the files are, where their names do not tell (default: by their names, or csv)",
    )
    add("-o", "--output", required=True, type=Path, help="the HDF5 file to write")
    add("--test", nargs="+", default=[], type=Path, metavar="FILE", help="files of test rows")
    add(
        "--validation",
        nargs="+",
        default=[],
        type=Path,
        metavar="FILE",
        help="files of validation rows, instead of drawing them from the training rows",
    )
    add(
        "--validation-fraction",
        type=float,
        metavar="F",
        help="share of the training rows to draw for validation (default: 0.1)",
    )
    add(
        "--features",
        default="auto",
        choices=["auto", "ngram", "sequence", "dense", "sparse"],
        help="what rows become: of text, tf-idf n-grams or sequences of word ids; dense or sparse "
        "rows of numbers as they are (default: auto)",
    )
    add(
        "--preset",
        metavar="NAME",
        help="the unpacked archive of a public data set, its folder given for the training rows: "
        "ag_news, dbpedia, amazon_review_full, amazon_review_polarity, yelp_review_full, "
        "yelp_review_polarity or imdb",
    )
    add(
        "--text",
        default="",
        metavar="COLS",
        help="the columns of the text, by name or number from 1, separated by commas",
    )
    add("--label", metavar="COL", help="the column of the class, by name or number from 1")
    add(
        "--columns",
        default="",
        metavar="COLS",
        help="of dense features, the columns, as --text (default: all but the class)",
    )
    for split, option in (("training", ""), ("test", "test-"), ("validation", "validation-")):
        add(
            f"--{option}labels",
            nargs="+",
            default=[],
            type=Path,
            metavar="FILE",
            help=f"the classes of the {split} rows, where these are arrays: .npy, or one a line",
        )
    add(
        "--dtype",
        choices=["float32", "float16", "int8"],
        help="how dense features are stored; int8 has a scale for each column (default: float32)",
    )
    add(
        "--zero-based",
        action=argparse.BooleanOptionalAction,
        help="svmlight columns begin with 0, or with 1 (default: 0 if there is one)",
    )
    add(
        "--header",
        action="store_true",
        help="the first row names the columns (implied if --text or --label are names)",
    )
    add(
        "--classes",
        type=Path,
        metavar="FILE",
        help="the names of the classes, line k for class k (default: classes.txt beside the data)",
    )
    add(
        "--analyzer",
        choices=["word", "char"],
        help="what terms consist of: words, or characters, as for Chinese (default: word)",
    )
    add(
        "--ngrams",
        type=_range_argument,
        metavar="MIN,MAX",
        help="words, or characters, in a term (default: 1,2)",
    )
    add(
        "--min-df",
        type=_frequency_argument,
        metavar="N",
        help="least number of training rows with the term, or share such as 0.01 (default: 2)",
    )
    add(
        "--max-df",
        type=_frequency_argument,
        metavar="N",
        help="largest number of training rows with the term, or share (default: 1.0)",
    )
    add(
        "--top-k",
        type=int,
        metavar="K",
        help="terms to select; of sequences, words to keep and the padding (default: 20000)",
    )
    add(
        "--score",
        choices=["f_classif", "chi2", "none"],
        help="what to select terms by; none: by their document frequency (default: f_classif)",
    )
    add(
        "--max-length",
        type=int,
        metavar="N",
        help="of a sequence, words to keep: the last of the row (default: 500)",
    )
    add(
        "--vectorizer",
        type=Path,
        metavar="FILE",
        help="take terms, statistics and classes from a converted file instead of fitting",
    )
    add(
        "--workers",
        type=int,
        metavar="N",
        help="threads (default: one for each processor, as far as the memory goes)",
    )
    add(
        "--memory",
        type=size_argument,
        metavar="SIZE",
        dest="memory_bytes",
        help="memory for the whole process, such as 512MB (default: a quarter of what it may use, "
        "at most 4GB)",
    )
    add(
        "--temp-dir",
        type=Path,
        metavar="DIR",
        help="a folder on a disk for temporary files (default: the output's folder)",
    )
    add(
        "--rejects",
        type=Path,
        metavar="FILE",
        help="where rows go that cannot be used (default: OUTPUT.rejected.csv)",
    )
    add(
        "--max-rejects",
        type=int,
        default=100,
        metavar="N",
        help="stop when more than N rows cannot be used (default: 100)",
    )
    add("--seed", type=int, default=0, metavar="N", help="seed of the rows' order (default: 0)")
    add(
        "--compression",
        default="none",
        choices=["none", "lz4", "zstd"],
        help="make the file smaller, zstd more than lz4, for slower reading; needs the packages of "
        "ooc-train[compression] (default: none)",
    )
    add(
        "--no-shuffle",
        action="store_false",
        dest="shuffle",
        help="keep the training rows in the order of their source (they are shuffled otherwise)",
    )
    add("--force", action="store_true", help="overwrite the output if it exists")


def _range_argument(text: str) -> tuple[int, int]:
    shortest, _, longest = text.partition(",")
    try:
        return int(shortest), int(longest or shortest)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not MIN,MAX, such as 1,2") from None


def _frequency_argument(text: str) -> int | float:
    try:
        return int(text) if text.isdecimal() else float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number nor a share") from None


def _work(options: argparse.Namespace) -> dict[str, Any]:
    # Looking for garbage in what imports make takes 0.1 s meanwhile, and as much at the end.
    gc.set_threshold(100_000)
    atexit.register(gc.freeze)
    keep_freed_memory()
    from ooc_train.conversion.convert import convert  # noqa: PLC0415 - --help stays instant
    from ooc_train.jit import load_numba  # noqa: PLC0415

    load_numba()
    report = convert(
        options.train,
        options.output,
        progress=progress_of(options),
        test=options.test,
        validation=options.validation,
        validation_fraction=options.validation_fraction,
        features=options.features,
        preset=options.preset,
        text=[column.strip() for column in options.text.split(",") if column.strip()],
        label=options.label,
        columns=[column.strip() for column in options.columns.split(",") if column.strip()],
        labels=options.labels,
        test_labels=options.test_labels,
        validation_labels=options.validation_labels,
        dtype=options.dtype,
        zero_based=options.zero_based,
        header=options.header,
        format=options.format,
        classes=options.classes,
        analyzer=options.analyzer,
        ngrams=options.ngrams,
        min_df=options.min_df,
        max_df=options.max_df,
        top_k=options.top_k,
        score=options.score,
        max_length=options.max_length,
        vectorizer=options.vectorizer,
        memory_bytes=options.memory_bytes,
        workers=options.workers,
        temp_dir=options.temp_dir,
        rejects=options.rejects,
        max_rejects=options.max_rejects,
        seed=options.seed,
        shuffle=options.shuffle,
        compression=options.compression,
        force=options.force,
    )
    say(
        options,
        f"{options.output}: {report['rows']:,} train, {report['validation_rows']:,} validation and "
        f"{report['test_rows']:,} test rows of {len(report['classes'])} classes, "
        f"{report['n_features']:,} {report['features']} features "
        f"({report['seconds']:.1f} s, {megabytes(report['peak_anon_bytes'])} of memory)",
    )
    if "auto" in report:
        figures = report["auto"]
        say(
            options,
            f"{report['features']} features were chosen: {figures['rows']:,} rows, "
            f"{figures['median_words']:g} words in a median row, ratio {figures['ratio']:,.0f} "
            f"(sequences from 1,500 on)",
        )
    if report["compression"] != "none":
        saved, size = report["saved_bytes"], report["output_bytes"]
        say(
            options,
            f"{report['compression']} saved {megabytes(saved)}, {saved / (saved + size):.0%}: the "
            f"file has {megabytes(size)}",
        )
    if report["rejected_rows"]:
        say(options, f"{report['rejected_rows']:,} rows could not be used: {report['rejects']}")
    if report["replaced_rows"]:
        say(options, f"{report['replaced_rows']:,} rows had invalid UTF-8, read as U+FFFD")
    if report.get("clipped_values"):
        clipped = f"{report['clipped_values']:,}"
        say(options, f"{clipped} values were beyond those of the training rows, and were clipped")
    if report.get("ignored_entries"):
        ignored = f"{report['ignored_entries']:,}"
        say(options, f"{ignored} values in columns that no training row has were left out")
    if report["empty_rows"]:
        what = _EMPTY[report["features"]]
        say(options, f"{report['empty_rows']:,} rows have no {what}")
    return report


if __name__ == "__main__":
    sys.exit(main())
