"""Compiled kernels on disk: where they are kept, whom they are taken from, and what damage does."""

import errno
import importlib.util
import os
import pickle
import sys
import tempfile

import numba
import pytest

from ooc_train import kernel_cache
from ooc_train.compiling import NotCompiledError, compiled_by, refuse
from tests.full_disk import limited_files

SOURCE = """
from ooc_train.jit import kernel

@kernel
def doubled(n):
    return 2 * n

def multiplied_by(factor):
    @kernel
    def multiplied(n):
        return factor * n
    return multiplied
"""
PLACES = ("chosen", "beside", "home", "temporary")


@pytest.fixture
def places(tmp_path, monkeypatch):
    """All folders that kernels may be kept in, by name."""
    folders = {name: tmp_path / name for name in PLACES}
    (folders["beside"] / "package").mkdir(parents=True)
    (folders["beside"] / "package" / "kernels_.py").write_text(SOURCE)
    folders["temporary"].mkdir()
    monkeypatch.setattr(numba.core.config, "CACHE_DIR", str(folders["chosen"]))
    monkeypatch.setenv("XDG_CACHE_HOME", str(folders["home"]))
    monkeypatch.setattr(tempfile, "tempdir", str(folders["temporary"]))
    return folders


@pytest.fixture
def only_temporary(places):
    block(places, 3)
    return places["temporary"] / f"ooc-train-{os.getuid()}"


def block(places, n):
    """Let no folder be made in the first ``n`` places; for root, no permission would do that."""
    for name in PLACES[:n]:
        folder = places[name] / "package" / "__pycache__" if name == "beside" else places[name]
        if folder.is_dir():
            folder.rmdir()
        folder.touch()


def kernels(places):
    """The module with the kernels, as another process would load it."""
    for cached in (kernel_cache._folders, kernel_cache._warn_once):
        cached.cache_clear()
    path = places["beside"] / "package" / "kernels_.py"
    spec = importlib.util.spec_from_file_location("kernels_of_a_test", path)
    sys.modules[spec.name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def is_loaded(places):
    """Whether the kernel gives what it must without being compiled."""
    doubled = kernels(places).doubled
    assert doubled(21) == 42
    return bool(sum(doubled.stats.cache_hits.values()))


def kept(folder):
    return sorted(folder.rglob("*.kernel"))


@pytest.mark.parametrize("n_blocked", range(4))
@pytest.mark.filterwarnings("ignore:compiled kernels are kept in")
def test_kernels_are_kept_in_the_first_folder_that_can_be_written_to(places, n_blocked):
    block(places, n_blocked)
    assert not is_loaded(places)
    assert is_loaded(places)
    assert [name for name in PLACES if kept(places[name])] == [PLACES[n_blocked]]


@pytest.mark.parametrize("writable", ["home", "temporary"])
def test_a_folder_that_cannot_be_written_to_is_read(places, monkeypatch, writable):
    """That of a package which was installed, and used once, by another user, as in a container."""
    block(places, 1)
    is_loaded(places)
    place = places[writable]
    monkeypatch.setattr(kernel_cache, "_is_writable", lambda folder: place in folder.parents)
    assert is_loaded(places)  # without a warning, which would be an error: nothing is compiled


def test_the_folder_of_temporary_files_is_named_when_it_is_made(places, only_temporary):
    with pytest.warns(RuntimeWarning, match=f"kernels are kept in {only_temporary}, since the fol"):
        assert not is_loaded(places)
    assert is_loaded(places)  # without another warning, which would be an error
    assert only_temporary.stat().st_mode & 0o777 == 0o700


def by_others(folder):
    folder.mkdir()
    folder.chmod(0o777)


def linked(folder):
    target = folder.parent / "target"
    target.mkdir(0o700)
    folder.symlink_to(target)


def in_a_folder_of_all(folder):
    folder.mkdir(0o700)
    folder.parent.chmod(0o777)


def of_another_user(folder):
    folder.mkdir(0o700)
    if os.getuid():
        pytest.skip("only root can give a folder away")
    os.chown(folder, 65534, 65534)


@pytest.mark.parametrize("plant", [by_others, linked, in_a_folder_of_all, of_another_user])
def test_no_kernel_comes_from_a_folder_that_another_user_may_have_made(
    places, only_temporary, plant
):
    plant(only_temporary)
    with pytest.warns(RuntimeWarning, match="could not be kept, so each process compiles them"):
        assert not is_loaded(places)
    assert kept(places["temporary"]) == []


@pytest.mark.parametrize("damage", ["byte", "end", "all", "type"])
def test_a_damaged_kernel_is_compiled_again(places, damage):
    is_loaded(places)
    (path,) = kept(places["chosen"])
    whole = path.read_bytes()
    middle = len(whole) // 2
    if damage == "byte":
        path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    elif damage == "type":
        path.unlink()
        path.mkdir()
    else:
        path.write_bytes(whole[: middle if damage == "end" else 0])
    if damage == "type":
        with pytest.warns(RuntimeWarning, match="could not be kept in .*: Is a directory"):
            assert not is_loaded(places)
    else:
        assert not is_loaded(places)
        assert path.read_bytes()[:16] == whole[:16] or is_loaded(places)


def test_a_full_disk_only_costs_the_time_to_compile(places):
    with limited_files(100), pytest.warns(RuntimeWarning, match="kept in .*: File too large"):
        assert not is_loaded(places)
    assert list(places["chosen"].rglob("*.*")) == []


def test_a_lack_of_open_files_is_no_fault_of_a_folder(places, monkeypatch, recwarn):
    def none_left(**_):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(tempfile, "TemporaryFile", none_left)
    assert not is_loaded(places)
    assert kept(places["chosen"])
    assert not recwarn.list


def test_checks_of_bounds_have_kernels_of_their_own(places, monkeypatch):
    is_loaded(places)
    monkeypatch.setattr(numba.core.config, "BOUNDSCHECK", 1)
    assert not is_loaded(places)


def test_a_closure_is_never_mistaken_for_another(places):
    assert [kernels(places).multiplied_by(factor)(5) for factor in (2, 3)] == [10, 15]


def test_what_is_not_kept_is_compiled_by_whom_a_context_says(places):
    asked = []
    with compiled_by(lambda *kernel: asked.append(kernel)):
        assert kernels(places).doubled(3) == 6  # here, since nobody has kept it
        assert kernels(places).doubled(3) == 6
    ((module, name, signature),) = asked
    assert (module, name) == ("kernels_of_a_test", "doubled")
    assert pickle.loads(signature) == (numba.int64,)


@pytest.mark.filterwarnings("ignore:compiled kernels could not be kept")
def test_what_cannot_be_kept_is_compiled_here(places):
    block(places, 4)
    with compiled_by(lambda *_: pytest.fail("it was asked for")):
        assert kernels(places).doubled(3) == 6


def test_what_is_not_kept_is_not_compiled_where_that_is_refused(places):
    with compiled_by(refuse), pytest.raises(NotCompiledError, match=r"kernels_of_a_test\.doubled"):
        kernels(places).doubled(3)
    assert kernels(places).doubled(3) == 6
    with compiled_by(refuse):
        assert kernels(places).doubled(3) == 6
