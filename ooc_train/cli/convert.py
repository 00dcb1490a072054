"""``ooc-convert``: labelled text to one HDF5 file of features."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from ooc_train.cli.bars import LOADING, begun
from ooc_train.cli.command import (
    Command,
    SharedOptions,
    megabytes,
    row_remarks,
    say,
)
from ooc_train.cli.options import Given
from ooc_train.conversion.options import ConvertOptions, Paths
from ooc_train.conversion.sources.database import QueryOptions
from ooc_train.counts import counted, rows_by_split
from ooc_train.durations import in_words
from ooc_train.errors import OptionError
from ooc_train.kinds import KINDS
from ooc_train.memory import default_budget, keep_freed_memory
from ooc_train.options import option
from ooc_train.outputs import CONVERTED
from ooc_train.remote.url import located

_DESCRIPTION = """\
Convert labelled text of any size to one HDF5 file of features, in bounded memory.

Rows come from CSV, JSON Lines, arrays of JSON objects, lines of fastText, Parquet and
Arrow files, and from queries of databases.  Text files may be compressed (.gz, .bz2, .xz,
.zst, or .zip of one file).  CSV without a header has the class in its first column and
text in all others, as AG News, DBPedia, Amazon and Yelp reviews have; for all other
files, name the columns.  A quoted pattern such as 'part*.csv' stands for all files that
it matches, a folder for the files of rows in it, and - for standard input.  A folder may
also have a subfolder of texts for each class, as IMDb has, and train/ and test/ within
it are splits.  --preset knows some data sets.

Rows of numbers stay as they are.  Dense rows come from .npy files with --labels, from
.npz files, or with --features dense from the columns of Parquet or CSV; sparse rows come
from svmlight files (.svm, .svmlight, .libsvm).

Text becomes n-grams or sequences.  N-grams are the tf-idf values of words and pairs of
words, the best 20,000 or more by ANOVA F, equal to scikit-learn's to rounding.  Sequences
are the ids of the 19,999 most frequent words, equal to those of Keras' Tokenizer.
Without --features text becomes n-grams, which are as accurate on nearly all data and a
hundred times as fast.  The advice of Google's text-classification guide is printed."""

_EXAMPLE = """\
  ooc-convert train.csv --test test.csv -o reviews.h5
  ooc-convert aclImdb --preset imdb -o imdb.h5
  ooc-convert 'part*.jsonl.zst' --text title,body --label stars -o reviews.h5
  ooc-convert 'part*.csv' --shards 2GB -o reviews.json
  ooc-convert monday.csv --append reviews.json
  ooc-convert train.npy --labels train_labels.npy --dtype float16 -o embeddings.h5
  ooc-convert --sql "SELECT stars, text FROM reviews" --database sqlite:///reviews.db \\
      --label stars -o reviews.h5
  unzip -p reviews.zip | ooc-convert - --format jsonl --label stars -o reviews.h5"""

_EMPTY = {
    ("text", "sparse"): "word of two letters; kept, all zeros",
    ("text", "ragged"): "word; kept, all padding",
    ("sparse", "sparse"): "column that is not zero; kept",
}
"""By source and layout: what an empty row lacks, and what it becomes."""


@dataclass(frozen=True, kw_only=True)
class ConvertFiles:
    """The rows to convert, and the file to write."""

    train: Paths = option(
        (),
        "files or folders of the training rows, patterns, or - for standard input; a query of a "
        "database may take their place, see --sql",
        positional=True,
    )
    output: Path | None = option(
        None,
        "the HDF5 file to write; with --shards the index",
        fallback="required, but for --append",
        spelled=("-o", "--output"),
        group="output",
    )
    append_to: Path | None = option(
        None,
        "add the rows to the shards of INDEX, with its vectorizer and classes, behind the rows "
        "that it has; of the new training rows the same share is drawn for validation",
        spelled=("--append",),
        metavar="INDEX",
        group="output",
    )

    @property
    def target(self) -> Path:
        """The file to write.  Raises OptionError unless exactly one is named."""
        if self.output and self.append_to:
            raise OptionError(f"--append writes to {self.append_to}; leave out -o {self.output}")
        if not (self.output or self.append_to):
            raise OptionError(f"-o/--output is missing, the HDF5 file to write; {self._proposal}")
        return self.output or cast(Path, self.append_to)

    @property
    def _proposal(self) -> str:
        """How to name the output, which may stand among the files of rows."""
        last = located(self.train[-1]) if self.train else None
        if isinstance(last, Path) and last.suffix in CONVERTED and not last.exists():
            return f"if it is {last}, write -o {last}"
        return "write ooc-convert train ... -o OUTPUT [options]"


