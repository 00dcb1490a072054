"""Run folders that someone has made up, and sealed: refused in one sentence, or used as they are.

Nothing in them is run, nothing else is read, and sizes that the files do not have take no memory.
"""

import io
import json
import random
import shutil
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

import ooc_train
from ooc_train.cli import predict as predict_command
from ooc_train.errors import FormatError, InputError, OocTrainError
from ooc_train.training.run.folder import SEALED
from ooc_train.training.run.seal import digest_of, sealed
from tests.corpora import random_rows, write_rows

TEXTS = [f"{title}, {body}" for _, title, body in random_rows(12, seed=2)]
ROWS = {"ngram": TEXTS, "sequence": TEXTS, "dense": np.eye(7, dtype=np.float32)}
KINDS = tuple(ROWS)
WEIGHTS = "model.weights.h5"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a run of each kind, and their predictions."""
    folder = tmp_path_factory.mktemp("hostile")
    source = write_rows(folder / "train.csv", random_rows(300))
    rng = np.random.default_rng(0)
    np.savez(folder / "d.npz", x=rng.random((90, 7), np.float32), y=rng.integers(0, 3, 90))
    expected = {}
    for kind in KINDS:
        path, run = folder / f"{kind}.h5", folder / kind
        given = folder / "d.npz" if kind == "dense" else source
        ooc_train.convert(given, path, features=kind, validation_fraction=0)
        more = {"embedding_dimension": 8} if kind == "sequence" else {}
        ooc_train.train(path, run, epochs=1, **more)
        expected[kind] = ooc_train.load(run).predict_proba(ROWS[kind])
    return folder, expected


def reseal(run):
    """Compute the digests anew, as those who make a run up can."""
    report = json.loads((run / "report.json").read_text())
    digests = {name: digest_of(run / name) for name in SEALED}
    report = sealed(without(report, "digests"), digests, "report.json")
    (run / "report.json").write_text(json.dumps(report))


def without(content, name):
    return {key: value for key, value in content.items() if key != name}


# How a run is changed.


def json_with(name, **values):
    """A file of JSON with other values; those that are ``...`` are left out."""

    def craft(run):
        content = json.loads((run / name).read_text()) | values
        (run / name).write_text(json.dumps({k: v for k, v in content.items() if v is not ...}))

    return craft


def settings(**values):
    return json_with("settings.json", **values)


def report(**values):
    return json_with("report.json", **values)


def content(name, data):
    return lambda run: (run / name).write_bytes(data)


def archive(change=lambda members: None, *, compression=zipfile.ZIP_STORED, more=()):
    """The archive of the model with other members."""

    def craft(run):
        with zipfile.ZipFile(run / "model.keras") as old:
            members = {name: old.read(name) for name in old.namelist()}
        change(members)
        with zipfile.ZipFile(run / "model.keras", "w", compression) as new:
            for name, data in [*members.items(), *more]:
                new.writestr(name, data)

    return craft


def config(data):
    return archive(lambda members: members.update({"config.json": data}))


def weights(change):
    """The weights, after ``change`` of the open file and the name of the first layer's array."""

    def craft(members):
        data = io.BytesIO(members[WEIGHTS])
        with h5py.File(data, "r+") as file:
            names = []
            file.visit(names.append)
            first = next(name for name in names if name.endswith("vars/0") and "seed" not in name)
            change(file, first)
        members[WEIGHTS] = data.getvalue()

    return archive(craft)


def stored(**options):
    """Another array in the place of the first."""

    def change(file, name):
        del file[name]
        file.create_dataset(name, **options)

    return weights(change)


def linked(link):
    def change(file, name):
        file.move(name, "moved")
        file[name] = link

    return weights(change)


def virtual(file, name):
    layout = h5py.VirtualLayout(file[name].shape, "f4")
    layout[...] = h5py.VirtualSource("/etc/hosts", "x", file[name].shape)
    del file[name]
    file.create_virtual_dataset(name, layout)


def nested(file, name):
    group = file
    for _ in range(99):
        group = group.create_group("g")


def not_finite(value):
    return weights(lambda file, name: file[name].__setitem__((0, 0), value))


DEEP = b'{"a":' * 50_000 + b"1" + b"}" * 50_000

