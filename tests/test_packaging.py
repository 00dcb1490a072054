"""The package as it is built and installed: one version, one list of bounds, a whole source."""

import contextlib
import importlib.util
import io
import re
import shutil
import sys
import tarfile
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

from ooc_train import extras
from ooc_train.cli.manual import manual_page
from ooc_train.cli.reference import COMMANDS
from ooc_train.extras import pip_install
from ooc_train.version import __version__
from tools import lowest_versions

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "pyproject.toml").read_text("utf-8")
EXTRAS = {
    "compression": ("hdf5plugin", "lz4", "zstandard"),
    "parquet": ("pyarrow",),
    "plots": ("matplotlib",),
    "zstd": ("zstandard",),
}


def project():
    tomllib = pytest.importorskip("tomllib", reason="Python 3.10 has no tomllib")
    return tomllib.loads(TEXT)["project"]


# Version, Pythons, bounds


def test_the_version_is_written_once():
    assert "version" in project()["dynamic"]
    assert __version__ not in TEXT
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+)?", __version__)


def test_the_classifiers_are_the_supported_pythons():
    oldest, after = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", project()["requires-python"]).groups()
    named = [re.fullmatch(r".* :: 3\.(\d+)", one) for one in project()["classifiers"]]
    assert [int(one[1]) for one in named if one] == list(range(int(oldest), int(after)))


def test_the_lowest_versions_are_the_bounds_of_pyproject():
    extra = project()["optional-dependencies"].values()
    requirements = [*project()["dependencies"], *(one for many in extra for one in many)]
    bounds = [
        re.fullmatch(r"([\w-]+)(?:\[.*\])?>=([\d.]+)(?:[,;].*)?", one) for one in requirements
    ]
    assert all(bounds), requirements
    assert set(lowest_versions.constraints(TEXT)) == {f"{one[1]}=={one[2]}" for one in bounds}
    changed = TEXT.replace('zstd = ["zstandard>=0.22"]', 'zstd = ["zstandard>=0.23"]')
    with pytest.raises(ValueError, match=r"zstandard has two lower bounds, 0\.22 and 0\.23"):
        lowest_versions.constraints(changed)


# What messages advise


@pytest.mark.parametrize("extra", EXTRAS)
def test_messages_name_the_packages_of_an_extra(extra):
    command, install, *packages = pip_install(extra=extra).split()
    assert (command, install) == ("pip", "install")
    bounds = dict(one.strip("'").split(">=") for one in packages)
    assert tuple(bounds) == EXTRAS[extra]
    assert all(f'"{name}>={bound}"' in TEXT for name, bound in bounds.items())


def test_messages_name_packages_with_their_bounds_where_there_are_any():
    assert re.fullmatch(r"pip install 'keras>=[\d.]+' torch", pip_install("keras", "torch"))


def test_messages_of_a_clone_that_is_not_installed(monkeypatch):
    monkeypatch.setattr(extras, "_DISTRIBUTION", "no-such-distribution")
    with pytest.raises(metadata.PackageNotFoundError):
        metadata.requires(extras._DISTRIBUTION)
    assert pip_install(extra="plots") == "pip install '.[plots]' in the clone"
    assert pip_install("keras") == "pip install keras"


def test_no_text_advises_what_no_index_has():
    """`pip install ooc-train` finds nothing: messages take `extras.pip_install`."""
    wrong = re.compile(r"pip install [\"']?ooc-train|[\"' ]ooc-train\[[a-z]")
    files = [
        path
        for folder in ("ooc_train", "benchmarks", "tools")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".py", ".md"} and path.name not in {"extras.py"}
    ]
    found = [path for path in [ROOT / "README.md", *files] if wrong.search(path.read_text("utf-8"))]
    assert len(files) > 300
    assert found == []


# The distributions


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy of the clone without what git ignores."""
    source = tmp_path_factory.mktemp("packaging") / "source"
    names = ["README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml", ".gitignore", ".ci"]
    names += ["benchmarks", "ooc_train", "tests", "tools"]
    source.mkdir()
    ignored = shutil.ignore_patterns("__pycache__")
    for name in names:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, source / name)
    return source


@pytest.fixture
def backend(source, monkeypatch):
    """The build backend, in that copy."""
    pytest.importorskip("setuptools", "77", reason="the build takes setuptools 77")
    monkeypatch.chdir(source)
    specification = importlib.util.spec_from_file_location(
        "build_backend", source / "tools/build_backend.py"
    )
    backend = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(backend)
    monkeypatch.setattr(sys, "argv", ["setup.py"])
    return backend


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_wheel_has_pages_for_man_and_the_source_distribution_has_none(
    source, backend, tmp_path
):
    """The pages are current; the source distribution is all that is in the clone, though built."""
    files = (path.relative_to(source) for path in source.rglob("*") if path.is_file())
    wanted = {str(path) for path in files if "__pycache__" not in path.parts}
    with contextlib.redirect_stdout(io.StringIO()):
        wheel = backend.build_wheel(str(tmp_path))
        name = backend.build_sdist(str(tmp_path))
    with zipfile.ZipFile(tmp_path / wheel) as archive:
        pages = {
            one.rpartition("/")[2]: archive.read(one).decode()
            for one in archive.namelist()
            if ".data/data/share/man/man1/" in one
        }
    assert pages == {f"{command.name}.1": manual_page(command) for command in COMMANDS}
    assert name == f"ooc_train-{__version__}.tar.gz"
    with tarfile.open(tmp_path / name) as archive:
        held = {one.name.partition("/")[2] for one in archive if one.isfile()}
    assert wanted - held == set()
    extra = {one for one in held - wanted if ".egg-info/" not in one}
    assert extra == {"PKG-INFO", "setup.cfg"}
