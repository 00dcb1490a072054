"""Options that several commands share, and checks of them."""

import argparse
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from ooc_train.errors import OptionError
from ooc_train.memory import parse_size


def positive(text: str) -> int:
    """The type of options that take a number from 1."""
    digits = text.replace("_", "")
    if not digits.isdecimal() or int(digits) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1")
    return int(digits)


def byte_size(text: str) -> int:
    """The type of options that take a size, such as ``512MB``; in bytes."""
    try:
        return parse_size(text)
    except OptionError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def words_of(known: Iterable[str]) -> Callable[[str], tuple[str, ...]]:
    """The type of options that take words out of ``known``, with commas between them."""

    def parse(text: str) -> tuple[str, ...]:
        words = tuple(text.split(","))
        for word in words:
            if word not in known:
                raise argparse.ArgumentTypeError(f"{word!r} is none of: {', '.join(known)}")
        return words

    return parse


def add_rows(parser: argparse.ArgumentParser, default: int, quick: int) -> None:
    """Add --rows of a command that generates rows."""
    parser.add_argument(
        "--rows",
        type=positive,
        metavar="N",
        help=f"rows to generate (default: {default:,}, with --quick {quick:,})",
    )


def add_peers(
    parser: argparse.ArgumentParser, known: Sequence[str], default: Sequence[str] | None, of: str
) -> None:
    """Add --peers of a command that compares with other systems; ``of`` says what all are."""

    def parse(text: str) -> tuple[str, ...]:
        names = () if text == "none" else tuple(text.split(","))
        for name in names:
            if name not in known:
                listed = f"{', '.join(known)} or none"
                raise argparse.ArgumentTypeError(f"{name!r} is not a peer; {listed}")
        return names

    parser.add_argument(
        "--peers",
        type=parse,
        default=default,
        metavar="NAMES",
        help=f"{', '.join(known)} or none (default: {of})",
    )


def check_files(options: argparse.Namespace, paths: Iterable[Path]) -> None:
    """Check ``paths``, the value of --data, against the disk and against --rows."""
    if options.rows:
        raise OptionError("--rows and --data exclude each other")
    for path in paths:
        if not path.is_file():
            raise OptionError(f"--data {path} is not a file")


def check_variants(variants: Iterable[str], command: str) -> None:
    """Check that each of --variants is the command with options."""
    if any(variant.split()[:1] != [command] for variant in variants):
        raise OptionError(f"--variants have to begin with {command}")
