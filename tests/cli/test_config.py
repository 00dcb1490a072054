"""Options in a file: what is written is what is read, and what is wrong is said."""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ooc_train
from ooc_train.cli import convert, evaluate, predict, train
from ooc_train.cli.config import read_config
from ooc_train.cli.options import of_commands
from ooc_train.errors import InputError, OptionError
from ooc_train.toml_text import OF_THIS_CALL, options_text
from tests.corpora import random_rows, write_rows
from tests.files import Toy, write_toy

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

COMMANDS = [convert.COMMAND, train.COMMAND, evaluate.COMMAND, predict.COMMAND]
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


def texts_for(option):
    """Texts that an option may be given as on a command line; ``None``: those are too special."""
    if option.is_switch:
        return st.just(not option.default)
    if option.choices:
        return st.sampled_from(option.choices)
    if option.parse or option.limits or option.given:
        return {
            "learning_rate": st.sampled_from(["1e-3", ".5", "1E+2"]),
            "epochs": st.just("7"),
        }.get(option.name)
    if option.takes_many:
        return st.lists(TEXT, min_size=1, max_size=3)
    if {int, float} & set(option.types):
        return st.integers(1, 9).map(str)
    return TEXT


@st.composite
def command_lines(draw):
    command = draw(st.sampled_from(COMMANDS))
    options = {o.name: o for o in of_commands(command.declared) if o.name not in OF_THIS_CALL}
    possible = [name for name, option in options.items() if texts_for(option) is not None]
    chosen = draw(st.sets(st.sampled_from(possible)))
    return command, {name: draw(texts_for(options[name])) for name in options if name in chosen}


@given(command_lines())
def test_what_is_written_is_what_is_read(tmp_path_factory, line):
    command, given = line
    options = of_commands(command.declared)
    by_name = {option.name: option for option in options}
    path = tmp_path_factory.mktemp("config") / "options.toml"
    name = command.name.removeprefix("ooc-")
    path.write_text(options_text(name, options, given), "utf-8")
    expected = {
        name: value
        if isinstance(value, bool)
        else [by_name[name].parsed(one) for one in value]
        if isinstance(value, list)
        else by_name[name].parsed(value)
        for name, value in given.items()
    }
    found = read_config(path, name, options)
    assert found == expected
    path.write_text(options_text(name, options, found), "utf-8")  # values, too, are written
    assert read_config(path, name, options) == expected


def written(tmp_path, text):
    path = tmp_path / "options.toml"
    path.write_text(text, "utf-8")
    return path


def options_of(tmp_path, text, *arguments, command=train.COMMAND):
    return command.given(["--config", str(written(tmp_path, text)), *arguments]).values


def test_the_command_line_wins(tmp_path):
    text = '[train]\ndata = "a.h5"\noutput = "run"\nepochs = 3\nlearning-rate = 1\n'
    found = options_of(tmp_path, text, "b.h5", "--epochs", "5")
    assert found["data"] == Path("b.h5")
    assert found["output"] == Path("run")
    assert (found["epochs"], found["learning_rate"]) == (5, 1)


def test_values_are_as_on_a_command_line_or_as_a_program_gives_them(tmp_path):
    text = """
        [train]
        seed = 1
        [convert]
        train = ["a.csv", "b.csv"]
        output = "o.h5"
        text = ["title", "body"]
        memory = "512MB"
        ngrams = "1,2"
    """
    found = options_of(tmp_path, text, command=convert.COMMAND)
    assert found["train"] == [Path("a.csv"), Path("b.csv")]
    assert found["text"] == ("title", "body")
    assert found["memory_bytes"] == 512_000_000


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("[train]\nepoch = 3", OptionError, "has the option 'epoch', which there is not; did"),
        ("[train]\nepoch = 3", OptionError, "did you mean 'epochs'?"),
        ("[train]\nzzzz = 3", OptionError, "ooc-train --help lists the options"),
        ("[trian]\nepochs = 3", OptionError, "no command 'trian'; did you mean 'train'?"),
        ("[zzzz]\nepochs = 3", OptionError, "no command 'zzzz'; there are convert, train, "),
        ("epochs = 3", OptionError, "'epochs' stands in no table; put options below"),
        ("[convert]", OptionError, "has no table [train]"),
        ("[train]\nepochs = 'x'", OptionError, "[train] --epochs must be a whole number, not 'x'"),
        ("[train]\nverify = 'yes'", OptionError, "must be true or false, not 'yes'"),
        ("[train]\nconfig = 'a'", OptionError, "has the option 'config', which there is not"),
        ("[train]\nbatch-size = 1\nbatch_size = 2", OptionError, "'batch_size' twice"),
        ("[train\n", InputError, "options.toml is not a TOML file: "),
        ("[train]\nepochs = 3\n", OptionError, "neither the command line nor the file of "),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(tmp_path, text, error, message):
    with pytest.raises(error) as raised:
        options_of(tmp_path, text)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_file_that_there_is_not_is_said(tmp_path):
    with pytest.raises(InputError, match=r"none\.toml: No such file"):
        train.COMMAND.given(["--config", str(tmp_path / "none.toml")])


@pytest.mark.slow
def test_a_run_and_a_conversion_are_repeated(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_rows(tmp_path / "train.csv", random_rows(100))
    convert_ = ["train.csv", "-o", "a.h5", "--features", "ngram", "--save-config", "a.toml"]
    assert convert.main([*convert_, "--quiet"]) == 0
    assert convert.main(["--config", "a.toml", "-o", "b.h5", "--quiet"]) == 0
    assert Path("a.h5").read_bytes() == Path("b.h5").read_bytes()
    train_ = ["a.h5", "-o", "run", "--epochs", "2", "--learning-rate", "1e-2", "--quiet"]
    assert train.main(train_) == 0
    assert train.main(["--config", "run/settings.toml", "-o", "again", "--quiet"]) == 0
    weights = [Path(run, "model.keras").read_bytes() for run in ("run", "again")]
    assert weights[0] == weights[1]
    text = Path("run/settings.toml").read_text("utf-8")
    assert "learning-rate = 0.01\n" in text
    assert "# seed: 0\n" in text
    assert train.main(["--config", "run/settings.toml", "--quiet"]) == 1  # the run exists


def test_a_training_by_the_library_is_repeated_by_the_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_toy(tmp_path / "a.h5", toy=Toy(), train=60, validation=20)
    options = {"batch_size": np.int64(8), "class_weight": {"1": 2}, "epochs": 2, "seed": 3}
    ooc_train.train("a.h5", "run", **options, memory_bytes=10**7, learning_rate=np.float64(0.01))
    assert train.main(["--config", "run/settings.toml", "-o", "again", "--quiet"]) == 0
    weights = [Path(run, "model.keras").read_bytes() for run in ("run", "again")]
    assert weights[0] == weights[1]
    text = Path("run/settings.toml").read_text("utf-8")
    for line in ('data = "a.h5"', "batch-size = 8", "learning-rate = 0.01", "memory = 10000000"):
        assert f"{line}\n" in text
    assert "program" not in text


def test_what_no_file_can_hold_is_a_comment():
    options = of_commands(train.COMMAND.declared)
    given = {"model": lambda shape: shape, "callbacks": [object()], "seed": 1}
    text = options_text("train", options, given, files={"data": "https://me:secret@a.b/c.h5"})
    assert "# Not repeated: model is an object of a program.\n" in text
    assert "# Not repeated: callbacks is an object of a program.\n" in text
    assert "seed = 1\n" in text
    assert "secret" not in text
    assert {*tomllib.loads(text)["train"]} == {"data", "seed"}
