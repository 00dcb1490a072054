"""What a conversion reads: the sources of each split and the names of the classes."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ooc_train.conversion.class_names import ClassNames, read_class_names
from ooc_train.conversion.layout import LayoutOptions, Source
from ooc_train.conversion.options import ConvertOptions
from ooc_train.conversion.paths import InputPaths
from ooc_train.conversion.presets import Archive
from ooc_train.conversion.sources import find_source
from ooc_train.errors import OptionError


class Inputs(NamedTuple):
    """Sources by split, train first, and the classes' names if anything tells them."""

    sources: dict[str, list[Source]]
    class_names: ClassNames | None


def find_inputs(train: Sequence[Path], options: ConvertOptions, paths: InputPaths) -> Inputs:
    """Look into all files and folders.  Raises ``InputError`` for what cannot be used."""
    archive = _archive(train, options)
    named = {
        "train": [archive.path("train")] if archive else train,
        "validation": [Path(path) for path in options.validation],
        "test": [archive.path("test")] if archive else [Path(path) for path in options.test],
    }
    layout = LayoutOptions(
        tuple(options.text), options.label, options.header, format=options.format
    )
    layout = archive.preset.layout if archive else layout
    sources = {
        split: [find_source(file, layout) for file in paths.files(names)]
        for split, names in named.items()
        if names
    }
    return Inputs(sources, _class_names(sources["train"][0], archive, options))


def _archive(train: Sequence[Path], options: ConvertOptions) -> Archive | None:
    if options.preset is None:
        return None
    if len(train) != 1:
        raise OptionError(
            f"--preset {options.preset} takes the one folder of its archive, not {len(train)} paths"
        )
    return Archive(options.preset, train[0])


def _class_names(
    first: Source, archive: Archive | None, options: ConvertOptions
) -> ClassNames | None:
    """The names that are said, or the archive's, or those beside the first source."""
    if options.classes:
        return read_class_names(Path(options.classes))
    if archive:
        return archive.class_names()
    return read_class_names(first.classes_path) if first.classes_path else None
