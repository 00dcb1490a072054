"""Advice in words about rows that are not converted: what to look at before."""

from collections.abc import Iterator, Mapping
from typing import Any

_UNEVEN = 10
_MOST_REJECTS = 100
_LITTLE = 0.001


def advice_for(report: Mapping[str, Any]) -> list[str]:
    """Sentences about a report of `explore`; commands stand between backticks."""
    found = [*_about_duplicates(report), *_about_classes(report), *_about_rejects(report)]
    guide = report["guide"]
    if guide and guide["advised"] == "sequence":
        found.append(
            f"The guide's ratio is {guide['ratio']:,.0f}, above 1,500: try `--features sequence` "
            f"beside n-grams, if the time for it is there."
        )
    return found or ["Nothing stands out. Convert the rows with `ooc-convert`."]


def _about_duplicates(report: Mapping[str, Any]) -> Iterator[str]:
    found = report["duplicates"]
    for split in report["splits"]:
        exact, near = found["leaked"][split], found["nearly_leaked"][split]
        if exact + near > _LITTLE * report["splits"][split]["rows"]:
            said = [f"{exact:,} {split} rows are train rows, too"] * bool(exact)
            said += [f"{near:,} {split} rows are nearly train rows"] * bool(near)
            yield (
                f"{', and '.join(said)}: scores on them are too high. Take them out of one of the "
                f"files."
            )
    repeated = found["repeated"]["train"]
    if repeated > _LITTLE * report["splits"]["train"]["rows"]:
        yield (
            f"{repeated:,} train rows repeat another. Some will be drawn for validation, and make "
            f"its scores too high."
        )
    if found["conflicting"]:
        yield (
            f"Texts with rows of several classes: {found['conflicting']:,}. The labels of such "
            f"rows are worth a look."
        )


def _about_classes(report: Mapping[str, Any]) -> Iterator[str]:
    rows = [one["rows"]["train"] for one in report["classes"]]
    if max(rows) > _UNEVEN * max(1, min(rows)):
        yield (
            f"Classes have {min(rows):,} to {max(rows):,} train rows. Accuracy hides the small "
            f"ones: look at macro F1, and try `ooc-train --class-weight balanced`."
        )
    for split in report["splits"]:
        absent = [one["name"] for one in report["classes"] if not one["rows"][split]]
        if absent and split != "train":
            yield (
                f"Classes without {split} rows: {len(absent):,}, such as {absent[0]}. Nothing will "
                f"be known about them."
            )


def _about_rejects(report: Mapping[str, Any]) -> Iterator[str]:
    n_rows = report["rejects"]["rows"]
    if n_rows > _MOST_REJECTS:
        yield (
            f"{n_rows:,} rows cannot be used, which stops a conversion: mend them, or give "
            f"`--max-rejects {n_rows}`."
        )