CRAFTS = {
    # settings.json
    **{f"settings {data[:9]!r}": ("ngram", content("settings.json", data), r"settings\.json is dam")
       for data in (b"", b"null", b"[]", b"{}", b"7", b"{", b"\xff\xfe", DEEP, b"[" * 10**5)},
    "columns": ("ngram", settings(n_columns=2**62), "vectorizer.h5 is of another run: its n_colum"),
    "a column": ("ngram", settings(n_columns=7), "vectorizer.h5 is of another run: its n_columns"),
    "classes": ("ngram", settings(n_classes=2), "vectorizer.h5 is of another run: its n_classes"),
    "length": ("sequence", settings(max_length=-(2**62)), "is of another run: its max_length is"),
    "kind": ("ngram", settings(features="sequence"), "another run: its features is ngram, and not"),
    "no kind": ("ngram", settings(features="none"), "this release has no 'none' features; use a"),
    "no model": ("ngram", settings(model="none"), "this release has no model 'none'; use a newer"),
    "model": ("dense", settings(model=["mlp"]), r"settings\.json is damaged: model is \['mlp'\]"),
    "batch size": ("ngram", settings(batch_size=0), "damaged: --batch-size must be at least 1, no"),
    "truth": ("ngram", settings(batch_size=True), "settings.json is damaged: batch_size is True"),
    "seed": ("dense", settings(seed=2**80), "settings.json is damaged: --seed must be from 0 to"),
    "layers": ("dense", settings(layers=10**9), "settings.json is damaged: --layers must be from"),
    "units": ("dense", settings(units=10**9), "model.keras holds another model than its settings"),
    "a unit": ("dense", settings(units=7), "model.keras holds another model than its settings de"),
    "dimension": ("sequence", settings(embedding_dimension=10**9), "has fewer weights than the 10"),
    "padding": ("sequence", settings(pads_as_needed=1), "settings.json is damaged: pads_as_needed"),
    "word vectors": ("sequence", settings(embeddings="/etc/passwd"), None),
    "user's": ("dense", settings(model="evil:build"), "evil:build, a function whose code would be"),
    "of the kernels": ("ngram", settings(model="evil:build"), "if you trust it, give --trust-code"),
    # report.json
    "epochs": ("ngram", report(epochs=None), "report.json is damaged: epochs is None; restore it"),
    "no embeddings": ("sequence", report(embeddings=...), None),
    "embeddings": ("sequence", report(embeddings={}), "report.json is damaged: dimension is None;"),
    "of no number": ("sequence", report(embeddings={"dimension": 0}), "word vectors have no num"),
    "numbers": ("sequence", report(embeddings={"dimension": 2**40}), "has fewer weights than the"),
    "of another": ("dense", report(embeddings={"dimension": 8}), None),
    # model.keras
    **{f"model {data[:4]!r}": ("ngram", content("model.keras", data), r"model\.keras is damaged: ")
       for data in (b"", b"no zip", b"PK\3\4", b"PK\5\6" + b"\0" * 18)},
    "no config": ("ngram", archive(lambda m: m.pop("config.json")), "no item named 'config.json'"),
    "no weights": ("dense", archive(lambda m: m.pop(WEIGHTS)), "item named 'model.wei"),
    "compressed": ("ngram", archive(compression=zipfile.ZIP_DEFLATED), "member '.*' is compressed"),
    "bomb": ("ngram", config(b" " * 2**25 + b"{}"), "config.json has more than 16,777,216 bytes"),
    "outside": ("dense", archive(more=[("../../evil", b"")]), "member '../../evil' lies outside"),
    "absolute": ("dense", archive(more=[("/evil", b"")]), "member '/evil' lies outside; restore"),
    **{f"config {data[:9]!r}": ("ngram", config(data), r"model\.keras is damaged: ")
       for data in (b"", b"null", b"[]", b"{}", b"\xff", DEEP)},
    "code in config": ("dense", config(json.dumps(
        {"module": "os", "class_name": "function", "config": "system"}).encode()),
        "holds another model than its settings describe"),
    # model.weights.h5
    "no HDF5": ("ngram", archive(lambda m: m.update({WEIGHTS: b""})), "Unable to "),
    "cut": ("dense", archive(lambda m: m.update({WEIGHTS: m[WEIGHTS][:4000]})), "truncated file"),
    "NaN": ("ngram", not_finite(np.nan), "model.keras is damaged: it has weights that are not fi"),
    "infinity": ("dense", not_finite(np.inf), "model.keras is damaged: it has weights that are n"),
    "rows": ("ngram", stored(data=np.ones((3, 64), "f4")), "holds another model than its set"),
    "shape": ("dense", stored(data=np.ones((70, 640), "f4")), "holds another model than its setti"),
    "number": ("sequence", stored(data=np.float32(1)), "holds other weights than the model in its"),
    "texts": ("ngram", stored(data=np.array([b"a"])), "vars/0 is not stored in model.weights.h5 a"),
    "2^37 numbers": ("ngram", stored(shape=(2**31, 64), dtype="f4"), "vars/0 is not stored in mod"),
    "filter": ("dense", stored(shape=(2**31, 64), dtype="f4", chunks=(99, 64), compression="gzip"),
               "vars/0 is not stored in model.weights.h5 as it is; restore it"),
    "external": ("ngram", stored(shape=(9, 9), dtype="f4", external=[("/etc/passwd", 0, 999)]),
                 "vars/0 is not stored in model.weights.h5 as it is; restore it"),
    "virtual": ("dense", weights(virtual), "vars/0 is not stored in model.weights.h5 as it is"),
    "external link": ("ngram", linked(h5py.ExternalLink("/x.h5", "/x")), "vars/0 is a link to ano"),
    "soft link": ("dense", linked(h5py.SoftLink("/moved")), "vars/0 is a link to another place"),
    "cycle": ("ngram", weights(lambda f, n: f.__setitem__("loop", f["/"])), "has groups 64 deep"),
    "depth": ("sequence", weights(nested), "has groups 64 deep; restore it"),
    "group": ("ngram", weights(lambda f, n: (f.move(n, "moved"), f.create_group(n))), "damaged: "),
    "missing": ("dense", weights(lambda f, n: f.move(n, "moved")), "holds another model than its"),
    "more": ("sequence", weights(lambda f, n: f.create_group("more")), None),
    # vectorizer.h5
    "vectorizer": ("ngram", content("vectorizer.h5", b"\x89HDF\r\n\x1a\n"), "vectorizer.h5 "),
}  # fmt: skip
"""By what is changed: the kind of the run, the change, and the sentence; ``None``: it is used."""


