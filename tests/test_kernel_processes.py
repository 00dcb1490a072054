"""Kernels compiled in other processes: what they keep, when they end, and what is said of it."""

import json
import os
import signal
import subprocess
import sys

import pytest

from ooc_train import kernel_processes
from ooc_train.errors import BudgetError
from ooc_train.kernel_processes import Compiler, compiling_elsewhere
from ooc_train.progress import Silent

KERNELS = """
from ooc_train.jit import kernel

@kernel
def inner(n):
    return n + 1

@kernel
def outer(n):
    return 2 * inner(n)

@kernel
def wrong(n):
    return n.none
"""
CALL = """
import json, sys
from ooc_train.kernel_processes import compiling_elsewhere
from ooc_train.progress import Silent
import some_kernels
from numba.core.errors import NumbaError
with compiling_elsewhere(None, Silent()) as compiler:
    given = some_kernels.outer(20)
    has_compiled = "numba.np.arraymath" in sys.modules
    try:
        some_kernels.wrong(1)
    except NumbaError as error:
        said = str(error)
    process = compiler._process
loaded = sum(some_kernels.outer.stats.cache_hits.values())
print(json.dumps([given, loaded, "none" in said, process.poll() is not None, has_compiled]))
"""
DONE = "import sys; sys.stdin.buffer.peek(1); sys.stdout.write('\\n'); sys.stdout.flush(); {}"
LIVES = DONE.format("import time; time.sleep(60)")
ENDS = DONE.format("")
KILLED = "import os, sys; sys.stdin.buffer.peek(1); os.kill(os.getpid(), 9)"


class Said(Silent):
    """Keeps messages."""

    def __init__(self):
        self.messages = []

    def message(self, text):
        self.messages.append(text)


@pytest.fixture
def starting(monkeypatch):
    """Gives a function that makes the other processes run some lines of Python, in turn."""
    started = []

    def starting(*codes):
        left = iter(codes)

        def command(*_):
            started.append(next(left))
            return [sys.executable, "-c", started[-1]]

        monkeypatch.setattr(kernel_processes, "python_command", command)
        return started

    return starting


def ask(compiler, n_times=1):
    for _ in range(n_times):
        compiler.compile("module", "name", b"")


def test_another_process_compiles_what_this_one_loads(tmp_path):
    """With what it calls in it; and what cannot be compiled is an error where it was called."""
    (tmp_path / "some_kernels.py").write_text(KERNELS)
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "kept"), "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, "-c", CALL], env=environment, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == [42, 1, True, True, False]
    assert done.stderr == ""
    names = sorted(file.name.split("-")[0] for file in (tmp_path / "kept").rglob("*.kernel"))
    assert names == ["some_kernels.outer"]


def test_one_process_compiles_kernel_after_kernel_and_ends_with_the_block(starting):
    started, said = starting(LIVES.replace("\\n", 3 * "\\n")), Said()
    with compiling_elsewhere(None, said) as compiler:
        ask(compiler)
        compiler.before_next = lambda: said.message("next")
        ask(compiler, 2)
        process = compiler._process
        assert process.poll() is None
    assert process.poll() == -signal.SIGKILL
    assert len(started) == 1
    assert said.messages == ["compiling for this processor, once: some 10 seconds", "next"]


def test_where_memory_is_short_each_kernel_has_a_process_of_its_own(starting):
    started, compiler = starting(LIVES, LIVES), Compiler(1, Silent())
    ask(compiler, 2)
    assert len(started) == 2
    assert compiler._process is None


def test_the_pages_of_code_have_room_beside_what_compiles(monkeypatch):
    """A budget as large as a container leaves them none, and the system ends a process."""
    monkeypatch.setattr("ooc_train.memory.usable_bytes", lambda: 192_000_000)
    for budget in (192_000_000, None):
        assert Compiler(budget, Silent()).budget_bytes == 120_000_000
    assert Compiler(100_000_000, Silent()).budget_bytes == 100_000_000


def test_a_process_that_ended_while_it_was_idle_is_followed_by_another(starting):
    started, compiler = starting(ENDS, LIVES), Compiler(None, Silent())
    ask(compiler)
    compiler._process.wait()
    ask(compiler)
    assert len(started) == 2
    compiler.end()


def test_a_process_that_the_system_ends_is_an_error_only_if_it_was_new(starting):
    grown = DONE.format("sys.stdin.buffer.read1(); sys.stdin.buffer.peek(1);" + KILLED)
    started, compiler = starting(grown, LIVES), Compiler(None, Silent())
    ask(compiler, 2)
    assert len(started) == 2
    compiler.end()
    starting(KILLED)
    with pytest.raises(BudgetError, match="not suffice for compiling; run the command once, on"):
        ask(compiler)


def test_another_failure_leaves_the_kernel_to_this_process(starting):
    starting("raise ValueError")
    ask(Compiler(None, Silent()))


def test_an_interruption_ends_the_process(starting, monkeypatch):
    compiler = Compiler(None, Silent())
    starting("import time; time.sleep(60)")
    processes = []

    def interrupted(_):
        processes.append(compiler._process)
        raise KeyboardInterrupt

    begun = kernel_processes._started

    class Interrupted:
        def __init__(self, process):
            self._process = process
            self.stdin, self.stdout = process.stdin, self

        read = staticmethod(interrupted)

        def __getattr__(self, name):
            return getattr(self._process, name)

    monkeypatch.setattr(kernel_processes, "_started", lambda: Interrupted(begun()))
    with pytest.raises(KeyboardInterrupt):
        ask(compiler)
    assert processes[0]._process.poll() == -signal.SIGKILL
    assert compiler._process is None


def test_the_process_ends_with_the_one_that_asks():
    process = kernel_processes._started()
    process.stdin.close()
    assert process.wait(30) == 0
    process.stdout.close()


def test_the_process_ends_when_nothing_is_asked_for():
    command = [sys.executable, "-c", IDLE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.wait(60) == 0


IDLE = """
import sys
from ooc_train import kernel_processes
kernel_processes._IDLE_SECONDS = 0.1
sys.exit(kernel_processes.main())
"""
