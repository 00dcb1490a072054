"""An option is declared once: command line, ``--help``, library call and guide agree with it."""

import inspect
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pytest

import ooc_train
from ooc_train.cli import reference
from ooc_train.cli.command import Command, SharedOptions
from ooc_train.cli.options import Given
from ooc_train.conversion.kinds.ngram.scores import SCORES
from ooc_train.conversion.options import ConvertOptions
from ooc_train.conversion.vectorizer import vectorizer_class
from ooc_train.errors import OptionError
from ooc_train.kinds import KINDS
from ooc_train.options import (
    REQUIRED,
    at_least,
    check,
    declarations,
    fallback,
    made,
    option,
    saved,
    taken_apart,
)
from ooc_train.prediction.options import PredictOptions
from ooc_train.training.options import RunOptions, TrainingOptions
from ooc_train.training.scores.options import EvaluateOptions

CALLS = {
    "convert": (ConvertOptions,),
    "train": (TrainingOptions, RunOptions),
    "evaluate": (EvaluateOptions,),
    "predict": (PredictOptions,),
}
"""The library's calls, and the options that each takes as keywords."""
COMMANDS = {command.name: command for command in reference.COMMANDS}


def on_command_line(*declared):
    return [one for each in declared for one in declarations(each) if one.on_command_line]


# Command line


def differences_from_help(command):
    """What the parser of a command has that is not declared, and the other way round."""
    actions = command.parser()._actions
    made_of = {
        (tuple(action.option_strings) or (action.dest,), action.help.replace("%%", "%"))
        for action in actions
        if action.dest not in ("help", "version")
    }
    wanted = set()
    for one in on_command_line(*command.declared):
        default = f" (default: {one.default_text})" if one.default_text else ""
        flags = one.flags or (one.name,)
        if one.types == (bool,) and one.default is None:
            flags = (*flags, flags[0].replace("--", "--no-"))
        wanted.add((flags, one.help + default))
    return made_of ^ wanted


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_help_says_what_is_declared(command):
    assert differences_from_help(command) == set()
    text = " ".join(command.parser().format_help().split())
    for one in on_command_line(*command.declared):
        assert f"{one.group}:" in text or one.positional
        for flag in one.flags:
            assert flag in text


def test_an_argument_beside_the_declarations_is_found():
    class Careless(Command):
        def parser(self):
            parser = super().parser()
            parser.add_argument("--more", help="not declared")
            return parser

    assert differences_from_help(Careless("ooc-test", "", "")) == {(("--more",), "not declared")}


@dataclass(frozen=True, kw_only=True)
class Toy:
    source: Path = option(REQUIRED, "where from", positional=True)
    files: Sequence[str | Path] = option((), "many")
    words: Sequence[str] = option((), "many words")
    size: int = option(3, "a size", limits=at_least(1))
    share: float | None = option(None, "a share", fallback=0.5)
    either: int | float = option(1, "a number", parse=float)
    mode: str = option("fast", "how", choices=("fast", "slow"))
    shuffle: bool = option(True, "keep the order")
    force: bool = option(False, "overwrite")
    proba: bool | None = option(None, "or not")
    memory_bytes: int = option(0, "memory", spelled=("-m", "--memory"))
    weights: str | Mapping[str, float] | None = option(None, "weights")
    hook: object = option(None, "of the library only", on_command_line=False, saved=False)

    def __post_init__(self):
        check(self)


def toy(*arguments):
    command = Command("ooc-toy", "", "", [Toy])
    return Given.of(command.parser().parse_args(arguments), command.declared)


def test_what_is_not_given_is_not_passed_on():
    given = toy("here")
    assert given.keywords(Toy) == {"source": Path("here")}
    assert given.keywords(SharedOptions) == {}
    assert given.made(Toy) == Toy(source=Path("here"))


def test_values_of_a_command_line():
    given = toy(
        "here", "--files", "a", "b", "--words", "x", "--size", "7", "--share", "0.25",
        "--either", "2.0", "--mode", "slow", "--no-shuffle", "--force", "--no-proba",
        "-m", "9", "--weights", "1=2",
    )  # fmt: skip
    assert given.keywords(Toy) == {
        "source": Path("here"), "files": [Path("a"), Path("b")], "words": ["x"], "size": 7,
        "share": 0.25, "either": 2.0, "mode": "slow", "shuffle": False, "force": True,
        "proba": False, "memory_bytes": 9, "weights": "1=2",
    }  # fmt: skip
    assert toy("here", "--proba").keywords(Toy)["proba"] is True


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--size", "many"], "--size must be a whole number, not 'many'"),
        (["--share", "half"], "--share must be a number, not 'half'"),
        (["--memory", "1.5"], "--memory must be a whole number, not '1.5'"),
        (["--mode", "quick"], "--mode must be one of fast, slow, not 'quick'"),
        (["--size", "0"], "--size must be at least 1, not 0"),
    ],
)
def test_a_wrong_value_is_one_sentence_and_status_2(arguments, message, capsys):
    command = Command("ooc-toy", "", "", [Toy])
    status = command.run(lambda given: vars(given.made(Toy)), ["here", *arguments])
    assert (status, capsys.readouterr().err) == (2, f"ooc-toy: {message}\n")


