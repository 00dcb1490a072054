"""The weights in the file of a model; the file as a whole has times in it."""

import io
import zipfile
from pathlib import Path

import h5py


def weights(model: Path) -> dict[str, bytes]:
    """The bytes of each array of a model.  Raises OSError and ValueError if it is damaged."""
    with (
        zipfile.ZipFile(model) as archive,
        h5py.File(io.BytesIO(archive.read("model.weights.h5")), "r") as file,
    ):
        found: dict[str, bytes] = {}

        def add(name: str, item: h5py.Dataset | h5py.Group) -> None:
            if isinstance(item, h5py.Dataset):
                found[name] = item[...].tobytes()

        file.visititems(add)
    return found
