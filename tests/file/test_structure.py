"""The structure of files: whole ones pass, and each change of one thing is refused or harmless."""

import dataclasses

import numpy as np
import pytest

from ooc_train.file.handle import open_file
from ooc_train.file.objects import StoredArray, StoredGroup
from ooc_train.file.schema import MAX_CLASSES, MAX_CLASSES_BYTES, MAX_COLUMNS
from ooc_train.file.structure import array_at, arrays_of, check_structure, objects_of
from tests.files import repack, write_dense, write_sequences, write_toy

FILES = {
    "ngram": lambda path: write_toy(path, train=20, test=9),
    "sparse": lambda path: write_toy(path, features="sparse", train=20),
    "sequence": lambda path: write_sequences(path, train=20, validation=9),
    "dense": lambda path: write_dense(path, train=20, test=9),
}
DTYPES = ("<u1", "<u2", "<u4", "<u8", "<i1", "<i2", "<i4", "<i8", "<f2", "<f4", "<f8")
MORE = StoredArray((1,), np.dtype("u1"), 2048)
SUMS = StoredArray((1,), np.dtype("<u8"), 2048)


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    """The objects of a whole file of each kind; of dense rows also scaled and compressed ones."""
    folder, found = tmp_path_factory.mktemp("structure"), {}
    for name, write in FILES.items():
        path = write(folder / f"{name}.h5")
        found[name] = root_of(path)
        if name != "sparse":
            found[f"{name} zstd"] = root_of(repack(path, folder / "packed.h5", "zstd"))
    scales = StoredArray((7,), np.dtype("<f4"), 2048)
    root = put(found["dense"], "vectorizer/scales", scales)
    root = put(root, "checksums/vectorizer/scales", SUMS)
    for split in ("train", "test"):
        root = change(root, f"{split}/features", dtype=np.dtype("i1"))
    return found | {"int8": root}


def root_of(path):
    handle = open_file(path, verify=True)
    handle.close()
    return handle.root


def put(group, path, value):
    """A copy of a group with another object, or none, at a path."""
    name, _, rest = path.partition("/")
    members = dict(group.members)
    if rest:
        members[name] = put(members.get(name, StoredGroup({}, {})), rest, value)
    else:
        members.pop(name, None)
        members |= {} if value is None else {name: value}
    return dataclasses.replace(group, members=members)


def change(root, path, **fields):
    """A copy of a root with other facts about an object."""
    if path == "/":
        return dataclasses.replace(root, **fields)
    return put(root, path, dataclasses.replace(objects_of(root)[path], **fields))


def say(root, path, **attributes):
    """A copy of a root with other attributes of a group."""
    return change(root, path, attributes=objects_of(root)[path].attributes | attributes)


def is_refused(root):
    try:
        check_structure(root)
    except ValueError:
        return True
    return False


KINDS = [*FILES, "int8", "ngram zstd", "sequence zstd", "dense zstd"]
pytestmark = pytest.mark.parametrize("kind", KINDS)


def test_whole_files_pass(roots, kind):
    sizes, vectorizer = check_structure(roots[kind]), roots[kind].members["vectorizer"]
    n_classes = array_at(roots[kind], "classes/labels/offsets").shape[0] - 1
    n_columns = {"dense": 7, "int8": 7, "sequence": 61}.get(kind.removesuffix(" zstd"), 60)
    max_length = vectorizer.attributes.get("max_length")
    for missing in ("train", "train/none", "train/labels/none"):
        with pytest.raises(KeyError, match=f"the array {missing} is missing"):
            array_at(roots[kind], missing)
    assert dataclasses.astuple(sizes) == (n_classes, n_columns, max_length, kind == "int8")


def test_each_object_is_needed_and_no_other(roots, kind):
    root, optional = roots[kind], {"test", "validation"}
    for path, found in objects_of(root).items():
        if isinstance(found, StoredGroup):
            more = f"{path}/more".lstrip("/")
            with_sums = put(root, f"checksums/{more}", SUMS)
            assert is_refused(put(root, more, MORE)), path
            assert is_refused(put(with_sums, more, MORE)), path
        if path != "/":
            other = MORE if isinstance(found, StoredGroup) else StoredGroup({}, {})
            assert is_refused(put(root, path, None)), path
            assert is_refused(put(root, path, other)), path
    for name in optional & root.members.keys():
        assert not is_refused(put(put(root, name, None), f"checksums/{name}", None))


def test_classes_and_a_vectorizer_alone_need_no_checksums(roots, kind):
    root = roots[kind]
    assert is_refused(put(root, "checksums", None))
    for name in ("train", "validation", "test"):
        root = put(put(root, name, None), f"checksums/{name}", None)
    assert not is_refused(root)  # they may have them
    assert not is_refused(put(root, "checksums", None))


def test_each_type_is_given(roots, kind):
    """But dense rows may be of 32 or of 16 bits."""
    for path, array in arrays_of(roots[kind]).items():
        allowed = {array.dtype}
        if path in ("train/features", "test/features") and kind != "int8":
            allowed |= {np.dtype("<f2"), np.dtype("<f4")}
        for dtype in map(np.dtype, DTYPES):
            wanted = dtype not in allowed
            filters = tuple((n, (dtype.itemsize,) if n == 2 else o) for n, o in array.filters)
            edited = change(roots[kind], path, dtype=dtype, filters=filters)
            assert is_refused(edited) == wanted, (path, dtype)