# Library


def differences_from_call(call, declared):
    """The keywords of a call that are not declared so, and options that it does not take."""
    found = [one for each in declared for one in declarations(each)]
    options = {one.name: one.default for one in found}
    spelled = {text[2:].replace("-", "_") for one in found for text in one.spelled} - {*options}
    parameters = inspect.signature(call).parameters.values()
    keywords = {
        parameter.name: parameter.default
        for parameter in parameters
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
        and parameter.name not in {"progress", *spelled}
    }
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters):
        keywords = {**options, **keywords}
    return {name for name in {*options, *keywords} if options.get(name, ...) != keywords.get(name)}


@pytest.mark.parametrize(("call", "declared"), CALLS.items())
def test_library_calls_take_what_is_declared(call, declared):
    assert differences_from_call(getattr(ooc_train, call), declared) == set()


def test_a_keyword_with_another_default_is_found():
    def evaluate(
        run, *, split="validation", batch_size=None, force=False, hmtl=None, trust_code=False
    ):
        """As `ooc_train.evaluate`, but for a default and a name."""

    assert differences_from_call(evaluate, [EvaluateOptions]) == {"split", "hmtl"}


def test_commands_and_library_have_the_same_options():
    """Files, folders and rows are arguments in the library; nothing else is the command's alone."""
    only = {
        "output",
        "append_to",
        "train",
        "data",
        "run",
        "files",
        "input",
        "grid",
        "sql",
        "database",
    }
    for call, declared in CALLS.items():
        names = {one.name for one in on_command_line(*COMMANDS[f"ooc-{call}"].declared)}
        shared = {one.name for one in declarations(SharedOptions)}
        of_grids = {"scheduler"} if call == "train" else set()  # a keyword of `train_grid`
        assert names - shared - only - of_grids == {one.name for one in on_command_line(*declared)}


@pytest.mark.parametrize(
    ("call", "keywords", "message"),
    [
        ("convert", {"memry": 1}, r"convert\(\) has no option 'memry'; did you mean 'memory_b"),
        (
            "convert",
            {"memory": 1, "memory_bytes": 1},
            "was given 'memory_bytes' twice",
        ),
        ("convert", {"feature": "ngram"}, "no option 'feature'; did you mean 'features'?"),
        ("train", {"batchsize": 1}, r"train\(\) has no option 'batchsize'; did you mean 'batch_s"),
        ("train", {"checkpoint": 1}, "no option 'checkpoint'; did you mean 'checkpoint_every'?"),
        ("train", {"zzz": 1}, "no option 'zzz'; it has: model, epochs, "),
        ("train", {"memory": 1, "memory_bytes": 1}, "was given 'memory_bytes' twice"),
        ("evaluate", {"batch": 1}, "batch"),
        ("predict", {"header_": 1}, "header_"),
    ],
)
def test_a_keyword_that_is_no_option(tmp_path, call, keywords, message):
    files = [tmp_path / "a", tmp_path / "b", tmp_path / "c"][: 3 if call == "predict" else 2]
    with pytest.raises(TypeError, match=message):
        getattr(ooc_train, call)(*files, **keywords)


def test_columns_and_sizes_are_given_as_a_program_has_them():
    options = ConvertOptions(text=np.int64(2), label=1, columns=["a", 3], memory_bytes="1GB")
    assert (options.text, options.label, options.columns) == (("2",), "1", ("a", "3"))
    assert options.memory_bytes == 10**9
    assert PredictOptions(text=[2, "a"]).text == ("2", "a")
    of_run, others = taken_apart(RunOptions, {"memory": "64MB", "epochs": 1})
    assert made(RunOptions, of_run, call="train").memory_bytes == 64 * 10**6
    assert others == {"epochs": 1}


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"top_k": "many"}, "--top-k must be at least 1, or auto, not 'many'"),
        ({"top_k": 1.5}, "--top-k must be a whole number or text, not 1.5"),
        ({"top_k": True}, "--top-k must be a whole number or text, not True"),
        ({"memory_bytes": "512 parrots"}, "--memory: '512 parrots' is not a size"),
        ({"header": "yes"}, "--header must be True or False, not 'yes'"),
        ({"classes": 3}, "--classes must be a path, not 3"),
        ({"min_df": "1%"}, "--min-df must be a number, not '1%'"),
        ({"features": None}, "--features must be text, not None"),
        ({"ngrams": (1, 2, 3)}, "--ngrams must be two numbers from 1 to 8, the smaller first, not"),
        ({"validation_fraction": 10.0}, "--validation-fraction must be from 0 to below 1, such"),
        ({"text": [1.5]}, "columns are names, or numbers from 1, and not 1.5"),
        ({"label": True}, "columns are names, or numbers from 1, and not True"),
        ({"columns": {"a": 1}}, "columns are names, or numbers from 1, and not {'a': 1}"),
    ],
)
def test_values_of_a_wrong_type(keywords, message):
    with pytest.raises(OptionError, match=re.escape(message)):
        ConvertOptions(**keywords)


