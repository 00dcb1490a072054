"""A conversion's tasks on processes and on Dask's workers: the same bytes, whoever dies."""

import contextlib
import errno
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

import ooc_train
from ooc_train import cluster, parcels
from ooc_train.cluster import _ClusterExecutor, run_task
from ooc_train.conversion.convert import _for_workers
from ooc_train.conversion.resources import MemoryPlan
from ooc_train.conversion.sources.corpus import Corpus
from ooc_train.conversion.sources.formats.parquet import ParquetFile
from ooc_train.conversion.storage.journal import Journal
from ooc_train.errors import BudgetError, InputError, OptionError, OutputError
from ooc_train.tasks import SharedFolder, Workers
from tests.conversion.test_executors import PLAN
from tests.corpora import random_rows, write_rows

DEADLY = [
    ("train.csv", {"features": "ngram"}, 5),
    ("numbers.csv", {"features": "dense"}, 2),
    ("numbers.parquet", {"features": "dense", "label": "a"}, 1),
]


@pytest.fixture
def rows(tmp_path):
    return write_rows(tmp_path / "train.csv", random_rows(400))


def write_numbers(path):
    """Three columns, of which the first is the class: Parquet in small row groups, or CSV."""
    numbers = [(k % 3, k % 7 / 8, k) for k in range(2000)]
    if path.suffix == ".csv" and not path.exists():
        path.write_text("\n".join(f"{a},{b},{c}" for a, b, c in numbers))
    if path.suffix == ".parquet":
        pyarrow, parquet = map(pytest.importorskip, ("pyarrow", "pyarrow.parquet"))
        columns = dict(zip("abc", zip(*numbers, strict=True), strict=True))
        parquet.write_table(pyarrow.table(columns), path, row_group_size=100)


@pytest.fixture
def small(monkeypatch):
    """Many tasks of few rows, whose arguments are sent in files, and no trial beforehand."""
    monkeypatch.setattr(parcels, "_MOST_SENT_BYTES", 0)
    monkeypatch.setattr(MemoryPlan, "divide", lambda *_, **__: PLAN)
    monkeypatch.setattr("ooc_train.conversion.convert.convert_few_rows", lambda *_: None)


@pytest.fixture(scope="module")
def dask():
    """Two worker processes behind an address, which come again when they are killed."""
    distributed = pytest.importorskip("distributed", reason="Dask is not installed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, memory_limit=0, dashboard_address="127.0.0.1:0",
        silence_logs="CRITICAL",
    ) as made:  # fmt: skip
        yield made


def kill_a_worker(dask):
    """Kill the process of a worker, as the system does for want of memory."""
    for nanny in list(dask.workers.values()):
        if nanny.process and nanny.process.pid:
            os.kill(nanny.process.pid, signal.SIGKILL)
            return True
    return False


@pytest.mark.slow
@pytest.mark.usefixtures("small", "rows")
@pytest.mark.parametrize(("name", "options", "n_steps"), DEADLY)
def test_a_worker_dies_in_each_step(tmp_path, monkeypatch, dask, name, options, n_steps):
    write_numbers(tmp_path / name)
    rows = tmp_path / name
    ooc_train.convert(rows, tmp_path / "threads.h5", **options)
    note, killed = Journal.note, set()

    def noted(journal, step, task, result):
        if task == 1 and journal._path and step not in killed and kill_a_worker(dask):
            killed.add(step)  # while other tasks of the step are under way
        note(journal, step, task, result)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "note", noted)
        address = dask.scheduler_address
        ooc_train.convert(rows, tmp_path / "dask.h5", scheduler=address, **options)
    assert len(killed) >= n_steps
    assert (tmp_path / "dask.h5").read_bytes() == (tmp_path / "threads.h5").read_bytes()
    assert not list(tmp_path.glob(".ooc-*"))


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_workers_that_are_unfit_are_refused(tmp_path, monkeypatch, dask, rows):
    address = dask.scheduler_address
    with monkeypatch.context() as patch:
        patch.setattr(cluster, "__version__", "9.9.9")
        with pytest.raises(OptionError, match=r"has ooc-train .*, and this process 9.9.9; results"):
            ooc_train.convert(rows, tmp_path / "o.h5", scheduler=address)
    with monkeypatch.context() as patch:
        patch.setattr(cluster, "_TOKEN", "written elsewhere")
        with pytest.raises(OptionError, match=r"cannot read and write .*, which all workers must"):
            ooc_train.convert(rows, tmp_path / "o.h5", scheduler=address)
    assert [path.name for path in tmp_path.iterdir()] == ["train.csv"]


