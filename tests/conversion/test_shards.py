"""Shards: the rows of one file in several, published together or not at all, and appended to."""

import csv
import errno
import os
import signal

import numpy as np
import pytest

import ooc_train
from ooc_train import work_folder
from ooc_train.cli import convert as command
from ooc_train.cli import inspect, train
from ooc_train.conversion.sources import corpus
from ooc_train.errors import InputError, OptionError, OutputError
from ooc_train.file.index import Index
from ooc_train.file.samples import MOST_SAMPLES
from ooc_train.file.shards import index_at
from ooc_train.inspection.verify import verify
from ooc_train.memory import measure
from ooc_train.together import Together
from ooc_train.training.run.folder import open_run
from ooc_train.work_folder import WorkFolder
from tests.corpora import random_rows, write_rows

N, N_TEST = 120, 23


def write_texts(folder):
    test = write_rows(folder / "test.csv", random_rows(N_TEST, seed=1))
    return write_rows(folder / "train.csv", random_rows(N, seed=0)), {"test": [test]}


def write_numbers(folder):
    rng = np.random.default_rng(0)
    np.save(folder / "rows.npy", rng.normal(size=(N, 5)).astype("f4"))
    np.save(folder / "labels.npy", rng.integers(3, size=N))
    return folder / "rows.npy", {"labels": [folder / "labels.npy"]}


def write_svmlight(folder):
    rng = np.random.default_rng(0)
    lines = [
        f"{rng.integers(2)} {rng.integers(1, 9)}:1.5 {rng.integers(9, 20)}:2" for _ in range(N)
    ]
    (folder / "rows.svm").write_text("\n".join(lines) + "\n")
    return folder / "rows.svm", {}


KINDS = {
    "ngram": (write_texts, {"features": "ngram"}),
    "sequence": (write_texts, {"features": "sequence"}),
    "source order": (write_texts, {"features": "ngram", "shuffle": False}),
    "dense": (write_numbers, {}),
    "float16": (write_numbers, {"dtype": "float16"}),
    "int8": (write_numbers, {"dtype": "int8"}),
    "sparse": (write_svmlight, {}),
    "lz4": (write_texts, {"features": "ngram", "compression": "lz4"}),
}


def rows_of(path):
    """All arrays of all splits, as bytes."""
    found = {}
    with ooc_train.open(path) as store:
        for name, split in store.splits.items():
            found[name] = store.samples(name)
            for array in split.arrays.values():
                rows = array.read(0, len(array))
                found[array.name] = (rows.dtype, rows.shape, rows.tobytes())
            assert split.n_rows == len(split)
            assert name == split.name
        return found, store.provenance, store.class_names, store.is_shuffled


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_shards_have_the_rows_of_one_file(tmp_path, kind):
    write, options = KINDS[kind]
    train, more = write(tmp_path)
    one = ooc_train.convert(train, tmp_path / "one.h5", **more, **options)
    many = ooc_train.convert(train, tmp_path / "many.json", shards=4, **more, **options)
    assert rows_of(tmp_path / "many.json") == rows_of(tmp_path / "one.h5")
    assert [shard["rows"]["train"] for shard in many["shards"]] == [27] * 4
    for key in ("rows", "validation_rows", "test_rows", "classes", "n_features", "empty_rows"):
        assert many[key] == one[key]
    sizes = [path.stat().st_size for path in tmp_path.glob("many*")]
    assert many["output_bytes"] == sum(sizes)
    assert verify(tmp_path / "many.json")["damaged"] == []
    # Each shard is a complete file, whose vectorizer is that of the one file.
    for shard in many["shards"]:
        with (
            ooc_train.open(tmp_path / shard["file"]) as store,
            ooc_train.open(tmp_path / "one.h5") as whole,
        ):
            assert store.handle.shared_summary() == whole.handle.shared_summary()


