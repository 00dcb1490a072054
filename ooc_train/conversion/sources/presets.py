"""Presets: the public data sets of Google's text-classification guide, and others like them.

AG News, DBPedia, Amazon and Yelp reviews are the archives of Zhang et al. 2015 (arXiv 1509.01626):
``train.csv``, ``test.csv`` and sometimes ``classes.txt`` in one folder.  IMDb is the Large Movie
Review Dataset of Maas et al. 2011: folders of text files.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ooc_train.conversion.sources.class_names import CLASSES_NAME, ClassNames, read_class_names
from ooc_train.conversion.sources.layout import LayoutOptions
from ooc_train.errors import InputError

_STARS = ("1 star", "2 stars", "3 stars", "4 stars", "5 stars")
_POLARITY = ("negative", "positive")


@dataclass(frozen=True)
class Preset:
    """A data set: the names of its classes, what its texts need, and the folders of its classes."""

    class_names: Sequence[str]
    cleaning: str | None = None
    folders: tuple[str, ...] = ()

    @property
    def layout(self) -> LayoutOptions:
        """The layout of the rows: the class first, or by folders."""
        return LayoutOptions(cleaning=self.cleaning, folders=self.folders)


PRESETS = {
    "ag_news": Preset(("World", "Sports", "Business", "Sci/Tech"), "backslashes"),
    "dbpedia": Preset(
        (
            "Company", "EducationalInstitution", "Artist", "Athlete", "OfficeHolder",
            "MeanOfTransportation", "Building", "NaturalPlace", "Village", "Animal", "Plant",
            "Album", "Film", "WrittenWork",
        )
    ),
    "amazon_review_full": Preset(_STARS, "escapes"),
    "amazon_review_polarity": Preset(_POLARITY, "escapes"),
    "yelp_review_full": Preset(_STARS, "escapes"),
    "yelp_review_polarity": Preset(_POLARITY, "escapes"),
    "imdb": Preset(("neg", "pos"), folders=("neg", "pos")),
}  # fmt: skip
"""The data sets, by the name that ``--preset`` takes."""


@dataclass(frozen=True)
class Archive:
    """A preset's unpacked archive."""

    name: str
    folder: Path

    @property
    def preset(self) -> Preset:
        """The data set that is in the archive."""
        return PRESETS[self.name]

    def path(self, split: str) -> Path:
        """The file of the ``train`` or ``test`` rows, or the folder with their classes' folders.

        Raises ``InputError`` that says what is missing.
        """
        if self.preset.folders:
            places = [self.folder / split]
            wanted = [self.folder / split / folder for folder in self.preset.folders]
            missing = [place for place in wanted if not place.is_dir()]
        else:
            wanted = [self.folder / f"{split}.csv", self.folder / f"{split}.csv.gz"]
            places = [place for place in wanted if place.is_file()]
            missing = [] if places else wanted[:1]
        if missing:
            raise InputError(
                f"{self.folder} is not the unpacked archive of {self.name}: there is no "
                f"{missing[0].relative_to(self.folder)}; give the folder that it is in"
            )
        return places[0]

    @property
    def names_path(self) -> Path:
        """The file with the classes' names, which may not be there."""
        return self.folder / CLASSES_NAME

    def class_names(self) -> ClassNames:
        """The names in the archive's ``classes.txt``, else those that were published."""
        if self.names_path.is_file():
            return read_class_names(self.names_path)
        return ClassNames(f"the preset {self.name}", self.preset.class_names)