@pytest.mark.parametrize("name", CRAFTS)
def test_a_run_that_was_made_up(trained, tmp_path, name, monkeypatch):
    folder, expected = trained
    kind, craft, message = CRAFTS[name]
    run = shutil.copytree(folder / kind, tmp_path / "run")
    (tmp_path / "evil.py").write_text("raise SystemExit('run')")
    monkeypatch.chdir(tmp_path)
    craft(run)
    reseal(run)
    if message is None:
        assert np.array_equal(ooc_train.load(run).predict_proba(ROWS[kind]), expected[kind])
        return
    with pytest.raises((FormatError, InputError), match=message) as caught:
        ooc_train.load(run)
    assert "\n" not in str(caught.value)
    assert "evil" not in sys.modules


@pytest.mark.parametrize("kind", ["ngram", "dense"])
def test_a_vectorizer_of_another_run_whatever_its_seal(trained, tmp_path, kind):
    folder, _ = trained
    run = shutil.copytree(folder / kind, tmp_path / "run")
    shutil.copy(folder / "sequence" / "vectorizer.h5", run)
    reseal(run)
    with pytest.raises(FormatError, match="vectorizer.h5 is of another run: its features is seq"):
        ooc_train.load(run)


def test_the_command_says_one_sentence(trained, tmp_path, capsys):
    run = shutil.copytree(trained[0] / "ngram", tmp_path / "run")
    damage(run / "model.keras", random.Random(0))
    assert predict_command.main([str(run), "--input", str(trained[0] / "train.csv")]) == 1
    said = f"{run / 'model.keras'} is damaged, or of another run; restore it from a copy, or train"
    assert capsys.readouterr().err == f"ooc-predict: {said} again\n"


def damage(path: Path, rng: random.Random) -> None:
    """Change a bit, or some bytes, or cut the file off."""
    data = bytearray(path.read_bytes())
    place = rng.randrange(len(data))
    how = rng.randrange(3)
    if how == 0:
        data[place] ^= 1 << rng.randrange(8)
    elif how == 1:
        data[place : place + 64] = rng.randbytes(64)
    else:
        del data[place:]
    path.write_bytes(data)


@pytest.mark.parametrize("kind", KINDS)
def test_damage_anywhere_changes_no_prediction(trained, tmp_path, kind):
    folder, expected = trained
    rng = random.Random(kind)
    names = [file.relative_to(folder / kind) for file in (folder / kind).rglob("*.*")]
    for number in range(12):
        run = shutil.copytree(folder / kind, tmp_path / str(number))
        name = rng.choice(names)
        before = (run / name).read_bytes()
        damage(run / name, rng)
        try:
            found = ooc_train.load(run).predict_proba(ROWS[kind])
        except OocTrainError as error:
            assert name.name in str(error)  # noqa: PT017 - either is right
        else:
            assert np.array_equal(found, expected[kind])
            assert str(name) not in (*SEALED, "report.json") or (run / name).read_bytes() == before
