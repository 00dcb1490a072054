"""Write labelled text like real reviews, or describe files of such text."""

import argparse
import sys
import time
from pathlib import Path

from benchmarks.corpus.describe import learnability, markdown, read_tokens, statistics
from benchmarks.corpus.generate import write_corpus


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.corpus",
        description="Write labelled text like real reviews, or describe files of such text.",
        epilog="example: python -m benchmarks.corpus reviews.csv --rows 400000",
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="the output, - for standard")
    parser.add_argument("--rows", type=int, metavar="N", help="rows to write")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="which rows (0)")
    parser.add_argument("--classes", type=int, default=2, metavar="K", help="classes (2)")
    parser.add_argument("--words", type=float, default=75.0, metavar="N", help="mean body (75)")
    parser.add_argument("--threads", type=int, metavar="N", help="threads (one a core)")
    parser.add_argument("--statistics", action="store_true", help="describe the FILEs instead")
    parser.add_argument("--learn", action="store_true", help="with accuracies (scikit-learn)")
    parser.add_argument(
        "--tokens", type=int, default=10**7, metavar="N", help="describe so many (10,000,000)"
    )
    return parser


def _describe(options: argparse.Namespace) -> None:
    tables = {}
    for path in options.files:
        tables[Path(path).name] = statistics(read_tokens(path, options.tokens))
        if options.learn:
            tables[Path(path).name] |= learnability(path)
    print(markdown(tables))


def _generate(options: argparse.Namespace) -> None:
    start = time.perf_counter()
    n_bytes = write_corpus(
        options.files[0],
        options.rows,
        seed=options.seed,
        n_classes=options.classes,
        mean_words=options.words,
        n_threads=options.threads,
    )
    seconds = time.perf_counter() - start
    print(
        f"{options.rows:,} rows, {n_bytes / 1e6:,.1f} MB in {seconds:.2f} s "
        f"({n_bytes / 1e6 / seconds:,.0f} MB/s)",
        file=sys.stderr,
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if not options.statistics and (options.rows is None or len(options.files) != 1):
        parser.error("writing takes one FILE and --rows N; to describe files add --statistics")
    try:
        _describe(options) if options.statistics else _generate(options)
    except (OSError, ValueError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