@pytest.mark.parametrize(
    ("n", "n_sharing", "in_parts"), [(4, 5, False), (5, 6, True), (2, 1, True)]
)
def test_who_reads_texts(n, n_sharing, in_parts):
    workers = Workers(None, n, n_sharing=n_sharing)
    plan = _for_workers(replace(PLAN, n_workers=1), workers)
    assert (plan.n_workers, plan.texts_in_parts) == (n, in_parts)


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_processes_of_this_machine(tmp_path, rows):
    ooc_train.convert(rows, tmp_path / "threads.h5", features="sequence")
    report = ooc_train.convert(
        rows, tmp_path / "processes.h5", features="sequence", scheduler="processes[2]"
    )
    assert report["workers"] == 2
    assert (tmp_path / "processes.h5").read_bytes() == (tmp_path / "threads.h5").read_bytes()


def killed(*_):
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_processes_read_row_groups(tmp_path, monkeypatch):
    rows = tmp_path / "numbers.parquet"
    write_numbers(rows)
    options = {"features": "dense", "label": "a"}
    ooc_train.convert(rows, tmp_path / "threads.h5", **options)
    with monkeypatch.context() as patch:  # those of this process, which sends no rows
        patch.setattr(ParquetFile, "read", None)
        patch.setattr(Corpus, "_blocks", None)
        ooc_train.convert(rows, tmp_path / "o.h5", scheduler="processes[2]", **options)
    assert (tmp_path / "o.h5").read_bytes() == (tmp_path / "threads.h5").read_bytes()


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_a_process_that_is_killed_is_an_error(tmp_path, monkeypatch, rows):
    monkeypatch.setattr("ooc_train.conversion.kinds.terms.indexing._list_words", killed)
    with pytest.raises(BudgetError, match="a worker process was ended, perhaps for want of memory"):
        ooc_train.convert(rows, tmp_path / "o.h5", scheduler="processes[1]")
    assert [path.name for path in tmp_path.iterdir()] == ["train.csv"]


def test_an_executor_that_a_program_has(tmp_path, rows):
    ooc_train.convert(rows, tmp_path / "threads.h5", features="ngram")
    with ThreadPoolExecutor(3) as pool:
        report = ooc_train.convert(
            rows, tmp_path / "own.h5", features="ngram", scheduler=pool, workers=3
        )
    assert report["workers"] == 3
    assert (tmp_path / "own.h5").read_bytes() == (tmp_path / "threads.h5").read_bytes()


@pytest.mark.parametrize("given", ["host:8786", "local", "local[0]", "local[x]", "threads[2]", ""])
def test_what_is_no_scheduler(tmp_path, rows, given):
    with pytest.raises(OptionError, match="--scheduler is an address such as tcp://host:8786, or"):
        ooc_train.convert(rows, tmp_path / "o.h5", scheduler=given)


def test_two_numbers_of_workers(tmp_path, rows):
    with pytest.raises(OptionError, match="leave out --workers"):
        ooc_train.convert(rows, tmp_path / "o.h5", scheduler="local[2]", workers=2)


def test_dask_is_not_installed(tmp_path, monkeypatch, rows):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(OptionError, match=r"--scheduler local\[2\] needs Dask: pip install"):
        ooc_train.convert(rows, tmp_path / "o.h5", scheduler="local[2]")