def test_texts_that_are_kept_are_those_of_the_first_conversion(tmp_path):
    train, more = write_texts(tmp_path)
    ooc_train.convert(train, tmp_path / "one.h5", **more)
    ooc_train.convert(train, tmp_path / "a.json", shards=3, **more)
    with ooc_train.open(tmp_path / "one.h5") as one:
        texts = one.samples("test")
    assert len(texts) == N_TEST
    many = write_rows(tmp_path / "many.csv", random_rows(300, seed=2))
    ooc_train.convert(new_rows(tmp_path), tmp_path / "a.json", append=True, test=[many])
    with ooc_train.open(tmp_path / "a.json") as store:
        found = store.samples("test")
        assert len(found) == MOST_SAMPLES
        assert {row: text for row, text in found.items() if row < N_TEST} == texts
        assert max(found) < len(store["test"])


def test_the_same_bytes_whatever_the_memory_and_the_workers(tmp_path):
    train, more = write_texts(tmp_path)
    found, little = [], measure().anon_bytes + 2 * 10**8
    for number, resources in enumerate([{"workers": 1}, {"workers": 3, "memory_bytes": little}]):
        folder = tmp_path / str(number)
        folder.mkdir()
        ooc_train.convert(train, folder / "a.json", shards=3, **more, **resources)
        found.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert found[0] == found[1]
    assert len(found[0]) == 4


@pytest.mark.slow
def test_a_training_has_the_same_weights(tmp_path):
    train, more = write_texts(tmp_path)
    weights = []
    for output, options in {"one.h5": {}, "many.json": {"shards": 3}}.items():
        ooc_train.convert(train, tmp_path / output, **more, **options)
        run = tmp_path / f"run-{output}"
        report = ooc_train.train(tmp_path / output, run, epochs=2)
        scores = ooc_train.evaluate(run, tmp_path / output)
        with open_run(run) as opened:
            found = [array.tobytes() for array in opened.load_model().get_weights()]
        weights.append([*found, report["epochs"][-1]["val_loss"], scores["confusion"]])
    assert weights[0] == weights[1]


def test_the_vectorizer_of_an_index(tmp_path):
    train, more = write_texts(tmp_path)
    for output, options in {"one.h5": {}, "many.json": {"shards": 2}}.items():
        ooc_train.convert(train, tmp_path / output, **options)
        ooc_train.convert(more["test"], tmp_path / f"new-{output}.h5", vectorizer=tmp_path / output)
    one, many = (tmp_path / f"new-{name}.h5" for name in ("one.h5", "many.json"))
    with ooc_train.open(one) as store, ooc_train.open(many) as other:
        assert store.fingerprint == other.fingerprint


def test_shards_by_size(tmp_path):
    train, _ = write_texts(tmp_path)
    report = ooc_train.convert(train, tmp_path / "a.json", shards="2KB")
    assert len(report["shards"]) > 3
    assert rows_of(tmp_path / "a.json")[0]
    with pytest.raises(OptionError, match="give a larger size"):
        ooc_train.convert(train, tmp_path / "b.json", shards="1B")
    assert ooc_train.convert(train, tmp_path / "c.json", shards="1GB")["shards"][1:] == []