def test_each_shape_follows_from_others(roots, kind):
    """But that of the bytes of texts, and of the tokens, whose blocks alone are counted."""
    for path, array in arrays_of(roots[kind]).items():
        is_free = path.endswith(("/bytes", "/tokens")) and not path.startswith("checksums")
        shapes = [(*array.shape, 1), (*array.shape, 2), array.shape[:-1]]
        for axis in range(len(array.shape)):
            for step in (-1, 1, 70_000):
                shape = tuple(n + step * (axis == k) for k, n in enumerate(array.shape))
                shapes += [] if is_free and step != 70_000 else [shape]
        for shape in shapes:
            assert is_refused(change(roots[kind], path, shape=shape)), (path, shape)
        if is_free and array.chunk is None:
            assert not is_refused(change(roots[kind], path, shape=(array.shape[0] + 1,)))


def test_each_array_is_in_its_own_layout_of_chunks(roots, kind):
    for path, array in arrays_of(roots[kind]).items():
        if array.chunk is None:
            filters = ((2, (array.dtype.itemsize,)), (32015, (3,)))
            assert is_refused(change(roots[kind], path, chunk=array.shape, filters=filters)), path
            continue
        for axis in range(len(array.chunk)):
            chunk = tuple(n + (axis == k) for k, n in enumerate(array.chunk))
            assert is_refused(change(roots[kind], path, chunk=chunk)), path
        own, shuffle = array.filters[-1], (2, (array.dtype.itemsize,))
        others = [(), (own, own), (shuffle,), (own, shuffle), (shuffle, shuffle, own)]
        others += [((2, options), own) for options in ((), (array.dtype.itemsize + 1,))]
        others += [((32004, (0,)),)]
        for filters in others:
            assert is_refused(change(roots[kind], path, filters=filters)), (path, filters)
        for filters in ((own,), (shuffle, own)):
            assert not is_refused(change(roots[kind], path, filters=filters)), path


def test_each_attribute_is_of_its_type(roots, kind):
    root = roots[kind]
    for path, found in objects_of(root).items():
        if not isinstance(found, StoredGroup):
            continue
        assert is_refused(say(root, path, more=None)), path
        for name, value in found.attributes.items():
            rest = {key: other for key, other in found.attributes.items() if key != name}
            needed = name not in ("format", "format_version", "complete")
            assert is_refused(change(root, path, attributes=rest)) == needed, name
            for other in ("1", 1, 1.0, True):
                if type(other) is not type(value) and needed:
                    assert is_refused(say(root, path, **{name: other})), (name, other)
    for name in ("order", "compression"):
        assert is_refused(say(root, "/", **{name: "x"}))
    assert not is_refused(say(root, "/", order="source"))


def test_numbers_have_bounds(roots, kind):
    root, vectorizer = roots[kind], roots[kind].members["vectorizer"].attributes
    for n, refused in ((-1, True), (0, True), (1, False)):
        assert is_refused(say(root, "vectorizer", n_documents=n)) == refused
    if "max_length" in vectorizer:
        for n, refused in ((-1, True), (0, False), (MAX_COLUMNS, False), (MAX_COLUMNS + 1, True)):
            assert is_refused(say(root, "vectorizer", max_length=n)) == refused
    if kind in ("dense", "sparse"):
        empty = put(put(put(root, "train", None), "test", None), "checksums", None)
        for n, refused in ((0, True), (1, False), (MAX_COLUMNS, False), (MAX_COLUMNS + 1, True)):
            assert is_refused(say(empty, "vectorizer", n_columns=n)) == refused
        assert is_refused(say(empty, "vectorizer", n_columns=1.0))
    if "terms" in root.members["vectorizer"].members:
        n_columns = check_structure(root).n_columns
        for n in (n_columns - 1, n_columns, n_columns + 1):
            assert is_refused(say(root, "vectorizer", n_columns=n)) == (n != n_columns)


def test_classes_have_bounds(roots, kind):
    root = roots[kind]
    for name in ("train", "validation", "test", "checksums"):
        root = put(root, name, None)
    most = {"classes/labels/bytes": MAX_CLASSES_BYTES, "classes/names/bytes": MAX_CLASSES_BYTES}
    for path, n in most.items():
        assert not is_refused(change(root, path, shape=(n,)))
        assert is_refused(change(root, path, shape=(n + 1,)))
    with pytest.raises(ValueError, match=r"labels/offsets has the shape \(0,\), not \(1,\)"):
        check_structure(change(root, "classes/labels/offsets", shape=(0,)))
    for n, refused in ((0, True), (1, False), (MAX_CLASSES, False), (MAX_CLASSES + 1, True)):
        edited = root
        for path in ("classes/labels/offsets", "classes/names/offsets"):
            edited = change(edited, path, shape=(n + 1,))
        assert is_refused(edited) == refused
