"""Files that hold no rows that can be read: what they are, and what to do with them."""

import re

from ooc_train.conversion.sources.files.input_file import InputFile
from ooc_train.errors import InputError

_SIGNATURES = {
    rb"\x89HDF\r\n\x1a\n": ("an HDF5 file", "give it to ooc-train if ooc-convert has made it"),
    rb'\{\s*"format": "ooc-train index"': ("an index of converted files", "give it to ooc-train"),
    rb"SQLite format 3\0": ("an SQLite database", "write its rows as CSV"),
    rb"PK\x03\x04.{26}(\[Content_Types\]|mimetype|META-INF)": (
        "a workbook or document", "save its sheet as CSV"
    ),
    rb"\xd0\xcf\x11\xe0": ("an old workbook or document", "save its sheet as CSV"),
    rb".{257}ustar": ("a tar archive", "unpack it, and give the files in it"),
    rb"7z\xbc\xaf|Rar!": ("an archive", "unpack it, and give the files in it"),
    rb"\x1f\x8b|BZh[1-9]1AY|\xfd7zXZ\0|\x28\xb5\x2f\xfd": (
        "compressed twice", "decompress it once"
    ),
    rb"Obj\x01": ("an Avro file", "write its rows as Parquet or CSV"),
    rb"ORC[\0-\x1f]": ("an ORC file", "write its rows as Parquet or CSV"),
    rb"FEA1": ("an old Feather file", "write it anew, which makes it Feather of version 2"),
    rb"MATLAB 5\.0 MAT": ("a file of MATLAB", "write its arrays as .npy"),
    rb"%%MatrixMarket": ("a matrix of Matrix Market", "write its rows as svmlight"),
    rb"(?i)(%[^\n]*\n|\s)*@relation\s": ("an ARFF file", "write its rows as CSV"),
    rb"\x89PNG\r\n|\xff\xd8\xff|GIF8[79]a|II\*\0|MM\0\*|RIFF.{4}WEBP": (
        "a picture", "give a file of texts or of numbers"
    ),
    rb"%PDF-": ("a PDF document", "give the text in it"),
    rb"\x80[\2-\5][\x95c}(\]]": (
        "a pickle of Python, which may run code", "write its rows as Parquet or CSV"
    ),
    rb"(?i)\s*<(!doctype html|html)": ("a web page", "download the file behind it"),
    rb"version https://git-lfs": ("a pointer of Git LFS", "fetch the file with git lfs pull"),
}  # fmt: skip
_BEGINNING_BYTES = 512


def refuse_foreign(file: InputFile) -> None:
    """Raise ``InputError`` for a file that is known to be no rows of text."""
    beginning = file.sample(_BEGINNING_BYTES)
    for signature, (what, advice) in _SIGNATURES.items():
        if re.match(signature, beginning, re.DOTALL):
            raise InputError(f"{file.path} is {what}; {advice}")