def test_one_path_or_name_stands_for_a_list_and_text_for_what_it_is_on_the_command_line():
    given = ConvertOptions(
        test="a.csv", validation=Path("b.csv"), text="a, b", max_row_bytes="64MB", ngrams="1,3"
    )
    assert (given.test, given.validation) == ([Path("a.csv")], [Path("b.csv")])
    assert (given.text, given.max_row_bytes, given.ngrams) == (("a, b",), 64 * 10**6, (1, 3))
    assert ConvertOptions(features="dense", labels=Path("y.npy")).labels == [Path("y.npy")]
    assert made(ConvertOptions, {"memory": "1.5GB"}, call="convert").memory_bytes == 15 * 10**8
    assert PredictOptions(text="title").text == ("title",)


def test_numbers_of_numpy_are_numbers():
    assert ConvertOptions(top_k=np.int64(5), min_df=np.float32(0.5)).top_k == 5


# Tables


def test_choices_are_those_of_the_tables():
    """Names stand in modules that import nothing; what they name stands elsewhere."""
    choices = {one.name: one.choices for one in declarations(ConvertOptions)}
    assert choices["score"] == tuple(SCORES)


def test_parameters_of_the_features_are_options_of_one_kind_or_more():
    known = ConvertOptions(
        analyzer="word", ngrams=(1, 1), min_df=1, max_df=1.0, top_k=9, score="none", max_length=9,
        dtype="int8", zero_based=True,
    ).given_parameters  # fmt: skip
    of_kinds = {
        kind: {field.name for field in fields(vectorizer_class(kind).Parameters)} - {"hash_seed"}
        for kind in KINDS
    }
    assert set().union(*of_kinds.values()) == set(known)
    for kind, names in of_kinds.items():
        parameters = vectorizer_class(kind).Parameters()
        for name in names - {"zero_based", "top_k"}:  # auto is resolved for each kind
            assert getattr(parameters, name) == fallback(ConvertOptions, name)


# Settings


def test_saved_options_are_all_that_decide_weights():
    """`frozen_epochs` is saved in place of ``freeze_embeddings``."""
    names = {field.name for field in fields(TrainingOptions)}
    assert names - set(saved(TrainingOptions())) == {"freeze_embeddings"}
    assert "hook" not in saved(Toy(source=Path("a")))


def test_every_field_is_an_option():
    for declared in {*CALLS["train"], *CALLS["convert"], *CALLS["predict"], *CALLS["evaluate"]}:
        assert [one.name for one in declarations(declared)] == [
            field.name for field in fields(declared)
        ]
        assert made(declared, {}, call="call") == declared()


# The guide


def test_the_guide_has_the_tables_of_options():
    text = reference.PAGE.read_text("utf-8")
    assert reference.written_into(text) == text, f"write it: {reference.BEGIN}"


@pytest.mark.parametrize(
    "old_and_new",
    [("| 500 |", "| 400 |"), ("`--seed N`", "`--seeds N`"), ("seed of the order", "seed of")],
)
def test_a_page_that_says_something_else_is_found(old_and_new):
    text = reference.PAGE.read_text("utf-8")
    assert reference.written_into(text.replace(*old_and_new)) == text != text.replace(*old_and_new)


def test_a_text_without_marks_is_refused(tmp_path):
    (tmp_path / "a.md").write_text("no marks", "utf-8")
    with pytest.raises(ValueError, match="must have the lines"):
        reference.main([str(tmp_path / "a.md")])
    with pytest.raises(ValueError, match="must have the lines"):
        reference.written_into(f"{reference.END}{reference.BEGIN}")


# Cost

HEAVY = {"numpy", "numba", "h5py", "tensorflow", "keras", "pyarrow", "orjson", "tqdm", "difflib"}


def heavy_modules_loaded_by(code):
    listing = f"import sys; {code}; print(*(m for m in sys.modules if m in {HEAVY}))"
    done = subprocess.run(
        [sys.executable, "-c", listing], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_declarations_load_nothing_heavy():
    assert heavy_modules_loaded_by("import ooc_train.cli.reference") == set()
    assert "numpy" in heavy_modules_loaded_by("import ooc_train.conversion.convert")