COMMAND = Command(
    "ooc-convert",
    _DESCRIPTION,
    _EXAMPLE,
    [ConvertFiles, QueryOptions, ConvertOptions],
    first=("output", "test", "text", "label", "features"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    return COMMAND.run(_work, arguments)


def _work(given: Given) -> dict[str, Any]:
    files, shared = given.made(ConvertFiles), given.made(SharedOptions)
    progress = begun(LOADING, quiet=shared.quiet)
    keep_freed_memory()
    from ooc_train.conversion import trial  # noqa: PLC0415 - --help stays instant
    from ooc_train.conversion.convert import convert  # noqa: PLC0415 - as above

    trial.meanwhile = _compiling_to_train

    keywords = {**given.keywords(ConvertOptions), "append": files.append_to is not None}
    query, options = given.made(QueryOptions), ConvertOptions(**keywords)
    temp_dir = Path(options.temp_dir or files.target.parent)
    rows = query.rows(options.memory_bytes or default_budget(), temp_dir)
    if (rows is None) == (not files.train):
        raise OptionError(
            "name the files of the training rows, or give --sql and --database"
            if rows is None
            else f"the training rows are those of the query; leave out {files.train[0]}"
        )
    report = convert(
        rows or files.train,
        files.target,
        progress=progress,
        more_outputs=shared.outputs,
        **keywords,
    )
    say(shared, *_summary(report))
    return report | query.report


def _compiling_to_train(kind: str) -> AbstractContextManager[None]:
    """Compile what training on features of this kind will need, so that it begins at once."""
    if KINDS[kind].layout == "ragged":
        return nullcontext()  # TensorFlow trains on these
    from ooc_train.training.trial import compiling  # noqa: PLC0415 - once on a machine

    return compiling(KINDS[kind].layout)


def _summary(report: dict[str, Any]) -> Iterator[str]:
    """The summary, a line each."""
    splits = {"train": "rows", "validation": "validation_rows", "test": "test_rows"}
    rows = rows_by_split({split: report[key] for split, key in splits.items()})
    said = f"{report['features']} feature"
    yield (
        f"{report['output']}: {rows} of {counted(len(report['classes']), 'class')}, "
        f"{counted(report['n_features'], said)} "
        f"({report['seconds']:.1f} s, {megabytes(report['peak_anon_bytes'])} of memory)"
    )
    if "auto" in report:
        yield _advice(report["auto"])
    if report["compression"] != "none":
        saved, size = report["saved_bytes"], report["output_bytes"]
        yield (
            f"{report['compression']} saved {megabytes(saved)}, {saved / (saved + size):.0%}: the "
            f"file has {megabytes(size)}"
        )
    if report["shards"]:
        sizes = [shard["bytes"] for shard in report["shards"]]
        yield f"{counted(len(sizes), 'shard')} of up to {megabytes(max(sizes))}"
    yield from _remarks(report)


def _advice(figures: dict[str, Any]) -> str:
    """The guide's advice, and the seconds of an epoch of either kind."""
    ngram, sequence = (in_words(figures["epoch_seconds"][kind]) for kind in ("ngram", "sequence"))
    kinds = {"ngram": "n-grams, too", "sequence": "sequences"}
    return (
        f"the features are n-grams; Google's guide advises {kinds[figures['advised']]}: "
        f"{counted(figures['rows'], 'row')}, {figures['median_words']:g} words in a median row, "
        f"ratio "
        f"{figures['ratio']:,.0f} (sequences from 1,500 on); on two cores an epoch takes about "
        f"{ngram} with n-grams, {sequence} with sequences (--features sequence)"
    )


def _remarks(report: dict[str, Any]) -> Iterator[str]:
    """Remarks about unusual files and rows, a line each."""
    yield from report["notes"]
    if report["rejected_rows"]:
        n_rejected = counted(report["rejected_rows"], "row")
        yield f"{n_rejected} could not be used: {report['rejects']}"
    yield from row_remarks(report)
    if report.get("clipped_values"):
        clipped = counted(report["clipped_values"], "value")
        yield f"{clipped} beyond those of the training rows, clipped"
    if report.get("ignored_entries"):
        ignored = counted(report["ignored_entries"], "value")
        yield f"{ignored} in columns that no training row has, left out"
    if report["empty_rows"]:
        kind = KINDS[report["features"]]
        empty = counted(report["empty_rows"], "row")
        yield f"{empty} without a {_EMPTY[kind.source, kind.layout]}"


if __name__ == "__main__":
    sys.exit(main())