REFUSED = {
    "a name of HDF5": ("a.h5", {"shards": 2}, OptionError, r"name it .*a\.json"),
    "none": ("a.json", {"shards": 0}, OptionError, "--shards must be a number from 1 to 1000"),
    "no size": ("a.json", {"shards": "many"}, OptionError, "or a size such as 2GB"),
    "more than rows": ("a.json", {"shards": 999}, OptionError, "more than the 108 train rows"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_shards_that_are_refused(tmp_path, fault):
    train, _ = write_texts(tmp_path)
    name, options, kind, message = REFUSED[fault]
    with pytest.raises(kind, match=message):
        ooc_train.convert(train, tmp_path / name, **options)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["test.csv", "train.csv"]


# Publishing


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_nothing_is_replaced_without_force_and_old_shards_go_with_it(tmp_path):
    train, more = write_texts(tmp_path)
    ooc_train.convert(train, tmp_path / "a.json", shards=3)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(OutputError, match="give --force"):
        ooc_train.convert(train, tmp_path / "a.json", shards=2)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    ooc_train.convert(train, tmp_path / "a.json", shards=3, force=True)  # the same names
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    report = ooc_train.convert(more["test"], tmp_path / "a.json", shards=2, force=True)
    shards = [shard["file"] for shard in report["shards"]]
    assert names(tmp_path) == sorted(["a.json", "test.csv", "train.csv", *shards])


def test_a_shard_that_is_another_file_now_is_not_deleted(tmp_path):
    train, more = write_texts(tmp_path)
    shard, _ = ooc_train.convert(train, tmp_path / "a.json", shards=2)["shards"]
    (tmp_path / shard["file"]).write_text("precious")
    ooc_train.convert(more["test"], tmp_path / "a.json", shards=2, force=True)
    assert (tmp_path / shard["file"]).read_text() == "precious"


@pytest.mark.parametrize("append", [False, True])
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_an_interrupted_publication_leaves_nothing(tmp_path, monkeypatch, append, error):
    train, more = write_texts(tmp_path)
    if append:
        ooc_train.convert(train, tmp_path / "a.json", shards=2)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def publish(*given, **named):
        raise error

    monkeypatch.setattr("ooc_train.together.publish", publish)
    with pytest.raises((KeyboardInterrupt, OutputError)):
        ooc_train.convert(
            more["test"], tmp_path / "a.json", append=append, **({} if append else {"shards": 2})
        )
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def killed_while_publishing(folder, n_steps, *, force):
    """Publish two members and an index in a child that is killed before its step ``n_steps``."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    try:
        steps = iter(range(99))

        def step(original):
            def stepping(*given, **named):
                if next(steps) == n_steps:
                    os.kill(os.getpid(), signal.SIGKILL)
                return original(*given, **named)

            return stepping

        work_folder.shutil.rmtree = step(work_folder.shutil.rmtree)
        with WorkFolder(folder) as work:
            together = Together(work, folder / "a.json")
            for name in ("a-0.h5", "a-1.h5"):
                (together.members / name).write_text(f"new {name}")
            for name in ("link", "replace"):
                setattr(os, name, step(getattr(os, name)))
            together.publish("new", force=force)
    finally:
        os._exit(0)


@pytest.mark.parametrize("force", [False, True])
def test_a_killed_publication_leaves_all_or_nothing(tmp_path, force):
    new = {"a.json": "new", "a-0.h5": "new a-0.h5", "a-1.h5": "new a-1.h5"}
    seen = []
    for n_steps in range(6):
        folder = tmp_path / str(n_steps)
        folder.mkdir()
        old = {"a.json": "old", "a-9.h5": "old"} if force else {}
        for name, text in old.items():
            (folder / name).write_text(text)
        status = killed_while_publishing(folder, n_steps, force=force)
        work_folder.remove_abandoned(folder)
        found = {path.name: path.read_text() for path in folder.iterdir()}
        assert found in (old, old | new)
        seen.append((os.WIFSIGNALED(status), found == old | new))
    assert (True, False) in seen
    assert (True, True) in seen  # killed before its own folder was deleted
    assert seen[-1] == (False, True)


# Appending


@pytest.fixture
def index(tmp_path):
    train, more = write_texts(tmp_path)
    ooc_train.convert(train, tmp_path / "a.json", shards=2, **more)
    return tmp_path / "a.json"


def new_rows(folder, n=40, labels="123", seed=7):
    rows = [(labels[i % len(labels)], *row[1:]) for i, row in enumerate(random_rows(n, seed=seed))]
    return write_rows(folder / "new.csv", rows)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ngram", "sequence", "source order", "lz4"])
def test_appended_rows_come_behind_those_that_were_there(tmp_path, kind):
    write, options = KINDS[kind]
    train, more = write(tmp_path)
    index, new = tmp_path / "a.json", new_rows(tmp_path)
    ooc_train.convert(train, index, shards=2, **more, **options)
    with ooc_train.open(index) as store:
        before = {name: store[name].read(0, len(store[name])).to_dense() for name in store}
        old = store.fingerprint
    kept = {key: options[key] for key in ("compression",) if key in options}
    report = ooc_train.convert(new, index, append=True, **kept)
    assert (report["rows"], report["validation_rows"]) == (36, 4)
    alone = {key: options[key] for key in ("shuffle", "compression") if key in options}
    ooc_train.convert(new, tmp_path / "alone.h5", vectorizer=index, **alone)
    with ooc_train.open(index) as store, ooc_train.open(tmp_path / "alone.h5") as other:
        assert store.fingerprint != old
        for name, rows in before.items():
            n = len(rows)
            found = store[name].read(0, len(store[name])).to_dense()
            added = other[name].read(0, len(other[name])).to_dense() if name in other.splits else []
            assert (found[:n] == rows).all()
            assert len(found) == n + len(added)
            assert np.array_equal(found[n:], np.reshape(added, found[n:].shape))
        names = [source["name"] for source in store.provenance["sources"]["train"]]
        assert names == ["train.csv", "new.csv"]
        assert [shard.conversion for shard in store._file.index.shards] == [0, 0, 1]
    assert verify(index)["damaged"] == []


def test_an_index_without_validation_rows_gets_none(tmp_path):
    train, _ = write_texts(tmp_path)
    ooc_train.convert(train, tmp_path / "a.json", shards=1, validation_fraction=0)
    new = new_rows(tmp_path)
    assert ooc_train.convert(new, tmp_path / "a.json", append=True)["validation_rows"] == 0
    report = ooc_train.convert(
        new, tmp_path / "a.json", append=True, validation_fraction=0.5, seed=3
    )
    assert report["validation_rows"] == 20


def test_new_labels_are_refused_by_name(index, tmp_path):
    before = index.read_bytes()
    new = new_rows(tmp_path, labels="1239")
    with pytest.raises(InputError, match=r"new\.csv.*line 4.*label '9' is no class of .*a\.json"):
        ooc_train.convert(new, index, append=True)
    assert index.read_bytes() == before


def plain_file(index, tmp_path):
    ooc_train.convert(tmp_path / "train.csv", tmp_path / "one.h5")
    return tmp_path / "one.h5"


APPEND_FAULTS = {
    "no index": (lambda index, folder: folder / "none.json", {}, InputError, "does not exist"),
    "a single file": (plain_file, {}, InputError, "is a single file, and rows can be appended to"),
    "other terms": (lambda index, folder: index, {"top_k": 5}, OptionError, "leave out --top-k"),
    "another vectorizer": (
        lambda index, folder: index,
        {"vectorizer": "x.h5"},
        OptionError,
        "leave out --vectorizer",
    ),
    "source order": (
        lambda index, folder: index,
        {"shuffle": False},
        OptionError,
        "leave out --no-shuffle",
    ),
    "new classes": (
        lambda index, folder: index,
        {"new_classes": True},
        OptionError,
        "leave out --new-classes",
    ),
    "other features": (
        lambda index, folder: index,
        {"features": "sequence"},
        OptionError,
        "makes ngram features, not sequence",
    ),
}


@pytest.mark.parametrize("fault", APPEND_FAULTS)
def test_what_cannot_be_appended(index, tmp_path, fault):
    output, options, kind, message = APPEND_FAULTS[fault]
    before = index.read_bytes()
    with pytest.raises(kind, match=message):
        ooc_train.convert(new_rows(tmp_path), output(index, tmp_path), append=True, **options)
    assert index.read_bytes() == before


def test_the_same_rows_are_not_appended_twice(index, tmp_path):
    ooc_train.convert(new_rows(tmp_path), index, append=True)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(InputError, match="these rows are in .*a.json already, as a-00002-"):
        ooc_train.convert(tmp_path / "new.csv", index, append=True)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_an_index_that_changes_meanwhile_is_not_overwritten(index, tmp_path, monkeypatch):
    found = index_at(index)
    other = Index(found.shared, found.shards[:1])
    original = corpus.Corpus.blocks

    def blocks(self):
        index.write_text(other.text())
        return original(self)

    monkeypatch.setattr(corpus.Corpus, "blocks", blocks)
    with pytest.raises(OutputError, match="was changed by another program meanwhile"):
        ooc_train.convert(new_rows(tmp_path), index, append=True)
    assert index_at(index) == other


def test_numbers_of_other_columns_are_not_appended(tmp_path):
    train, more = write_numbers(tmp_path)
    ooc_train.convert(train, tmp_path / "a.json", shards=2, **more)
    before = (tmp_path / "a.json").read_bytes()
    np.save(tmp_path / "new.npy", np.zeros((N, 6), "f4"))
    with pytest.raises(InputError, match="rows have 6 columns, and .* have 5"):
        ooc_train.convert(tmp_path / "new.npy", tmp_path / "a.json", append=True, **more)
    assert (tmp_path / "a.json").read_bytes() == before


def test_columns_are_those_of_the_index(tmp_path):
    rows = random_rows(N, seed=0)
    for name, order in {"a": ("stars", "text"), "b": ("text", "stars"), "c": ("text",)}.items():
        lines = [{"stars": label, "text": " ".join(texts)} for label, *texts in rows]
        with (tmp_path / f"{name}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, order, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(lines if name == "a" else lines[:40])
    index = tmp_path / "a.json"
    ooc_train.convert(tmp_path / "a.csv", index, shards=1, text="text", label="stars")
    ooc_train.convert(tmp_path / "b.csv", index, append=True, validation_fraction=0)
    with ooc_train.open(index) as store:
        assert store["train"].class_counts().sum() == 108 + 40
    with pytest.raises(InputError, match="there is no column 'stars'"):
        ooc_train.convert(tmp_path / "c.csv", index, append=True)


@pytest.mark.slow
def test_a_run_goes_on_with_its_own_rows_alone(index, tmp_path):
    run = tmp_path / "run"
    ooc_train.train(index, run, epochs=1)
    ooc_train.train(index, run, epochs=2, resume=True)
    ooc_train.convert(new_rows(tmp_path), index, append=True)
    with pytest.raises(OptionError, match="began with other data than .* holds now"):
        ooc_train.train(index, run, epochs=3, resume=True)
    assert ooc_train.evaluate(run, index)["rows"] == N_TEST
    report = ooc_train.train(index, tmp_path / "more", epochs=1, init_from=run)
    assert report["steps"] > 0


def test_no_command_writes_to_a_shard(index, tmp_path, capsys):
    shard = tmp_path / index_at(index).shards[1].file
    before = shard.read_bytes()
    new, run = new_rows(tmp_path), tmp_path / "run"
    report = ["--report", str(shard), "--force"]
    calls = [
        (inspect.main, [index, *report]),
        (inspect.main, [index, "--plot", shard, "--force"]),
        (train.main, [index, "-o", run, *report]),
        (train.main, [index, "-o", run, "--mix", f"{index}:0.5", *report]),
        (command.main, [new, "--append", index, *report]),
        (command.main, [new, "--vectorizer", index, "-o", shard, "--force"]),
    ]
    for main, arguments in calls:
        assert main([str(each) for each in arguments]) == 1
        assert f"is also the input {shard}; give" in capsys.readouterr().err
        assert shard.read_bytes() == before


def test_an_index_is_inspected_and_is_no_rows(index, tmp_path, capsys):
    renamed = index.rename(tmp_path / "renamed")
    assert inspect.main([str(renamed)]) == 0
    assert "2 shards of 0.1 to 0.1 MB" in capsys.readouterr().out
    assert inspect.main([str(renamed), "--verify"]) == 0
    with pytest.raises(InputError, match="is an index of converted files; give it to ooc-train"):
        ooc_train.convert(renamed.rename(index), tmp_path / "b.h5")


def test_too_many_open_files_are_told_with_the_remedy(index, monkeypatch):
    def refused(path, *given, **named):
        raise OSError(errno.EMFILE, "Too many open files", str(path))

    monkeypatch.setattr("ooc_train.file.handle.os.open", refused)
    with pytest.raises(InputError, match=r"Too many open files \(allow more with ulimit -n\)$"):
        ooc_train.open(index)


def test_a_shard_is_no_input_and_no_report(index, tmp_path):
    shard = tmp_path / index_at(index).shards[0].file
    before = shard.read_bytes()
    with pytest.raises(OutputError, match="is also the input"):
        ooc_train.convert(new_rows(tmp_path), index, append=True, rejects=shard, force=True)
    assert shard.read_bytes() == before


def test_the_command_appends(index, tmp_path, capsys):
    new = new_rows(tmp_path)
    assert command.main([str(new), "--append", str(index)]) == 0
    assert "1 shard of up to" in capsys.readouterr().out
    assert len(index_at(index).shards) == 3
    assert command.main([str(new), "--append", str(index), "-o", "b.h5"]) == 2
    assert "leave out -o b.h5" in capsys.readouterr().err
    assert command.main([str(new)]) == 2
    assert "-o/--output is missing" in capsys.readouterr().err
