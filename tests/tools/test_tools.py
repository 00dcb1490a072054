"""The README's two commands: tools/test and tools/quickstart, without running them whole."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = ("tools/test", "tools/quickstart")
SCRIPTS = (*COMMANDS, ".ci/run", "tools/environment.sh")


def bash(script, **environment):
    """Run a script after sourcing tools/environment.sh."""
    return subprocess.run(
        ["bash", "-c", f'set -euo pipefail; source "{ROOT}/tools/environment.sh"\n{script}'],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def fake_python(path, *, version, modules="venv ensurepip"):
    """Write a stand-in interpreter: answers the version question and the import question."""
    path.parent.mkdir(parents=True, exist_ok=True)
    code = path.with_name(f"{path.name}.py")
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{code}" "$@"\n')
    path.chmod(0o755)
    code.write_text(
        f"""import collections, sys, types
if sys.argv[1] != "-c":
    sys.exit("only -c is expected here: " + " ".join(sys.argv[1:]))
for name in {{"venv", "ensurepip"}} - set({modules!r}.split()):
    sys.modules[name] = None
sys.version_info = {version!r}
exec(sys.argv[2])
"""
    )


@pytest.mark.parametrize("script", [*COMMANDS, ".ci/run"])
def test_scripts_are_executable(script):
    assert os.access(ROOT / script, os.X_OK)


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_are_valid_bash(script):
    subprocess.run(["bash", "-n", ROOT / script], check=True)


@pytest.mark.parametrize("script", SCRIPTS)
def test_shellcheck_finds_nothing(script):
    if not shutil.which("shellcheck"):
        pytest.skip("shellcheck is not installed")
    command = ["shellcheck", "--shell=bash", "--external-sources", "--source-path=SCRIPTDIR"]
    result = subprocess.run([*command, ROOT / script], capture_output=True, text=True, check=False)
    assert result.stdout == ""
    assert result.returncode == 0


def test_ci_runs_the_test_command():
    assert "tools/test" in (ROOT / ".ci/run").read_text()


@pytest.mark.parametrize("command", COMMANDS)
def test_the_readme_names_the_commands(command):
    assert command in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_pythons_are_those_of_pyproject():
    requirement = re.search(
        r'^requires-python = ">=3\.(\d+),<3\.(\d+)"$', (ROOT / "pyproject.toml").read_text(), re.M
    )
    result = bash('echo "$oldest_minor $((newest_minor + 1))"')
    assert result.stdout.split() == list(requirement.groups())


def test_the_first_fitting_python_is_chosen(tmp_path):
    fake_python(tmp_path / "python3", version=(3, 9))
    fake_python(tmp_path / "python3.13", version=(3, 13), modules="venv")
    fake_python(tmp_path / "python3.12", version=(3, 12))
    fake_python(tmp_path / "python3.11", version=(3, 11))
    result = bash("find_python", PATH=f"{tmp_path}:{os.environ['PATH']}", PYTHON="")
    assert result.stdout == "python3.12\n"


def test_python3_comes_first(tmp_path):
    fake_python(tmp_path / "python3", version=(3, 11))
    fake_python(tmp_path / "python3.13", version=(3, 13))
    result = bash("find_python", PATH=f"{tmp_path}:{os.environ['PATH']}", PYTHON="")
    assert result.stdout == "python3\n"


def test_the_oldest_python_comes_first_where_it_is_preferred(tmp_path):
    fake_python(tmp_path / "python3", version=(3, 13))
    fake_python(tmp_path / "python3.10", version=(3, 10), modules="venv")
    fake_python(tmp_path / "python3.11", version=(3, 11))
    path = f"{tmp_path}:{os.environ['PATH']}"
    result = bash("prefer_oldest=yes; find_python", PATH=path, PYTHON="")
    assert result.stdout == "python3.11\n"


@pytest.mark.parametrize(
    ("version", "modules", "message"),
    [
        ((3, 9), "venv ensurepip", "found no Python 3.10 to 3.13 (tried "),
        ((3, 14), "venv ensurepip", "found no Python 3.10 to 3.13 (tried "),
        ((3, 12), "venv", "cannot make virtual environments: install its venv module"),
    ],
)
def test_an_unfit_python_is_explained(tmp_path, version, modules, message):
    fake_python(tmp_path / "mine", version=version, modules=modules)
    result = bash("find_python", PYTHON=str(tmp_path / "mine"))
    assert (result.returncode, result.stdout) == (1, "")
    assert message in result.stderr
    assert str(tmp_path / "mine") in result.stderr


def test_an_environment_without_a_working_python_is_explained(tmp_path):
    fake_python(tmp_path / "venv/bin/python", version=(3, 9))
    result = bash(f'make_environment "{tmp_path}/venv"')
    assert result.returncode == 1
    assert f"{tmp_path}/venv has no working Python 3.10 to 3.13: remove it" in result.stderr


def write_recording_python(folder, exit_status=0):
    """Write an environment whose Python only notes its arguments, one call a line."""
    python = folder / "bin/python"
    python.parent.mkdir(parents=True, exist_ok=True)
    python.write_text(f'#!/bin/sh\necho "$@" >>"{folder}/calls"\nexit {exit_status}\n')
    python.chmod(0o755)


def test_an_environment_is_made_where_there_is_none(tmp_path):
    (tmp_path / "mine").write_text(
        f'#!/bin/sh\ncase "$1" in -c) exit 0;; esac\n[ "$2" = venv ] || exit 1\n'
        f'mkdir -p "$3/bin"\nprintf "#!/bin/sh\\nexit 0\\n" >"$3/bin/python"\n'
        f'chmod +x "$3/bin/python"\necho made >>"{tmp_path}/made"\n'
    )
    (tmp_path / "mine").chmod(0o755)
    folder = tmp_path / "new folder" / "venv"
    for _ in range(2):
        result = bash(f'make_environment "{folder}"', PYTHON=str(tmp_path / "mine"))
        assert (result.returncode, result.stderr) == (0, "")
    assert (tmp_path / "made").read_text() == "made\n"


def test_the_package_is_installed_once_for_each_pyproject(tmp_path):
    root, venv = tmp_path / "root", tmp_path / "venv"
    root.mkdir()
    write_recording_python(venv)
    (root / "pyproject.toml").write_text("one")
    install = f'root="{root}"; install_package "{venv}" dev'
    for text in ("one", "one", "two"):
        (root / "pyproject.toml").write_text(text)
        assert bash(install).returncode == 0
    (root / "pyproject.toml").write_text("three")
    assert bash(f"{install} --constraint a.txt").returncode == 0
    *calls, constrained = (venv / "calls").read_text().splitlines()
    assert len(calls) == 2
    assert all(call.endswith(f"--editable {root}[dev]") for call in calls)
    assert constrained.endswith(f"--editable {root}[dev] --constraint a.txt")


def test_a_failed_installation_is_tried_again(tmp_path):
    write_recording_python(tmp_path, exit_status=1)
    for _ in range(2):
        result = bash(f'install_package "{tmp_path}"')
        assert result.returncode == 1
        assert f"the installation into {tmp_path} failed" in result.stderr
    assert len((tmp_path / "calls").read_text().splitlines()) == 2


def copy_tools(folder):
    """Copy the scripts into a repository of their own, with a `.venv` already installed."""
    shutil.copytree(ROOT / "tools", folder / "tools")
    shutil.copytree(ROOT / ".ci", folder / ".ci")
    shutil.copy(ROOT / "pyproject.toml", folder)
    write_recording_python(folder / ".venv")
    shutil.copy(ROOT / "pyproject.toml", folder / ".venv/installed-dev.toml")


def run_checks(folder, *arguments, failing=""):
    """Run .ci/run with stand-ins for the four checkers, of which one may fail."""
    for name in ("ruff", "mypy", "pytest"):
        tool = folder / ".venv/bin" / name
        tool.write_text(
            f'#!/bin/sh\nprintf "%s " {name} "$@" "($#)" >>"{folder}/checks"\n'
            f'echo >>"{folder}/checks"\n[ "{name} $*" != "{failing}" ]\n'
        )
        tool.chmod(0o755)
    command = [folder / ".ci/run", *arguments]
    return subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)


def test_the_test_command_runs_every_check(tmp_path):
    copy_tools(tmp_path)
    result = run_checks(tmp_path, "-k", "one or two")
    assert (result.returncode, result.stderr) == (0, "")
    checks = (tmp_path / "checks").read_text().splitlines()
    assert checks == [
        "ruff format --check . (3) ",
        "ruff check . (2) ",
        "mypy (0) ",
        f"pytest --basetemp={tmp_path}/.pytest_tmp -n 2 --dist worksteal -k one or two (7) ",
    ]


def test_the_fast_test_command_leaves_out_slow_tests(tmp_path):
    copy_tools(tmp_path)
    assert run_checks(tmp_path, "--fast", "-x").returncode == 0
    *others, tests = (tmp_path / "checks").read_text().splitlines()
    assert len(others) == 3
    options = f"--basetemp={tmp_path}/.pytest_tmp -n 2 --dist worksteal -m not slow -x"
    assert tests == f"pytest {options} (8) "


def test_the_lowest_versions_have_an_environment_of_their_own(tmp_path):
    copy_tools(tmp_path)
    lowest = tmp_path / ".venv-lowest"
    write_recording_python(lowest)
    pytest_of_lowest = lowest / "bin/pytest"
    pytest_of_lowest.write_text(f'#!/bin/sh\nprintf "%s " "$@" "($#)" >>"{tmp_path}/checks"\n')
    pytest_of_lowest.chmod(0o755)
    assert run_checks(tmp_path, "--lowest", "-x").returncode == 0
    options = f"--basetemp={tmp_path}/.pytest_tmp -n 2 --dist worksteal -m not slow -W default -x"
    assert (tmp_path / "checks").read_text() == f"{options} (10) "
    *_, read, installed = (lowest / "calls").read_text().splitlines()
    assert read == "tools/lowest_versions.py pyproject.toml"
    assert installed.endswith(f"--editable {tmp_path}[dev] --constraint {lowest}/constraints.txt")


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_the_test_command_explains_itself(tmp_path, option):
    copy_tools(tmp_path)
    result = run_checks(tmp_path, option)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("All checks of the project: ")
    assert "tools/test [--fast | --lowest] [PYTEST ARGUMENTS]" in result.stdout
    assert result.stdout.endswith("the default is python3 where it fits.\n")
    assert not (tmp_path / "checks").exists()


@pytest.mark.parametrize(
    ("failing", "n_checks"),
    [
        ("ruff format --check .", 1),
        ("mypy ", 3),
        ("pytest --basetemp={}/.pytest_tmp -n 2 --dist worksteal", 4),
    ],
)
def test_the_test_command_stops_at_the_first_failure(tmp_path, failing, n_checks):
    copy_tools(tmp_path)
    failing = failing.format(tmp_path)
    result = run_checks(tmp_path, failing=failing)
    assert result.returncode == 1
    assert result.stderr == f"test: failed: {failing.strip()}\n"
    assert len((tmp_path / "checks").read_text().splitlines()) == n_checks


def test_the_quickstart_takes_no_arguments():
    result = subprocess.run(
        [ROOT / "tools/quickstart", "--fast"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert result.stderr == "quickstart: takes no arguments, but got: --fast\n"


def run_summary(folder):
    command = [sys.executable, ROOT / "tools/quickstart_summary.py", folder]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_summary_reads_the_reports(tmp_path):
    for command in ("convert", "inspect", "train", "evaluate", "predict"):
        report = {"seconds": 12.34, "peak_rss_bytes": 512_000_000, "peak_anon_bytes": 99_900_000}
        if command == "inspect":
            report = {}
        if command == "train":
            report["seconds"] = {"import": 5.0, "total": 30.0}
        if command == "evaluate":
            report |= {"accuracy": 0.80049, "rows": 3849}
        (tmp_path / f"{command}.json").write_text(json.dumps(report))
    result = run_summary(tmp_path)
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[1] == ["ooc-convert", "12.3", "512.0", "99.9"]
    assert lines[2] == ["ooc-inspect", "-", "-", "-"]
    assert lines[3] == ["ooc-train", "30.0", "512.0", "99.9"]
    assert lines[-1] == ["accuracy", "0.800", "on", "3,849", "held-out", "rows"]


def test_the_quickstart_writes_the_reports_that_the_summary_reads():
    script = (ROOT / "tools/quickstart").read_text()
    for command in ("convert", "inspect", "train", "evaluate", "predict"):
        assert re.search(rf"ooc-{command} .*--report {command}\.json", script.replace("\\\n", ""))
