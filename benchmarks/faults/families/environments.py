"""Commands in poor environments: no home, closed or full streams, few files and threads, no locale.

Each has to do its work, or to say in one sentence why it cannot.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from benchmarks.faults.bench import Bench
from benchmarks.faults.cases import Case
from benchmarks.faults.injection import Injection, merged_if_slow
from benchmarks.faults.outcomes import Outcome, judge

_SHELLS = {
    "standard input closed": 'exec "$@" <&-',
    "standard output closed": 'exec "$@" >&-',
    "standard error closed": 'exec "$@" 2>&-',
    "all streams closed": 'exec "$@" <&- >&- 2>&-',
    "standard output full": 'exec "$@" >/dev/full',
    "standard error full": 'exec "$@" 2>/dev/full',
    "8 open files": 'ulimit -n 8; exec "$@"',
    "16 open files": 'ulimit -n 16; exec "$@"',
    "24 open files": 'ulimit -n 24; exec "$@"',
    "64 open files": 'ulimit -n 64; exec "$@"',
    "files of 4 KB": 'ulimit -f 8; exec "$@"',
    "files of 64 KB": 'ulimit -f 128; exec "$@"',
    "mode mask 777": 'umask 777; exec "$@"',
    "SIGPIPE ignored": "trap '' PIPE; exec \"$@\"",
    "SIGINT ignored": "trap '' INT; exec \"$@\"",
    "the current folder deleted": 'd=$(mktemp -d); cd "$d"; rmdir "$d"; exec "$@"',
}
"""What a shell does before, or while, it starts the command."""
_VARIABLES: dict[str, dict[str, str]] = {
    "HOME absent": {"HOME": "/nonexistent"},
    "HOME a device": {"HOME": "/dev/null"},
    "HOME empty": {"HOME": ""},
    "TMPDIR absent": {"TMPDIR": "/nonexistent"},
    "the C locale": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "no such locale": {"LC_ALL": "xx_YY.KOI8-R"},
    "PATH empty": {"PATH": ""},
    "PYTHONWARNINGS error": {"PYTHONWARNINGS": "error"},
    "TERM dumb": {"TERM": "dumb", "COLUMNS": "0"},
    "OMP_NUM_THREADS odd": {"OMP_NUM_THREADS": "0", "NUMBA_NUM_THREADS": "1"},
}
_WITHOUT_ERRORS = ("standard error closed", "all streams closed", "standard error full")


def missing(_bench: Bench) -> str | None:
    """What this machine lacks for these faults: nothing."""
    return None


def groups(bench: Bench) -> Iterator[Sequence[Injection]]:
    """All injections, a group for each case."""
    for case in bench.ground.cases:
        injections = [
            *(_injection(case, name, {}, shell) for name, shell in _SHELLS.items()),
            *(_injection(case, name, changes, None) for name, changes in _VARIABLES.items()),
        ]
        yield from merged_if_slow(case, [injections])


def _injection(case: Case, name: str, variables: dict[str, str], shell: str | None) -> Injection:
    prefix = ["/bin/sh", "-c", shell, "sh"] if shell else []

    def outcome(bench: Bench) -> Outcome:
        bench.learn(case)
        bench.reset(case)
        seen = bench.run(case, variables=variables, prefix=prefix, fresh=True)
        if name in _WITHOUT_ERRORS and seen.ended.status:
            seen = replace(seen, ended=replace(seen.ended, errors="it cannot say anything"))
        return judge(seen)

    return Injection(f"{case}, {name}", outcome)