def test_no_scheduler_answers(tmp_path, monkeypatch, rows):
    pytest.importorskip("distributed", reason="Dask is not installed")
    monkeypatch.setattr(cluster, "_SECONDS", 0.5)
    with pytest.raises(
        OptionError, match="no scheduler with 1 or more workers answers at tcp://127.0.0.1:9"
    ):
        ooc_train.convert(rows, tmp_path / "o.h5", scheduler="tcp://127.0.0.1:9")


# What becomes of a task that fails


def failing(error):
    raise error


class Attempts(ThreadPoolExecutor):
    """An executor that tries a task that raises an error again, as Dask does."""

    n = 0

    def submit(self, fn, /, *given, **named):
        def tried():
            for _ in range(2):
                self.n += 1
                with contextlib.suppress(Exception):
                    return fn(*given, **named)
            self.n += 1
            return fn(*given, **named)

        return super().submit(tried)


@pytest.mark.parametrize(
    ("error", "raised", "n"),
    [
        (OSError(errno.ENOSPC, "full"), OutputError, 1),
        (OSError(errno.ESTALE, "stale"), OSError, 3),
        (InputError("a row"), InputError, 1),
    ],
)
def test_only_what_may_pass_is_tried_again(tmp_path, error, raised, n):
    with Attempts(1) as pool:
        promised = _ClusterExecutor(pool, shared(tmp_path)).submit(failing, error)
        with pytest.raises(raised):
            promised.result()
        assert pool.n == n


def test_a_full_disk_is_named_with_its_host(tmp_path, monkeypatch):
    monkeypatch.setattr("socket.gethostname", lambda: "host7")
    outcome = run_task(failing, OSError(errno.ENOSPC, "full"))
    with ThreadPoolExecutor(1) as pool:
        named = _ClusterExecutor(pool, shared(tmp_path))._named(outcome.error, outcome.host)
    assert f"the disk is full at {tmp_path} on host7; free some space there" in str(named)


def shared(folder):
    return SharedFolder(folder / "job", "the conversion's temporary files", "give another")


class KilledWorker(Exception):  # noqa: N818 - as Dask calls it
    pass


@pytest.mark.parametrize(
    ("error", "raised", "said"),
    [
        (KilledWorker("task 3"), BudgetError, "a task ended several workers"),
        (CancelledError(), OutputError, "the scheduler was lost; the same command with --resume"),
    ],
)
def test_the_end_of_a_cluster(tmp_path, error, raised, said):
    class Lost(ThreadPoolExecutor):
        def submit(self, *_, **__):
            return super().submit(failing, error)

    with Lost(1) as pool:
        promised = _ClusterExecutor(pool, shared(tmp_path)).submit(len, "")
        with pytest.raises(raised, match=said):
            promised.result()


RECIPE = Path(__file__).parents[2] / "tools" / "recipes" / "cluster.sh"


@pytest.mark.slow
def test_the_recipe_for_a_cluster(tmp_path, rows):
    pytest.importorskip("distributed", reason="Dask is not installed")
    if not shutil.which("dask") or not shutil.which("ooc"):
        pytest.skip("the commands are not on the path")
    ooc_train.convert(rows, tmp_path / "threads.h5", features="ngram")
    with socket.socket() as free:
        free.bind(("", 0))
        port = free.getsockname()[1]
    command = [RECIPE, "localhost localhost", "1", rows, "-o", tmp_path / "o.h5", "--quiet"]
    arguments = [*command, "--features", "ngram", "--report", tmp_path / "report.json"]
    subprocess.run(arguments, check=True, env={**os.environ, "PORT": str(port)})
    assert json.loads((tmp_path / "report.json").read_text())["workers"] == 2
    assert (tmp_path / "o.h5").read_bytes() == (tmp_path / "threads.h5").read_bytes()
