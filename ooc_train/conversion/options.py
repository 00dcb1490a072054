"""Everything that a conversion can be told, checked before anything is read."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ooc_train.conversion.sources.files.input_file import InputFile
from ooc_train.conversion.sources.formats.table import FORMATS, file_formats, format_of
from ooc_train.conversion.sources.presets import PRESETS
from ooc_train.conversion.vectorizer import option_names, vectorizer_class
from ooc_train.errors import OptionError
from ooc_train.file.compression import NONE, check_compression
from ooc_train.kinds import KINDS

AUTO = "auto"
DEFAULT_VALIDATION_FRACTION = 0.1
DEFAULT_MAX_REJECTS = 100

Paths = Sequence[str | os.PathLike[str]]


@dataclass(frozen=True, kw_only=True)
class ConvertOptions:
    """The defaults are the command's.

    Parameters of the features are ``None`` where nothing is said: see ``NgramParameters`` and
    ``SequenceParameters`` for what they are then.
    """

    test: Paths = ()
    validation: Paths = ()
    validation_fraction: float | None = None
    features: str = AUTO
    preset: str | None = None
    text: Sequence[str] = ()
    columns: Sequence[str] = ()
    labels: Paths = ()
    test_labels: Paths = ()
    validation_labels: Paths = ()
    label: str | None = None
    header: bool = False
    format: str | None = None
    classes: str | os.PathLike[str] | None = None
    seed: int = 0
    shuffle: bool = True
    compression: str = NONE
    analyzer: str | None = None
    ngrams: tuple[int, int] | None = None
    min_df: int | float | None = None
    max_df: int | float | None = None
    top_k: int | None = None
    score: str | None = None
    max_length: int | None = None
    dtype: str | None = None
    zero_based: bool | None = None
    vectorizer: str | os.PathLike[str] | None = None
    memory_bytes: int | None = None
    workers: int | None = None
    temp_dir: str | os.PathLike[str] | None = None
    rejects: str | os.PathLike[str] | None = None
    max_rejects: int = DEFAULT_MAX_REJECTS
    force: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be, before anything is read."""
        fraction = self.validation_fraction
        if fraction is not None and not 0 <= fraction < 1:
            raise OptionError(f"--validation-fraction {fraction} is not in [0, 1)")
        if fraction and self.validation:
            raise OptionError("--validation and --validation-fraction exclude each other")
        if self.features not in (AUTO, *KINDS):
            known = ", ".join((AUTO, *KINDS))
            raise OptionError(f"--features {self.features} is not known; {known} are")
        self._check_preset()
        if self.format not in (None, *file_formats()):
            raise OptionError(f"--format {self.format} is not one of {', '.join(file_formats())}")
        if self.seed < 0:
            raise OptionError(f"--seed {self.seed} is negative; give 0 or more")
        check_compression(self.compression)
        if self.workers is not None and self.workers < 1:
            raise OptionError(f"--workers {self.workers} is not 1 or more")
        if self._given and self.vectorizer:
            raise OptionError(f"--vectorizer brings its own terms; leave out {_flags(self._given)}")
        if self.features != AUTO:
            self._check_parameters()
            self._check_columns()
        if self.max_rejects < 0:
            raise OptionError(f"--max-rejects {self.max_rejects} is negative; give 0 or more")

    def _check_preset(self) -> None:
        if self.preset is None:
            return
        if self.preset not in PRESETS:
            raise OptionError(f"--preset {self.preset} is not one of {', '.join(PRESETS)}")
        said = [
            name for name in ("test", "text", "label", "header", "format") if getattr(self, name)
        ]
        if said:
            raise OptionError(f"--preset {self.preset} knows its layout; leave out {_flags(said)}")

    def _check_parameters(self) -> None:
        unfit = set(self._given) - option_names(self.features)
        if unfit:
            raise OptionError(
                f"{_flags(unfit)} cannot be used with --features {self.features}; leave it out, or "
                f"choose other features"
            )
        _ = self.parameters

    def _check_columns(self) -> None:
        """Options that say where rows are, and suit other kinds of features."""
        unfit = ["columns", "labels", "test_labels", "validation_labels"]
        if KINDS[self.features].source != "text":
            unfit = ["text", *(unfit if self.features == "sparse" else [])]
        said = [name for name in unfit if getattr(self, name)]
        if said:
            raise OptionError(
                f"{_flags(said)} cannot be used with --features {self.features}; leave it out"
            )

    @property
    def _given(self) -> dict[str, Any]:
        """The features' parameters that something is said about."""
        names = sorted(set().union(*map(option_names, KINDS)))
        return {name: value for name in names if (value := getattr(self, name)) is not None}

    @property
    def parameters(self) -> Any:
        """How text becomes features: the dataclass of their kind."""
        return vectorizer_class(self.features).Parameters(**self._given)

    def settled_by(self, path: Path) -> "ConvertOptions":
        """These options with the kind of features that a file of numbers, by its name, has."""
        if self.features != AUTO:
            return self
        usual = FORMATS[self.format or format_of(InputFile(path))].gives[0]
        kind = None if usual == "text" else usual
        if kind is None and (self.columns or self.labels or self.dtype):
            kind = "dense"
        return self.settled(kind) if kind else self

    def settled(self, features: str) -> "ConvertOptions":
        """These options with the kind of features that ``auto`` chose.

        Raises ``OptionError`` if options are given that it does not have.
        """
        unfit = set(self._given) - option_names(features)
        if unfit:
            raise OptionError(
                f"these rows call for {features} features, which have no {_flags(unfit)}; leave it "
                f"out, or give --features explicitly"
            )
        return replace(self, features=features)

    @property
    def drawn_fraction(self) -> float:
        """The share of train rows to draw for validation."""
        if self.validation:
            return 0.0
        if self.validation_fraction is None:
            return DEFAULT_VALIDATION_FRACTION
        return self.validation_fraction


def _flags(names: Iterable[str]) -> str:
    """Options as they are spelled on the command line."""
    return ", ".join(f"--{name.replace('_', '-')}" for name in sorted(names))
